//! The authentication log, and the addresses that knock without being registered.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0004_auth_log",
    common: "
CREATE TABLE auth_log (
    id {id} NOT NULL,
    at {int} NOT NULL,
    tenant {id} NOT NULL,
    nas {id} NOT NULL,
    subscriber {id},
    username {key} NOT NULL,
    username_key {key} NOT NULL,
    method TEXT NOT NULL,
    is_accepted {int} NOT NULL,
    reason TEXT,
    trace TEXT NOT NULL,
    calling_station TEXT,
    called_station TEXT,
    PRIMARY KEY (tenant, id)
){keyed};
CREATE INDEX auth_log_by_username ON auth_log (tenant, username_key, id);
CREATE INDEX auth_log_by_nas ON auth_log (nas, id);

CREATE TABLE knock (
    source {key} NOT NULL PRIMARY KEY,
    first_at {int} NOT NULL,
    last_at {int} NOT NULL,
    packets {int} NOT NULL
){strict};
CREATE INDEX knock_by_time ON knock (last_at);
",
    sqlite: "",
    postgres: "",
};
