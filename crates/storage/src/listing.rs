//! Lists of many rows, narrowed and sorted as whoever asks likes it, as far as an index answers it.
//!
//! A list is made of ranges of indexes, each of which has the wanted order already: a filter that
//! leaves several values open is several ranges, of which the first rows are merged. So a page costs
//! as much as it has rows, however many there are beside it, and what no index answers is refused.

use sea_orm::{DbErr, Value};
use uuid::Uuid;

use crate::error::StoreError;

mod condition;
mod cursor;
mod merge;
mod route;
mod schema;
mod sql;
#[cfg(test)]
mod tests;

pub(crate) use self::condition::chosen;
pub(crate) use self::cursor::Key;
pub(crate) use self::route::{Alternative, Range};
pub(crate) use self::schema::{Field, FieldKind, Index, Schema};

/// The most rows that one page carries.
pub const LIMIT_MAX: u32 = 1_000;

/// Rows that are counted of a list; of more it is said that there are more.
pub const TOTAL_MAX: u64 = 10_000;

/// Matches of a search that a list takes in.
pub const MATCHES_MAX: usize = 1_000;

/// How a value of a row stands to a given one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    Eq,
    Ne,
    Lt,
    Lte,
    Gt,
    Gte,
    /// One of several, with commas between them.
    In,
    /// `true` or `false`: whether there is no value.
    IsNull,
    /// Text that begins so.
    Prefix,
}

/// Something that rows of a list must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListCondition {
    pub field: String,
    pub operator: Operator,
    pub value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

/// What a list can be narrowed by.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    pub field: &'static str,
    pub operator: Operator,
    pub kind: FilterKind,
}

/// What the value of a filter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterKind {
    Text,
    Instant,
    Choice(&'static [&'static str]),
    /// A thing, by id or name.
    Reference,
}

/// By what a list is sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    pub field: String,
    pub direction: Direction,
}

/// What is wanted of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// All of them must hold.
    pub conditions: Vec<ListCondition>,
    /// Words that are searched for.
    pub search: Option<String>,
    /// In the order that goes with the conditions, unless one is given.
    pub sort: Option<Sort>,
    /// Where the page before ended, as it was told.
    pub after: Option<String>,
    pub limit: u32,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    pub rows: Vec<T>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// How many rows a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    pub rows: u64,
    /// There are more than were counted.
    pub is_more: bool,
}

/// Why a list is not shown as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    #[error("this list is not narrowed by '{field}': it knows {known}")]
    Field { field: String, known: String },
    #[error("'{field}' is not compared so: it takes {known}")]
    Operator { field: String, known: &'static str },
    #[error("'{field}': {reason}")]
    Value { field: String, reason: String },
    #[error("this list is not sorted by '{field}': it can be by {known}")]
    SortField { field: String, known: String },
    #[error("a list narrowed by {narrowed} is not sorted by '{sort}': sort it by {known}")]
    Sort {
        narrowed: String,
        sort: String,
        known: String,
    },
    #[error("a list is not narrowed by {narrowed} together: leave one out, or search with q")]
    Together { narrowed: String },
    #[error("ranges of '{first}' and of '{second}' do not go together: leave one out")]
    Ranges { first: String, second: String },
    #[error(
        "too many values to choose from at once: at most {} combinations",
        route::RANGES_MAX
    )]
    Many,
    #[error("this page belongs to another list: begin at its first page")]
    Cursor,
    #[error("q: {0}")]
    Search(#[from] domain::search::QuestionError),
}

/// A list that is refused, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ListFailure {
    #[error(transparent)]
    Query(#[from] ListError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DbErr> for ListFailure {
    fn from(error: DbErr) -> Self {
        Self::Store(error.into())
    }
}

/// What a resource adds to a query: what only it can work out.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// Rows must be in one of these ranges as well, if there are any.
    pub(crate) alternatives: Option<Vec<Alternative>>,
    /// Only these rows, in no order.
    pub(crate) among: Option<Vec<Uuid>>,
}

impl Operator {
    pub const ALL: [Self; 9] = [
        Self::Eq,
        Self::Ne,
        Self::Lt,
        Self::Lte,
        Self::Gt,
        Self::Gte,
        Self::In,
        Self::IsNull,
        Self::Prefix,
    ];

    /// As it stands behind the name of a field: `expires_at.lt`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Lt => "lt",
            Self::Lte => "lte",
            Self::Gt => "gt",
            Self::Gte => "gte",
            Self::In => "in",
            Self::IsNull => "is_null",
            Self::Prefix => "prefix",
        }
    }
}

impl Filter {
    /// What a program calls it: `status`, `expires_at.lt`.
    pub fn parameter(&self) -> String {
        parameter(self.field, self.operator)
    }
}

impl ListCondition {
    /// A field that has one value.
    pub fn equal(field: &str, value: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            operator: Operator::Eq,
            value: value.into(),
        }
    }

    /// What a program calls it: `status`, `expires_at.lt`.
    pub fn parameter(&self) -> String {
        parameter(&self.field, self.operator)
    }
}

fn parameter(field: &str, operator: Operator) -> String {
    if operator == Operator::Eq {
        return field.to_owned();
    }
    format!("{field}.{}", operator.as_str())
}

impl ListError {
    /// The field that is at fault, or the parameter.
    pub fn field(&self) -> &str {
        match self {
            Self::Field { field, .. }
            | Self::Operator { field, .. }
            | Self::Value { field, .. } => field,
            Self::SortField { .. } | Self::Sort { .. } => "sort",
            Self::Together { .. } | Self::Many => "filter",
            Self::Ranges { second, .. } => second,
            Self::Cursor => "page_token",
            Self::Search(_) => "q",
        }
    }
}

impl Scope {
    /// Only these rows, and only those of them that were left before.
    pub(crate) fn keep(&mut self, ids: Vec<Uuid>) {
        match &mut self.among {
            Some(before) => before.retain(|id| ids.contains(id)),
            None => self.among = Some(ids),
        }
    }
}

impl ListQuery {
    /// The first rows of everything.
    pub fn first(limit: u32) -> Self {
        Self {
            conditions: Vec::new(),
            search: None,
            sort: None,
            after: None,
            limit,
        }
    }

    /// How many rows are wanted at most.
    pub fn limit(&self) -> u32 {
        self.limit.clamp(1, LIMIT_MAX)
    }
}

/// A column and the value that it has.
pub(crate) type Equal = (&'static str, Value);
