//! What a path names, and the answer when it names nothing that can be.

use axum::extract::{FromRequestParts, rejection::PathRejection};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The parameters of a path.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        let refused = |rejection: PathRejection| {
            let detail = format!("the path cannot be read: {}", rejection.body_text());
            Problem::bad_request(detail)
        };
        found
            .map(|axum::extract::Path(value)| Self(value))
            .map_err(refused)
    }
}
