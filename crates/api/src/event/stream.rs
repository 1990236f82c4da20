//! Server-sent events: a stream that browsers read, and take up again where it ended.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::json;
use services::event::reader::{ReadError, Reader};
use services::event::ring::Told;

/// How often a stream on which nothing happens shows that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a browser waits before it asks again.
const RETRY: Duration = Duration::from_secs(2);

/// A stream of what a reader is given.
pub(crate) fn respond(reader: Reader) -> Response {
    let begin = Event::default().retry(RETRY).comment("lastmile");
    let begin = stream::iter([Ok::<_, Infallible>(begin)]);
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let mut response = Sse::new(begin.chain(follow(reader)))
        .keep_alive(keep_alive)
        .into_response();
    // Proxies would hold back what is small.
    let value = axum::http::HeaderValue::from_static("no");
    response.headers_mut().insert("x-accel-buffering", value);
    response
}

fn follow(reader: Reader) -> impl Stream<Item = Result<Event, Infallible>> {
    let pages = stream::unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        match reader.next().await {
            Ok(events) => {
                let events = events.iter().map(told).collect();
                Some((events, Some(reader)))
            }
            Err(error) => Some((vec![last(&error)], None)),
        }
    });
    pages.flat_map(|events: Vec<Event>| stream::iter(events.into_iter().map(Ok)))
}

fn told(event: &Arc<Told>) -> Event {
    Event::default()
        .id(event.seq.to_string())
        .event(&*event.kind)
        .data(String::from_utf8_lossy(&event.json))
}

/// Why the stream ends; whoever takes it up again behind the last event misses nothing.
fn last(error: &ReadError) -> Event {
    let code = match error {
        ReadError::TooSlow { .. } => "too_slow",
        ReadError::Gone { .. } => "events_gone",
        ReadError::Ended => "ended",
        ReadError::Store(_) => "database_unavailable",
    };
    let detail = match error {
        // What a database says is for the log.
        ReadError::Store(_) => "the database cannot be reached now".to_owned(),
        ReadError::TooSlow { .. } | ReadError::Gone { .. } | ReadError::Ended => error.to_string(),
    };
    let data = json!({ "code": code, "detail": detail });
    Event::default().event("end").data(data.to_string())
}
