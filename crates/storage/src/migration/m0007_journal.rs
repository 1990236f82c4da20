//! What the journal writes becomes cheaper: fewer indexes, and no roll-up that a sum can give.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0007_journal",
    common: "
-- A closed session is found by what its key was made of; the key itself is random and tells it
-- from the few others.
DROP INDEX session_closed_by_key;
DROP INDEX session_closed_by_acct_session_id;
CREATE INDEX session_closed_by_acct_session_id ON session_closed (tenant, acct_session_id, nas);

-- A day is the sum of its hours, none of which was ever removed; the table is for days whose hours
-- are removed.
DELETE FROM usage_daily;
",
    sqlite: "",
    postgres: "",
};
