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

    /// Adds a condition with one `?` for each value.
    pub(crate) fn and<const COUNT: usize>(&mut self, condition: &str, values: [Value; COUNT]) {
        self.sql.push_str(if self.has_condition {
            " AND "
        } else {
            " WHERE "
        });
        self.has_condition = true;
        let mut number = self.values.len();
        for letter in condition.chars() {
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

    pub(crate) async fn all<C: ConnectionTrait>(
        self,
        connection: &C,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let statement = self.dialect.statement(self.sql, self.values);
        connection.query_all_raw(statement).await
    }
}
