//! Sessions at the same time: what happens to one more, sessions that have to end, and what nodes
//! tell each other about sessions. And who is kept from guessing passwords.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0010_live_sessions",
    common: "
ALTER TABLE plan ADD COLUMN session_policy TEXT NOT NULL DEFAULT 'reject_new';
ALTER TABLE subscriber ADD COLUMN session_limit {int};
ALTER TABLE subscriber ADD COLUMN session_policy TEXT;

CREATE TABLE session_ending (
    key {id} NOT NULL PRIMARY KEY,
    nas {id} NOT NULL,
    subscriber {id} NOT NULL,
    reason TEXT NOT NULL,
    at {int} NOT NULL
){keyed};

CREATE TABLE guard_lock (
    node {id} NOT NULL,
    subject TEXT NOT NULL,
    name {key} NOT NULL,
    since {int} NOT NULL,
    until {int} NOT NULL,
    strikes {int} NOT NULL,
    PRIMARY KEY (node, subject, name)
){keyed};
",
    sqlite: "",
    // What is lost in a crash is read again: a node that finds the server restarted reads all open
    // sessions.
    postgres: "
CREATE UNLOGGED TABLE session_news (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind TEXT NOT NULL,
    key UUID,
    subscriber UUID,
    nas UUID,
    device TEXT,
    node UUID,
    at BIGINT NOT NULL DEFAULT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT,
    xid XID8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX session_news_by_transaction ON session_news (xid);

CREATE UNLOGGED TABLE node_presence (
    node UUID NOT NULL PRIMARY KEY,
    seen_at BIGINT NOT NULL
);
",
};
