//! Carries out commands about sessions: takes what is due, asks routers, stores what they say.
//!
//! Many routers are asked at once, each by so many questions as it can take, and what comes of them
//! is stored together. What the worker has taken is its own for a minute, and longer while it says
//! so; after a crash somebody else takes it again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::id::NasId;
use domain::session_command::ladder::Next;
use domain::session_command::verdict::{CommandState, Verdict};
use domain::session_command::{RouterAnswer, RouterReply};
use storage::clock::Clock;
use storage::error::StoreError;
use storage::job::JobKind;
use storage::session_command::{JobRoom, Look, Step, Task};
use storage::store::Store;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{info, warn};
use uuid::Uuid;

use crate::port::{RouterRequest, Routers};
use counts::{Answer, WorkerCounts};

pub mod counts;

/// How often due jobs are looked for that another process has added.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How often all sessions are looked at about which something was asked.
const LOOK_AT_ALL_EVERY: Duration = Duration::from_secs(5);

/// How often the worker says that it still has what it has taken.
const EXTEND_EVERY: Duration = Duration::from_secs(15);

/// Wait before the database is tried again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Questions under way at all routers together.
const UNDER_WAY_MAX: usize = 2_048;

/// Commands that are taken at once.
const TAKEN_MAX: usize = 512;

/// Questions under way at one router.
const ROUTER_UNDER_WAY_MAX: usize = 32;

/// The same while it does not answer.
const SILENT_ROUTER_UNDER_WAY_MAX: usize = 4;

/// Routers of which it is remembered that they did not answer.
const LANES_MAX: usize = 16_384;

/// What the worker works with.
pub struct Worker<R> {
    pub store: Store,
    pub routers: Arc<R>,
    pub clock: Clock,
    pub counts: Arc<WorkerCounts>,
}

/// How one router is doing.
#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    under_way: usize,
    is_silent: bool,
}

/// Questions that are under way.
struct UnderWay {
    asks: JoinSet<(Task, RouterReply)>,
    /// Of each question, the router that it is asked.
    routers: HashMap<Id, NasId>,
    lanes: HashMap<NasId, Lane>,
    last: Option<Uuid>,
}

/// When the worker looks at what.
struct Ticks {
    look: Interval,
    look_at_all: Interval,
    extend: Interval,
}

impl<R: Routers> Worker<R> {
    /// Works until it is dropped. What it has taken is due again when its lease runs out, or is let
    /// go.
    pub async fn run(self) {
        let mut under_way = UnderWay::new();
        let mut ticks = Ticks::new();
        let mut steps: Vec<Step> = Vec::new();
        loop {
            let outcome = self.turn(&mut under_way, &mut ticks, &mut steps).await;
            if let Err(problem) = outcome {
                self.counts.add_failure();
                warn!(
                    error = &problem as &dyn std::error::Error,
                    "Session commands cannot be carried out for want of the database"
                );
                tokio::time::sleep(STORE_PAUSE).await;
            }
        }
    }

    /// Waits for something to do and does it. Steps that could not be stored are kept.
    async fn turn(
        &self,
        under_way: &mut UnderWay,
        ticks: &mut Ticks,
        steps: &mut Vec<Step>,
    ) -> Result<(), StoreError> {
        if !steps.is_empty() {
            self.store_steps(steps).await?;
        }
        tokio::select! {
            Some(finished) = under_way.asks.join_next_with_id() => {
                steps.extend(self.finish(under_way, finished));
                while let Some(finished) = under_way.asks.try_join_next_with_id() {
                    steps.extend(self.finish(under_way, finished));
                }
                self.store_steps(steps).await?;
                self.take(under_way).await
            }
            () = self.store.job_added() => self.take(under_way).await,
            _ = ticks.extend.tick() => match under_way.asks.is_empty() {
                true => Ok(()),
                false => self.store.job_extend(JobKind::SessionCommand).await,
            },
            _ = ticks.look_at_all.tick() => self.look(Look::All).await,
            _ = ticks.look.tick() => {
                self.look(Look::Recent).await?;
                self.take(under_way).await
            }
        }
    }

    /// Takes what is due and asks the routers, until there is nothing or no room.
    async fn take(&self, under_way: &mut UnderWay) -> Result<(), StoreError> {
        loop {
            let room = under_way.room();
            if room.total == 0 {
                return Ok(());
            }
            let taken = self.store.session_command_take(&room).await?;
            under_way.last = taken.last;
            self.counts.add_buried(taken.buried);
            self.note(&taken.settled);
            let count = taken.tasks.len();
            for task in taken.tasks {
                under_way.ask(&self.routers, task);
            }
            if count < TAKEN_MAX {
                return Ok(());
            }
        }
    }

    async fn look(&self, look: Look) -> Result<(), StoreError> {
        let settled = self.store.session_command_look(look).await?;
        self.note(&settled);
        Ok(())
    }

    /// What follows from an answer; nothing when the question was lost in a panic, which the lease
    /// brings back.
    fn finish(
        &self,
        under_way: &mut UnderWay,
        finished: Result<(Id, (Task, RouterReply)), JoinError>,
    ) -> Option<Step> {
        let (id, answered) = match finished {
            Ok((id, answered)) => (id, Some(answered)),
            Err(problem) => {
                self.counts.add_failure();
                warn!(%problem, "Asking a router panicked; it is asked again in a minute");
                (problem.id(), None)
            }
        };
        let answer = answered.as_ref().map(|(_, reply)| reply.answer);
        under_way.leave(id, answer);
        let (task, reply) = answered?;
        self.counts.add_answer(Answer::of(reply.answer));
        let Task {
            command,
            mut progress,
            ..
        } = task;
        let now = (self.clock)();
        let next = progress.handle_reply(&command.wish, reply, now, command.expires_at);
        if let Next::Settled(verdict) = next {
            self.note(&[verdict]);
            if verdict.state() == CommandState::Failed {
                let error_cause = progress.error_cause;
                info!(
                    command.id = %command.id,
                    session.id = %command.session,
                    nas.id = %command.nas,
                    user.name = %command.username,
                    error_cause,
                    "A session command failed: {verdict}"
                );
            }
        }
        Some(Step {
            id: command.id,
            progress,
            next,
            terms: reply.terms.map(|terms| (command.session, terms)),
        })
    }

    async fn store_steps(&self, steps: &mut Vec<Step>) -> Result<(), StoreError> {
        self.store.session_command_step(steps).await?;
        steps.clear();
        Ok(())
    }

    fn note(&self, settled: &[Verdict]) {
        for verdict in settled {
            self.counts.add_settled(verdict.state());
        }
    }
}

impl UnderWay {
    fn new() -> Self {
        Self {
            asks: JoinSet::new(),
            routers: HashMap::new(),
            lanes: HashMap::new(),
            last: None,
        }
    }

    fn room(&self) -> JobRoom {
        let lanes = self.lanes.iter();
        JobRoom {
            total: (UNDER_WAY_MAX - self.asks.len()).min(TAKEN_MAX),
            lane: ROUTER_UNDER_WAY_MAX,
            lanes: lanes
                .map(|(nas, lane)| (nas.as_uuid(), lane.room()))
                .collect(),
            after: self.last,
        }
    }

    fn ask<R: Routers>(&mut self, routers: &Arc<R>, task: Task) {
        let nas = task.session.nas;
        let request = RouterRequest {
            session: task.session.clone(),
            wish: task.progress.wish(&task.command.wish),
            attempt: task.progress.attempt,
        };
        let routers = Arc::clone(routers);
        let handle = self.asks.spawn(async move {
            let reply = routers.ask(&request).await;
            (task, reply)
        });
        self.routers.insert(handle.id(), nas);
        self.lanes.entry(nas).or_default().under_way += 1;
    }

    /// A question has its answer, or is lost.
    fn leave(&mut self, id: Id, answer: Option<RouterAnswer>) {
        let Some(nas) = self.routers.remove(&id) else {
            return;
        };
        let Some(lane) = self.lanes.get_mut(&nas) else {
            return;
        };
        lane.under_way -= 1;
        match answer {
            Some(RouterAnswer::Silent) => lane.is_silent = true,
            Some(RouterAnswer::Acknowledged | RouterAnswer::Refused(_)) => lane.is_silent = false,
            Some(RouterAnswer::NotAsked(_)) | None => {}
        }
        let is_idle = lane.under_way == 0;
        if is_idle && (!lane.is_silent || LANES_MAX < self.lanes.len()) {
            self.lanes.remove(&nas);
        }
    }
}

impl Lane {
    const fn room(self) -> usize {
        let most = match self.is_silent {
            true => SILENT_ROUTER_UNDER_WAY_MAX,
            false => ROUTER_UNDER_WAY_MAX,
        };
        most.saturating_sub(self.under_way)
    }
}

impl Ticks {
    fn new() -> Self {
        let every = |period| {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        Self {
            look: every(LOOK_EVERY),
            look_at_all: every(LOOK_AT_ALL_EVERY),
            extend: every(EXTEND_EVERY),
        }
    }
}
