//! How far the accounting of each source is stored, so that nothing is stored twice.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration {
    name: "m0005_accounting_mark",
    common: "
CREATE TABLE accounting_mark (
    source {id} NOT NULL PRIMARY KEY,
    stored {int} NOT NULL,
    at {int} NOT NULL
){hot};
",
    sqlite: "",
    postgres: "",
};
