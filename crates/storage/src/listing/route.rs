//! Which ranges of which indexes answer a query.

use sea_orm::Value;

use super::condition::Narrowed;
use super::cursor::Key;
use super::schema::{Field, FieldKind, Index, Schema};
use super::{Direction, Equal, ListError, Operator, Sort};

/// Ranges that one list is made of.
pub(crate) const RANGES_MAX: usize = 2_048;

/// Values between two ends of the order, each of which may be open and may belong to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Range {
    /// The value, and whether it belongs to the range.
    pub(crate) from: Option<(Key, bool)>,
    pub(crate) to: Option<(Key, bool)>,
}

/// Rows that have these values, and are in this range of a field.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Alternative {
    pub(crate) equal: Vec<Equal>,
    pub(crate) range: Option<(&'static str, Range)>,
}

/// A range of one index.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) index: &'static Index,
    pub(crate) equal: Vec<Equal>,
    pub(crate) range: Range,
}

/// In which order, and of what.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) order: &'static Field,
    pub(crate) direction: Direction,
    pub(crate) spans: Vec<Span>,
}

impl Range {
    pub(crate) fn exactly(key: Key) -> Self {
        Self {
            from: Some((key.clone(), true)),
            to: Some((key, true)),
        }
    }

    /// What begins with a text: up to the greatest that does.
    pub(crate) fn beginning(text: &str) -> Self {
        let mut last = text.to_owned();
        last.push(char::MAX);
        Self {
            from: Some((Key::Text(text.to_owned()), true)),
            to: Some((Key::Text(last), true)),
        }
    }

    pub(crate) fn compared(operator: Operator, key: Key) -> Self {
        match operator {
            Operator::Lt | Operator::Lte => Self {
                from: None,
                to: Some((key, operator == Operator::Lte)),
            },
            Operator::Gt | Operator::Gte => Self {
                from: Some((key, operator == Operator::Gte)),
                to: None,
            },
            Operator::Eq | Operator::Ne | Operator::In | Operator::IsNull | Operator::Prefix => {
                Self::exactly(key)
            }
        }
    }

    /// Narrows it to what is in the other as well.
    pub(crate) fn meet(&mut self, other: Self) {
        // Of two ends with one value, the narrower does not belong to the range.
        let narrows_from =
            |new: &(Key, bool), old: &(Key, bool)| (&old.0, !old.1) < (&new.0, !new.1);
        let narrows_to = |new: &(Key, bool), old: &(Key, bool)| new < old;
        if let Some(from) = other.from
            && self
                .from
                .as_ref()
                .is_none_or(|old| narrows_from(&from, old))
        {
            self.from = Some(from);
        }
        if let Some(to) = other.to
            && self.to.as_ref().is_none_or(|old| narrows_to(&to, old))
        {
            self.to = Some(to);
        }
    }
}

impl Route {
    /// The way to rows that are narrowed and sorted so; nothing is read.
    pub(crate) fn find(
        schema: &Schema,
        narrowed: &Narrowed,
        alternatives: Option<Vec<Alternative>>,
        sort: Option<&Sort>,
    ) -> Result<Self, ListError> {
        let alternatives = combine(narrowed, alternatives)?;
        let ranged = ranged(&alternatives)?;
        let orders = schema.orders();
        let serves = |order: &str| {
            ranged.is_none_or(|field| field == order)
                && alternatives
                    .iter()
                    .all(|one| find_index(schema, one, order).is_some())
        };
        let names = names(&alternatives, ranged);
        let served: Vec<&str> = orders
            .iter()
            .copied()
            .filter(|order| serves(order))
            .collect();
        let chosen = match sort {
            Some(sort) => {
                let order = orders.iter().copied().find(|order| *order == sort.field);
                let order = order.ok_or_else(|| ListError::SortField {
                    field: sort.field.chars().take(64).collect(),
                    known: orders.join(", "),
                })?;
                Some(order).filter(|order| served.contains(order))
            }
            None => Some(schema.order)
                .filter(|order| served.contains(order))
                .or_else(|| served.first().copied()),
        };
        let order = match (chosen, sort) {
            (Some(order), _) => order,
            (None, Some(sort)) if !served.is_empty() => {
                return Err(ListError::Sort {
                    narrowed: names,
                    sort: sort.field.clone(),
                    known: served.join(" or "),
                });
            }
            (None, _) => return Err(ListError::Together { narrowed: names }),
        };
        Ok(Self {
            order: schema.field(order),
            direction: sort.map_or(Direction::Ascending, |sort| sort.direction),
            spans: spans(schema, alternatives, order)?,
        })
    }

    /// The way through rows that are few, for which any order and any condition will do.
    pub(crate) fn among(
        schema: &Schema,
        sort: Option<&Sort>,
    ) -> Result<(&'static Field, Direction), ListError> {
        let Some(sort) = sort else {
            return Ok((schema.field(schema.order), Direction::Ascending));
        };
        let orders = schema.orders();
        let order = orders.iter().copied().find(|order| *order == sort.field);
        let order = order.ok_or_else(|| ListError::SortField {
            field: sort.field.chars().take(64).collect(),
            known: orders.join(", "),
        })?;
        Ok((schema.field(order), sort.direction))
    }
}

/// Every choice with every alternative.
pub(crate) fn combine(
    narrowed: &Narrowed,
    alternatives: Option<Vec<Alternative>>,
) -> Result<Vec<Alternative>, ListError> {
    let mut combined = alternatives.unwrap_or_else(|| vec![Alternative::default()]);
    for (field, values) in &narrowed.choices {
        let with = |one: &Alternative| {
            let known = one.equal.iter().find(|(column, _)| *column == field.name);
            let wanted = values
                .iter()
                .filter(move |value| known.is_none_or(|(_, known)| known == *value));
            let one = one.clone();
            let is_known = known.is_some();
            wanted
                .map(move |value| {
                    let mut one = one.clone();
                    if !is_known {
                        one.equal.push((field.name, value.clone()));
                    }
                    one
                })
                .collect::<Vec<_>>()
        };
        combined = combined.iter().flat_map(with).collect();
        if RANGES_MAX < combined.len() {
            return Err(ListError::Many);
        }
    }
    if let Some((field, range)) = &narrowed.range {
        for one in &mut combined {
            match &mut one.range {
                None => one.range = Some((field.name, range.clone())),
                Some((known, before)) if *known == field.name => before.meet(range.clone()),
                Some((known, _)) => {
                    return Err(ListError::Ranges {
                        first: (*known).to_owned(),
                        second: field.name.to_owned(),
                    });
                }
            }
        }
    }
    Ok(combined)
}

/// The field of which ranges are wanted.
fn ranged(alternatives: &[Alternative]) -> Result<Option<&'static str>, ListError> {
    let mut fields = alternatives
        .iter()
        .filter_map(|one| one.range.as_ref().map(|(field, _)| *field));
    let first = fields.next();
    match fields.find(|field| Some(*field) != first) {
        Some(second) => Err(ListError::Ranges {
            first: first.unwrap_or_default().to_owned(),
            second: second.to_owned(),
        }),
        None => Ok(first),
    }
}

/// The index with the fewest fields that are left open, all of which have few values.
fn find_index(schema: &Schema, one: &Alternative, order: &str) -> Option<&'static Index> {
    let is_given = |field: &&str| one.equal.iter().any(|(given, _)| *given == *field);
    let is_few = |field: &&str| matches!(schema.field(field).kind, FieldKind::Choice(_));
    let serves = |index: &&'static Index| {
        let has_all = one
            .equal
            .iter()
            .all(|(given, _)| index.equal.contains(given));
        let mut open = index.equal.iter().filter(|field| !is_given(field));
        index.order == order && has_all && open.all(is_few)
    };
    let open_count =
        |index: &&'static Index| index.equal.iter().filter(|field| !is_given(field)).count();
    schema.indexes.iter().filter(serves).min_by_key(open_count)
}

fn spans(
    schema: &Schema,
    alternatives: Vec<Alternative>,
    order: &str,
) -> Result<Vec<Span>, ListError> {
    let mut spans = Vec::with_capacity(alternatives.len());
    for one in alternatives {
        let index = find_index(schema, &one, order).expect("an index serves each alternative");
        let mut combinations: Vec<Vec<Equal>> = vec![Vec::new()];
        for field in index.equal {
            let given = one.equal.iter().find(|(given, _)| given == field);
            let values: Vec<Value> = match (given, schema.field(field).kind) {
                (Some((_, value)), _) => vec![value.clone()],
                (None, FieldKind::Choice(all)) => all.iter().map(|word| (*word).into()).collect(),
                (
                    None,
                    FieldKind::Text(_)
                    | FieldKind::Instant { .. }
                    | FieldKind::Id
                    | FieldKind::Word(_),
                ) => Vec::new(),
            };
            let column = schema.field(field).column;
            let with = |before: &Vec<Equal>| {
                let before = before.clone();
                values.clone().into_iter().map(move |value| {
                    let mut equal = before.clone();
                    equal.push((column, value));
                    equal
                })
            };
            combinations = combinations.iter().flat_map(with).collect();
        }
        let range = one.range.map(|(_, range)| range).unwrap_or_default();
        spans.extend(combinations.into_iter().map(|equal| Span {
            index,
            equal,
            range: range.clone(),
        }));
        if RANGES_MAX < spans.len() {
            return Err(ListError::Many);
        }
    }
    Ok(spans)
}

/// What a list is narrowed by, for an error.
fn names(alternatives: &[Alternative], ranged: Option<&'static str>) -> String {
    let mut names: Vec<&str> = Vec::new();
    let given = alternatives.iter().flat_map(|one| &one.equal);
    for name in given.map(|(name, _)| *name).chain(ranged) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.join(", ")
}
