//! Operations in pieces, and schedules with their runs.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0026_operations",
    common: "
-- Long work that somebody asked for. A job with its id carries it out.
CREATE TABLE operation (
    id {id} NOT NULL PRIMARY KEY,
    tenant {id} NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    is_dry_run {int} NOT NULL,
    is_atomic {int} NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id {id},
    actor_name TEXT NOT NULL,
    request {id},
    total {int} NOT NULL,
    done {int} NOT NULL,
    failed {int} NOT NULL,
    error TEXT,
    created_at {int} NOT NULL,
    started_at {int},
    finished_at {int},
    -- When progress was last told in an event.
    told_at {int}
){hot};
CREATE INDEX operation_by_tenant ON operation (tenant, id);
CREATE INDEX operation_by_state ON operation (state, created_at) WHERE finished_at IS NULL;
CREATE INDEX operation_finished ON operation (finished_at) WHERE finished_at IS NOT NULL;

-- What an operation still has to do, each part in one transaction, which removes it.
CREATE TABLE operation_part (
    operation {id} NOT NULL,
    number {int} NOT NULL,
    row_count {int} NOT NULL,
    -- Sealed, because rows carry passwords.
    sealed {bytes} NOT NULL,
    PRIMARY KEY (operation, number)
){strict};

CREATE TABLE operation_result (
    operation {id} NOT NULL,
    number {int} NOT NULL,
    name TEXT NOT NULL,
    outcome TEXT NOT NULL,
    code TEXT,
    field TEXT,
    detail TEXT,
    PRIMARY KEY (operation, number)
){keyed};

-- Lists of jobs.
CREATE INDEX job_by_tenant ON job (tenant, id);

-- What the program does again and again, on one node at a time.
CREATE TABLE schedule (
    name {key} NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    every_seconds {int} NOT NULL,
    missed TEXT NOT NULL,
    is_paused {int} NOT NULL,
    next_at {int} NOT NULL,
    asked_at {int},
    run {id},
    lease_owner {id},
    lease_until {int},
    updated_at {int} NOT NULL
){hot};

CREATE TABLE schedule_run (
    id {id} NOT NULL PRIMARY KEY,
    schedule {key} NOT NULL,
    triggered_by TEXT NOT NULL,
    state TEXT NOT NULL,
    node {id} NOT NULL,
    due_at {int} NOT NULL,
    started_at {int} NOT NULL,
    ended_at {int},
    report TEXT,
    error TEXT
){strict};
CREATE INDEX schedule_run_by_schedule ON schedule_run (schedule, id);

-- How what converges stands, as each node that does it says.
CREATE TABLE reconciler (
    name {key} NOT NULL,
    node {id} NOT NULL,
    looked_at {int} NOT NULL,
    succeeded_at {int},
    failed_at {int},
    error TEXT,
    drift {int} NOT NULL,
    -- Somebody wants it to look now.
    asked_at {int},
    PRIMARY KEY (name, node)
){keyed};
",
    sqlite: "",
    postgres: "",
};
