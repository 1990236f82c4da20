//! The two kinds of SQL: what they write differently.

use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use uuid::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// The dialect of a connection or transaction.
    pub(crate) fn of<C: ConnectionTrait>(connection: &C) -> Self {
        if connection.get_database_backend() == DbBackend::Postgres {
            Self::Postgres
        } else {
            Self::Sqlite
        }
    }

    /// A statement with its values.
    pub(crate) fn statement(
        self,
        sql: impl Into<String>,
        values: impl IntoIterator<Item = Value>,
    ) -> Statement {
        let backend = match self {
            Self::Sqlite => DbBackend::Sqlite,
            Self::Postgres => DbBackend::Postgres,
        };
        Statement::from_sql_and_values(backend, sql, values)
    }

    /// The function that takes the greatest of its arguments.
    pub(crate) const fn greatest(self) -> &'static str {
        match self {
            Self::Sqlite => "MAX",
            Self::Postgres => "GREATEST",
        }
    }

    /// The function that takes the least of its arguments.
    pub(crate) const fn least(self) -> &'static str {
        match self {
            Self::Sqlite => "MIN",
            Self::Postgres => "LEAST",
        }
    }

    /// What keeps the rows of a query from other writers; on SQLite they are kept anyway.
    pub(crate) const fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE",
        }
    }

    /// A sum of a stored and a new counter, for `ON CONFLICT DO UPDATE`; it stops at the most that
    /// a column holds, because an overflow would refuse the whole batch.
    pub(crate) fn sum_assignment(self, table: &str, column: &str) -> String {
        let (least, most) = (self.least(), i64::MAX);
        format!(
            "{column} = {least}({table}.{column}, {most} - excluded.{column}) + excluded.{column}"
        )
    }

    /// What a query ends with whose row is kept from other writers; SQLite has only one.
    pub(crate) const fn row_lock(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE",
        }
    }

    /// An id written into the text of a statement.
    pub(crate) fn id_literal(self, id: Uuid) -> String {
        match self {
            Self::Sqlite => format!("X'{}'", id.simple()),
            Self::Postgres => format!("'{id}'::UUID"),
        }
    }
}
