//! What dashboards show, kept while it happens: traffic and authentications by the hour, how much of
//! everything there was, and who used most. And by what open sessions are found.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0024_statistics",
    common: "
ALTER TABLE session_open ADD COLUMN plan {id};
UPDATE session_open SET plan =
    (SELECT u.plan FROM subscriber u WHERE u.id = session_open.subscriber);
CREATE INDEX session_open_by_plan ON session_open (tenant, plan, id);
CREATE INDEX session_open_by_calling_station ON session_open (tenant, calling_station);
CREATE INDEX session_open_by_framed_ipv4 ON session_open (tenant, framed_ipv4);

-- Few are closed for their silence: 8589934592 is the least of their causes.
CREATE INDEX session_closed_stale ON session_closed (tenant, id) WHERE cause >= 8589934592;

CREATE INDEX subscriber_by_expires_at ON subscriber (tenant, expires_at)
    WHERE expires_at IS NOT NULL;

-- Writers that meet at one row would wait for each other until their commits: each has a part of
-- its own, and the sum counts.
CREATE TABLE traffic_hourly (
    tenant {id} NOT NULL,
    subject TEXT NOT NULL,
    object {id} NOT NULL,
    starts_at {int} NOT NULL,
    part {int} NOT NULL,
    upload_bytes {int} NOT NULL,
    download_bytes {int} NOT NULL,
    session_seconds {int} NOT NULL,
    PRIMARY KEY (tenant, subject, object, starts_at, part)
){keyed};

-- The reason is empty when it was accepted.
CREATE TABLE auth_hourly (
    tenant {id} NOT NULL,
    subject TEXT NOT NULL,
    object {id} NOT NULL,
    starts_at {int} NOT NULL,
    reason {key} NOT NULL,
    count {int} NOT NULL,
    PRIMARY KEY (tenant, subject, object, starts_at, reason)
){keyed};

CREATE TABLE gauge_hourly (
    tenant {id} NOT NULL,
    subject TEXT NOT NULL,
    object {key} NOT NULL,
    starts_at {int} NOT NULL,
    samples {int} NOT NULL,
    total {int} NOT NULL,
    peak {int} NOT NULL,
    latest {int} NOT NULL,
    latest_at {int} NOT NULL,
    PRIMARY KEY (tenant, subject, object, starts_at)
){keyed};

CREATE TABLE usage_top (
    tenant {id} NOT NULL,
    starts_at {int} NOT NULL,
    place {int} NOT NULL,
    username {key} NOT NULL,
    upload_bytes {int} NOT NULL,
    download_bytes {int} NOT NULL,
    session_seconds {int} NOT NULL,
    PRIMARY KEY (tenant, starts_at, place)
){keyed};

-- When some node did last what one of them is to do.
CREATE TABLE statistic_turn (
    name {key} NOT NULL PRIMARY KEY,
    at {int} NOT NULL
){keyed};
",
    // As for the user: the day goes first, so that the indexes grow at one end.
    sqlite: "
CREATE INDEX session_closed_by_calling_station
    ON session_closed (tenant, stopped_at / 86400000000, calling_station, id);
CREATE INDEX session_closed_by_framed_ipv4
    ON session_closed (tenant, stopped_at / 86400000000, framed_ipv4, id);

CREATE TRIGGER session_open_follows_plan AFTER UPDATE OF plan ON subscriber
WHEN NEW.plan <> OLD.plan
BEGIN
    UPDATE session_open SET plan = NEW.plan
    WHERE tenant = NEW.tenant AND username = NEW.username AND subscriber = NEW.id;
END;
",
    // A session that accounting is writing at the moment is passed over, so that nobody waits for
    // both a session and accounting; the next look at the plans of sessions finds it.
    postgres: "
CREATE INDEX session_closed_by_calling_station
    ON session_closed (tenant, calling_station, id);
CREATE INDEX session_closed_by_framed_ipv4 ON session_closed (tenant, framed_ipv4, id);
CREATE INDEX usage_hourly_by_time ON usage_hourly USING brin (starts_at);

CREATE FUNCTION session_open_follow_plan() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    UPDATE session_open SET plan = NEW.plan WHERE id IN (
        SELECT s.id FROM session_open s
        WHERE s.tenant = NEW.tenant AND s.username = NEW.username AND s.subscriber = NEW.id
        FOR UPDATE SKIP LOCKED);
    RETURN NULL;
END
$$;
CREATE TRIGGER session_open_follows_plan AFTER UPDATE OF plan ON subscriber
    FOR EACH ROW WHEN (NEW.plan IS DISTINCT FROM OLD.plan)
    EXECUTE FUNCTION session_open_follow_plan();
",
};
