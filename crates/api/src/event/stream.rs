//! Server-sent events: a stream that browsers read, and take up again where it ended.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::request::Parts;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::json;
use services::event::reader::{ReadError, Reader};
use services::event::ring::Told;
use tokio::time::{Instant, timeout_at};

use crate::authenticate;
use crate::state::Api;

/// How often a stream on which nothing happens shows that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a browser waits before it asks again.
const RETRY: Duration = Duration::from_secs(2);

/// How often it is asked whether the other side may still listen.
const CHECK_EVERY: Duration = Duration::from_secs(30);

/// After so long a client shows its token again.
const LIFE: Duration = Duration::from_secs(3_600);

/// Whoever listens.
struct Listener {
    reader: Reader,
    api: Api,
    /// What was asked, and what proved who asked.
    asked: Parts,
    ends_at: Instant,
    check_at: Instant,
}

/// A stream of what a reader is given.
pub(crate) fn respond(reader: Reader, (api, asked): (Api, Parts)) -> Response {
    let now = Instant::now();
    let listener = Listener {
        reader,
        api,
        asked,
        ends_at: now + LIFE,
        check_at: now + CHECK_EVERY,
    };
    let begin = Event::default().retry(RETRY).comment("lastmile");
    let begin = stream::iter([Ok::<_, Infallible>(begin)]);
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let mut response = Sse::new(begin.chain(follow(listener)))
        .keep_alive(keep_alive)
        .into_response();
    // Proxies would hold back what is small.
    let value = HeaderValue::from_static("no");
    response.headers_mut().insert("x-accel-buffering", value);
    response
}

fn follow(listener: Listener) -> impl Stream<Item = Result<Event, Infallible>> {
    let pages = stream::unfold(Some(listener), |listener| async {
        let mut listener = listener?;
        match listener.next().await {
            Ok(events) => Some((events.iter().map(told).collect(), Some(listener))),
            Err(last) => Some((vec![last], None)),
        }
    });
    pages.flat_map(|events: Vec<Event>| stream::iter(events.into_iter().map(Ok)))
}

impl Listener {
    /// The next events, or why there are no more.
    async fn next(&mut self) -> Result<Vec<Arc<Told>>, Event> {
        loop {
            if self.check_at <= Instant::now() {
                let is_over = self.ends_at <= self.check_at;
                if is_over || !authenticate::holds(&self.api, &self.asked).await {
                    return Err(end("sign_in", "show a token again, and go on"));
                }
                self.check_at = Instant::now() + CHECK_EVERY;
            }
            if let Ok(next) = timeout_at(self.check_at, self.reader.next()).await {
                return next.map_err(|error| last(&error));
            }
        }
    }
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
    end(code, &detail)
}

fn end(code: &str, detail: &str) -> Event {
    let data = json!({ "code": code, "detail": detail });
    Event::default().event("end").data(data.to_string())
}
