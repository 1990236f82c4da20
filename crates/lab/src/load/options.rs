//! What a load consists of and when it ends, and what does not make one.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use domain::secret::Secret;
use radius::client::IdentifierPool;

use crate::credentials::Credentials;
use crate::fault::Faults;
use crate::line::LineError;
use crate::load::mix::Mix;
use crate::reply::ReplyPolicy;
use crate::request::Signing;
use crate::router::{Router, Service};

/// Source ports of one run at most.
pub const PORTS_MAX: usize = 1_024;
/// Requests that a source port carries at a time: there are no more identifiers.
pub const REQUESTS_PER_PORT: usize = IdentifierPool::SIZE;
/// Threads of one run at most.
pub const THREADS_MAX: usize = 64;
/// Sessions that live at a time at most.
pub const SESSIONS_MAX: usize = 1_000_000;
/// Requests a second at most, over all threads.
pub const RATE_MAX: usize = 10_000_000;

/// What to send, how much of it and until when.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The authentication port of the server.
    pub auth: SocketAddr,
    /// Its accounting port.
    pub acct: SocketAddr,
    /// The secret shared with it.
    pub secret: Secret,
    /// Who logs in; each request picks one.
    pub users: Vec<Credentials>,
    /// Which requests.
    pub mix: Mix,
    /// Requests that are on their way at a time, over all threads; at a rate, at most.
    pub outstanding: usize,
    /// Source ports, over all threads; each carries at most 256 requests at a time.
    pub ports: usize,
    /// Threads that share the work.
    pub threads: usize,
    /// When the next request is begun.
    pub pace: Pace,
    /// When no more requests are begun.
    pub limit: Limit,
    /// How long each transmission waits for its reply.
    pub timeout: Duration,
    /// How often a request is sent in all before it is lost.
    pub transmissions_max: u32,
    /// Without any believed answer for this long, the run ends.
    pub silence_max: Duration,
    /// Makes the choices repeatable; session ids differ from run to run all the same.
    pub seed: u64,
    /// What Acct-Session-Ids begin with; eight random characters when absent.
    pub run: Option<String>,
    /// Sessions that live at a time, for accounting.
    pub sessions: usize,
    /// Interim-Updates between Start and Stop.
    pub interims: u32,
    /// Whether the report says for each session what was acknowledged.
    pub ledger: bool,
    /// Whether requests carry a Message-Authenticator.
    pub signing: Signing,
    /// Which replies are believed.
    pub reply_policy: ReplyPolicy,
    /// Which replies are verified.
    pub verify: Verify,
    /// What the router says about itself.
    pub router: Router,
    /// The service dialled into.
    pub service: Service,
    /// The address to send from; the kernel chooses when absent.
    pub source: Option<IpAddr>,
    /// What goes wrong between this end and the server.
    pub faults: Faults,
}

/// When a request is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// When another is answered or lost: the loop is closed.
    Answers,
    /// So many a second, whatever is answered: the loop is open. A request that finds no room waits
    /// for it, and its latency counts from when it was due.
    PerSecond(u32),
}

/// Which replies are verified: verifying takes the generator as long as asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// Each.
    #[default]
    All,
    /// One of 16; the others are believed when identifier and code fit.
    Sample,
}

/// A text that does not say what to verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{raw}' does not say which replies to verify: write all or sample")]
pub struct VerifyError {
    raw: String,
}

impl Verify {
    /// Whether the reply after so many others is verified.
    pub(crate) const fn is_due(self, replies_before: u64) -> bool {
        match self {
            Self::All => true,
            Self::Sample => replies_before.is_multiple_of(16),
        }
    }
}

impl fmt::Display for Verify {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::All => "all",
            Self::Sample => "sample",
        })
    }
}

impl FromStr for Verify {
    type Err = VerifyError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        match raw {
            "all" => Ok(Self::All),
            "sample" => Ok(Self::Sample),
            _ => Err(VerifyError { raw: raw.into() }),
        }
    }
}

/// When a run begins no more requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// After this time.
    Duration(Duration),
    /// After so many requests, retransmissions apart.
    Requests(u64),
}

/// Why a load cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is nobody to log in.
    #[error("the list of users is empty")]
    NoUsers,
    /// A number is zero or too large.
    #[error("{name} is {value}: give a number from 1 to {max}")]
    OutOfRange {
        name: &'static str,
        value: usize,
        max: usize,
    },
    /// Identifiers do not suffice.
    #[error(
        "{outstanding} outstanding requests do not fit {ports} source ports, which carry 256 each: \
         give at least {ports_needed} ports"
    )]
    TooFewPorts {
        outstanding: usize,
        ports: usize,
        ports_needed: usize,
    },
    /// A thread would have nothing to do.
    #[error("{threads} threads are more than the {name}, {count}: give fewer threads")]
    TooManyThreads {
        threads: usize,
        name: &'static str,
        count: usize,
    },
    /// A timeout of zero would send without end.
    #[error("the timeout is zero: give at least a millisecond")]
    NoTimeout,
    /// The network failed.
    #[error(transparent)]
    Line(#[from] LineError),
}

impl LoadOptions {
    /// Ten seconds of PAP in a closed loop: 256 requests outstanding over 8 ports in one thread, three transmissions a second apart.
    #[must_use]
    pub fn new(
        auth: SocketAddr,
        acct: SocketAddr,
        secret: Secret,
        users: Vec<Credentials>,
    ) -> Self {
        Self {
            auth,
            acct,
            secret,
            users,
            mix: Mix::default(),
            outstanding: 256,
            ports: 8,
            threads: 1,
            pace: Pace::Answers,
            limit: Limit::Duration(Duration::from_secs(10)),
            timeout: Duration::from_secs(1),
            transmissions_max: 3,
            silence_max: Duration::from_secs(5),
            seed: 1,
            run: None,
            sessions: 1_000,
            interims: 3,
            ledger: false,
            signing: Signing::default(),
            reply_policy: ReplyPolicy::default(),
            verify: Verify::default(),
            router: Router::default(),
            service: Service::default(),
            source: None,
            faults: Faults::default(),
        }
    }

    /// Whether these options make a load.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        if self.users.is_empty() {
            return Err(LoadError::NoUsers);
        }
        check_range("ports", self.ports, PORTS_MAX)?;
        let outstanding_max = PORTS_MAX * REQUESTS_PER_PORT;
        check_range("outstanding", self.outstanding, outstanding_max)?;
        check_range("threads", self.threads, THREADS_MAX)?;
        check_range("sessions", self.sessions, SESSIONS_MAX)?;
        if let Pace::PerSecond(rate) = self.pace {
            check_range("rate", rate as usize, RATE_MAX)?;
        }
        let transmissions = self.transmissions_max as usize;
        check_range("transmissions", transmissions, 100)?;
        if self.timeout < Duration::from_millis(1) {
            return Err(LoadError::NoTimeout);
        }
        let (outstanding, ports, threads) = (self.outstanding, self.ports, self.threads);
        for (name, count) in [("ports", ports), ("outstanding requests", outstanding)] {
            if count < threads {
                return Err(LoadError::TooManyThreads {
                    threads,
                    name,
                    count,
                });
            }
        }
        // A thread's part must fit its own ports, so the fullest thread decides.
        let ports_needed = outstanding.div_ceil(REQUESTS_PER_PORT);
        let is_too_full = (0..threads).any(|thread| {
            part(ports, threads, thread) * REQUESTS_PER_PORT < part(outstanding, threads, thread)
        });
        if is_too_full {
            return Err(LoadError::TooFewPorts {
                outstanding,
                ports,
                ports_needed: ports_needed.next_multiple_of(threads),
            });
        }
        Ok(())
    }
}

/// The part of a whole that one of `count` takes; the first take what is left over.
pub(crate) const fn part(whole: usize, count: usize, index: usize) -> usize {
    whole / count + if index < whole % count { 1 } else { 0 }
}

pub(crate) const fn check_range(
    name: &'static str,
    value: usize,
    max: usize,
) -> Result<(), LoadError> {
    if 0 < value && value <= max {
        Ok(())
    } else {
        Err(LoadError::OutOfRange { name, value, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> LoadOptions {
        let server = SocketAddr::from(([127, 0, 0, 1], 1812));
        let user = Credentials::new("ana", "rosa").unwrap();
        LoadOptions::new(server, server, Secret::from("s"), vec![user])
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut LoadOptions), expected: Option<&str>) {
        let mut options = options();
        change(&mut options);
        let error = options.check().err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), expected);
    }

    #[test]
    fn options_say_what_does_not_fit() {
        check(|_| {}, None);
        check(|options| options.outstanding = 8 * 256, None);
        check(
            |options| options.outstanding = 8 * 256 + 1,
            Some(
                "2049 outstanding requests do not fit 8 source ports, which carry 256 each: \
                 give at least 9 ports",
            ),
        );
        check(
            |options| options.users.clear(),
            Some("the list of users is empty"),
        );
        check(
            |options| options.ports = 0,
            Some("ports is 0: give a number from 1 to 1024"),
        );
        check(
            |options| options.pace = Pace::PerSecond(0),
            Some("rate is 0: give a number from 1 to 10000000"),
        );
        check(
            |options| options.threads = 9,
            Some("9 threads are more than the ports, 8: give fewer threads"),
        );
        check(
            |options| options.timeout = Duration::ZERO,
            Some("the timeout is zero: give at least a millisecond"),
        );
    }

    #[test]
    fn threads_need_ports_of_their_own() {
        check(
            |options| {
                options.outstanding = 3 * 256;
                options.ports = 3;
                options.threads = 2;
            },
            Some(
                "768 outstanding requests do not fit 3 source ports, which carry 256 each: \
                 give at least 4 ports",
            ),
        );
    }

    #[test]
    fn verify_reads_what_it_prints() {
        for verify in [Verify::All, Verify::Sample] {
            assert_eq!(verify.to_string().parse(), Ok(verify));
        }
        assert!("none".parse::<Verify>().is_err());
    }

    #[test]
    fn parts_add_up() {
        let parts: Vec<usize> = (0..3).map(|index| part(8, 3, index)).collect();
        assert_eq!(parts, [3, 3, 2]);
    }
}
