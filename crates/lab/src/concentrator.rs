//! A router with many subscribers that lives in real time: it obeys what it was granted, to the second
//! and to the octet, and Disconnect and CoA requests as it is told to.

mod command;
mod conduct;
mod machine;
mod port;
mod session;

use std::fmt;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use domain::secret::Secret;
use domain::time::Timestamp;
use radius::client::Schedule;
use serde::Serialize;

pub use conduct::{Conduct, ConductError};
pub use session::{Cause, Octets};

use crate::credentials::Credentials;
use crate::line::LineError;
use crate::method::Method;
use crate::reply::ReplyPolicy;
use crate::request::Signing;
use crate::router::{Router, Service};
use machine::Machine;

/// Sessions that one router holds at most.
pub const SESSIONS_MAX: usize = 100_000;

/// Sessions that a report lists.
const LISTED_MAX: usize = 1_000;

/// Ten transmissions within a minute, so that a record outlives a server that starts again.
const SCHEDULE: Schedule = Schedule {
    initial: Duration::from_secs(1),
    interval_max: Some(Duration::from_secs(8)),
    transmissions_max: Some(10),
    duration_max: Some(Duration::from_secs(60)),
};

/// Whose sessions to hold, towards which server, and how to behave.
#[derive(Clone, Debug)]
pub struct ConcentratorOptions {
    /// The authentication port of the server.
    pub auth: SocketAddr,
    /// Its accounting port.
    pub acct: SocketAddr,
    /// Where Disconnect and CoA requests are heard; port 0 lets the system choose.
    pub coa: SocketAddr,
    /// The secret shared with the server, in both directions.
    pub secret: Secret,
    /// Who logs in, one after the other and again from the first.
    pub users: Vec<Credentials>,
    /// How many sessions.
    pub sessions: usize,
    /// How the password is proved.
    pub method: Method,
    /// The service dialled into.
    pub service: Service,
    /// What the router says about itself.
    pub router: Router,
    /// What each subscriber would move in a second, if they were not held back.
    pub offered: Octets,
    /// How often a session is reported; as the server grants when absent.
    pub interim: Option<Duration>,
    /// How Disconnect and CoA requests are treated.
    pub conduct: Conduct,
    /// Whether requests carry a Message-Authenticator.
    pub signing: Signing,
    /// Which replies are believed.
    pub reply_policy: ReplyPolicy,
    /// When a request is sent again and given up.
    pub schedule: Schedule,
    /// The address to send from; the kernel chooses when absent.
    pub source: Option<IpAddr>,
    /// Makes requests repeatable; from the operating system when absent.
    pub seed: Option<u64>,
    /// The time at the start.
    pub started_at: Timestamp,
}

impl ConcentratorOptions {
    /// A router with one PPPoE session for each user, which moves nothing.
    #[must_use]
    pub fn new(
        auth: SocketAddr,
        acct: SocketAddr,
        coa: SocketAddr,
        secret: Secret,
        users: Vec<Credentials>,
        started_at: Timestamp,
    ) -> Self {
        Self {
            auth,
            acct,
            coa,
            secret,
            sessions: users.len(),
            users,
            method: Method::default(),
            service: Service::default(),
            router: Router::default(),
            offered: Octets::default(),
            interim: None,
            conduct: Conduct::default(),
            signing: Signing::default(),
            reply_policy: ReplyPolicy::default(),
            schedule: SCHEDULE,
            source: None,
            seed: None,
            started_at,
        }
    }
}

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It has not been answered yet.
    LoggingIn,
    /// It was refused.
    Rejected,
    /// The server did not answer.
    Unanswered,
    /// It goes on.
    Online,
    /// It has ended, with this Acct-Terminate-Cause.
    Ended(u32),
}

/// A session as the router sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionView {
    /// Who it is of.
    pub user_name: String,
    /// Acct-Session-Id.
    pub session_id: String,
    /// How it stands.
    pub state: State,
    /// The speed that it is held to, upload and download.
    pub rate: Option<String>,
    /// How long it lasted, in milliseconds; 0 while it goes on.
    pub lasted_ms: u64,
    /// Octets from the subscriber, in its last record.
    pub input_octets: u64,
    /// Octets to the subscriber, in its last record.
    pub output_octets: u64,
    /// Its last record was acknowledged.
    pub is_reported: bool,
}

/// What was asked of the router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Commands {
    /// Sessions that a Disconnect-Request ended.
    pub disconnected: u64,
    /// Sessions that a CoA-Request changed.
    pub changed: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Requests that came again, and were answered alike.
    pub repeated: u64,
    /// Datagrams that were not signed with the secret, or of another time.
    pub ignored: u64,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConcentratorReport {
    /// Sessions that began.
    pub accepted: usize,
    /// Logins that were refused.
    pub rejected: usize,
    /// Sessions that still go on.
    pub online: usize,
    /// What was asked of the router.
    pub commands: Commands,
    /// The first 1,000 sessions.
    pub sessions: Vec<SessionView>,
}

/// A running router. It stops with the value.
#[derive(Debug)]
pub struct Concentrator {
    coa: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), LineError>>>,
}

/// What the router shares with whoever looks at it.
#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    conduct: Mutex<Conduct>,
    sessions: Mutex<Vec<SessionView>>,
    commands: Mutex<Commands>,
}

impl Concentrator {
    /// Opens the ports and begins to log in.
    pub fn start(options: ConcentratorOptions) -> Result<Self, LineError> {
        let open = |source| LineError::Open {
            source_address: options.coa.ip(),
            server: options.coa,
            source,
        };
        let coa = UdpSocket::bind(options.coa).map_err(open)?;
        coa.set_nonblocking(true).map_err(open)?;
        let address = coa.local_addr().map_err(open)?;
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            conduct: Mutex::new(options.conduct),
            sessions: Mutex::default(),
            commands: Mutex::default(),
        });
        let mut machine = Machine::new(options, coa, Arc::clone(&shared))?;
        let thread = thread::spawn(move || machine.run());
        Ok(Self {
            coa: address,
            shared,
            thread: Some(thread),
        })
    }

    /// Where Disconnect and CoA requests are heard.
    #[must_use]
    pub const fn coa(&self) -> SocketAddr {
        self.coa
    }

    /// Behaves otherwise from now on.
    pub fn behave(&self, conduct: Conduct) {
        *lock(&self.shared.conduct) = conduct;
    }

    /// The sessions as they are now.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionView> {
        lock(&self.shared.sessions).clone()
    }

    /// What was asked of it so far.
    #[must_use]
    pub fn commands(&self) -> Commands {
        *lock(&self.shared.commands)
    }

    /// Stops at once, as in a power cut: sessions that go on have no Stop.
    pub fn stop(mut self) -> Result<ConcentratorReport, LineError> {
        self.end()?;
        let sessions = self.sessions();
        let count = |is_one: fn(State) -> bool| {
            let states = sessions.iter().map(|session| session.state);
            states.filter(|state| is_one(*state)).count()
        };
        Ok(ConcentratorReport {
            accepted: count(|state| matches!(state, State::Online | State::Ended(_))),
            rejected: count(|state| state == State::Rejected),
            online: count(|state| state == State::Online),
            commands: self.commands(),
            sessions: sessions.into_iter().take(LISTED_MAX).collect(),
        })
    }

    fn end(&mut self) -> Result<(), LineError> {
        self.shared.stop.store(true, Relaxed);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) | None => Ok(()),
        }
    }
}

impl Drop for Concentrator {
    fn drop(&mut self) {
        // Whoever wants to know how it went calls `stop`.
        drop(self.end());
    }
}

impl fmt::Display for ConcentratorReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for session in &self.sessions {
            writeln!(formatter, "{session}")?;
        }
        let Commands {
            disconnected,
            changed,
            refused,
            repeated,
            ignored,
        } = self.commands;
        writeln!(
            formatter,
            "accepted {}, rejected {}, online {}",
            self.accepted, self.rejected, self.online
        )?;
        write!(
            formatter,
            "disconnected {disconnected}, changed {changed}; requests refused {refused}, repeated {repeated}, ignored {ignored}"
        )
    }
}

impl fmt::Display for SessionView {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}: ", self.session_id, self.user_name)?;
        match self.state {
            State::LoggingIn => formatter.write_str("logging in")?,
            State::Rejected => formatter.write_str("rejected")?,
            State::Unanswered => formatter.write_str("not answered")?,
            State::Online => formatter.write_str("online")?,
            State::Ended(cause) => {
                let milliseconds = self.lasted_ms;
                write!(formatter, "ended after {milliseconds} ms, cause {cause}")?;
            }
        }
        if let Some(rate) = &self.rate {
            write!(formatter, ", {rate}")?;
        }
        let (input, output) = (self.input_octets, self.output_octets);
        write!(formatter, ", {input} octets up, {output} down")
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
