//! Columns: how domain values are written as text and integers, and read back.

use std::borrow::Cow;
use std::str::FromStr;

use domain::id::Id;
use domain::time::Timestamp;
use sea_orm::{DbErr, QueryResult, TryGetable};
use uuid::Uuid;

use crate::error::StoreError;

pub(crate) const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Names a row, so that a value that cannot be read can be found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowName {
    pub(crate) table: &'static str,
    pub(crate) id: Uuid,
}

impl RowName {
    pub(crate) fn parse<T: FromStr>(
        self,
        column: &'static str,
        stored: &str,
    ) -> Result<T, StoreError> {
        stored.parse().map_err(|_| self.corrupt(column))
    }

    pub(crate) fn find_parsed<T: FromStr>(
        self,
        column: &'static str,
        stored: Option<&str>,
    ) -> Result<Option<T>, StoreError> {
        stored.map(|text| self.parse(column, text)).transpose()
    }

    /// An integer that a checked constructor accepts.
    pub(crate) fn number<Number: TryFrom<i64>, T, E>(
        self,
        column: &'static str,
        stored: i64,
        check: impl FnOnce(Number) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        Number::try_from(stored)
            .ok()
            .and_then(|number| check(number).ok())
            .ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn corrupt(self, column: &'static str) -> StoreError {
        StoreError::Corrupt {
            table: self.table,
            column,
            row: self.id.to_string(),
        }
    }
}

/// A row of a query that is no entity.
pub(crate) struct Row<'a> {
    result: &'a QueryResult,
    name: RowName,
}

impl<'a> Row<'a> {
    /// Starts to read a row whose `id` column is its id.
    pub(crate) fn new(table: &'static str, result: &'a QueryResult) -> Result<Self, DbErr> {
        let id = result.try_get("", "id")?;
        Ok(Self {
            result,
            name: RowName { table, id },
        })
    }

    pub(crate) const fn name(&self) -> RowName {
        self.name
    }

    pub(crate) const fn id<Kind>(&self) -> Id<Kind> {
        Id::from_uuid(self.name.id)
    }

    pub(crate) fn raw<T: TryGetable>(&self, column: &'static str) -> Result<T, DbErr> {
        self.result.try_get("", column)
    }

    pub(crate) fn id_of<Kind>(&self, column: &'static str) -> Result<Id<Kind>, DbErr> {
        self.raw(column).map(Id::from_uuid)
    }

    pub(crate) fn find_id_of<Kind>(&self, column: &'static str) -> Result<Option<Id<Kind>>, DbErr> {
        let uuid: Option<Uuid> = self.raw(column)?;
        Ok(uuid.map(Id::from_uuid))
    }

    pub(crate) fn time(&self, column: &'static str) -> Result<Timestamp, DbErr> {
        self.raw(column).map(Timestamp::from_micros)
    }

    /// A counter; a negative one was not written by us and counts as zero.
    pub(crate) fn count(&self, column: &'static str) -> Result<u64, DbErr> {
        self.raw(column).map(loaded_count)
    }

    pub(crate) fn find_parsed<T: FromStr>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let text: Option<String> = self.raw(column)?;
        self.name.find_parsed(column, text.as_deref())
    }
}

/// A counter as it is stored; what does not fit stays at the most that fits.
pub(crate) fn stored_count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A counter as it was stored.
pub(crate) fn loaded_count(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

/// Text as it is stored: PostgreSQL takes no NUL, and one record must never hold up a batch.
pub(crate) fn stored_text(text: &str) -> String {
    fitting_text(text).into_owned()
}

/// The same, copied only when it must change.
pub(crate) fn fitting_text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The same for text that may be absent.
pub(crate) fn find_stored_text(text: Option<&str>) -> Option<String> {
    text.map(stored_text)
}
