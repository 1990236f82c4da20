//! People: operators, their second factors, sessions and attempts to sign in; tenants that are shut.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0021_people",
    common: "
ALTER TABLE tenant ADD COLUMN disabled_at {int};
ALTER TABLE tenant ADD COLUMN updated_at {int} NOT NULL DEFAULT 0;

CREATE TABLE operator (
    id {id} NOT NULL PRIMARY KEY,
    tenant {id} NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    name_key {key} NOT NULL,
    status TEXT NOT NULL,
    role TEXT,
    scopes TEXT NOT NULL,
    -- The argon2id hash, sealed.
    password {bytes} NOT NULL,
    password_set_at {int} NOT NULL,
    -- The password was made for one sign-in.
    is_one_time {int} NOT NULL,
    -- The secret of RFC 6238, sealed; it holds from when its first code was shown.
    totp_secret {bytes},
    totp_confirmed_at {int},
    -- The step of the last code that was taken, so that each is taken once.
    totp_step {int} NOT NULL,
    signed_in_at {int},
    signed_in_from TEXT,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
){strict};
-- One of all tenants: people sign in with the name alone.
CREATE UNIQUE INDEX operator_name_key_unique ON operator (name_key);
CREATE INDEX operator_by_tenant ON operator (tenant, name_key);

CREATE TABLE operator_recovery (
    operator {id} NOT NULL REFERENCES operator (id) ON DELETE CASCADE,
    -- SHA-256 of a code, which is random and long.
    hash {bytes} NOT NULL,
    PRIMARY KEY (operator, hash)
){keyed};

CREATE TABLE operator_session (
    id {id} NOT NULL PRIMARY KEY,
    operator {id} NOT NULL REFERENCES operator (id) ON DELETE CASCADE,
    -- SHA-256 of what the cookie carries.
    hash {bytes} NOT NULL,
    created_at {int} NOT NULL,
    seen_at {int} NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL
){strict};
CREATE UNIQUE INDEX operator_session_hash_unique ON operator_session (hash);
CREATE INDEX operator_session_by_operator ON operator_session (operator, seen_at);
CREATE INDEX operator_session_by_time ON operator_session (seen_at);

CREATE TABLE sign_in_attempt (
    counter TEXT NOT NULL,
    key {key} NOT NULL,
    failures {int} NOT NULL,
    last_at {int} NOT NULL,
    locked_until {int},
    PRIMARY KEY (counter, key)
){keyed};
CREATE INDEX sign_in_attempt_by_time ON sign_in_attempt (last_at);

CREATE INDEX audit_by_action ON audit (tenant, action, seq);
CREATE INDEX audit_by_actor_kind ON audit (tenant, actor_kind, seq);
CREATE INDEX audit_by_time ON audit (tenant, at);
",
    sqlite: "",
    postgres: "",
};
