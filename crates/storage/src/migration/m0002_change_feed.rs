//! The change feed: what the AAA nodes must look at again, and how far it was pruned.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0002_change_feed",
    common: "
CREATE TABLE change_floor (
    id {int} NOT NULL PRIMARY KEY,
    position {int} NOT NULL
){strict};
INSERT INTO change_floor (id, position) VALUES (1, 0);
",
    sqlite: "
CREATE TABLE change (
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant BLOB NOT NULL,
    kind TEXT NOT NULL,
    key BLOB NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX change_by_time ON change (at);
",
    postgres: "
CREATE TABLE change (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant UUID NOT NULL,
    kind TEXT NOT NULL,
    key UUID NOT NULL,
    at BIGINT NOT NULL,
    xid XID8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX change_by_time ON change (at);
CREATE INDEX change_by_transaction ON change (xid);
CREATE FUNCTION change_wake() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('lastmile_change', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER change_wake AFTER INSERT ON change
    FOR EACH STATEMENT EXECUTE FUNCTION change_wake();
",
};
