//! History in monthly partitions on PostgreSQL, so that a month can be dropped. On SQLite, indexes
//! that stay cheap when the history is long: those by time tell by themselves which sessions are too
//! old for a list, and the one by user begins with the day (UTC), so that it grows at one end.
//!
//! On PostgreSQL each table becomes the default partition of a new one under its name, so nothing is copied here;
//! what it holds moves into its months when those are made.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0008_history_partitions",
    common: "",
    sqlite: "
DROP INDEX session_closed_by_tenant;
CREATE INDEX session_closed_by_tenant ON session_closed (tenant, id, stopped_at);
DROP INDEX session_closed_by_nas;
CREATE INDEX session_closed_by_nas ON session_closed (nas, id, stopped_at);
DROP INDEX session_closed_by_username;
CREATE INDEX session_closed_by_username
    ON session_closed (tenant, stopped_at / 86400000000, username, id);
",
    // The indexes are made again on the new table, where those of the old one join them.
    postgres: "
DO $$
DECLARE
    history RECORD;
    index RECORD;
    key TEXT;
    definitions TEXT[];
    definition TEXT;
BEGIN
    FOR history IN SELECT * FROM (VALUES
        ('session_closed', 'stopped_at'), ('usage_hourly', 'starts_at')) AS list (name, moment)
    LOOP
        SELECT pg_get_constraintdef(oid) INTO STRICT key FROM pg_constraint
            WHERE conrelid = history.name::regclass AND contype = 'p';
        definitions := ARRAY[]::TEXT[];
        FOR index IN SELECT indexrelid, relname, indisprimary FROM pg_index
            JOIN pg_class ON pg_class.oid = indexrelid WHERE indrelid = history.name::regclass
        LOOP
            IF NOT index.indisprimary THEN
                definitions := definitions || pg_get_indexdef(index.indexrelid);
            END IF;
            EXECUTE format('ALTER INDEX %I RENAME TO %I', index.relname, index.relname || '_default');
        END LOOP;
        EXECUTE format('ALTER TABLE %I RENAME TO %I', history.name, history.name || '_default');
        EXECUTE format(
            'CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS, CONSTRAINT %I %s) PARTITION BY RANGE (%I)',
            history.name, history.name || '_default', history.name || '_pkey', key, history.moment);
        FOREACH definition IN ARRAY definitions LOOP
            EXECUTE definition;
        END LOOP;
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I DEFAULT',
            history.name, history.name || '_default');
    END LOOP;
END
$$;
",
};
