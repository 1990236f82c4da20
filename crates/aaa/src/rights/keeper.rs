//! Looks at sessions when rights change, and asks for what has to be done.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use domain::accounting::SessionKey;
use domain::id::SubscriberId;
use domain::session::LiveSession;
use domain::session_command::{EndReason, NewCommand, Wish};
use domain::terms::{self, Due, Effect, TermsMark};
use domain::time::Timestamp;
use tokio::time::Instant;
use tracing::{error, info};

use super::asked::{Asked, Wanted};
use super::concerns::{Concern, Concerns};
use super::online::Online;
use super::{DueTerms, Found, Rights};
use crate::metrics::{Count, Metrics};
use crate::port::{Clock, CommandDesk, PortError, SessionBoard};
use crate::session_table::{OpenSession, SessionTable};

/// How often everybody is looked at, whatever was noticed: time passes, and with it expiries,
/// quotas' periods and hours.
const EVERY: Duration = Duration::from_secs(60);

/// Subscribers looked at before others have their turn.
const SLICE: usize = 512;

/// Sessions asked about together.
const BATCH: usize = 1_024;

/// Wait before sessions are looked at again when the database is away.
const RETRY: Duration = Duration::from_secs(1);

/// Between two looks at everybody, so that somebody who changes plans all the time does not keep a
/// processor busy.
const REST: Duration = Duration::from_millis(100);

/// Who asks.
const ACTOR: &str = "rights";

/// Keeps open sessions on the terms that are due.
pub struct RightsKeeper<B, D> {
    rights: Rights,
    sessions: Arc<SessionTable>,
    concerns: Arc<Concerns>,
    board: Arc<B>,
    desk: Arc<D>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    asked: Asked,
    looked_at_everybody: Option<Instant>,
    is_failing: bool,
}

/// A session that may not be as it should be.
struct Doubt {
    key: SessionKey,
    is_replaced: bool,
    /// A change is about it, and not only time.
    is_changed: bool,
}

/// What is wanted of a session.
enum Want {
    Nothing,
    Command(Wish, Wanted),
}

impl<B: SessionBoard, D: CommandDesk> RightsKeeper<B, D> {
    pub fn new(
        rights: Rights,
        sessions: Arc<SessionTable>,
        concerns: Arc<Concerns>,
        ports: (Arc<B>, Arc<D>),
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (board, desk) = ports;
        Self {
            rights,
            sessions,
            concerns,
            board,
            desk,
            metrics,
            clock,
            asked: Asked::default(),
            looked_at_everybody: None,
            is_failing: false,
        }
    }

    /// Never ends. After a panic it may be called again.
    pub async fn run(&mut self) {
        // What it was looking at when it panicked is looked at again.
        self.looked_at_everybody = None;
        loop {
            match self.keep().await {
                Ok(()) if std::mem::take(&mut self.is_failing) => {
                    info!("Open sessions are compared with their rights again");
                }
                Ok(()) => {}
                Err(problem) => {
                    self.metrics.count(Count::RightsFailure);
                    if !std::mem::replace(&mut self.is_failing, true) {
                        error!(
                            error = &problem as &dyn std::error::Error,
                            "What rights have changed for open sessions cannot be stored yet"
                        );
                    }
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            }
            self.wait().await;
        }
    }

    /// Looks at whoever has to be looked at now.
    pub async fn keep(&mut self) -> Result<(), PortError> {
        let mut concern = self.concerns.take();
        let now = self.clock.timestamp();
        if !concern.is_empty() {
            self.sessions.note_change(now);
        }
        for notices in [self.sessions.notices(), self.rights.limits.notices()] {
            let noticed = notices.take();
            concern.subscribers.extend(noticed.subscribers);
            concern.is_everybody |= noticed.is_everybody;
        }
        let is_time = self
            .looked_at_everybody
            .is_none_or(|at| EVERY <= at.elapsed());
        concern.is_everybody |= is_time;
        let done = self.look(&concern).await;
        if done.is_err() {
            self.concerns.put_back(concern);
        }
        done
    }

    async fn wait(&self) {
        let looked_at = self.looked_at_everybody.unwrap_or_else(Instant::now);
        tokio::select! {
            () = self.concerns.noted() => {}
            () = self.sessions.notices().noticed() => {}
            () = self.rights.limits.notices().noticed() => {}
            () = tokio::time::sleep_until(looked_at + EVERY) => {}
        }
    }

    async fn look(&mut self, concern: &Concern) -> Result<(), PortError> {
        let named: Vec<SubscriberId> = concern.subscribers.iter().copied().collect();
        self.look_at(&named, concern).await?;
        if concern.is_everybody {
            if let Some(at) = self.looked_at_everybody {
                tokio::time::sleep_until(at + REST).await;
            }
            self.asked.begin_round();
            self.look_at(&self.sessions.subscribers(), concern).await?;
            self.asked.end_round();
            self.looked_at_everybody = Some(Instant::now());
        }
        Ok(())
    }

    async fn look_at(
        &mut self,
        subscribers: &[SubscriberId],
        concern: &Concern,
    ) -> Result<(), PortError> {
        let mut doubts = Vec::new();
        for slice in subscribers.chunks(SLICE) {
            let now = self.clock.timestamp();
            for subscriber in slice {
                self.doubt(*subscriber, concern, now, &mut doubts);
                while BATCH <= doubts.len() {
                    let rest = doubts.split_off(BATCH);
                    self.ask(std::mem::replace(&mut doubts, rest)).await?;
                }
            }
            tokio::task::yield_now().await;
        }
        self.ask(doubts).await
    }

    /// Finds the sessions of a subscriber that may not be as they should be, as far as it is known
    /// in memory.
    fn doubt(
        &mut self,
        subscriber: SubscriberId,
        concern: &Concern,
        now: Timestamp,
        doubts: &mut Vec<Doubt>,
    ) {
        let Some(sessions) = self.sessions.sessions(subscriber) else {
            return;
        };
        for open in sessions.iter() {
            let online = Online::known(subscriber, open);
            let is_changed = self.is_changed(&online, concern);
            let asked = self.asked.find(open.key);
            if self.is_doubtful(open, &online, is_changed, asked, now) {
                doubts.push(Doubt {
                    key: open.key,
                    is_replaced: open.is_replaced,
                    is_changed,
                });
            }
        }
    }

    fn is_doubtful(
        &self,
        open: &OpenSession,
        online: &Online<'_>,
        is_changed: bool,
        asked: Option<Wanted>,
        now: Timestamp,
    ) -> bool {
        if open.is_replaced {
            return asked != Some(Wanted::end(&EndReason::Replaced));
        }
        self.rights.with_due_to(online, now, |due, vendor| {
            let Some(compared) = due.due() else {
                // The database knows more of what a login would say.
                return self.has_rows(online);
            };
            if open.terms.is_none() && !is_changed && matches!(compared, Due::Terms(_)) {
                return false;
            }
            match terms::effect(open.terms.as_ref(), &compared, vendor) {
                // What was asked may be under way.
                Effect::Nothing => asked.is_some(),
                Effect::Change(_) | Effect::End(_) => asked != Some(wanted(&compared)),
            }
        })
    }

    fn has_rows(&self, online: &Online<'_>) -> bool {
        match self.rights.find(online) {
            Found::Rows(_) => true,
            Found::Subscriber(_) | Found::Nobody | Found::Unknown => false,
        }
    }

    /// Whether one of the changes is about this session.
    fn is_changed(&self, online: &Online<'_>, concern: &Concern) -> bool {
        if concern.subscribers.contains(&online.subscriber) {
            return true;
        }
        if concern.plans.is_empty() && concern.tenants.is_empty() && concern.row_groups.is_empty() {
            return false;
        }
        match self.rights.find(online) {
            Found::Subscriber(entry) => {
                let subscriber = &entry.subscriber;
                let now = self.clock.timestamp();
                concern.plans.contains(&subscriber.plan)
                    // What a tenant sets is for those in a garden.
                    || concern.tenants.contains(&subscriber.tenant)
                        && self.rights.with_due_to(online, now, |due, _| is_walled(due))
            }
            Found::Rows(user) => {
                let mut groups = user.program.groups();
                groups.any(|group| concern.row_groups.contains(group))
            }
            Found::Nobody | Found::Unknown => false,
        }
    }

    /// Looks how sessions are stored, and asks for what they should become.
    async fn ask(&mut self, doubts: Vec<Doubt>) -> Result<(), PortError> {
        if doubts.is_empty() {
            return Ok(());
        }
        let keys: Vec<SessionKey> = doubts.iter().map(|doubt| doubt.key).collect();
        let doubts: HashMap<SessionKey, Doubt> =
            doubts.into_iter().map(|doubt| (doubt.key, doubt)).collect();
        let found = self.board.session_many(&keys).await?;
        let now = self.clock.timestamp();
        let mut commands = Vec::new();
        let mut notes = Vec::new();
        for live in &found {
            let Some(doubt) = doubts.get(&live.session.key) else {
                continue;
            };
            self.learn(live);
            match self.want(live, doubt, now) {
                Want::Nothing => self.asked.settle(doubt.key, self.clock.instant()),
                Want::Command(_, wanted) if self.asked.find(doubt.key) == Some(wanted) => {}
                Want::Command(wish, wanted) => {
                    commands.push(command(live, wish));
                    notes.push((doubt.key, wanted));
                }
            }
        }
        let open: HashSet<SessionKey> = found.iter().map(|live| live.session.key).collect();
        for key in keys.iter().filter(|key| !open.contains(key)) {
            self.asked.forget(*key);
        }
        if commands.is_empty() {
            return Ok(());
        }
        let asked = self.desk.ask(&commands).await?;
        self.metrics.add(Count::RightsAsked, asked as u64);
        for (key, wanted) in notes {
            if !self.asked.note(key, wanted, self.clock.instant()) {
                self.metrics.count(Count::RightsForgotten);
            }
        }
        Ok(())
    }

    fn learn(&self, live: &LiveSession) {
        let session = &live.session;
        if let (Some(subscriber), Some(terms)) = (session.subscriber, session.terms) {
            self.sessions.learn_terms(subscriber, session.key, terms);
        }
    }

    fn want(&self, live: &LiveSession, doubt: &Doubt, now: Timestamp) -> Want {
        let session = &live.session;
        if doubt.is_replaced || live.is_replaced {
            return end(EndReason::Replaced);
        }
        let Some(online) = Online::stored(session) else {
            return Want::Nothing;
        };
        self.rights.with_due_to(&online, now, |due, vendor| {
            let Some(compared) = due.due() else {
                return Want::Nothing;
            };
            let is_known = session.terms.is_some();
            if !is_known && !doubt.is_changed && matches!(compared, Due::Terms(_)) {
                return Want::Nothing;
            }
            match terms::effect(session.terms.as_ref(), &compared, vendor) {
                Effect::Nothing => Want::Nothing,
                Effect::Change(_) => Want::Command(Wish::Apply, wanted(&compared)),
                Effect::End(reason) => Want::Command(Wish::End(reason), wanted(&compared)),
            }
        })
    }
}

fn end(reason: EndReason) -> Want {
    Want::Command(Wish::End(reason), Wanted::end(&reason))
}

/// What is remembered of what is due.
fn wanted(due: &Due) -> Wanted {
    match due {
        Due::Nothing(reason) => Wanted::end(reason),
        Due::Terms(mark) => Wanted::Terms(*mark),
    }
}

fn is_walled(due: &DueTerms<'_>) -> bool {
    let mark = match due {
        DueTerms::Plan { mark, .. } | DueTerms::Rows { mark, .. } => *mark,
        DueTerms::Nothing(_) | DueTerms::Unknown => TermsMark::default(),
    };
    mark.is_walled()
}

fn command(live: &LiveSession, wish: Wish) -> NewCommand {
    let session = &live.session;
    NewCommand {
        session: session.id,
        key: session.key,
        nas: session.nas,
        tenant: session.tenant,
        username: session.username.as_str().into(),
        subscriber: session.subscriber,
        wish,
        actor: ACTOR.into(),
    }
}
