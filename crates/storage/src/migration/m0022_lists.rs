//! Customers, and lists and searches that stay quick among a million: an index for each order in which
//! a list is shown, and an index of pieces of text that are three letters long.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0022_lists",
    common: "
CREATE TABLE customer (
    id {id} NOT NULL PRIMARY KEY,
    tenant {id} NOT NULL REFERENCES tenant (id),
    number {key} NOT NULL,
    name TEXT NOT NULL,
    name_key {key} NOT NULL,
    company TEXT,
    state {key} NOT NULL,
    emails TEXT NOT NULL,
    phones TEXT NOT NULL,
    addresses TEXT NOT NULL,
    fields TEXT NOT NULL,
    tags TEXT NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
){strict};
CREATE UNIQUE INDEX customer_number_unique ON customer (tenant, number);
CREATE INDEX customer_by_state_name ON customer (tenant, state, name_key, id);
CREATE INDEX customer_by_state_created_at ON customer (tenant, state, created_at, id);
CREATE INDEX customer_by_updated_at ON customer (tenant, updated_at, id);

-- With what the lists of one tag are sorted and narrowed by.
CREATE TABLE customer_tag (
    customer {id} NOT NULL REFERENCES customer (id) ON DELETE CASCADE,
    tag {key} NOT NULL,
    tenant {id} NOT NULL,
    state {key} NOT NULL,
    name_key {key} NOT NULL,
    created_at {int} NOT NULL,
    PRIMARY KEY (customer, tag)
){keyed};
CREATE INDEX customer_tag_by_state_name ON customer_tag (tenant, tag, state, name_key, customer);
CREATE INDEX customer_tag_by_state_created_at
    ON customer_tag (tenant, tag, state, created_at, customer);

CREATE TABLE customer_note (
    id {id} NOT NULL PRIMARY KEY,
    tenant {id} NOT NULL,
    customer {id} NOT NULL REFERENCES customer (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    author TEXT NOT NULL,
    at {int} NOT NULL
){strict};
CREATE INDEX customer_note_by_customer ON customer_note (customer, id);

-- The last number that was given to a customer who brought none.
ALTER TABLE tenant ADD COLUMN customer_number {int} NOT NULL DEFAULT 1000;

ALTER TABLE subscriber ADD COLUMN customer {id} REFERENCES customer (id);
DROP INDEX subscriber_by_plan;
CREATE INDEX subscriber_by_plan_username ON subscriber (plan, status, username, id);
CREATE INDEX subscriber_by_status_username ON subscriber (tenant, status, username, id);
CREATE INDEX subscriber_by_status_created_at ON subscriber (tenant, status, created_at, id);
CREATE INDEX subscriber_by_updated_at ON subscriber (tenant, updated_at, id);
CREATE INDEX subscriber_by_customer ON subscriber (customer, username, id)
    WHERE customer IS NOT NULL;

CREATE INDEX session_open_by_framed_ipv6_prefix ON session_open (framed_ipv6_prefix)
    WHERE framed_ipv6_prefix IS NOT NULL;
CREATE INDEX session_open_by_delegated_ipv6_prefix ON session_open (delegated_ipv6_prefix)
    WHERE delegated_ipv6_prefix IS NOT NULL;
CREATE INDEX session_open_by_folded_station ON session_open (
    LOWER(REPLACE(REPLACE(REPLACE(calling_station, ':', ''), '-', ''), '.', ''))
) WHERE calling_station IS NOT NULL;

-- What can be searched for, in lower case and without accents.
CREATE TABLE search_entry (
    number {number},
    tenant {id} NOT NULL,
    kind TEXT NOT NULL,
    object {id} NOT NULL,
    content TEXT NOT NULL
){strict};
CREATE UNIQUE INDEX search_entry_object_unique ON search_entry (object);
INSERT INTO search_entry (tenant, kind, object, content)
    SELECT tenant, 'subscriber', id, username FROM subscriber;
",
    // Numbers of entries by pieces of their texts, each of which begins with tenant and kind, so
    // that nobody searches through what others have.
    sqlite: "
ALTER TABLE subscriber ADD COLUMN expires_key INTEGER NOT NULL
    GENERATED ALWAYS AS (COALESCE(expires_at, 9223372036854775807)) VIRTUAL;
CREATE INDEX subscriber_by_status_expires_at ON subscriber (tenant, status, expires_key, id);
CREATE INDEX subscriber_by_plan_expires_at ON subscriber (plan, status, expires_key, id);

CREATE VIRTUAL TABLE search_piece USING fts5(
    pieces, content = '', contentless_delete = 1, detail = 'none', tokenize = 'ascii'
);
INSERT INTO search_piece (rowid, pieces)
    SELECT e.number, (
        WITH RECURSIVE piece (at) AS (
            SELECT 1 UNION ALL SELECT at + 1 FROM piece WHERE at < length(e.content) - 2
        )
        SELECT group_concat(lower(hex(e.tenant)) || 's' || substr(e.content, at, 3), ' ') FROM piece
    ) FROM search_entry e;
",
    postgres: "
ALTER TABLE subscriber ADD COLUMN expires_key BIGINT NOT NULL
    GENERATED ALWAYS AS (COALESCE(expires_at, 9223372036854775807)) STORED;
CREATE INDEX subscriber_by_status_expires_at ON subscriber (tenant, status, expires_key, id);
CREATE INDEX subscriber_by_plan_expires_at ON subscriber (plan, status, expires_key, id);

CREATE FUNCTION search_pieces(tenant UUID, kind TEXT, content TEXT) RETURNS BIGINT[]
    LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS $$
    SELECT COALESCE(array_agg(DISTINCT
        hashtextextended(tenant::TEXT || kind || substr(content, at, 3), 0)), '{}')
    FROM generate_series(1, length(content) - 2) AS at
$$;
CREATE INDEX search_entry_by_pieces ON search_entry USING gin (search_pieces(tenant, kind, content));
",
};
