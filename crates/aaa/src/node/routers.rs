//! The tasks of a node that speak with routers about open sessions, for itself and for local tools.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{NodeOptions, Restartable, StartError, restartable};
use crate::dynamic_authorization::Sender;
use crate::engine::Context;
use crate::port::{Clock, SessionBoard};
use crate::relay::Relay;

/// What is opened, and what has to run for it.
pub(super) struct Routers {
    pub(super) sender: Sender,
    /// Where local tools are heard, if they are.
    pub(super) relay: Option<SocketAddr>,
    /// With their names. None of them ends.
    pub(super) tasks: Vec<(&'static str, Restartable)>,
}

pub(super) fn open<B: SessionBoard>(
    options: &NodeOptions,
    context: &Context,
    board: &Arc<B>,
    listeners: &[SocketAddr],
    clock: &Arc<dyn Clock>,
) -> Result<Routers, StartError> {
    let directory = Arc::clone(&context.directory);
    let metrics = Arc::clone(&context.metrics);
    let opened = Sender::open(listeners, directory, Arc::clone(clock), metrics);
    let (sender, carrier) = opened.map_err(StartError::Carrier)?;
    let carrier = restartable(carrier, |carrier| Box::pin(carrier.run()));
    let mut tasks = vec![("routers", carrier)];
    let relay = options.relay.as_ref().map(|options| {
        let (board, clock) = (Arc::clone(board), Arc::clone(clock));
        let metrics = Arc::clone(&context.metrics);
        Relay::open(options, board, sender.clone(), clock, metrics)
    });
    let address = relay.as_ref().and_then(Relay::local_address);
    if let Some(relay) = relay {
        tasks.push(("relay", restartable(relay, |relay| Box::pin(relay.run()))));
    }
    Ok(Routers {
        sender,
        relay: address,
        tasks,
    })
}
