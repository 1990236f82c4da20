//! Joins the worker's port to the node's way to the routers.

use aaa::dynamic_authorization::Sender;
use aaa::rights::Rights;
use domain::session_command::RouterReply;
use services::port::{RouterRequest, Routers};

/// The routers as the worker sees them.
pub(crate) struct NodeRouters {
    sender: Sender,
    rights: Rights,
}

impl NodeRouters {
    pub(crate) const fn new(sender: Sender, rights: Rights) -> Self {
        Self { sender, rights }
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
        let reply = sender.ask(&self.rights, session, wish, *attempt).await;
        RouterReply {
            answer: reply.answer,
            is_last_set: reply.is_last_set,
            terms: reply.mark,
        }
    }
}
