//! What the worker needs from the outside, stated as traits that the program implements.

use std::future::Future;

use domain::session::Session;
use domain::session_command::{RouterReply, Wish};

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
