//! What went wrong, as RFC 9457 has it: with a code that stays the same, and the fields it is about.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use services::api_key::ApiKeyError;
use services::operator::OperatorError;
use services::password::HashingError;
use storage::error::StoreError;
use storage::listing::{ListError, ListFailure};
use utoipa::ToSchema;

pub(crate) const CONTENT_TYPE: &str = "application/problem+json";

/// An answer that is an error.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: the code says what it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The meaning of the status.
    title: &'static str,
    #[schema(minimum = 400, maximum = 599)]
    pub(crate) status: u16,
    /// What programs go by; it stays the same when the words change.
    pub(crate) code: &'static str,
    /// What happened and what helps.
    detail: String,
    /// The fields that are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldProblem>,
    /// Under which the request is in the log of the program and in the audit log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    #[schema(value_type = Option<String>)]
    pub(crate) request_id: Option<Box<str>>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldProblem {
    /// Its name; parts are joined by dots.
    pub(crate) field: String,
    pub(crate) code: &'static str,
    pub(crate) detail: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            errors: Vec::new(),
            request_id: None,
        }
    }

    /// What happened and what helps.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// Fields that cannot be as they are.
    pub(crate) fn invalid(errors: Vec<FieldProblem>) -> Self {
        let detail = match errors.as_slice() {
            [only] => format!("{}: {}", only.field, only.detail),
            many => format!("{} fields cannot be as they are", many.len()),
        };
        Self {
            errors,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
        }
    }

    /// One field that cannot be as it is.
    pub(crate) fn field(field: &str, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldProblem {
            field: field.to_owned(),
            code: "invalid",
            detail: detail.into(),
        }])
    }

    /// The same under another status.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self {
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            ..self
        }
    }

    /// What is absent, and what belongs to somebody else, look the same.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is no such {what}"),
        )
    }

    /// The same of what a parameter or a field names: it is the request that is wrong.
    pub(crate) fn named_by(self, field: &str) -> Self {
        match self.status {
            404 => Self::field(field, self.detail),
            _ => self,
        }
    }

    pub(crate) fn unauthenticated(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    pub(crate) fn no_database() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "database_unavailable",
            "the database cannot be reached now; try again",
        )
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong here; the log has it under the request id",
        )
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let told = error.to_string();
        match error {
            StoreError::NotFound { what, .. } => Self::not_found(&what.to_string()),
            StoreError::Conflict { field, .. } => Self {
                errors: vec![FieldProblem {
                    field: field.as_str().replace('-', "_"),
                    code: "taken",
                    detail: told.clone(),
                }],
                ..Self::new(StatusCode::CONFLICT, "conflict", told)
            },
            StoreError::Stale { .. } => Self::new(StatusCode::PRECONDITION_FAILED, "stale", told),
            StoreError::InUse { .. } | StoreError::AppliesAtLimit { .. } => {
                Self::new(StatusCode::CONFLICT, "in_use", told)
            }
            StoreError::Transition { source, .. } => Self::new(
                StatusCode::CONFLICT,
                "wrong_state",
                format!("{told}: {source}"),
            ),
            StoreError::Garden(source) => Self::field("garden", source.to_string()),
            StoreError::LastOwner { .. } => Self::new(StatusCode::CONFLICT, "last_owner", told),
            StoreError::SecondFactor { .. } => Self::new(StatusCode::CONFLICT, "wrong_state", told),
            StoreError::HouseTenant => Self::new(StatusCode::CONFLICT, "house_tenant", told),
            StoreError::OnlyHashed { .. } => Self::new(StatusCode::CONFLICT, "only_hashed", told),
            StoreError::WrongState { .. } => Self::new(StatusCode::CONFLICT, "wrong_state", told),
            StoreError::TooMany { .. } => Self::new(StatusCode::CONFLICT, "too_many", told),
            StoreError::Unavailable(_) => {
                tracing::warn!("A request needed the database, which cannot be reached");
                Self::no_database()
            }
            StoreError::Refused(_) | StoreError::Corrupt { .. } | StoreError::Sealed { .. } => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "A request failed in the database"
                );
                Self::internal()
            }
        }
    }
}

impl From<ListFailure> for Problem {
    fn from(failure: ListFailure) -> Self {
        match failure {
            ListFailure::Query(error @ ListError::Cursor) => Self::bad_request(error.to_string()),
            ListFailure::Query(error) => Self::field(error.field(), error.to_string()),
            ListFailure::Store(error) => error.into(),
        }
    }
}

impl From<OperatorError> for Problem {
    fn from(error: OperatorError) -> Self {
        let told = error.to_string();
        match error {
            OperatorError::Store(error) => error.into(),
            OperatorError::Weak(_) | OperatorError::SamePassword => Self::field("password", told),
            OperatorError::Hashing(HashingError::Busy) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", told)
            }
            OperatorError::Hashing(HashingError::Failed) => Self::internal(),
            OperatorError::Beyond(_) => Self::forbidden(told),
            OperatorError::WrongPassword => {
                Self::new(StatusCode::FORBIDDEN, "wrong_password", told)
            }
            OperatorError::WrongCode => Self::field("code", told),
        }
    }
}

impl From<ApiKeyError> for Problem {
    fn from(error: ApiKeyError) -> Self {
        match error {
            ApiKeyError::Store(error) => error.into(),
            ApiKeyError::Beyond(beyond) => Self::forbidden(beyond.to_string()),
        }
    }
}

/// The body is written by [`crate::request`], which knows the name of the request.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        if status == StatusCode::UNAUTHORIZED {
            let how = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of an answer that is a problem.
pub(crate) fn written(mut response: Response, request_id: &str) -> Response {
    let Some(mut problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    problem.request_id = Some(request_id.into());
    let json = serde_json::to_vec(&problem).expect("a problem is made of texts and numbers");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    headers.remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(json);
    response
}
