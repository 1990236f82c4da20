//! How plans were before they were changed, and changes that are to be made later.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0023_plan_versions",
    common: "
-- The plan as each change of it left it. It refers to no garden and to no other plan, because it
-- outlives them.
CREATE TABLE plan_version (
    plan {id} NOT NULL REFERENCES plan (id) ON DELETE CASCADE,
    number {int} NOT NULL,
    at {int} NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id {id},
    actor_name TEXT NOT NULL,
    note TEXT,
    tenant {id} NOT NULL,
    name TEXT NOT NULL,
    rate TEXT,
    session_timeout_seconds {int},
    idle_timeout_seconds {int},
    interim_seconds {int} NOT NULL,
    pool TEXT,
    session_limit {int},
    session_policy TEXT NOT NULL,
    quotas TEXT,
    windows TEXT,
    validity_seconds {int},
    validity_start TEXT,
    resets TEXT,
    at_limit_rate TEXT,
    at_limit_plan {id},
    grace_days {int} NOT NULL,
    after_expiry TEXT NOT NULL,
    garden {id},
    device_limit {int},
    private_device_limit {int},
    PRIMARY KEY (plan, number)
){strict};
INSERT INTO plan_version SELECT id, 1, updated_at, 'system', NULL, 'lastmile', NULL, tenant, name,
    rate, session_timeout_seconds, idle_timeout_seconds, interim_seconds, pool, session_limit,
    session_policy, quotas, windows, validity_seconds, validity_start, resets, at_limit_rate,
    at_limit_plan, grace_days, after_expiry, garden, device_limit, private_device_limit
    FROM plan;

CREATE TABLE plan_change (
    id {id} NOT NULL PRIMARY KEY,
    tenant {id} NOT NULL REFERENCES tenant (id),
    plan {id} NOT NULL REFERENCES plan (id) ON DELETE CASCADE,
    due_at {int} NOT NULL,
    patch TEXT NOT NULL,
    note TEXT,
    state TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id {id},
    actor_name TEXT NOT NULL,
    -- The version that it made.
    version {int},
    error TEXT,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    settled_at {int}
){strict};
CREATE INDEX plan_change_due ON plan_change (due_at, id) WHERE state = 'pending';
CREATE INDEX plan_change_by_plan ON plan_change (plan, id);
CREATE INDEX plan_change_by_tenant ON plan_change (tenant, id);
",
    sqlite: "",
    postgres: "",
};
