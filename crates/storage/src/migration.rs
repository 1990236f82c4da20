//! Migrations: embedded, forward only, each applied once and all in one transaction.

use std::fmt;

use domain::id::TenantId;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr};

use crate::clock::Clock;
use crate::connection::{Connections, create_sqlite_file};
use crate::dialect::Dialect;
use crate::error::{DatabaseError, MigrateError, OpenError};
use crate::location::Location;
use crate::store::OpenOptions;
use crate::write;

mod m0001_registry;
mod m0002_change_feed;
mod m0003_sessions;
mod m0004_auth_log;
mod m0005_accounting_mark;
mod m0006_auth_log_rows;
mod m0007_journal;
mod m0008_history_partitions;
mod m0009_rows;
mod m0010_live_sessions;
mod m0011_limits;
mod m0012_access;
mod m0013_explaining;
mod m0014_import;
mod m0015_top_ups;
mod m0016_coa_identity;
mod m0017_session_commands;
mod m0018_terms;
mod m0019_row_replace;
mod m0020_deeds;
mod m0021_people;
mod m0022_lists;
mod m0023_plan_versions;
mod m0024_statistics;
mod m0025_webhooks;
mod m0026_operations;

/// In order; the version of a schema is how many of them it has.
const MIGRATIONS: [Migration; 26] = [
    m0001_registry::MIGRATION,
    m0002_change_feed::MIGRATION,
    m0003_sessions::MIGRATION,
    m0004_auth_log::MIGRATION,
    m0005_accounting_mark::MIGRATION,
    m0006_auth_log_rows::MIGRATION,
    m0007_journal::MIGRATION,
    m0008_history_partitions::MIGRATION,
    m0009_rows::MIGRATION,
    m0010_live_sessions::MIGRATION,
    m0011_limits::MIGRATION,
    m0012_access::MIGRATION,
    m0013_explaining::MIGRATION,
    m0014_import::MIGRATION,
    m0015_top_ups::MIGRATION,
    m0016_coa_identity::MIGRATION,
    m0017_session_commands::MIGRATION,
    m0018_terms::MIGRATION,
    m0019_row_replace::MIGRATION,
    m0020_deeds::MIGRATION,
    m0021_people::MIGRATION,
    m0022_lists::MIGRATION,
    m0023_plan_versions::MIGRATION,
    m0024_statistics::MIGRATION,
    m0025_webhooks::MIGRATION,
    m0026_operations::MIGRATION,
];

/// Names our lock among the advisory locks of a PostgreSQL database.
const POSTGRES_LOCK: i64 = 0x6c61_7374_6d69_6c65;

const VERSION_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_version (
    version {int} NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at {int} NOT NULL
){strict};";

/// One step of the schema. The SQL is the same text for both databases, with their types in
/// braces, and what only one of them has beside it.
struct Migration {
    name: &'static str,
    common: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

/// How a schema stands to this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaStatus {
    /// The database, without user and password.
    pub place: String,
    /// Version of the schema in the database; 0 when it has none.
    pub found: u32,
    /// Version that this program needs.
    pub known: u32,
    /// Names of the migrations that are still to be applied.
    pub pending: Vec<&'static str>,
}

/// What a migration run did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrateReport {
    pub from: u32,
    pub to: u32,
    pub applied: Vec<&'static str>,
}

/// The version of the schema that this program makes.
pub const fn known_version() -> u32 {
    MIGRATIONS.len() as u32
}

/// Reads how the schema stands, without changing anything.
pub async fn schema_status(options: &OpenOptions) -> Result<SchemaStatus, OpenError> {
    let location = Location::parse(&options.url, &options.data_dir)?;
    let found = match &location {
        Location::Sqlite(path) if !path.exists() => 0,
        Location::Sqlite(_) | Location::Postgres(_) => {
            let connections = Connections::open(&location).await?;
            let found = find_version(&connections.writer).await;
            connections.close().await;
            found.map_err(|source| failed(&location, source))?
        }
    };
    Ok(SchemaStatus {
        place: location.place(),
        found,
        known: known_version(),
        pending: MIGRATIONS
            .iter()
            .skip(found as usize)
            .map(|migration| migration.name)
            .collect(),
    })
}

/// Brings the schema up to date. Several nodes may do so at once: one works, the others wait and
/// find nothing to do. A schema newer than this program is refused.
pub async fn migrate(options: &OpenOptions) -> Result<MigrateReport, MigrateError> {
    migrate_through(options, known_version()).await
}

/// The same as an earlier version of the program did it, that knew the schema up to `version`.
pub async fn migrate_through(
    options: &OpenOptions,
    version: u32,
) -> Result<MigrateReport, MigrateError> {
    let location = Location::parse(&options.url, &options.data_dir)?;
    if let Location::Sqlite(path) = &location {
        create_sqlite_file(path)?;
    }
    let connections = Connections::open(&location).await?;
    let report = apply(&location, &connections, &options.clock, version).await;
    connections.close().await;
    report
}

async fn apply(
    location: &Location,
    connections: &Connections,
    clock: &Clock,
    through: u32,
) -> Result<MigrateReport, MigrateError> {
    let open_failed = |source| MigrateError::Open(failed(location, source));
    let transaction = write::begin(&connections.writer)
        .await
        .map_err(open_failed)?;
    lock(&transaction).await.map_err(open_failed)?;
    let from = find_version(&transaction).await.map_err(open_failed)?;
    check_version(location, from)?;

    let mut applied = Vec::new();
    let versions = 1..=through;
    for (version, migration) in versions.zip(&MIGRATIONS).skip(from as usize) {
        run(&transaction, version, migration, clock())
            .await
            .map_err(|source| MigrateError::Failed {
                place: location.place(),
                name: migration.name,
                source: source.into(),
            })?;
        applied.push(migration.name);
    }
    transaction.commit().await.map_err(open_failed)?;
    Ok(MigrateReport {
        from,
        to: from.max(through),
        applied,
    })
}

/// Refuses a schema that a newer program made.
pub(crate) fn check_version(location: &Location, found: u32) -> Result<(), OpenError> {
    if found <= known_version() {
        return Ok(());
    }
    Err(OpenError::NewerSchema {
        place: location.place(),
        found,
        known: known_version(),
    })
}

/// The version in the database; 0 when there is no schema.
pub(crate) async fn find_version<C: ConnectionTrait>(connection: &C) -> Result<u32, DbErr> {
    let dialect = Dialect::of(connection);
    let exists = match dialect {
        Dialect::Postgres => "SELECT 1 WHERE to_regclass('schema_version') IS NOT NULL",
        Dialect::Sqlite => {
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'"
        }
    };
    let exists = connection
        .query_one_raw(dialect.statement(exists, []))
        .await?;
    if exists.is_none() {
        return Ok(0);
    }
    let newest = "SELECT COALESCE(MAX(version), 0) FROM schema_version";
    let row = connection
        .query_one_raw(dialect.statement(newest, []))
        .await?;
    let version: i64 = match row {
        Some(row) => row.try_get_by_index(0)?,
        None => 0,
    };
    Ok(u32::try_from(version).unwrap_or(u32::MAX))
}

/// Waits for others that prepare the same database; `BEGIN IMMEDIATE` has done so on SQLite.
pub(crate) async fn lock<C: ConnectionTrait>(connection: &C) -> Result<(), DbErr> {
    if Dialect::of(connection) == Dialect::Postgres {
        let sql = format!("SELECT pg_advisory_xact_lock({POSTGRES_LOCK})");
        connection.execute_unprepared(&sql).await?;
    }
    Ok(())
}

async fn run<C: ConnectionTrait>(
    connection: &C,
    version: u32,
    migration: &Migration,
    now: Timestamp,
) -> Result<(), DbErr> {
    let dialect = Dialect::of(connection);
    let own = match dialect {
        Dialect::Postgres => migration.postgres,
        Dialect::Sqlite => migration.sqlite,
    };
    for sql in [VERSION_TABLE, migration.common, own] {
        if !sql.is_empty() {
            connection
                .execute_unprepared(&fill_in(sql, dialect, now))
                .await?;
        }
    }
    let sql = format!(
        "INSERT INTO schema_version (version, name, applied_at) VALUES ({version}, '{}', {})",
        migration.name,
        now.as_micros()
    );
    connection.execute_unprepared(&sql).await?;
    Ok(())
}

/// Writes the types of the database for the words in braces.
fn fill_in(sql: &str, dialect: Dialect, now: Timestamp) -> String {
    let tenant = TenantId::DEFAULT.as_uuid();
    let words = match dialect {
        Dialect::Postgres => [
            ("{id}", "UUID"),
            ("{int}", "BIGINT"),
            (
                "{number}",
                "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
            ),
            ("{bytes}", "BYTEA"),
            // Keys sort by octet, as they do in SQLite and in the program.
            ("{key}", "TEXT COLLATE \"C\""),
            ("{strict}", ""),
            ("{keyed}", ""),
            ("{hot}", " WITH (fillfactor = 70)"),
        ],
        Dialect::Sqlite => [
            ("{id}", "BLOB"),
            ("{int}", "INTEGER"),
            ("{number}", "INTEGER PRIMARY KEY"),
            ("{bytes}", "BLOB"),
            ("{key}", "TEXT"),
            ("{strict}", " STRICT"),
            ("{keyed}", " STRICT, WITHOUT ROWID"),
            ("{hot}", " STRICT"),
        ],
    };
    let default_tenant = match dialect {
        Dialect::Postgres => format!("'{tenant}'"),
        Dialect::Sqlite => format!("X'{}'", tenant.simple()),
    };
    let filled = sql
        .replace("{default_tenant}", &default_tenant)
        .replace("{now}", &now.as_micros().to_string());
    words
        .iter()
        .fold(filled, |sql, (word, meaning)| sql.replace(word, meaning))
}

fn failed(location: &Location, source: DbErr) -> OpenError {
    OpenError::Failed {
        place: location.place(),
        source: DatabaseError::from(source),
    }
}

impl fmt::Display for SchemaStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place,
            found,
            known,
            pending,
        } = self;
        if pending.is_empty() {
            write!(formatter, "{place}: schema version {found} of {known}")
        } else {
            write!(
                formatter,
                "{place}: schema version {found} of {known}, to be applied: {}",
                pending.join(", ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_named_by_their_version() {
        for (version, migration) in (1..).zip(&MIGRATIONS) {
            assert!(migration.name.starts_with(&format!("m{version:04}_")));
        }
    }

    #[test]
    fn every_word_in_braces_is_filled_in() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            for migration in &MIGRATIONS {
                let sql = fill_in(migration.common, dialect, Timestamp::default());
                assert!(!sql.contains('{'), "{}", migration.name);
            }
        }
    }
}
