//! Many rows in few statements.
//!
//! Rows are cut into chunks whose sizes are powers of two, so that the same few statements come
//! again and stay prepared.

use std::collections::HashSet;
use std::fmt::Write as _;

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};
use uuid::Uuid;

use crate::dialect::Dialect;

/// Parameters that one statement carries: SQLite takes 32,766 and PostgreSQL 65,535.
const PARAMETERS_MAX: usize = 32_000;
const CHUNK_MAX: usize = 512;

/// An `INSERT` of any number of rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Insert<'a> {
    pub(crate) table: &'static str,
    pub(crate) columns: &'static [&'static str],
    /// The `ON CONFLICT` clause, or nothing.
    pub(crate) on_conflict: &'a str,
}

impl Insert<'_> {
    /// Inserts the rows, each with one value for each column.
    pub(crate) async fn run<C: ConnectionTrait, const WIDTH: usize>(
        &self,
        connection: &C,
        rows: impl IntoIterator<Item = [Value; WIDTH]> + Send,
    ) -> Result<(), DbErr> {
        for statement in self.statements(Dialect::of(connection), rows) {
            connection.execute_raw(statement).await?;
        }
        Ok(())
    }

    /// The same for an insert that returns the ids of the rows that were not there before.
    pub(crate) async fn run_for_new<C: ConnectionTrait, const WIDTH: usize>(
        &self,
        connection: &C,
        rows: impl IntoIterator<Item = [Value; WIDTH]> + Send,
    ) -> Result<HashSet<Uuid>, DbErr> {
        let mut new = HashSet::new();
        for statement in self.statements(Dialect::of(connection), rows) {
            for row in connection.query_all_raw(statement).await? {
                new.insert(row.try_get_by_index(0)?);
            }
        }
        Ok(new)
    }

    fn statements<const WIDTH: usize>(
        &self,
        dialect: Dialect,
        rows: impl IntoIterator<Item = [Value; WIDTH]>,
    ) -> impl Iterator<Item = Statement> {
        assert_eq!(WIDTH, self.columns.len(), "a value for each column");
        let values: Vec<Value> = rows.into_iter().flatten().collect();
        let chunk_max = (PARAMETERS_MAX / WIDTH).min(CHUNK_MAX);
        let mut left = values.len() / WIDTH;
        let mut values = values.into_iter();
        std::iter::from_fn(move || {
            let rows = (0 < left).then(|| chunk_len(left, chunk_max))?;
            left -= rows;
            let chunk: Vec<Value> = values.by_ref().take(rows * WIDTH).collect();
            Some(dialect.statement(self.sql(dialect, rows), chunk))
        })
    }

    fn sql(&self, dialect: Dialect, rows: usize) -> String {
        let width = self.columns.len();
        let mut sql = format!(
            "INSERT INTO {} ({}) VALUES ",
            self.table,
            self.columns.join(", ")
        );
        push_rows(&mut sql, dialect, rows, width);
        sql.push(' ');
        sql.push_str(self.on_conflict);
        sql
    }
}

/// Changes many rows, each in a way of its own: runs `WITH n (columns) AS (VALUES …) tail`, whose
/// rows are those that are given, chunk by chunk, and says how many rows were changed.
pub(crate) async fn execute_with<C: ConnectionTrait, const WIDTH: usize>(
    connection: &C,
    columns: [&str; WIDTH],
    rows: impl IntoIterator<Item = [Value; WIDTH]>,
    tail: &str,
) -> Result<u64, DbErr> {
    let dialect = Dialect::of(connection);
    let values: Vec<Value> = rows.into_iter().flatten().collect();
    let chunk_max = (PARAMETERS_MAX / WIDTH).min(CHUNK_MAX);
    let mut left = values.len() / WIDTH;
    let mut values = values.into_iter();
    let mut changed = 0;
    while 0 < left {
        let rows = chunk_len(left, chunk_max);
        let mut sql = format!("WITH n ({}) AS (VALUES ", columns.join(", "));
        push_rows(&mut sql, dialect, rows, WIDTH);
        sql.push_str(") ");
        sql.push_str(tail);
        let chunk: Vec<Value> = values.by_ref().take(rows * WIDTH).collect();
        let done = connection
            .execute_raw(dialect.statement(sql, chunk))
            .await?;
        changed += done.rows_affected();
        left -= rows;
    }
    Ok(changed)
}

/// Runs `head (?, ?, …) tail` for all keys, chunk by chunk, and collects the rows.
pub(crate) async fn select_in<C: ConnectionTrait>(
    connection: &C,
    head: &str,
    keys: &[Value],
    tail: &str,
) -> Result<Vec<QueryResult>, DbErr> {
    let mut rows = Vec::new();
    let mut left = keys;
    while !left.is_empty() {
        let statement = next_in(Dialect::of(connection), head, &mut left, tail);
        rows.extend(connection.query_all_raw(statement).await?);
    }
    Ok(rows)
}

/// Runs `head (?, ?, …)` for all keys, chunk by chunk.
pub(crate) async fn execute_in<C: ConnectionTrait>(
    connection: &C,
    head: &str,
    keys: &[Value],
) -> Result<(), DbErr> {
    let mut left = keys;
    while !left.is_empty() {
        let statement = next_in(Dialect::of(connection), head, &mut left, "");
        connection.execute_raw(statement).await?;
    }
    Ok(())
}

fn next_in(dialect: Dialect, head: &str, left: &mut &[Value], tail: &str) -> Statement {
    let len = chunk_len(left.len(), CHUNK_MAX);
    let (chunk, rest) = left.split_at(len);
    *left = rest;
    let mut sql = format!("{head} (");
    push_placeholders(&mut sql, dialect, 0, len);
    sql.push(')');
    sql.push_str(tail);
    dialect.statement(sql, chunk.iter().cloned())
}

/// The largest power of two that is in both limits.
fn chunk_len(left: usize, max: usize) -> usize {
    let most = left.min(max).max(1);
    1 << most.ilog2()
}

fn push_rows(sql: &mut String, dialect: Dialect, rows: usize, width: usize) {
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        push_placeholders(sql, dialect, row * width, width);
        sql.push(')');
    }
}

fn push_placeholders(sql: &mut String, dialect: Dialect, from: usize, count: usize) {
    for index in 0..count {
        if 0 < index {
            sql.push_str(", ");
        }
        match dialect {
            Dialect::Postgres => {
                write!(sql, "${}", from + index + 1).expect("a String takes every write");
            }
            // SQLite would look each numbered parameter up in a list.
            Dialect::Sqlite => sql.push('?'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_COLUMNS: Insert<'static> = Insert {
        table: "t",
        columns: &["a", "b"],
        on_conflict: "ON CONFLICT DO NOTHING",
    };

    #[test]
    fn insert_numbers_parameters_as_each_database_expects() {
        assert_eq!(
            TWO_COLUMNS.sql(Dialect::Postgres, 2),
            "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) ON CONFLICT DO NOTHING"
        );
        assert_eq!(
            TWO_COLUMNS.sql(Dialect::Sqlite, 1),
            "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT DO NOTHING"
        );
    }

    #[test]
    fn chunks_are_powers_of_two_and_cover_every_row() {
        for total in [1, 2, 3, 511, 512, 513, 1_024, 99_999] {
            let mut left = total;
            while 0 < left {
                let chunk = chunk_len(left, 512);
                assert!(chunk.is_power_of_two() && chunk <= 512);
                left -= chunk;
            }
        }
    }
}
