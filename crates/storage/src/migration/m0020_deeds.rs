//! Who did what: the audit log in a chain, events in their order, and answers that are given again.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0020_deeds",
    common: "
-- The ends of what is counted for each tenant. Whoever writes locks its row until the commit, so that
-- numbers become visible in their order.
CREATE TABLE tenant_log (
    tenant {id} NOT NULL PRIMARY KEY,
    audit_seq {int} NOT NULL,
    audit_hash {bytes} NOT NULL,
    event_seq {int} NOT NULL
){hot};

CREATE TABLE audit (
    tenant {id} NOT NULL,
    seq {int} NOT NULL,
    at {int} NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id {id},
    actor_name TEXT NOT NULL,
    request {id},
    action TEXT NOT NULL,
    resource TEXT NOT NULL,
    resource_id {id},
    resource_name TEXT NOT NULL,
    before TEXT,
    after TEXT,
    -- SHA-256 of the row before and of this one.
    hash {bytes} NOT NULL,
    PRIMARY KEY (tenant, seq)
){strict};
CREATE INDEX audit_by_resource ON audit (tenant, resource, resource_id, seq);
CREATE INDEX audit_by_actor ON audit (tenant, actor_id, seq);

CREATE TABLE event (
    tenant {id} NOT NULL,
    seq {int} NOT NULL,
    at {int} NOT NULL,
    kind TEXT NOT NULL,
    resource_id {id},
    data TEXT NOT NULL,
    PRIMARY KEY (tenant, seq)
){keyed};
CREATE INDEX event_by_time ON event (at);

-- What was answered to whoever sent an Idempotency-Key.
CREATE TABLE idempotency (
    tenant {id} NOT NULL,
    caller {id} NOT NULL,
    key {key} NOT NULL,
    fingerprint {bytes} NOT NULL,
    state TEXT NOT NULL,
    status {int},
    -- Sealed, because it may show a secret.
    answer {bytes},
    at {int} NOT NULL,
    PRIMARY KEY (tenant, caller, key)
){keyed};
CREATE INDEX idempotency_by_time ON idempotency (at);

-- Who shows one of these may do what its scopes say. The key itself is stored nowhere.
CREATE TABLE api_key (
    id {id} NOT NULL PRIMARY KEY,
    tenant {id} NOT NULL,
    name TEXT NOT NULL,
    name_key {key} NOT NULL,
    -- SHA-256 of the key, which is random and long.
    hash {bytes} NOT NULL,
    -- The beginning of the key, so that people can tell keys apart.
    hint TEXT NOT NULL,
    role TEXT,
    scopes TEXT NOT NULL,
    networks TEXT,
    expires_at {int},
    -- What came before the last rotation, and how long it holds beside the new one.
    old_hash {bytes},
    old_until {int},
    used_at {int},
    used_from TEXT,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
){strict};
CREATE UNIQUE INDEX api_key_name_key ON api_key (tenant, name_key);
CREATE UNIQUE INDEX api_key_hash ON api_key (hash);
CREATE UNIQUE INDEX api_key_old_hash ON api_key (old_hash) WHERE old_hash IS NOT NULL;
",
    sqlite: "",
    postgres: "",
};
