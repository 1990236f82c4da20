//! Sessions that were let in by an engine, a desk that notes what is asked, and the keeper between.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aaa::port::{Clock, CommandDesk, PortError};
use aaa::rights::Rights;
use aaa::rights::concerns::Concerns;
use aaa::rights::keeper::RightsKeeper;
use aaa::session_table::OpenSession;
use domain::accounting::{AccountingRecord, SessionRecord};
use domain::change::Change;
use domain::id::SessionId;
use domain::session::{LiveSession, SessionSlot};
use domain::session_command::{NewCommand, Wish};
use domain::time::Timestamp;
use radius::attribute::kind;
use radius::packet::Packet;
use tokio::runtime::Runtime;

use crate::registry::{MemoryRegistry, NOW, PASSWORD};
use crate::request::Request;
use crate::script::{STRICT, Script};

pub(crate) const STATION: &str = "00:00:5E:00:53:01";

/// Notes what is asked.
#[derive(Default)]
pub(crate) struct Desk {
    asked: Mutex<Vec<NewCommand>>,
    pub(crate) is_away: AtomicBool,
    /// The most commands that were handed in together.
    pub(crate) batch_most: Mutex<usize>,
}

impl CommandDesk for Desk {
    async fn ask(&self, commands: &[NewCommand]) -> Result<usize, PortError> {
        if self.is_away.load(Relaxed) {
            return Err(PortError::outage("asking", "nobody is there"));
        }
        let mut most = self.batch_most.lock().expect("nobody panicked");
        *most = commands.len().max(*most);
        let mut asked = self.asked.lock().expect("nobody panicked");
        asked.extend_from_slice(commands);
        Ok(commands.len())
    }
}

/// A clock that the test sets.
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn timestamp(&self) -> Timestamp {
        NOW.plus_seconds(self.0.load(Relaxed))
    }

    fn instant(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

pub(crate) struct Play {
    pub(crate) script: Script,
    pub(crate) desk: Arc<Desk>,
    /// What is stored of sessions.
    pub(crate) board: Arc<MemoryRegistry>,
    concerns: Arc<Concerns>,
    keeper: RightsKeeper<MemoryRegistry, Desk>,
    clock: Arc<SetClock>,
    runtime: Runtime,
    logins: u8,
}

impl Play {
    pub(crate) fn new(script: Script) -> Self {
        let (desk, board) = (
            Arc::new(Desk::default()),
            Arc::new(MemoryRegistry::default()),
        );
        let concerns = Arc::new(Concerns::default());
        let clock = Arc::new(SetClock(AtomicI64::new(0)));
        let keeper = keeper(&script, &concerns, &board, &desk, &clock);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let mut play = Self {
            script,
            desk,
            board,
            concerns,
            keeper,
            clock,
            runtime: runtime.expect("a runtime with a clock that stands"),
            logins: 0,
        };
        play.keep().expect("there is nothing to look at");
        play
    }

    /// The program starts again, with what is stored.
    pub(crate) fn restart(&mut self) {
        let Self {
            script,
            concerns,
            board,
            desk,
            clock,
            ..
        } = self;
        self.keeper = keeper(script, concerns, board, desk, clock);
    }

    /// Logs in and begins a session.
    pub(crate) fn online(&mut self, user: &str) -> SessionRecord {
        self.online_with(user, |request| request)
    }

    /// The same with more in the login.
    pub(crate) fn online_with(
        &mut self,
        user: &str,
        more: impl FnOnce(Request) -> Request,
    ) -> SessionRecord {
        let record = self.start(user, more);
        self.begin(&record);
        record
    }

    /// The same at a router that does not return Class.
    pub(crate) fn online_unknown(&mut self, user: &str) {
        let record = SessionRecord {
            auth: None,
            terms: None,
            ..self.start(user, |request| request)
        };
        self.begin(&record);
    }

    fn start(&mut self, user: &str, more: impl FnOnce(Request) -> Request) -> SessionRecord {
        self.logins += 1;
        let request = Request::access(user)
            .identifier(self.logins)
            .authenticator(self.logins)
            .with(kind::CALLING_STATION_ID, STATION.as_bytes());
        self.script.send(STRICT, &more(request).pap(PASSWORD));
        let reply = self.script.outbox().pop().expect("it is answered");
        let reply = Packet::parse(&reply.octets).expect("it is a packet");
        let class = reply.find(kind::CLASS).expect("it is accepted");
        let start = Request::accounting(1, &format!("8000{:04}", self.logins))
            .identifier(self.logins)
            .with(kind::USER_NAME, user.as_bytes())
            .with(kind::CALLING_STATION_ID, STATION.as_bytes())
            .with(kind::CLASS, class);
        self.script.send(STRICT, &start);
        match self.script.take_store() {
            (AccountingRecord::Session(record), _) => record,
            (AccountingRecord::NasRestart(_), _) => panic!("it is a session"),
        }
    }

    /// Stores a session, and lets the node know of it.
    pub(crate) fn begin(&self, record: &SessionRecord) {
        let mut slot = SessionSlot::default();
        slot.apply(record, SessionId::from_bytes(record.key.0));
        let session = slot.open.expect("it began");
        let open = OpenSession::of(record.key, record.nas, &record.place, record.started_at())
            .begun_by(record.username.clone(), record.auth, record.terms);
        let subscriber = record.subscriber.expect("it is known");
        self.script.context.sessions.insert(subscriber, open);
        let live = LiveSession {
            session,
            is_replaced: false,
        };
        let mut stored = self.board.sessions.lock().expect("nobody panicked");
        stored.push(live);
    }

    /// The router of the only session acknowledged a change to what is due.
    pub(crate) fn confirm(&mut self) {
        let mut stored = self.board.sessions.lock().expect("nobody panicked");
        let session = &mut stored.first_mut().expect("there is one").session;
        let rights = rights(&self.script);
        session.terms = rights.with_due(session, NOW, |due| match due.due() {
            Some(domain::terms::Due::Terms(mark)) => Some(mark),
            Some(domain::terms::Due::Nothing(_)) | None => None,
        });
    }

    /// Tells the directory and the keeper what changed.
    pub(crate) fn apply(&self, changes: &[Change]) {
        self.script.apply(changes);
        self.concerns.note(changes);
    }

    pub(crate) fn keep(&mut self) -> Result<(), PortError> {
        self.runtime.block_on(self.keeper.keep())
    }

    /// Lets time pass: so many seconds of the wall clock, and enough for a look at everybody.
    pub(crate) fn pass(&mut self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Relaxed);
        let minute = async { tokio::time::sleep(Duration::from_secs(61)).await };
        self.runtime.block_on(minute);
    }

    /// What is asked when the keeper looks now.
    #[track_caller]
    pub(crate) fn check(&mut self, expected: &[(&str, Wish)]) {
        self.keep().expect("everything is there");
        let asked = std::mem::take(&mut *self.desk.asked.lock().expect("nobody panicked"));
        let mut asked: Vec<_> = asked
            .iter()
            .map(|command| (command.username.as_str(), command.wish.clone()))
            .collect();
        asked.sort_by_key(|(user, _)| *user);
        assert_eq!(asked, expected);
    }

    pub(crate) fn take_asked(&self) -> Vec<NewCommand> {
        std::mem::take(&mut *self.desk.asked.lock().expect("nobody panicked"))
    }
}

fn rights(script: &Script) -> Rights {
    let (directory, limits) = (&script.context.directory, &script.context.limits);
    Rights::new(Arc::clone(directory), Arc::clone(limits))
}

fn keeper(
    script: &Script,
    concerns: &Arc<Concerns>,
    board: &Arc<MemoryRegistry>,
    desk: &Arc<Desk>,
    clock: &Arc<SetClock>,
) -> RightsKeeper<MemoryRegistry, Desk> {
    RightsKeeper::new(
        rights(script),
        Arc::clone(&script.context.sessions),
        Arc::clone(concerns),
        (Arc::clone(board), Arc::clone(desk)),
        Arc::clone(&script.context.metrics),
        Arc::clone(clock) as Arc<dyn Clock>,
    )
}
