//! The tasks of a node beside the packet path that look after sessions and guessers.

use std::sync::Arc;

use super::{Restartable, restartable};
use crate::announcement::Announcer;
use crate::engine::Context;
use crate::guard::keeper::GuardKeeper;
use crate::neighbours::Neighbours;
use crate::port::{AccountingStore, Clock, GuardBoard, Registry, SessionBoard, Spool};
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
    R: Registry + SessionBoard + GuardBoard,
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
    let guard = GuardKeeper {
        board: Arc::clone(registry),
        guard: Arc::clone(&context.guard),
        metrics: Arc::clone(&context.metrics),
        clock: Arc::clone(clock),
        shown: Vec::new(),
        is_failing: false,
    };
    let stale = StaleKeeper::new(Arc::clone(registry), Arc::clone(spooling), context.follow());
    vec![
        ("guard", restartable(guard, |task| Box::pin(task.run()))),
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
