//! One connection, whichever driver it is of: cells come as octets, and nothing can be written.

use std::time::Duration;

use sqlx::mysql::{MySql, MySqlConnection};
use sqlx::postgres::{PgConnection, Postgres};
use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqliteConnection};
use sqlx::{
    AssertSqlSafe, ColumnIndex, ConnectOptions, Connection, Database, Decode, Encode, Error,
    Executor, IntoArguments, Row, Type,
};

use super::location::{ForeignLocation, Kind};

/// The values of one row; `None` is NULL.
pub(super) type Cells = Vec<Option<Vec<u8>>>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// No page takes as long, and a server that is busy is not to be made busier.
const STATEMENT_SECONDS: u32 = 300;

#[derive(Debug)]
pub(super) enum ForeignConnection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
    MySql(MySqlConnection),
}

impl ForeignConnection {
    pub(super) async fn open(location: &ForeignLocation) -> Result<Self, Error> {
        let connect = async {
            Ok(match &location.0 {
                Kind::Sqlite(path) => {
                    let options = SqliteConnectOptions::new()
                        .filename(path)
                        .read_only(true)
                        .create_if_missing(false)
                        .busy_timeout(CONNECT_TIMEOUT)
                        .disable_statement_logging();
                    Self::Sqlite(SqliteConnection::connect_with(&options).await?)
                }
                Kind::Postgres(options) => {
                    let options = options.as_ref().clone().disable_statement_logging();
                    Self::Postgres(PgConnection::connect_with(&options).await?)
                }
                Kind::MySql(options) => {
                    let options = options.as_ref().clone().disable_statement_logging();
                    Self::MySql(MySqlConnection::connect_with(&options).await?)
                }
            })
        };
        tokio::time::timeout(CONNECT_TIMEOUT, connect)
            .await
            .unwrap_or(Err(Error::PoolTimedOut))
    }

    /// Begins to read from a snapshot, and gives what the server calls itself.
    pub(super) async fn begin(&mut self) -> Result<String, Error> {
        let version = match self {
            Self::Sqlite(_) => "SELECT CAST(sqlite_version() AS TEXT)",
            Self::Postgres(_) => "SELECT CAST(current_setting('server_version') AS TEXT)",
            Self::MySql(_) => "SELECT CAST(VERSION() AS BINARY)",
        };
        let version = self.fetch(version.to_owned(), None).await?;
        let version = version.into_iter().flatten().next().flatten();
        let version = String::from_utf8_lossy(&version.unwrap_or_default()).into_owned();
        let short = version
            .split(['-', ' '])
            .next()
            .unwrap_or_default()
            .to_owned();
        let (product, begin) = match self {
            Self::Sqlite(_) => (format!("SQLite {short}"), "BEGIN".to_owned()),
            Self::Postgres(_) => (
                format!("PostgreSQL {short}"),
                format!(
                    "SET statement_timeout = '{STATEMENT_SECONDS}s'; \
                     BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                ),
            ),
            Self::MySql(_) => {
                let is_mariadb = version.contains("MariaDB");
                let (name, limit) = match is_mariadb {
                    true => (
                        "MariaDB",
                        format!("max_statement_time = {STATEMENT_SECONDS}"),
                    ),
                    false => (
                        "MySQL",
                        format!("max_execution_time = {STATEMENT_SECONDS}000"),
                    ),
                };
                let begin = format!(
                    "SET SESSION {limit}; \
                     SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; \
                     START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
                );
                (format!("{name} {short}"), begin)
            }
        };
        for statement in begin.split("; ") {
            let sql = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
            match self {
                Self::Sqlite(connection) => {
                    sql.execute(connection).await?;
                }
                Self::Postgres(connection) => {
                    sql.execute(connection).await?;
                }
                Self::MySql(connection) => {
                    sql.execute(connection).await?;
                }
            }
        }
        Ok(product)
    }

    /// The rows of a query whose columns are octets; `after` is its only parameter.
    pub(super) async fn fetch(
        &mut self,
        sql: String,
        after: Option<i64>,
    ) -> Result<Vec<Cells>, Error> {
        match self {
            Self::Sqlite(connection) => fetch::<Sqlite>(connection, sql, after).await,
            Self::Postgres(connection) => fetch::<Postgres>(connection, sql, after).await,
            Self::MySql(connection) => fetch::<MySql>(connection, sql, after).await,
        }
    }

    /// An expression as octets, numbers in decimal digits.
    pub(super) fn as_octets(&self, expression: &str) -> String {
        let octets = match self {
            Self::Sqlite(_) | Self::Postgres(_) => "TEXT",
            Self::MySql(_) => "BINARY",
        };
        format!("CAST({expression} AS {octets})")
    }

    /// The number of rows, as octets.
    pub(super) fn count(&self) -> String {
        self.as_octets("COUNT(*)")
    }

    /// Where `after` goes.
    pub(super) const fn placeholder(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "$1",
            Self::Sqlite(_) | Self::MySql(_) => "?",
        }
    }

    /// The end of a transaction that wrote nothing is nothing to report.
    pub(super) async fn close(self) {
        match self {
            Self::Sqlite(connection) => drop(connection.close().await),
            Self::Postgres(connection) => drop(connection.close().await),
            Self::MySql(connection) => drop(connection.close().await),
        }
    }
}

async fn fetch<D>(
    connection: &mut D::Connection,
    sql: String,
    after: Option<i64>,
) -> Result<Vec<Cells>, Error>
where
    D: Database,
    D::Arguments: IntoArguments<D>,
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
    for<'v> i64: Encode<'v, D> + Type<D>,
    for<'v> Vec<u8>: Decode<'v, D>,
    usize: ColumnIndex<D::Row>,
{
    let mut query = sqlx::query(AssertSqlSafe(sql));
    if let Some(after) = after {
        query = query.bind(after);
    }
    let rows = query.fetch_all(connection).await?;
    let read = |row: &D::Row| (0..row.len()).map(|at| row.try_get_unchecked(at)).collect();
    rows.iter().map(read).collect()
}
