//! On which terms open sessions go on, and what sessions that had begun before must not outlive.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0018_terms",
    common: "
ALTER TABLE session_open ADD COLUMN terms {bytes};
ALTER TABLE subscriber ADD COLUMN credential_set_at {int};
ALTER TABLE subscriber ADD COLUMN device_forgotten_at {int};
",
    sqlite: "",
    postgres: "",
};
