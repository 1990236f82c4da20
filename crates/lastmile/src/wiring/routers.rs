//! Joins the worker's port to the node's way to the routers.

use aaa::dynamic_authorization::{Due, DueTerms, Sender};
use domain::nas::Vendor;
use domain::session::Session;
use domain::session_command::RouterReply;
use domain::time::Timestamp;
use services::port::{RouterRequest, Routers};

/// The routers as the worker sees them.
pub(crate) struct NodeRouters {
    sender: Sender,
}

/// Nobody compares the terms of sessions with those that are due, so none ever has to change.
struct UnchangedTerms;

impl NodeRouters {
    pub(crate) const fn new(sender: Sender) -> Self {
        Self { sender }
    }
}

impl DueTerms for UnchangedTerms {
    type Mark = ();

    fn due(&self, _: &Session, _: Vendor, _: Timestamp) -> Due<()> {
        Due::Nothing
    }
}

impl Routers for NodeRouters {
    async fn ask(&self, request: &RouterRequest) -> RouterReply {
        let RouterRequest {
            session,
            wish,
            attempt,
        } = request;
        let sender = &self.sender;
        let reply = sender.ask(&UnchangedTerms, session, wish, *attempt).await;
        RouterReply {
            answer: reply.answer,
            is_last_set: reply.is_last_set,
        }
    }
}
