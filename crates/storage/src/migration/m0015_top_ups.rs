//! Accounts that begin later, and what is bought beyond the quotas of a plan.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0015_top_ups",
    common: "
ALTER TABLE subscriber ADD COLUMN starts_at {int};

-- What is used up, over or revoked stays: it was paid for.
CREATE TABLE top_up (
    id {id} NOT NULL PRIMARY KEY,
    tenant {id} NOT NULL,
    subscriber {id} NOT NULL REFERENCES subscriber (id) ON DELETE CASCADE,
    measure TEXT NOT NULL,
    amount {int} NOT NULL,
    used {int} NOT NULL DEFAULT 0,
    ends_at {int},
    reference {key},
    actor TEXT NOT NULL,
    created_at {int} NOT NULL,
    revoked_at {int},
    revoked_by TEXT
){strict};
CREATE INDEX top_up_by_subscriber ON top_up (subscriber, id);
CREATE UNIQUE INDEX top_up_reference_unique ON top_up (subscriber, reference, measure);
",
    sqlite: "",
    postgres: "",
};
