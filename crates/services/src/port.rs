//! What the worker needs from the outside, stated as traits that the program implements.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use domain::session::Session;
use domain::session_command::{RouterReply, Wish};
use domain::webhook::WebhookUrl;

/// One question to the router of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterRequest {
    /// As it is in the books now.
    pub session: Session,
    pub wish: Wish,
    /// Which of the sets of attributes names the session, from 0. There may be fewer.
    pub attempt: u8,
}

/// Asks routers about their sessions (RFC 5176).
pub trait Routers: Send + Sync + 'static {
    /// Asks, with all retransmissions, and gives what came of it.
    fn ask(&self, request: &RouterRequest) -> impl Future<Output = RouterReply> + Send;
}

/// One signed message to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRequest {
    pub url: WebhookUrl,
    /// The signature, and what it covers beside the body.
    pub headers: [(&'static str, String); 3],
    /// JSON.
    pub body: Bytes,
}

/// Why there is no answer of an endpoint. The text is for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WebhookFailure(pub String);

/// What an endpoint answered: its status.
pub type WebhookAnswer<'a> = Pin<Box<dyn Future<Output = Result<u16, WebhookFailure>> + Send + 'a>>;

/// Sends messages to endpoints.
pub trait WebhookClient: Send + Sync + 'static {
    /// Sends one message, within 15 s. Redirects are not followed, and no address is connected to
    /// that is not permitted.
    fn post(&self, request: WebhookRequest) -> WebhookAnswer<'_>;
}
