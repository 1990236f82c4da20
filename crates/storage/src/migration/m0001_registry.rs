//! Tenants, routers, plans and subscribers.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0001_registry",
    common: "
CREATE TABLE tenant (
    id {id} NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    name_key {key} NOT NULL,
    created_at {int} NOT NULL
){strict};
CREATE UNIQUE INDEX tenant_name_key_unique ON tenant (name_key);
INSERT INTO tenant (id, name, name_key, created_at)
VALUES ({default_tenant}, 'default', 'default', {now});

CREATE TABLE key_check (
    key_id {int} NOT NULL PRIMARY KEY,
    sealed {bytes} NOT NULL
){strict};

CREATE TABLE nas (
    id {id} NOT NULL PRIMARY KEY,
    tenant {id} NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    name_key {key} NOT NULL,
    source TEXT NOT NULL,
    secret {bytes} NOT NULL,
    vendor TEXT NOT NULL,
    identifier TEXT,
    message_authenticator TEXT NOT NULL,
    octet_view TEXT NOT NULL,
    coa_port {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
){strict};
CREATE UNIQUE INDEX nas_name_key_unique ON nas (tenant, name_key);
CREATE UNIQUE INDEX nas_source_unique ON nas (source);

CREATE TABLE nas_name (
    nas {id} NOT NULL PRIMARY KEY,
    tenant {id} NOT NULL,
    name TEXT NOT NULL,
    name_key {key} NOT NULL
){strict};
CREATE INDEX nas_name_by_key ON nas_name (tenant, name_key);

CREATE TABLE plan (
    id {id} NOT NULL PRIMARY KEY,
    tenant {id} NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    name_key {key} NOT NULL,
    rate TEXT,
    session_timeout_seconds {int},
    idle_timeout_seconds {int},
    interim_seconds {int} NOT NULL,
    pool TEXT,
    session_limit {int},
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
){strict};
CREATE UNIQUE INDEX plan_name_key_unique ON plan (tenant, name_key);

CREATE TABLE subscriber (
    id {id} NOT NULL PRIMARY KEY,
    tenant {id} NOT NULL REFERENCES tenant (id),
    username {key} NOT NULL,
    credential_kind TEXT NOT NULL,
    credential {bytes} NOT NULL,
    plan {id} NOT NULL REFERENCES plan (id),
    status TEXT NOT NULL,
    expires_at {int},
    ipv4 TEXT,
    ipv6_prefix TEXT,
    ipv6_delegated TEXT,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
){strict};
CREATE UNIQUE INDEX subscriber_username_unique ON subscriber (tenant, username);
CREATE INDEX subscriber_by_plan ON subscriber (plan);
CREATE UNIQUE INDEX subscriber_ipv4_unique
    ON subscriber (tenant, ipv4) WHERE ipv4 IS NOT NULL;
CREATE UNIQUE INDEX subscriber_ipv6_prefix_unique
    ON subscriber (tenant, ipv6_prefix) WHERE ipv6_prefix IS NOT NULL;
CREATE UNIQUE INDEX subscriber_ipv6_delegated_unique
    ON subscriber (tenant, ipv6_delegated) WHERE ipv6_delegated IS NOT NULL;
",
    sqlite: "",
    postgres: "",
};
