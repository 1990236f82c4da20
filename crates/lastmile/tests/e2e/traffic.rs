//! Routers at work while something else happens: accounting under load, and a login now and then.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use lab::load::options::{Limit, LoadOptions, Pace};
use lab::load::report::LoadReport;
use radius::code::Code;

use crate::site::{ANA, accounting_options};
use crate::wire::{Request, Router};

/// What a login may take on a loaded machine; a router waits for longer.
pub(crate) const LOGIN_PATIENCE: Duration = Duration::from_secs(3);
/// Between two logins.
const LOGIN_PAUSE: Duration = Duration::from_millis(5);
/// No load runs for longer, whatever happens.
const TIME_MAX: Duration = Duration::from_secs(200);
const TRANSMISSION_TIME: Duration = Duration::from_millis(400);
/// Tests wait for less than that takes.
const TRANSMISSIONS_MAX: u32 = 100;

/// What the routers experienced.
pub(crate) struct Traffic {
    pub(crate) accounting: LoadReport,
    pub(crate) logins: Logins,
}

/// Logins, each asked for once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Logins {
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    pub(crate) unanswered: u64,
    pub(crate) slowest: Duration,
}

impl Logins {
    /// Nobody was rejected and nobody had to ask twice.
    #[track_caller]
    pub(crate) fn assert_none_failed(&self) {
        assert!(0 < self.accepted, "nobody logged in: {self:?}");
        assert_eq!((self.rejected, self.unanswered), (0, 0), "{self:?}");
    }
}

/// A load that repeats each record until it is answered, however long a test lets it wait.
pub(crate) fn patient_load(auth: SocketAddr, acct: SocketAddr) -> LoadOptions {
    let mut options = accounting_options(auth, acct);
    options.limit = Limit::Duration(TIME_MAX);
    options.sessions = 200;
    options.outstanding = 32;
    options.ports = 4;
    options.timeout = TRANSMISSION_TIME;
    options.transmissions_max = TRANSMISSIONS_MAX;
    options.silence_max = TIME_MAX;
    options
}

/// Accounting and logins while `during` runs; then everything that is on its way is waited for.
pub(crate) fn beside(auth: SocketAddr, acct: SocketAddr, during: impl FnOnce()) -> Traffic {
    let (end, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let logins = scope.spawn(move || log_in(auth, &ended));
        let mut options = patient_load(auth, acct);
        // As fast as a spool takes records, a database on a busy machine would never catch up.
        options.pace = Pace::PerSecond(1_500);
        let accounting = accounting_beside(&options, move || {
            // A panic of the test ends the logins too.
            let _end = end;
            during();
        });
        Traffic {
            accounting,
            logins: logins.join().expect("a router does not panic"),
        }
    })
}

/// A load while `during` runs; then everything that is on its way is waited for.
pub(crate) fn accounting_beside(options: &LoadOptions, during: impl FnOnce()) -> LoadReport {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = scope.spawn(|| lab::load::run_until(options, &stop));
        let done = StopWhenDropped(&stop);
        during();
        drop(done);
        let report = load.join().expect("the load does not panic");
        report.expect("the load runs")
    })
}

/// A test that fails must not wait for its load.
struct StopWhenDropped<'s>(&'s AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

fn log_in(auth: SocketAddr, ended: &Receiver<()>) -> Logins {
    let router = Router::new();
    let mut logins = Logins::default();
    let mut identifier = 0_u8;
    while ended.recv_timeout(LOGIN_PAUSE) == Err(RecvTimeoutError::Timeout) {
        identifier = identifier.wrapping_add(1);
        let asked = Instant::now();
        let request = Request::pap(identifier, ANA.0, ANA.1);
        match router.ask(auth, &request, LOGIN_PATIENCE) {
            Some(reply) if reply.code == Code::AccessAccept => logins.accepted += 1,
            Some(_) => logins.rejected += 1,
            None => logins.unanswered += 1,
        }
        logins.slowest = logins.slowest.max(asked.elapsed());
    }
    logins
}
