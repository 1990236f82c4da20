//! How rows that were imported are obeyed.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0014_import",
    common: "
-- Nothing where the configuration alone decides.
ALTER TABLE tenant ADD COLUMN rows_obeyed TEXT;
",
    sqlite: "",
    postgres: "",
};
