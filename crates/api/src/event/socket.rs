//! Events over a WebSocket: one message an event, and a close code that says what to do.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use services::event::reader::{ReadError, Reader, SubscribeError};
use services::event::ring::Told;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::authenticate;
use crate::state::Api;

/// What a client asks for when it has to name a protocol, so that its token is not sent back.
pub(crate) const PROTOCOL: &str = "lastmile.events";

/// What stands before a token among the protocols: browsers can send it nowhere else.
pub(crate) const TOKEN_PROTOCOL: &str = "bearer.";

/// How often it is asked whether the other side is there, and whether it may still listen.
const PING_EVERY: Duration = Duration::from_secs(30);

/// A client of which nothing is heard for so long is gone.
const IDLE_MAX: Duration = Duration::from_secs(75);

/// How long the network may take for some events.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);

/// After so long a client shows its token again.
const LIFE: Duration = Duration::from_secs(3_600);

/// Octets of a message of a client, which nobody reads.
const MESSAGE_BYTES_MAX: usize = 4 << 10;

/// Octets that are read and written at once: there may be thousands of sockets.
const BUFFER_BYTES: usize = 4 << 10;

/// Why a socket is closed, by the code that its client sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Close {
    /// The token is not good any more, or was not shown for an hour.
    SignIn = 4_001,
    /// Nothing was heard of the client.
    Idle = 4_003,
    /// Events come faster than the client takes them.
    TooSlow = 4_008,
    /// What comes next is not kept any more.
    Gone = 4_010,
    /// The numbers of events began anew.
    Ended = 4_011,
    /// There is no such event yet.
    Ahead = 4_012,
    /// Try again later.
    Unavailable = 1_013,
}

/// Whoever listens.
struct Listener {
    reader: Reader,
    api: Api,
    /// What was asked, and what proved who asked.
    asked: Parts,
}

type Sink = SplitSink<WebSocket, Message>;
type Source = SplitStream<WebSocket>;

/// The token among the protocols that a client offers.
pub(crate) fn find_token(headers: &HeaderMap) -> Option<&str> {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let offered = offered.iter().filter_map(|value| value.to_str().ok());
    let mut offered = offered.flat_map(|value| value.split(',')).map(str::trim);
    offered.find_map(|protocol| protocol.strip_prefix(TOKEN_PROTOCOL))
}

/// Turns the connection into a socket that tells what a reader is given, or why there is none.
pub(crate) fn respond(
    upgrade: WebSocketUpgrade,
    listening: Result<Reader, SubscribeError>,
    (api, asked): (Api, Parts),
) -> Response {
    // Whoever names nothing but a token gets it back, or a browser would hang up.
    let token = find_token(&asked.headers).map(|token| format!("{TOKEN_PROTOCOL}{token}"));
    let protocols = [Cow::Borrowed(PROTOCOL)].into_iter();
    let protocols = protocols.chain(token.map(Cow::Owned));
    let upgrade = upgrade
        .protocols(protocols)
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES);
    upgrade.on_upgrade(async move |socket| {
        let (mut sink, source) = socket.split();
        let (close, reason) = match listening {
            Ok(reader) => {
                let listener = Listener { reader, api, asked };
                match listener.serve(&mut sink, source).await {
                    Some(ending) => ending,
                    // The client has left, or the network.
                    None => return,
                }
            }
            Err(error) => refused(&error),
        };
        let frame = CloseFrame {
            code: close as u16,
            reason: reason.into(),
        };
        // Whoever does not take even that is let go.
        let _ = timeout(WRITE_PATIENCE, sink.send(Message::Close(Some(frame)))).await;
    })
}

impl Listener {
    /// Tells events until something ends it; nothing when the client has left.
    async fn serve(mut self, sink: &mut Sink, mut source: Source) -> Option<(Close, String)> {
        let begun = Instant::now();
        let mut heard = begun;
        let mut ticks = interval(PING_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first one is at once.
        ticks.tick().await;
        loop {
            tokio::select! {
                events = self.reader.next() => match events {
                    Ok(events) => write(sink, &events).await?,
                    Err(error) => return Some(ended(&error)),
                },
                message = source.next() => match message {
                    // What a client says means nothing but that it is there.
                    Some(Ok(Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {
                        heard = Instant::now();
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                },
                _ = ticks.tick() => {
                    if IDLE_MAX < heard.elapsed() {
                        return Some((Close::Idle, "no pong for 75 s".to_owned()));
                    }
                    if LIFE < begun.elapsed() || !authenticate::holds(&self.api, &self.asked).await {
                        let position = self.reader.position();
                        let reason = format!("show a token again, and go on with since={position}");
                        return Some((Close::SignIn, reason));
                    }
                    let ping = sink.send(Message::Ping(Vec::new().into()));
                    timeout(WRITE_PATIENCE, ping).await.ok()?.ok()?;
                }
            }
        }
    }
}

/// Writes events together; nothing when the client does not take them.
async fn write(sink: &mut Sink, events: &[Arc<Told>]) -> Option<()> {
    let all = async {
        for event in events {
            let text = Utf8Bytes::try_from(event.json.clone());
            let text = text.unwrap_or_else(|_| Utf8Bytes::from_static("{}"));
            sink.feed(Message::Text(text)).await?;
        }
        sink.flush().await
    };
    timeout(WRITE_PATIENCE, all).await.ok()?.ok()
}

fn refused(error: &SubscribeError) -> (Close, String) {
    match error {
        SubscribeError::TooMany => (Close::Unavailable, "too many listen already".to_owned()),
        SubscribeError::Gone { first, .. } => (Close::Gone, gone(*first)),
        SubscribeError::Ahead { last, .. } => (Close::Ahead, format!("the last event is {last}")),
        SubscribeError::Store(_) => (Close::Unavailable, "no database now".to_owned()),
    }
}

fn ended(error: &ReadError) -> (Close, String) {
    match error {
        ReadError::TooSlow { position } => (
            Close::TooSlow,
            format!("too slow: go on with since={position}"),
        ),
        ReadError::Gone { first, .. } => (Close::Gone, gone(*first)),
        ReadError::Ended => (Close::Ended, "begin again without since".to_owned()),
        ReadError::Store(_) => (Close::Unavailable, "no database now".to_owned()),
    }
}

fn gone(first: i64) -> String {
    format!("gone: the first event that is kept is {first}")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        let pairs =
            pairs.map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        pairs.collect()
    }

    #[test]
    fn tokens_are_found_among_protocols() {
        let offered = "lastmile.events, bearer.lm_abc";
        let found = headers(&[(header::SEC_WEBSOCKET_PROTOCOL, offered)]);
        assert_eq!(find_token(&found), Some("lm_abc"));
        let none = headers(&[(header::SEC_WEBSOCKET_PROTOCOL, "lastmile.events")]);
        assert_eq!(find_token(&none), None);
    }
}
