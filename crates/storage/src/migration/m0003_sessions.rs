//! Sessions, open and closed, and the roll-ups of their usage.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0003_sessions",
    common: "
CREATE TABLE session_open (
    id {id} NOT NULL PRIMARY KEY,
    key {id} NOT NULL,
    tenant {id} NOT NULL,
    nas {id} NOT NULL,
    auth {id},
    subscriber {id},
    username {key} NOT NULL,
    started_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    upload_bytes {int} NOT NULL,
    download_bytes {int} NOT NULL,
    session_seconds {int} NOT NULL,
    acct_session_id {key} NOT NULL,
    nas_address TEXT,
    nas_port TEXT,
    framed_ipv4 TEXT,
    framed_ipv6_prefix TEXT,
    delegated_ipv6_prefix TEXT,
    calling_station TEXT,
    called_station TEXT
){hot};
CREATE UNIQUE INDEX session_open_key_unique ON session_open (key);
CREATE INDEX session_open_by_nas ON session_open (nas, id);
CREATE INDEX session_open_by_tenant ON session_open (tenant, id);
CREATE INDEX session_open_by_username ON session_open (tenant, username, id);
CREATE INDEX session_open_by_acct_session_id ON session_open (tenant, acct_session_id);

CREATE TABLE session_closed (
    id {id} NOT NULL,
    key {id} NOT NULL,
    tenant {id} NOT NULL,
    nas {id} NOT NULL,
    auth {id},
    subscriber {id},
    username {key} NOT NULL,
    started_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    upload_bytes {int} NOT NULL,
    download_bytes {int} NOT NULL,
    session_seconds {int} NOT NULL,
    acct_session_id {key} NOT NULL,
    nas_address TEXT,
    nas_port TEXT,
    framed_ipv4 TEXT,
    framed_ipv6_prefix TEXT,
    delegated_ipv6_prefix TEXT,
    calling_station TEXT,
    called_station TEXT,
    stopped_at {int} NOT NULL,
    cause {int},
    PRIMARY KEY (id, stopped_at)
){strict};
CREATE INDEX session_closed_by_key ON session_closed (key, id);
CREATE INDEX session_closed_by_nas ON session_closed (nas, id);
CREATE INDEX session_closed_by_tenant ON session_closed (tenant, id);
CREATE INDEX session_closed_by_username ON session_closed (tenant, username, id);
CREATE INDEX session_closed_by_acct_session_id ON session_closed (tenant, acct_session_id);

CREATE TABLE usage_hourly (
    tenant {id} NOT NULL,
    username {key} NOT NULL,
    starts_at {int} NOT NULL,
    upload_bytes {int} NOT NULL,
    download_bytes {int} NOT NULL,
    session_seconds {int} NOT NULL,
    PRIMARY KEY (tenant, username, starts_at)
){keyed};

CREATE TABLE usage_daily (
    tenant {id} NOT NULL,
    username {key} NOT NULL,
    starts_at {int} NOT NULL,
    upload_bytes {int} NOT NULL,
    download_bytes {int} NOT NULL,
    session_seconds {int} NOT NULL,
    PRIMARY KEY (tenant, username, starts_at)
){keyed};
",
    sqlite: "",
    postgres: "",
};
