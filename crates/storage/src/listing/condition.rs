//! Conditions as they were written become values of columns and one range.

use domain::time::Timestamp;
use sea_orm::Value;
use uuid::Uuid;

use super::cursor::Key;
use super::route::Range;
use super::schema::{Field, FieldKind, Schema};
use super::{ListCondition, ListError, Operator};

/// What rows without an instant are sorted by.
pub(crate) const LAST: i64 = i64::MAX;

/// Values that one condition lists.
const VALUES_MAX: usize = 64;

/// Octets of one value.
const VALUE_LEN_MAX: usize = 512;

/// What conditions come to.
#[derive(Debug, Default)]
pub(crate) struct Narrowed {
    /// Fields and the values of which they have one.
    pub(crate) choices: Vec<(&'static Field, Vec<Value>)>,
    pub(crate) range: Option<(&'static Field, Range)>,
}

impl Narrowed {
    pub(crate) fn read(schema: &Schema, conditions: &[&ListCondition]) -> Result<Self, ListError> {
        let mut narrowed = Self::default();
        for condition in conditions {
            let known = || {
                let names = schema.fields.iter().map(|field| field.name);
                let names: Vec<&str> = names.chain(schema.others.iter().copied()).collect();
                names.join(", ")
            };
            let field = schema.find(&condition.field);
            let field = field.ok_or_else(|| ListError::Field {
                field: condition.field.chars().take(64).collect(),
                known: known(),
            })?;
            check_value(condition)?;
            narrowed.add(field, condition)?;
        }
        Ok(narrowed)
    }

    fn add(&mut self, field: &'static Field, condition: &ListCondition) -> Result<(), ListError> {
        let raw = condition.value.as_str();
        let operator = condition.operator;
        match (field.kind, operator) {
            (FieldKind::Text(fold), Operator::Eq) => {
                self.limit(field, Range::exactly(Key::Text(fold(raw))))
            }
            (FieldKind::Text(fold), Operator::Prefix) => {
                self.limit(field, Range::beginning(&fold(raw)))
            }
            (
                FieldKind::Text(fold),
                Operator::Lt | Operator::Lte | Operator::Gt | Operator::Gte,
            ) => self.limit(field, Range::compared(operator, Key::Text(fold(raw)))),
            (FieldKind::Instant { is_last: true }, Operator::IsNull) => {
                let range = match raw {
                    "true" => Range::exactly(Key::Number(LAST)),
                    "false" => Range::compared(Operator::Lt, Key::Number(LAST)),
                    _ => return Err(wrong(condition, "write true or false")),
                };
                self.limit(field, range)
            }
            (
                FieldKind::Instant { is_last },
                Operator::Eq | Operator::Lt | Operator::Lte | Operator::Gt | Operator::Gte,
            ) => {
                let at: Result<Timestamp, _> = raw.parse();
                let at = at.map_err(|error| wrong(condition, error))?;
                self.limit(
                    field,
                    Range::compared(operator, Key::Number(at.as_micros())),
                )?;
                // Rows without an instant are neither before nor after one.
                if is_last {
                    self.limit(field, Range::compared(Operator::Lt, Key::Number(LAST)))?;
                }
                Ok(())
            }
            (FieldKind::Choice(all), Operator::Eq | Operator::Ne | Operator::In) => {
                let words = chosen(all, condition)?;
                self.choose(field, words.into_iter().map(Value::from).collect());
                Ok(())
            }
            (FieldKind::Id, Operator::Eq | Operator::In) => {
                let parsed = listed(condition)?.map(|raw| raw.parse().map(Uuid::into));
                let values: Result<Vec<Value>, _> = parsed.collect();
                self.choose(
                    field,
                    values.map_err(|_| wrong(condition, "this is no id"))?,
                );
                Ok(())
            }
            (FieldKind::Word(fold), Operator::Eq | Operator::In) => {
                let values = listed(condition)?;
                let values = values.map(|raw| Value::from(fold(raw))).collect();
                self.choose(field, values);
                Ok(())
            }
            (FieldKind::Text(_), Operator::Ne | Operator::In | Operator::IsNull)
            | (FieldKind::Instant { .. }, Operator::Ne | Operator::In | Operator::Prefix)
            | (FieldKind::Instant { is_last: false }, Operator::IsNull)
            | (
                FieldKind::Choice(_) | FieldKind::Id | FieldKind::Word(_),
                Operator::Lt
                | Operator::Lte
                | Operator::Gt
                | Operator::Gte
                | Operator::IsNull
                | Operator::Prefix,
            )
            | (FieldKind::Id | FieldKind::Word(_), Operator::Ne) => Err(ListError::Operator {
                field: condition.parameter(),
                known: field.kind.operators(),
            }),
        }
    }

    /// A field has one of these values, and one of those that were given before.
    pub(crate) fn choose(&mut self, field: &'static Field, mut values: Vec<Value>) {
        let mut known = self.choices.iter_mut();
        if let Some((_, before)) = known.find(|(known, _)| known.name == field.name) {
            before.retain(|value| values.contains(value));
            return;
        }
        let mut once: Vec<Value> = Vec::with_capacity(values.len());
        for value in values.drain(..) {
            if !once.contains(&value) {
                once.push(value);
            }
        }
        self.choices.push((field, once));
    }

    fn limit(&mut self, field: &'static Field, range: Range) -> Result<(), ListError> {
        match &mut self.range {
            None => self.range = Some((field, range)),
            Some((known, before)) if known.name == field.name => before.meet(range),
            Some((known, _)) => {
                return Err(ListError::Ranges {
                    first: known.name.to_owned(),
                    second: field.name.to_owned(),
                });
            }
        }
        Ok(())
    }
}

fn check_value(condition: &ListCondition) -> Result<(), ListError> {
    if VALUE_LEN_MAX < condition.value.len() && condition.operator != Operator::In {
        return Err(wrong(condition, "at most 512 octets are compared"));
    }
    if condition.value.contains('\0') {
        return Err(wrong(condition, "there is no NUL in any value"));
    }
    Ok(())
}

/// The values of a condition, which stand between commas if there may be several.
fn listed(condition: &ListCondition) -> Result<impl Iterator<Item = &str>, ListError> {
    let raw = condition.value.as_str();
    let count = match condition.operator {
        Operator::In => raw.split(',').count(),
        Operator::Eq
        | Operator::Ne
        | Operator::Lt
        | Operator::Lte
        | Operator::Gt
        | Operator::Gte
        | Operator::IsNull
        | Operator::Prefix => 1,
    };
    if VALUES_MAX < count {
        return Err(wrong(condition, "at most 64 values are compared"));
    }
    Ok(raw.splitn(count, ','))
}

/// The words of a choice that a condition leaves open.
pub(crate) fn chosen(
    all: &'static [&'static str],
    condition: &ListCondition,
) -> Result<Vec<&'static str>, ListError> {
    if !matches!(
        condition.operator,
        Operator::Eq | Operator::Ne | Operator::In
    ) {
        return Err(ListError::Operator {
            field: condition.parameter(),
            known: FieldKind::Choice(all).operators(),
        });
    }
    let named: Vec<&str> = listed(condition)?.collect();
    if named.iter().any(|word| !all.contains(word)) {
        let reason = format!("this is not one of: {}", all.join(", "));
        return Err(wrong(condition, reason));
    }
    let is_left_out = condition.operator == Operator::Ne;
    let words = all.iter().copied();
    Ok(words
        .filter(|word| named.contains(word) != is_left_out)
        .collect())
}

fn wrong(condition: &ListCondition, reason: impl ToString) -> ListError {
    ListError::Value {
        field: condition.parameter(),
        reason: reason.to_string(),
    }
}
