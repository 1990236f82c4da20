//! Answers that carry the revision of what they show.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::time::Timestamp;
use serde::Serialize;

/// One thing with its `ETag`, which an `If-Match` names to change just that.
pub(crate) struct Tagged<T> {
    pub(crate) status: StatusCode,
    pub(crate) revision: Timestamp,
    pub(crate) view: T,
}

impl<T> Tagged<T> {
    pub(crate) const fn ok(revision: Timestamp, view: T) -> Self {
        Self {
            status: StatusCode::OK,
            revision,
            view,
        }
    }

    /// Something that was made; in a rehearsal nothing was.
    pub(crate) const fn made(is_rehearsal: bool, revision: Timestamp, view: T) -> Self {
        Self {
            status: if is_rehearsal {
                StatusCode::OK
            } else {
                StatusCode::CREATED
            },
            revision,
            view,
        }
    }
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.view)).into_response();
        let tag = format!("\"{}\"", self.revision.as_micros());
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}
