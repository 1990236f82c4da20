//! Limits of plans, the time zone in which their periods begin, and what was used of them.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0009_limits",
    common: "
ALTER TABLE tenant ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';

ALTER TABLE plan ADD COLUMN quotas TEXT;
ALTER TABLE plan ADD COLUMN windows TEXT;
ALTER TABLE plan ADD COLUMN validity_seconds {int};
ALTER TABLE plan ADD COLUMN validity_start TEXT;
ALTER TABLE plan ADD COLUMN resets TEXT;
ALTER TABLE plan ADD COLUMN at_limit_rate TEXT;
ALTER TABLE plan ADD COLUMN at_limit_plan {id} REFERENCES plan (id);

-- No reference to the subscriber: a record of one who was removed must be stored all the same.
CREATE TABLE limit_state (
    subscriber {id} NOT NULL,
    kind {key} NOT NULL,
    starts_at {int} NOT NULL,
    ends_at {int} NOT NULL,
    upload_bytes {int} NOT NULL,
    download_bytes {int} NOT NULL,
    session_seconds {int} NOT NULL,
    updated_at {int} NOT NULL,
    PRIMARY KEY (subscriber, kind)
){keyed};
CREATE INDEX limit_state_by_update ON limit_state (updated_at);
",
    sqlite: "
CREATE TRIGGER limit_state_forget AFTER DELETE ON subscriber BEGIN
    DELETE FROM limit_state WHERE subscriber = old.id;
END;
",
    postgres: "
CREATE FUNCTION limit_state_forget() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM limit_state WHERE subscriber = old.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER limit_state_forget AFTER DELETE ON subscriber
    FOR EACH ROW EXECUTE FUNCTION limit_state_forget();
",
};
