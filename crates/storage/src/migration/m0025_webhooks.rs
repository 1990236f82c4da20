//! Webhooks: where events are sent, how far that has come, and what came of it.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0025_webhooks",
    common: "
CREATE TABLE webhook (
    id {id} NOT NULL PRIMARY KEY,
    tenant {id} NOT NULL,
    name TEXT NOT NULL,
    name_key {key} NOT NULL,
    url TEXT NOT NULL,
    topics TEXT NOT NULL,
    description TEXT,
    -- Both sealed; the one before holds beside the new one for a while.
    secret {bytes} NOT NULL,
    old_secret {bytes},
    old_until {int},
    state TEXT NOT NULL,
    -- Why the program has disabled it.
    reason TEXT,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
){strict};
CREATE UNIQUE INDEX webhook_name_key ON webhook (tenant, name_key);

-- What changes with every delivery, apart from what people set.
CREATE TABLE webhook_state (
    webhook {id} NOT NULL PRIMARY KEY,
    -- Events up to this number are delivered, or not wanted.
    position {int} NOT NULL,
    -- The number of the last delivery.
    deliveries {int} NOT NULL,
    -- How often the event behind the position was tried.
    attempts {int} NOT NULL,
    due_at {int} NOT NULL,
    delivered_at {int},
    failing_since {int},
    lease_owner {id},
    lease_until {int}
){hot};

-- The last deliveries of each webhook, whatever came of them.
CREATE TABLE webhook_delivery (
    webhook {id} NOT NULL,
    number {int} NOT NULL,
    at {int} NOT NULL,
    -- Absent for one that was only tried out.
    event_seq {int},
    kind TEXT NOT NULL,
    attempt {int} NOT NULL,
    -- Absent when there was no answer.
    status {int},
    problem TEXT,
    duration_ms {int} NOT NULL,
    PRIMARY KEY (webhook, number)
){keyed};
",
    sqlite: "",
    postgres: "
CREATE FUNCTION event_wake() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('lastmile_event', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER event_wake AFTER INSERT ON event
    FOR EACH STATEMENT EXECUTE FUNCTION event_wake();
",
};
