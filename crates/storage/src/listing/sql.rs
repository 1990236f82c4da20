//! The SQL of ranges of indexes.

use sea_orm::Value;
use uuid::Uuid;

use super::Direction;
use super::cursor::{Key, Place};
use super::route::{Alternative, Range, Span};
use super::schema::{Field, FieldKind, Schema};
use crate::dialect::Dialect;

/// SQL text and its values, put together piece by piece.
pub(crate) struct Text {
    pub(crate) dialect: Dialect,
    pub(crate) sql: String,
    pub(crate) values: Vec<Value>,
}

/// A page of one list.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a> {
    pub(crate) tenant: Uuid,
    pub(crate) order: &'static Field,
    pub(crate) direction: Direction,
    pub(crate) after: Option<&'a Place>,
    /// Rows, one more than is shown.
    pub(crate) limit: u64,
}

impl Text {
    pub(crate) const fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            sql: String::new(),
            values: Vec::new(),
        }
    }

    /// Adds text with a `?` for each value.
    pub(crate) fn push(&mut self, text: &str, values: impl IntoIterator<Item = Value>) {
        let mut values = values.into_iter();
        for letter in text.chars() {
            match (letter, self.dialect) {
                ('?', Dialect::Postgres) => {
                    self.values.extend(values.next());
                    self.sql.push_str(&format!("${}", self.values.len()));
                }
                ('?', Dialect::Sqlite) => {
                    self.values.extend(values.next());
                    self.sql.push('?');
                }
                (letter, _) => self.sql.push(letter),
            }
        }
    }

    /// Ids and keys of the first rows of all these ranges, in their order.
    pub(crate) fn push_page(&mut self, spans: &[Span], window: Window<'_>) {
        let order = if window.direction == Direction::Ascending {
            ""
        } else {
            " DESC"
        };
        self.push("SELECT id, sort_key FROM (", []);
        for (number, span) in spans.iter().enumerate() {
            self.push(if number == 0 { "" } else { " UNION ALL " }, []);
            self.push("SELECT * FROM (", []);
            self.push_span(span, window);
            self.push(") AS one", []);
        }
        let tail = format!(
            ") AS every ORDER BY sort_key{order}, id{order} LIMIT {}",
            window.limit
        );
        self.push(&tail, []);
    }

    /// How many rows a range has, at most as many as are wanted.
    pub(crate) fn push_count(&mut self, span: &Span, window: Window<'_>) {
        self.push("SELECT COUNT(*) FROM (SELECT 1 FROM ", []);
        self.push_source(span);
        self.push_where(span, window);
        self.push(&format!(" LIMIT {}) AS counted", window.limit), []);
    }

    pub(super) fn push_span(&mut self, span: &Span, window: Window<'_>) {
        let column = window.order.column;
        let id = span.index.table.1;
        let order = if window.direction == Direction::Ascending {
            ""
        } else {
            " DESC"
        };
        self.push(
            &format!("SELECT {id} AS id, {column} AS sort_key FROM "),
            [],
        );
        self.push_source(span);
        self.push_where(span, window);
        let tie = if span.index.is_unique {
            String::new()
        } else {
            format!(", {id}{order}")
        };
        self.push(
            &format!(" ORDER BY {column}{order}{tie} LIMIT {}", window.limit),
            [],
        );
    }

    fn push_source(&mut self, span: &Span) {
        self.push(span.index.table.0, []);
        // SQLite is told, and refuses if it cannot; PostgreSQL has no better choice than the index
        // with all these columns in this order.
        if self.dialect == Dialect::Sqlite {
            self.push(&format!(" INDEXED BY {}", span.index.name), []);
        }
    }

    fn push_where(&mut self, span: &Span, window: Window<'_>) {
        self.push(" WHERE ", []);
        let mut glue = "";
        if span.index.has_tenant {
            self.push("tenant = ?", [window.tenant.into()]);
            glue = " AND ";
        }
        for (column, value) in &span.equal {
            self.push(&format!("{glue}{column} = ?"), [value.clone()]);
            glue = " AND ";
        }
        let mut range = span.range.clone();
        if let Some(after) = window.after
            && span.index.is_unique
        {
            range.meet(beyond(after, window.direction));
        }
        self.push_range(window.order.column, &range, glue);
        if let Some(after) = window.after
            && !span.index.is_unique
        {
            self.push_after(
                (window.order.column, span.index.table.1),
                after,
                window.direction,
            );
        }
    }

    fn push_after(&mut self, (column, id): (&str, &str), after: &Place, direction: Direction) {
        let sign = if direction == Direction::Ascending {
            ">"
        } else {
            "<"
        };
        let values = [after.key.value(), after.id.into()];
        self.push(&format!(" AND ({column}, {id}) {sign} (?, ?)"), values);
    }

    fn push_range(&mut self, column: &str, range: &Range, mut glue: &'static str) {
        for (end, sign) in [(&range.from, ">"), (&range.to, "<")] {
            if let Some((key, is_in)) = end {
                let equal = if *is_in { "=" } else { "" };
                self.push(&format!("{glue}{column} {sign}{equal} ?"), [key.value()]);
                glue = " AND ";
            }
        }
    }

    /// Ids and keys of those of some rows that are in one of the alternatives.
    pub(crate) fn push_among(
        &mut self,
        schema: &Schema,
        ids: &[Uuid],
        alternatives: &[Alternative],
        window: Window<'_>,
    ) {
        let column = window.order.column;
        let order = if window.direction == Direction::Ascending {
            ""
        } else {
            " DESC"
        };
        let table = schema.table;
        let marks = vec!["?"; ids.len()].join(", ");
        self.push(
            &format!(
                "SELECT m.id AS id, m.{column} AS sort_key FROM {table} m WHERE m.id IN ({marks})"
            ),
            ids.iter().map(|id| (*id).into()),
        );
        self.push(" AND m.tenant = ? AND (FALSE", [window.tenant.into()]);
        for one in alternatives {
            self.push(" OR (TRUE", []);
            for (name, value) in &one.equal {
                self.push_equal(schema.field(name), value);
            }
            if let Some((name, range)) = &one.range {
                let column = format!("m.{}", schema.field(name).column);
                self.push_range(&column, range, " AND ");
            }
            self.push(")", []);
        }
        self.push(")", []);
        if let Some(after) = window.after {
            self.push_after((&format!("m.{column}"), "m.id"), after, window.direction);
        }
        let tail = format!(
            " ORDER BY m.{column}{order}, m.id{order} LIMIT {}",
            window.limit
        );
        self.push(&tail, []);
    }

    fn push_equal(&mut self, field: &Field, value: &Value) {
        let condition = match field.elsewhere {
            Some(condition) => format!(" AND {condition}"),
            None => format!(" AND m.{} = ?", field.column),
        };
        self.push(&condition, [value.clone()]);
    }
}

/// What lies behind a place in an order without ties.
fn beyond(after: &Place, direction: Direction) -> Range {
    let end = Some((after.key.clone(), false));
    match direction {
        Direction::Ascending => Range {
            from: end,
            to: None,
        },
        Direction::Descending => Range {
            from: None,
            to: end,
        },
    }
}

/// The key of a row as it is read.
pub(crate) fn read_key(
    row: &sea_orm::QueryResult,
    kind: FieldKind,
) -> Result<Place, sea_orm::DbErr> {
    let key = match kind {
        FieldKind::Instant { .. } => Key::Number(row.try_get("", "sort_key")?),
        FieldKind::Text(_) | FieldKind::Choice(_) | FieldKind::Id | FieldKind::Word(_) => {
            Key::Text(row.try_get("", "sort_key")?)
        }
    };
    Ok(Place {
        key,
        id: row.try_get("", "id")?,
    })
}
