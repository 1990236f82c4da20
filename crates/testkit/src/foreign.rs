//! The database of a FreeRADIUS that is to be left, of each kind, with the schema that Debian ships.

use std::fs;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};
use tempfile::TempDir;

use crate::database::scratch;
use crate::freeradius::SqlPlace;
use crate::mariadb::{self, MariaDb};
use crate::postgres::PostgresDatabase;

const SCHEMAS: &str = "/etc/freeradius/3.0/mods-config/sql/main";

/// What daloRADIUS adds, as far as an import looks at it.
const PANEL: &str = "
CREATE TABLE userinfo (id INTEGER PRIMARY KEY, username VARCHAR(128), firstname VARCHAR(200));
CREATE TABLE userbillinfo (id INTEGER PRIMARY KEY, username VARCHAR(128), planName VARCHAR(128));
CREATE TABLE operators (id INTEGER PRIMARY KEY, username VARCHAR(32));
CREATE TABLE billing_plans (id INTEGER PRIMARY KEY, planName VARCHAR(128));
INSERT INTO userinfo VALUES (1, 'u0', 'Ana'), (2, 'u1', 'Ben');
INSERT INTO billing_plans VALUES (1, 'home');
";

/// The kinds of databases that a FreeRADIUS may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignKind {
    Sqlite,
    Postgres,
    MariaDb,
}

/// A database that is not ours; removed when dropped.
#[derive(Debug)]
pub struct ForeignDatabase {
    place: Place,
}

#[derive(Debug)]
enum Place {
    Sqlite { file: PathBuf, _directory: TempDir },
    Postgres(PostgresDatabase),
    MariaDb(MariaDb),
}

impl ForeignDatabase {
    /// Empty tables, those of daloRADIUS among them.
    pub async fn with_tables(kind: ForeignKind) -> Self {
        let place = match kind {
            ForeignKind::Sqlite => {
                let directory = scratch();
                Place::Sqlite {
                    file: directory.path().join("radius.db"),
                    _directory: directory,
                }
            }
            ForeignKind::Postgres => Place::Postgres(PostgresDatabase::empty().await),
            ForeignKind::MariaDb => Place::MariaDb(MariaDb::start().await),
        };
        let database = Self { place };
        let name = match kind {
            ForeignKind::Sqlite => "sqlite",
            ForeignKind::Postgres => "postgresql",
            ForeignKind::MariaDb => "mysql",
        };
        let path = Path::new(SCHEMAS).join(name).join("schema.sql");
        let schema = fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!(
                "{}: {error}: run `apt-get install freeradius freeradius-mysql freeradius-postgresql` (`make test` does)",
                path.display()
            )
        });
        database.execute(&schema).await;
        database.execute(PANEL).await;
        database
    }

    /// Where it is, with a password where there is one.
    pub fn url(&self) -> String {
        match &self.place {
            Place::Sqlite { file, .. } => format!("sqlite:{}", file.display()),
            Place::Postgres(postgres) => postgres.url().to_owned(),
            Place::MariaDb(mariadb) => mariadb.url(),
        }
    }

    /// Where a FreeRADIUS finds it.
    pub fn sql_place(&self) -> SqlPlace {
        match &self.place {
            Place::Sqlite { file, .. } => SqlPlace::Sqlite(file.clone()),
            Place::Postgres(postgres) => SqlPlace::of_postgres(postgres),
            Place::MariaDb(mariadb) => SqlPlace::MySql {
                port: mariadb.port(),
                user: mariadb::READER.0,
                password: mariadb::READER.1,
                name: mariadb::NAME,
            },
        }
    }

    /// Runs SQL as whoever writes these tables.
    pub async fn execute(&self, sql: &str) {
        match &self.place {
            Place::Sqlite { file, .. } => {
                let options = SqliteConnectOptions::new()
                    .filename(file)
                    .create_if_missing(true);
                let mut connection = options.connect().await.expect("the file opens");
                let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                    .execute(&mut connection)
                    .await;
                done.expect("the SQL of a test runs");
            }
            Place::Postgres(postgres) => {
                let mut connection = postgres.connect().await;
                let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                    .execute(&mut connection)
                    .await;
                done.expect("the SQL of a test runs");
            }
            Place::MariaDb(mariadb) => mariadb.execute(sql).await,
        }
    }
}
