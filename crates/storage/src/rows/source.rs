//! One of the tables of rows, read by name or in the order of its names.

use std::collections::VecDeque;

use sea_orm::{ConnectionTrait, QueryResult, Value};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Decode, Row, Type};

use super::{AttributeRow, MembershipRow};
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::store::Store;

/// Rows that are read together, and how many of them a name has, more or less.
const ROWS_PER_QUERY_MIN: u32 = 256;
const ROWS_PER_QUERY_MAX: u32 = 8_192;
const ROWS_PER_NAME: u32 = 2;

/// A table of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Check,
    Reply,
    Membership,
    GroupCheck,
    GroupReply,
}

/// A row, and what it is for the one whose name it has.
#[derive(Debug)]
pub(super) enum Item {
    Check(AttributeRow),
    Reply(AttributeRow),
    Membership(MembershipRow),
}

/// A row with its name as it is stored, which may be no text.
pub(super) struct Named {
    pub(super) name: Vec<u8>,
    pub(super) item: Item,
}

/// The rows of a table in the order of their names by octet, and then of their ids.
pub(super) struct Stream<'s> {
    store: &'s Store,
    source: Source,
    /// The place of the last row that was read.
    after: (Vec<u8>, i64),
    rows: VecDeque<Named>,
    rows_per_query: usize,
    is_at_end: bool,
}

impl Source {
    pub(super) const fn table(self) -> &'static str {
        match self {
            Self::Check => "radcheck",
            Self::Reply => "radreply",
            Self::Membership => "radusergroup",
            Self::GroupCheck => "radgroupcheck",
            Self::GroupReply => "radgroupreply",
        }
    }

    pub(super) const fn name_column(self) -> &'static str {
        match self {
            Self::Check | Self::Reply | Self::Membership => "username",
            Self::GroupCheck | Self::GroupReply => "groupname",
        }
    }

    /// The rows with their name and their id first.
    fn select(self) -> String {
        let columns = match self {
            Self::Check | Self::Reply | Self::GroupCheck | Self::GroupReply => {
                "attribute, op, value"
            }
            Self::Membership => "groupname, CAST(priority AS BIGINT)",
        };
        let (name, table) = (self.name_column(), self.table());
        format!("SELECT {name}, CAST(id AS BIGINT), {columns} FROM {table}")
    }

    /// A query that ends before the list of names.
    pub(super) fn by_name(self) -> String {
        format!("{} WHERE {} IN", self.select(), self.name_column())
    }

    /// A query for the rows behind a place.
    fn behind(self, dialect: Dialect, limit: usize) -> String {
        let (select, name) = (self.select(), self.name_column());
        let place = match dialect {
            // A name that is no text equals none that is asked for; the place may be no UTF-8.
            Dialect::Sqlite => {
                format!("typeof({name}) = 'text' AND ({name}, id) > (CAST($1 AS TEXT), $2)")
            }
            Dialect::Postgres => format!("({name}, id) > ($1, $2)"),
        };
        format!("{select} WHERE {place} ORDER BY {name}, id LIMIT {limit}")
    }

    pub(super) fn read(self, row: &QueryResult) -> Result<Named, sqlx::Error> {
        match (row.try_as_sqlite_row(), row.try_as_pg_row()) {
            (Some(row), _) => self.read_from::<SqliteRow>(row),
            (None, Some(row)) => self.read_from::<PgRow>(row),
            (None, None) => Err(sqlx::Error::RowNotFound),
        }
    }

    fn read_from<'r, R: Row>(self, row: &'r R) -> Result<Named, sqlx::Error>
    where
        usize: ColumnIndex<R>,
        &'r [u8]: Decode<'r, R::Database>,
        i64: Decode<'r, R::Database> + Type<R::Database>,
    {
        let name: &[u8] = row.try_get_unchecked(0)?;
        let id = row.try_get(1)?;
        // What is no text matches nothing, and is never left out: without a row a check is missing.
        let text = |index: usize| -> Result<String, sqlx::Error> {
            let octets: &[u8] = row.try_get_unchecked(index)?;
            Ok(String::from_utf8_lossy(octets).into_owned())
        };
        let attribute_row = || -> Result<AttributeRow, sqlx::Error> {
            Ok(AttributeRow {
                id,
                attribute: text(2)?,
                op: text(3)?,
                value: text(4)?,
            })
        };
        let item = match self {
            Self::Check | Self::GroupCheck => Item::Check(attribute_row()?),
            Self::Reply | Self::GroupReply => Item::Reply(attribute_row()?),
            Self::Membership => Item::Membership(MembershipRow {
                id,
                group: text(2)?,
                priority: row.try_get(3)?,
            }),
        };
        Ok(Named {
            name: name.to_vec(),
            item,
        })
    }
}

impl<'s> Stream<'s> {
    /// The rows of about so many names behind this one.
    pub(super) fn after(store: &'s Store, source: Source, name: Option<&str>, names: u32) -> Self {
        let rows_per_query = names.saturating_mul(ROWS_PER_NAME);
        let rows_per_query = rows_per_query.clamp(ROWS_PER_QUERY_MIN, ROWS_PER_QUERY_MAX);
        let after = match name {
            Some(name) => (name.as_bytes().to_vec(), i64::MAX),
            None => (Vec::new(), i64::MIN),
        };
        Self {
            store,
            source,
            after,
            rows: VecDeque::new(),
            rows_per_query: rows_per_query as usize,
            is_at_end: false,
        }
    }

    /// The name of the next row, once it is filled; none at the end.
    pub(super) fn name(&self) -> Option<&[u8]> {
        self.rows.front().map(|row| &*row.name)
    }

    /// The next row if it has this name.
    pub(super) async fn next_of(&mut self, name: &[u8]) -> Result<Option<Item>, StoreError> {
        self.fill().await?;
        let row = self.rows.pop_front_if(|row| row.name == name);
        Ok(row.map(|row| row.item))
    }

    /// Reads the next rows when there are none left.
    pub(super) async fn fill(&mut self) -> Result<(), StoreError> {
        if self.is_at_end || !self.rows.is_empty() {
            return Ok(());
        }
        let dialect = self.store.dialect();
        let (name, id) = self.after.clone();
        let name: Value = match dialect {
            Dialect::Sqlite => name.into(),
            Dialect::Postgres => String::from_utf8_lossy(&name).into_owned().into(),
        };
        let sql = self.source.behind(dialect, self.rows_per_query);
        let statement = dialect.statement(sql, [name, id.into()]);
        let rows = self.store.reader().query_all_raw(statement).await?;
        for row in &rows {
            self.rows.push_back(self.source.read(row)?);
        }
        self.is_at_end = rows.len() < self.rows_per_query;
        if let Some(last) = self.rows.back() {
            self.after = (last.name.clone(), last.item.id());
        }
        Ok(())
    }
}

impl Item {
    const fn id(&self) -> i64 {
        match self {
            Self::Check(row) | Self::Reply(row) => row.id,
            Self::Membership(row) => row.id,
        }
    }
}
