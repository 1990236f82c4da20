//! How a router is told which session is meant.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0016_coa_identity",
    common: "
ALTER TABLE router ADD COLUMN coa_identity TEXT;
",
    sqlite: "",
    postgres: "",
};
