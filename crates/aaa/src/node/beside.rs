//! The tasks of a node beside the packet path that look after sessions.

use std::sync::Arc;

use super::{Restartable, restartable};
use crate::announcement::Announcer;
use crate::engine::Context;
use crate::neighbours::Neighbours;
use crate::port::{AccountingStore, Clock, Registry, SessionBoard, Spool};
use crate::spooling::Spooling;
use crate::stale::StaleKeeper;

/// The tasks with their names. None of them ends.
pub(super) fn tasks<R, A, S>(
    context: &Context,
    registry: &Arc<R>,
    spooling: &Arc<Spooling<A, S>>,
    clock: &Arc<dyn Clock>,
) -> Vec<(&'static str, Restartable)>
where
    R: Registry + SessionBoard,
    A: AccountingStore,
    S: Spool,
{
    let announcer = Announcer {
        board: Arc::clone(registry),
        sessions: Arc::clone(&context.sessions),
        metrics: Arc::clone(&context.metrics),
        is_failing: false,
    };
    let neighbours = Neighbours {
        board: Arc::clone(registry),
        follow: context.follow(),
        spool: spooling.state(),
        clock: Arc::clone(clock),
        is_behind: false,
        has_run: false,
    };
    let stale = StaleKeeper::new(Arc::clone(registry), Arc::clone(spooling), context.follow());
    vec![
        (
            "session news",
            restartable(announcer, |task| Box::pin(task.run())),
        ),
        (
            "sessions of other nodes",
            restartable(neighbours, |task| Box::pin(task.run())),
        ),
        (
            "stale sessions",
            restartable(stale, |task| Box::pin(task.run())),
        ),
    ]
}
