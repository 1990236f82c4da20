//! Somebody else's database: the tables of a FreeRADIUS that is to be left, read and never written.
//!
//! What is read comes from one snapshot of it, in a transaction that cannot write.

use domain::row_nas::RowNas;

use crate::rows::{GroupRows, UserRows};

mod accounting;
mod connection;
mod error;
mod location;
mod schema;
mod tables;
mod text;

pub use accounting::{ForeignSession, ForeignTime};
pub use error::ForeignError;
pub use location::ForeignLocation;

use connection::ForeignConnection;
use schema::Schema;

/// An open database that is not ours.
#[derive(Debug)]
pub struct ForeignDatabase {
    connection: ForeignConnection,
    schema: Schema,
    place: String,
    product: String,
    oddities: TextOddities,
}

/// What was found, before any row is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignAbout {
    /// The database, without user and password.
    pub place: String,
    /// What the server calls itself, for example `MariaDB 10.11.6`.
    pub product: String,
    /// Whose tables these are: `FreeRADIUS 3.2`, perhaps with a panel.
    pub schema: String,
    /// The character set of the rows.
    pub charset: String,
    /// Whether the server takes names that differ in letter case for equal.
    pub is_case_ignored: bool,
    /// How many rows each table of a panel has, and those that are not taken.
    pub others: Vec<(&'static str, u64)>,
    /// The number of the last row of `radacct`; absent when there is none.
    pub last_session: Option<i64>,
}

/// All rows, gathered by name.
#[derive(Clone, Debug)]
pub struct ForeignTables {
    pub users: Vec<UserRows>,
    pub groups: Vec<GroupRows>,
    pub routers: Vec<RowNas>,
    /// Routers with settings that have no place here: ports, SNMP communities, virtual servers.
    pub routers_with_extras: u64,
    pub oddities: TextOddities,
}

/// Texts that were not what their column says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TextOddities {
    /// UTF-8 in a column of Latin-1: whoever wrote it did not tell the server what it writes.
    pub utf8_in_latin1: u64,
    /// No UTF-8, and read as Windows-1252.
    pub read_as_latin1: u64,
}

impl ForeignDatabase {
    /// Connects, and begins to read from a snapshot. Nothing but FreeRADIUS' tables will do.
    pub async fn open(location: &ForeignLocation) -> Result<Self, ForeignError> {
        let place = location.place();
        let mut connection = ForeignConnection::open(location)
            .await
            .map_err(|source| ForeignError::unreachable(&place, source))?;
        let refused = |source| ForeignError::refused(&place, source);
        let product = connection.begin().await.map_err(refused)?;
        let schema = Schema::read(&mut connection).await.map_err(refused)?;
        schema.check(&place)?;
        Ok(Self {
            connection,
            schema,
            place,
            product,
            oddities: TextOddities::default(),
        })
    }

    /// What is there.
    pub async fn about(&mut self) -> Result<ForeignAbout, ForeignError> {
        let mut others = Vec::new();
        for table in self.schema.others() {
            let sql = format!("SELECT {} FROM {table}", self.connection.count());
            others.push((
                table,
                self.number(sql).await?.unwrap_or_default().unsigned_abs(),
            ));
        }
        let last_session = match self.schema.has("radacct", "radacctid") {
            true => {
                let last = self.connection.as_octets("MAX(radacctid)");
                self.number(format!("SELECT {last} FROM radacct")).await?
            }
            false => None,
        };
        Ok(ForeignAbout {
            place: self.place.clone(),
            product: self.product.clone(),
            schema: self.schema.name(),
            charset: self.schema.charset(),
            is_case_ignored: self.schema.is_case_ignored(),
            others,
            last_session,
        })
    }

    /// Ends the transaction and says goodbye.
    pub async fn close(self) {
        self.connection.close().await;
    }

    async fn number(&mut self, sql: String) -> Result<Option<i64>, ForeignError> {
        let rows = self.fetch(sql, None).await?;
        let cell = rows
            .into_iter()
            .next()
            .and_then(|row| row.into_iter().next());
        Ok(cell.flatten().and_then(|octets| text::number(&octets)))
    }

    async fn fetch(
        &mut self,
        sql: String,
        after: Option<i64>,
    ) -> Result<Vec<connection::Cells>, ForeignError> {
        let rows = self.connection.fetch(sql, after).await;
        rows.map_err(|source| ForeignError::refused(&self.place, source))
    }
}
