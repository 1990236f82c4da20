//! What is asked of a list that is narrowed, sorted and searched: query parameters, of which those
//! that are not ours are names of fields with operators.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use storage::listing::{
    Direction, Filter, FilterKind, ListCondition, ListQuery, Listed, Operator, Sort, Total,
};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Required, Schema};

use super::{Listing, TotalView};
use crate::problem::Problem;

const LIMIT_DEFAULT: u32 = 100;

/// Conditions of one request.
const CONDITIONS_MAX: usize = 32;

/// What a list can be narrowed and sorted by.
pub(crate) trait Narrowable {
    fn filters() -> Vec<Filter>;
    fn sorts() -> Vec<&'static str>;
    /// What `q` looks at.
    const SEARCHED: &'static str;
}

/// What is asked of a list of one kind.
pub(crate) struct Asked<N> {
    pub(crate) query: ListQuery,
    pub(crate) fields: Option<String>,
    pub(crate) has_total: bool,
    of: PhantomData<fn() -> N>,
}

impl<N: Narrowable, S: Send + Sync> FromRequestParts<S> for Asked<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let mut asked = Self {
            query: ListQuery::first(LIMIT_DEFAULT),
            fields: None,
            has_total: false,
            of: PhantomData,
        };
        let query = parts.uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            asked.take(&name, &value)?;
        }
        Ok(asked)
    }
}

impl<N> Asked<N> {
    fn take(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        match name {
            "limit" => match value.parse() {
                Ok(limit @ 1..=1_000) => self.query.limit = limit,
                Ok(_) | Err(_) => return Err(Problem::bad_request("limit is 1 to 1000")),
            },
            "page_token" => self.query.after = Some(value.to_owned()),
            "fields" => self.fields = Some(value.to_owned()),
            "sort" => self.query.sort = Some(sort(value)),
            "q" => self.query.search = Some(value.to_owned()),
            "total" => {
                self.has_total = match value {
                    "true" => true,
                    "false" => false,
                    _ => return Err(Problem::bad_request("total is true or false")),
                }
            }
            name => {
                if CONDITIONS_MAX <= self.query.conditions.len() {
                    let detail = format!("at most {CONDITIONS_MAX} conditions are taken");
                    return Err(Problem::field(name, detail));
                }
                self.query.conditions.push(condition(name, value)?);
            }
        }
        Ok(())
    }
}

/// `-created_at` is downwards.
fn sort(raw: &str) -> Sort {
    let (direction, field) = match raw.strip_prefix('-') {
        Some(field) => (Direction::Descending, field),
        None => (Direction::Ascending, raw),
    };
    Sort {
        field: field.to_owned(),
        direction,
    }
}

fn condition(name: &str, value: &str) -> Result<ListCondition, Problem> {
    let (field, operator) = match name.split_once('.') {
        Some((field, operator)) => (field, operator),
        None => (name, Operator::Eq.as_str()),
    };
    let known = Operator::ALL
        .into_iter()
        .find(|known| known.as_str() == operator);
    let operator = known.ok_or_else(|| {
        let all = Operator::ALL.map(Operator::as_str).join(", ");
        let shown: String = name.chars().take(64).collect();
        Problem::field(
            &shown,
            format!("there is no such comparison: there are {all}"),
        )
    })?;
    Ok(ListCondition {
        field: field.to_owned(),
        operator,
        value: value.to_owned(),
    })
}

impl<T> Listing<T> {
    /// A page as the store gave it.
    pub(crate) fn of<R>(page: Listed<R>, total: Option<Total>) -> Self
    where
        T: From<R>,
    {
        Self {
            items: page.rows.into_iter().map(T::from).collect(),
            next_page_token: page.next,
            total: total.map(|total| TotalView {
                count: total.rows,
                is_more: total.is_more,
            }),
        }
    }
}

impl<N: Narrowable> IntoParams for Asked<N> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut sorts: Vec<String> = N::sorts().iter().map(ToString::to_string).collect();
        sorts.extend(N::sorts().iter().map(|field| format!("-{field}")));
        let mut parameters = vec![
            parameter(
                "limit",
                "Entries of a page.",
                object(Type::Integer)
                    .minimum(Some(1))
                    .maximum(Some(1_000))
                    .default(Some(LIMIT_DEFAULT.into())),
            ),
            parameter(
                "page_token",
                "Where the page before this one ended: its `next_page_token`.",
                object(Type::String).max_length(Some(2_048)),
            ),
            parameter(
                "fields",
                "Only these members of each entry, separated by commas.",
                object(Type::String),
            ),
            parameter(
                "sort",
                "In which order, with `-` downwards. Without it, the order that goes with what the \
                 list is narrowed by. An order that would have to be made by sorting everything is \
                 refused, with those that go.",
                object(Type::String).enum_values(Some(sorts)),
            ),
            parameter(
                "total",
                "Count how many there are, up to 10000.",
                object(Type::Boolean).default(Some(false.into())),
            ),
            parameter(
                "q",
                N::SEARCHED,
                object(Type::String)
                    .min_length(Some(3))
                    .max_length(Some(100)),
            ),
        ];
        let narrowing = N::filters();
        parameters.extend(
            narrowing
                .iter()
                .map(|filter| parameter(&filter.parameter(), &described(filter), schema(filter))),
        );
        parameters
    }
}

fn parameter(name: &str, description: &str, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(RefOr::T(Schema::Object(schema.build()))))
        .build()
}

fn object(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(kind))
}

fn schema(filter: &Filter) -> ObjectBuilder {
    match (filter.kind, filter.operator) {
        (_, Operator::IsNull) => object(Type::Boolean),
        (_, Operator::In) => object(Type::String).min_length(Some(1)),
        (FilterKind::Choice(all), _) => {
            object(Type::String).enum_values(Some(all.iter().map(ToString::to_string)))
        }
        (FilterKind::Instant, _) => {
            object(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        }
        (FilterKind::Text | FilterKind::Reference, _) => object(Type::String)
            .min_length(Some(1))
            .max_length(Some(512)),
    }
}

fn described(filter: &Filter) -> String {
    let field = filter.field;
    match filter.operator {
        Operator::Eq => match filter.kind {
            FilterKind::Reference => format!("Only with this {field}, by id or name."),
            FilterKind::Text | FilterKind::Instant | FilterKind::Choice(_) => {
                format!("Only with this {field}.")
            }
        },
        Operator::Ne => format!("Only with another {field}."),
        Operator::Lt => format!("Only with a lesser {field}."),
        Operator::Lte => format!("Only with a lesser {field} or this one."),
        Operator::Gt => format!("Only with a greater {field}."),
        Operator::Gte => format!("Only with a greater {field} or this one."),
        Operator::In => format!("Only with one of these for {field}, separated by commas."),
        Operator::IsNull => format!("Only without {field}, or with `false` only with one."),
        Operator::Prefix => format!("Only where {field} begins so."),
    }
}
