//! Sessions of `radacct` that have ended, as closed sessions of ours.

use std::collections::HashMap;
use std::net::IpAddr;

use aaa::accounting::{printable, session_key};
use domain::accounting::{SessionPlace, TerminateCause};
use domain::id::{NasId, SessionId};
use domain::limit::Zone;
use domain::name::{Name, Username};
use domain::session::{ClosedSession, Session};
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use storage::error::StoreError;
use storage::foreign::{ForeignDatabase, ForeignError, ForeignSession, ForeignTime};
use storage::store::Store;

use super::TENANT;
use super::report::{Part, Tally};
use super::routers::Registered;

/// The ids of routers that are not registered begin like this, and end with their address.
const UNREGISTERED: u64 = 0x7261_6461_6363_8000;
/// A session that was heard of in so many seconds is probably still open.
const LATELY_SECONDS: i64 = 3_600;
/// Clocks and zones may be off; what ends later is a wrong zone.
const AHEAD_SECONDS: i64 = 300;
const DAY_SECONDS: i64 = 86_400;
/// RFC 2866 §5.10 has so many causes.
const CAUSES: u32 = 18;

/// Which sessions are taken.
#[derive(Clone, Debug)]
pub(crate) struct HistoryOptions {
    /// Those that ended in so many days; all without a number.
    pub(crate) days: Option<u32>,
    /// What the clocks of the server show, where a column does not say.
    pub(crate) zone: Zone,
    pub(crate) now: Timestamp,
}

/// Why a history stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    #[error(transparent)]
    Foreign(#[from] ForeignError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of a row.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    Ended(Box<Ended>),
    Left(Left),
}

/// Why a row is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Open,
    Abandoned,
    TooOld,
    Ahead,
    WithoutTime,
}

/// A session, and what its router is called when it is not registered.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    session: ClosedSession,
    router: Option<(NasId, Name)>,
}

/// Takes the history, page by page, or only counts it without a store. `progress` is told how
/// many rows were read.
pub(crate) async fn take(
    foreign: &mut ForeignDatabase,
    store: Option<&Store>,
    options: &HistoryOptions,
    progress: impl Fn(usize),
) -> Result<Tally, HistoryError> {
    let registered = match store {
        Some(store) => Registered::load(store).await?,
        None => Registered::default(),
    };
    let mut tally = Tally::default();
    let (mut after, mut read) = (i64::MIN, 0);
    loop {
        let page = foreign.session_page(after).await?;
        let Some(last) = page.last() else {
            return Ok(tally);
        };
        after = last.number;
        read += page.len();
        let mut ended = Vec::new();
        let mut names = HashMap::new();
        for row in &page {
            match session(row, &registered, options) {
                Read::Left(why) => {
                    let (what, text) = why.told();
                    tally.add(Part::LeftOut, what, text, 1);
                }
                Read::Ended(one) => {
                    names.extend(one.router);
                    ended.push(one.session);
                }
            }
        }
        let mut names: Vec<(NasId, Name)> = names.into_iter().collect();
        names.sort_by_key(|(id, _)| *id);
        let new = match store {
            Some(store) => store.session_import(&ended, &names).await?,
            None => ended.len(),
        };
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        let text = "sessions that have ended, with the usage of their days";
        tally.add(Part::History, "sessions", text, count(new));
        let text = "sessions that are here";
        tally.add(Part::Here, "sessions", text, count(ended.len() - new));
        progress(read);
    }
}

impl Left {
    /// What is counted, and in words.
    const fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Open => (
                "sessions_open",
                "sessions that are probably open: they are, here, when their routers report next",
            ),
            Self::Abandoned => (
                "sessions_abandoned",
                "sessions without an end, of which nothing was heard for an hour",
            ),
            Self::TooOld => (
                "sessions_too_old",
                "sessions that ended before the days that were asked for",
            ),
            Self::Ahead => (
                "sessions_ahead",
                "sessions that end in the future: give the zone of the server with --time-zone",
            ),
            Self::WithoutTime => ("sessions_without_time", "sessions without a time"),
        }
    }
}

fn session(row: &ForeignSession, registered: &Registered, options: &HistoryOptions) -> Read {
    let instant = |time: &Option<ForeignTime>| match time {
        Some(ForeignTime::Instant(seconds)) => Some(Timestamp::from_seconds(*seconds)),
        Some(ForeignTime::Local(shown)) => options.zone.instant(shown),
        None => None,
    };
    let [started, updated, stopped] = [&row.started, &row.updated, &row.stopped].map(instant);
    let Some(stopped) = stopped else {
        let heard = updated.or(started);
        let is_lately =
            heard.is_some_and(|heard| options.now.seconds_since(heard) < LATELY_SECONDS);
        return Read::Left(match (row.stopped.is_some(), is_lately) {
            (true, _) => Left::WithoutTime,
            (false, true) => Left::Open,
            (false, false) => Left::Abandoned,
        });
    };
    if options.now.plus_seconds(AHEAD_SECONDS) < stopped {
        return Read::Left(Left::Ahead);
    }
    let first = options
        .days
        .map(|days| options.now.plus_seconds(-DAY_SECONDS * i64::from(days)));
    if first.is_some_and(|first| stopped < first) {
        return Read::Left(Left::TooOld);
    }
    let seconds = row
        .session_seconds
        .and_then(|seconds| i64::try_from(seconds).ok());
    let begun = stopped.plus_seconds(-seconds.unwrap_or_default());
    let started = started
        .filter(|started| *started <= stopped)
        .unwrap_or(begun);
    Read::Ended(Box::new(ended(row, registered, started, stopped)))
}

fn ended(
    row: &ForeignSession,
    registered: &Registered,
    started: Timestamp,
    stopped: Timestamp,
) -> Ended {
    let address = bare(&row.nas_address).parse::<IpAddr>().ok();
    let known = address.and_then(|address| registered.find(address));
    let unregistered = unregistered(address);
    let nas = known.unwrap_or(unregistered);
    let name = match Username::from_wire(row.username.as_bytes()) {
        Ok(username) => username.to_string(),
        Err(_) => printable(row.username.as_bytes()).to_string(),
    };
    // The id is the same whatever the registry knows, so that a session is taken once.
    let octets = format!("{}\0{}", row.acct_unique_id, row.acct_session_id);
    let mark = session_key(unregistered, octets.as_bytes(), &name).0;
    let random = *mark.first_chunk().expect("16 octets begin with 10");
    let key = session_key(nas, row.acct_session_id.as_bytes(), &name);
    let text = |text: &str| (!text.is_empty()).then(|| printable(text.as_bytes()));
    let lasted = stopped.seconds_since(started).max(0).unsigned_abs();
    let session = ClosedSession {
        session: Session {
            terms: None,
            id: SessionId::new(started, random),
            key,
            tenant: TENANT,
            nas,
            auth: None,
            subscriber: None,
            username: name,
            started_at: started,
            updated_at: stopped,
            total: UsageAmount {
                upload_bytes: row.upload_bytes,
                download_bytes: row.download_bytes,
                session_seconds: row.session_seconds.unwrap_or(lasted),
            },
            place: SessionPlace {
                user_name: None,
                acct_session_id: printable(row.acct_session_id.as_bytes()),
                nas_address: address,
                nas_port: text(&row.nas_port),
                framed_ipv4: bare(&row.framed_ipv4).parse().ok(),
                framed_ipv6_prefix: row.framed_ipv6_prefix.parse().ok(),
                delegated_ipv6_prefix: row.delegated_ipv6_prefix.parse().ok(),
                calling_station: text(&row.calling_station),
                called_station: text(&row.called_station),
            },
        },
        stopped_at: stopped,
        cause: cause(&row.terminate_cause),
    };
    let router = match known {
        Some(_) => None,
        None => address.and_then(|address| Some((nas, address.to_string().parse().ok()?))),
    };
    Ended { session, router }
}

/// An address without the length that PostgreSQL shows behind it.
fn bare(address: &str) -> &str {
    address.split('/').next().unwrap_or_default()
}

/// The id of a router that nobody has registered.
fn unregistered(address: Option<IpAddr>) -> NasId {
    let mut octets = [0; 16];
    match address.map(|address| address.to_canonical()) {
        None => {}
        Some(IpAddr::V4(address)) => octets[12..].copy_from_slice(&address.octets()),
        Some(IpAddr::V6(address)) => {
            let whole = session_key(NasId::from_bytes([0; 16]), &address.octets(), "").0;
            octets[8..].copy_from_slice(&whole[..8]);
        }
    }
    octets[..8].copy_from_slice(&UNREGISTERED.to_be_bytes());
    NasId::from_bytes(octets)
}

fn cause(text: &str) -> Option<TerminateCause> {
    let all = (1..=CAUSES).map(TerminateCause::Reported);
    all.into_iter().find(|cause| cause.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn row(stopped: Option<ForeignTime>) -> ForeignSession {
        ForeignSession {
            number: 7,
            acct_session_id: "81000001".to_owned(),
            acct_unique_id: "0123456789abcdef".to_owned(),
            username: "Ana".to_owned(),
            nas_address: "192.0.2.1/32".to_owned(),
            nas_port: "15728640".to_owned(),
            called_station: String::new(),
            calling_station: "00:11:22:33:44:55".to_owned(),
            terminate_cause: "Lost-Carrier".to_owned(),
            framed_ipv4: "100.64.0.7".to_owned(),
            framed_ipv6_prefix: String::new(),
            delegated_ipv6_prefix: "2001:db8:7::/56".to_owned(),
            session_seconds: Some(3_600),
            upload_bytes: 1 << 33,
            download_bytes: 1 << 34,
            started: None,
            updated: None,
            stopped,
        }
    }

    fn options(days: Option<u32>) -> HistoryOptions {
        HistoryOptions {
            days,
            zone: "Africa/Nairobi".parse().expect("a zone"),
            now: Timestamp::from_seconds(NOW),
        }
    }

    #[test]
    fn a_row_with_an_end_is_a_closed_session() {
        let local = ForeignTime::Local("2023-11-14 03:00:00".to_owned());
        let Read::Ended(ended) = session(&row(Some(local)), &Registered::default(), &options(None))
        else {
            panic!("it has ended");
        };
        let closed = ended.session;
        assert_eq!(closed.stopped_at.as_seconds(), 1_699_920_000);
        assert_eq!(closed.session.started_at.as_seconds(), 1_699_916_400);
        assert_eq!(closed.session.username, "ana");
        assert_eq!(closed.session.total.upload_bytes, 1 << 33);
        assert_eq!(closed.cause, Some(TerminateCause::Reported(2)));
        let place = closed.session.place;
        assert_eq!(place.nas_address, "192.0.2.1".parse().ok());
        assert_eq!(place.framed_ipv4, "100.64.0.7".parse().ok());
        assert_eq!(place.called_station, None);
        let (_, name) = ended.router.expect("nobody has registered it");
        assert_eq!(name.as_str(), "192.0.2.1");
    }

    #[test]
    fn the_same_row_is_the_same_session_whoever_its_router_is() {
        let row = row(Some(ForeignTime::Instant(NOW - 60)));
        let id = |registered: &Registered| {
            let Read::Ended(ended) = session(&row, registered, &options(None)) else {
                panic!("it has ended");
            };
            (ended.session.session.id, ended.session.session.nas)
        };
        let before = id(&Registered::default());
        let source = "192.0.2.0/24".parse().expect("a prefix");
        let known = Registered::of(vec![(source, NasId::from_bytes([9; 16]))]);
        let after = id(&known);
        assert_eq!(before.0, after.0);
        assert_ne!(before.1, after.1);
    }

    #[test]
    fn what_has_no_end_or_no_time_is_left() {
        let seconds = |seconds| Some(ForeignTime::Instant(seconds));
        let local = |shown: &str| Some(ForeignTime::Local(shown.to_owned()));
        for (started, stopped, days, expected) in [
            (seconds(NOW - 60), None, None, Left::Open),
            (seconds(NOW - 7_200), None, None, Left::Abandoned),
            (None, None, None, Left::Abandoned),
            (None, local("soon"), None, Left::WithoutTime),
            (None, seconds(NOW + 3_600), None, Left::Ahead),
            (None, seconds(NOW - 2 * DAY_SECONDS), Some(1), Left::TooOld),
        ] {
            let row = ForeignSession {
                started,
                ..row(stopped)
            };
            let read = session(&row, &Registered::default(), &options(days));
            assert_eq!(read, Read::Left(expected));
        }
    }
}
