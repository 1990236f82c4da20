//! Bodies and query parameters, and how what is wrong with them is told.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::problem::{FieldProblem, Problem};

/// The most octets of a JSON body.
pub(crate) const BODY_BYTES_MAX: usize = 4 << 20;

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

/// Query parameters.
pub(crate) struct Params<T>(pub(crate) T);

/// Collects what is wrong with fields, so that all of it is told at once.
#[derive(Default)]
pub(crate) struct Fields(Vec<FieldProblem>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if kind != "application/json" {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "the body has to be JSON, sent with Content-Type: application/json",
            ));
        }
        let octets =
            Bytes::from_request(request, state)
                .await
                .map_err(|rejection| match rejection.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => too_large(),
                    _ => Problem::bad_request("the body ended early"),
                })?;
        let mut reader = serde_json::Deserializer::from_slice(&octets);
        let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let field = error.path().to_string();
            let detail = error.inner().to_string();
            match error.inner().classify() {
                serde_json::error::Category::Data => at_field(&field, detail),
                serde_json::error::Category::Io
                | serde_json::error::Category::Syntax
                | serde_json::error::Category::Eof => {
                    Problem::bad_request(format!("the body is not JSON: {detail}"))
                }
            }
        })?;
        reader
            .end()
            .map_err(|error| Problem::bad_request(format!("the body is not JSON: {error}")))?;
        Ok(Self(value))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let reader = serde_urlencoded::Deserializer::new(form_pairs(query));
        serde_path_to_error::deserialize(reader)
            .map(Self)
            .map_err(|error| {
                let problem = at_field(&error.path().to_string(), error.inner().to_string());
                problem.with_status(StatusCode::BAD_REQUEST)
            })
    }
}

fn form_pairs(query: &str) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(query.as_bytes())
}

pub(crate) fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        format!("the body has more than {BODY_BYTES_MAX} octets"),
    )
}

fn at_field(field: &str, detail: String) -> Problem {
    match field {
        "." | "" => Problem::field("body", detail),
        field => Problem::field(field, detail),
    }
}

impl Fields {
    /// A value from its text.
    pub(crate) fn parse<T>(&mut self, field: &str, raw: &str) -> Option<T>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        match raw.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(field, error.to_string());
                None
            }
        }
    }

    /// A value that is sent, as the domain has it.
    pub(crate) fn take<T, U, E: ToString>(
        &mut self,
        field: &str,
        value: Option<T>,
        check: impl FnOnce(T) -> Result<U, E>,
    ) -> Option<U> {
        match check(value?) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.wrong(field, problem.to_string());
                None
            }
        }
    }

    /// The same for a field that `null` empties.
    pub(crate) fn take_nested<T, U, E: ToString>(
        &mut self,
        field: &str,
        value: Option<Option<T>>,
        check: impl FnOnce(T) -> Result<U, E>,
    ) -> Option<Option<U>> {
        value.map(|value| self.take(field, value, check))
    }

    pub(crate) fn wrong(&mut self, field: &str, detail: impl Into<String>) {
        self.0.push(FieldProblem {
            field: field.to_owned(),
            code: "invalid",
            detail: detail.into(),
        });
    }

    /// The answer if anything was wrong.
    pub(crate) fn check(self) -> Result<(), Problem> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Problem::invalid(self.0))
    }
}

/// For a field that may be absent and is not emptied by `null`.
pub(crate) fn given<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// For a field of a patch: absent leaves it as it is (`None`), `null` empties it (`Some(None)`).
pub(crate) fn present<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
