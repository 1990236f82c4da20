//! A query whose conditions depend on what was asked for.

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};

use crate::dialect::Dialect;

/// SQL text with its values. Conditions write `?`, which becomes what the database expects.
pub(crate) struct Query {
    dialect: Dialect,
    sql: String,
    values: Vec<Value>,
    has_condition: bool,
}

impl Query {
    pub(crate) fn new(dialect: Dialect, select: &str) -> Self {
        Self {
            dialect,
            sql: select.to_owned(),
            values: Vec::new(),
            has_condition: false,
        }
    }

    /// A query whose text has values before its first condition, one for each `?`.
    pub(crate) fn with(
        dialect: Dialect,
        select: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Self {
        let mut query = Self::new(dialect, "");
        query.push(select, values);
        query
    }

    /// Adds a condition with one `?` for each value.
    pub(crate) fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push_str(if self.has_condition {
            " AND "
        } else {
            " WHERE "
        });
        self.has_condition = true;
        self.push(condition, values);
    }

    /// Adds the condition that a column has one of these values, of which there is at least one.
    pub(crate) fn and_any(&mut self, column: &str, values: impl Iterator<Item = Value>) {
        let values: Vec<_> = values.collect();
        let marks = vec!["?"; values.len()].join(", ");
        self.and(&format!("{column} IN ({marks})"), values);
    }

    fn push(&mut self, text: &str, values: impl IntoIterator<Item = Value>) {
        let mut number = self.values.len();
        for letter in text.chars() {
            if letter == '?' {
                number += 1;
                self.sql.push_str(&format!("${number}"));
            } else {
                self.sql.push(letter);
            }
        }
        self.values.extend(values);
    }

    /// Ends the text, with an order and a limit.
    pub(crate) fn end(&mut self, tail: &str) {
        self.sql.push(' ');
        self.sql.push_str(tail);
    }

    /// The same as a question for how the database would go about it.
    #[cfg(test)]
    pub(crate) fn explained(mut self) -> Self {
        let explain = match self.dialect {
            Dialect::Sqlite => "EXPLAIN QUERY PLAN ",
            Dialect::Postgres => "EXPLAIN ",
        };
        self.sql.insert_str(0, explain);
        self
    }

    /// Runs it for what it does, and says to how many rows.
    pub(crate) async fn execute<C: ConnectionTrait>(self, connection: &C) -> Result<u64, DbErr> {
        let statement = self.dialect.statement(self.sql, self.values);
        Ok(connection.execute_raw(statement).await?.rows_affected())
    }

    pub(crate) async fn all<C: ConnectionTrait>(
        self,
        connection: &C,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let statement = self.dialect.statement(self.sql, self.values);
        connection.query_all_raw(statement).await
    }
}
