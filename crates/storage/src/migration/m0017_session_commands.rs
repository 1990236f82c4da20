//! Jobs with leases, what is asked of routers about sessions, and how fast sessions are.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0017_session_commands",
    common: "
-- A job is what a row of another table, with the same id, wants done. Those of one order_key run one
-- after the other; a lane is what only so much may be under way at.
CREATE TABLE job (
    id {id} NOT NULL PRIMARY KEY,
    tenant {id} NOT NULL,
    kind TEXT NOT NULL,
    lane {id} NOT NULL,
    order_key {id} NOT NULL,
    state TEXT NOT NULL,
    due_at {int} NOT NULL,
    lease_owner {id},
    attempts {int} NOT NULL,
    last_error TEXT
){hot};
CREATE INDEX job_by_lane ON job (kind, lane, due_at) WHERE state <> 'buried';
CREATE INDEX job_by_order ON job (order_key, id);
CREATE INDEX job_by_lease ON job (lease_owner) WHERE lease_owner IS NOT NULL;

CREATE TABLE session_command (
    id {id} NOT NULL PRIMARY KEY,
    tenant {id} NOT NULL,
    session {id} NOT NULL,
    key {id} NOT NULL,
    nas {id} NOT NULL,
    username {key} NOT NULL,
    subscriber {id},
    wish TEXT NOT NULL,
    detail TEXT,
    actor TEXT NOT NULL,
    state TEXT NOT NULL,
    fallback TEXT,
    attempt {int} NOT NULL,
    is_last_set {int} NOT NULL,
    setbacks {int} NOT NULL,
    error_cause {int},
    verdict TEXT,
    asked_at {int} NOT NULL,
    sent_at {int},
    acknowledged_at {int},
    settled_at {int},
    expires_at {int} NOT NULL
){hot};
CREATE INDEX session_command_by_session ON session_command (session);
CREATE INDEX session_command_open ON session_command (state, acknowledged_at)
    WHERE settled_at IS NULL;
CREATE INDEX session_command_settled ON session_command (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX session_command_by_tenant ON session_command (tenant, id);
CREATE INDEX session_command_by_username ON session_command (tenant, username, id);
CREATE INDEX session_command_by_state ON session_command (tenant, state, id);
CREATE INDEX session_command_by_nas ON session_command (nas, id);

-- Between the last two reports.
ALTER TABLE session_open ADD COLUMN upload_bps {int};
ALTER TABLE session_open ADD COLUMN download_bps {int};
",
    sqlite: "",
    postgres: "",
};
