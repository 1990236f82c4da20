//! How the text of each key is read, and what is accepted.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use domain::nas::{SourceError, parse_source};
use ipnet::IpNet;
use rows::row::Mode;
use services::webhook::Reach;
use tracing_subscriber::filter::Targets;

use super::http::HttpRefusal;
use super::{LogFormat, Role};

const ADDRESSES_MAX: usize = 16;
const CLIENTS_MAX: usize = 64;
const WORKERS_MAX: usize = 256;
/// More failed attempts than this are no limit.
const FAILURES_MAX: u64 = 1_000_000;
/// A lock that lasts longer than an hour is a punishment of whoever comes after.
const LOCK_SECONDS_MAX: u64 = 3_600;
const REJECT_DELAY_MS_MAX: u64 = 10_000;
const DAYS_MAX: u32 = 36_500;
/// So long the journal looks for a closed session, to tell a record that comes late or again from
/// one of a new session.
const DAYS_OF_SESSIONS_MIN: u32 = 90;

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not an address with a port.
    #[error(
        "'{raw}' is not an address with a port: write 0.0.0.0:1812 or [::]:1812 (port 0 lets the system choose)"
    )]
    Address {
        /// The text.
        raw: String,
    },
    /// Neither an address with a port nor off.
    #[error("'{raw}' is not an address with a port: write 127.0.0.1:3799, or off")]
    Relay {
        /// The text.
        raw: String,
    },
    /// Not who may use the relay.
    #[error(transparent)]
    Client(#[from] SourceError),
    /// None, or too many of them.
    #[error("{count} addresses or prefixes: write 1 to {CLIENTS_MAX}, separated by commas")]
    ClientCount {
        /// How many there are.
        count: usize,
    },
    /// None, or too many addresses.
    #[error("{count} addresses: write 1 to {ADDRESSES_MAX}, separated by commas")]
    AddressCount {
        /// How many there are.
        count: usize,
    },
    /// The same address twice.
    #[error("{address} is there twice: remove one")]
    AddressTwice {
        /// The address.
        address: SocketAddr,
    },
    /// Not a number in the range.
    #[error("'{raw}' is not a whole number from {min} to {max}")]
    Number {
        /// The text.
        raw: String,
        /// The least accepted.
        min: u64,
        /// The most accepted.
        max: u64,
    },
    /// Not a time to keep something for.
    #[error("'{raw}' is not a number of days from {min} to {max}, or 0 for ever")]
    Days {
        /// The text.
        raw: String,
        /// The least accepted, other than 0.
        min: u32,
        /// The most accepted.
        max: u32,
    },
    /// Not a way to obey rows.
    #[error("'{raw}' is not a way to obey rows: write compatible or strict")]
    Mode {
        /// The text.
        raw: String,
    },
    /// Neither yes nor no.
    #[error("'{raw}' is neither true nor false")]
    Switch {
        /// The text.
        raw: String,
    },
    /// Not a role.
    #[error("'{raw}' is not a role: write one or more of aaa, api, worker, separated by commas")]
    Role {
        /// The text.
        raw: String,
    },
    /// Not a log level.
    #[error(
        "'{raw}' is not a log level: write error, warn, info, debug or trace, or levels by part (info,aaa=debug)"
    )]
    LogLevel {
        /// The text.
        raw: String,
    },
    /// Not a log format.
    #[error("'{raw}' is not a log format: write text or json")]
    LogFormat {
        /// The text.
        raw: String,
    },
    /// Not a database. The text may hold a password, so it is not repeated.
    #[error(
        "this is not a database URL: write sqlite:, sqlite:PATH or postgres://user:password@host/database"
    )]
    DatabaseUrl,
    /// Not a setting of the web listener.
    #[error(transparent)]
    Http(#[from] HttpRefusal),
    /// No directory at all.
    #[error("the directory is empty: write a path")]
    EmptyPath,
}

/// Text that is one value of its type.
pub(super) trait Single: Sized {
    fn refuse(raw: &str) -> ValueError;
}

impl Single for SocketAddr {
    fn refuse(raw: &str) -> ValueError {
        ValueError::Address {
            raw: raw.to_owned(),
        }
    }
}

impl Single for LogFormat {
    fn refuse(raw: &str) -> ValueError {
        ValueError::LogFormat {
            raw: raw.to_owned(),
        }
    }
}

pub(super) fn parse_one<T: Single + FromStr>(raw: &str) -> Result<T, ValueError> {
    raw.trim().parse().map_err(|_| T::refuse(raw))
}

pub(super) fn parse_addresses(raw: &str) -> Result<Vec<SocketAddr>, ValueError> {
    let addresses = words(raw)
        .map(parse_one::<SocketAddr>)
        .collect::<Result<Vec<_>, _>>()?;
    if addresses.is_empty() || ADDRESSES_MAX < addresses.len() {
        return Err(ValueError::AddressCount {
            count: addresses.len(),
        });
    }
    let mut seen = BTreeSet::new();
    for address in &addresses {
        // Port 0 is a new port each time.
        if address.port() != 0 && !seen.insert(*address) {
            return Err(ValueError::AddressTwice { address: *address });
        }
    }
    Ok(addresses)
}

/// Where tools are heard, or nowhere.
pub(super) fn parse_relay(raw: &str) -> Result<Option<SocketAddr>, ValueError> {
    if raw.trim() == "off" {
        return Ok(None);
    }
    let address = raw.trim().parse();
    address.map(Some).map_err(|_| ValueError::Relay {
        raw: raw.to_owned(),
    })
}

/// Whose requests are read there.
pub(super) fn parse_clients(raw: &str) -> Result<Vec<IpNet>, ValueError> {
    let clients = words(raw)
        .map(parse_source)
        .collect::<Result<Vec<_>, _>>()?;
    if clients.is_empty() || CLIENTS_MAX < clients.len() {
        return Err(ValueError::ClientCount {
            count: clients.len(),
        });
    }
    Ok(clients)
}

/// How rows are obeyed.
pub(super) fn parse_mode(raw: &str) -> Result<Mode, ValueError> {
    match raw.trim() {
        "compatible" => Ok(Mode::Compatible),
        "strict" => Ok(Mode::Strict),
        _ => Err(ValueError::Mode {
            raw: raw.to_owned(),
        }),
    }
}

pub(super) fn parse_reach(raw: &str) -> Result<Reach, ValueError> {
    match raw.trim() {
        "true" => Ok(Reach::Private),
        "false" => Ok(Reach::Public),
        _ => Err(ValueError::Switch {
            raw: raw.to_owned(),
        }),
    }
}

pub(super) fn parse_directory(raw: &str) -> Result<PathBuf, ValueError> {
    if raw.is_empty() {
        return Err(ValueError::EmptyPath);
    }
    Ok(PathBuf::from(raw))
}

pub(super) fn parse_workers(raw: &str) -> Result<usize, ValueError> {
    parse_number(raw, 1, WORKERS_MAX as u64)
        .map(|number| usize::try_from(number).unwrap_or(WORKERS_MAX))
}

pub(super) fn parse_reject_delay(raw: &str) -> Result<Duration, ValueError> {
    parse_number(raw, 0, REJECT_DELAY_MS_MAX).map(Duration::from_millis)
}

pub(super) fn parse_failures(raw: &str) -> Result<u32, ValueError> {
    let number = parse_number(raw, 0, FAILURES_MAX)?;
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}

pub(super) fn parse_lock(raw: &str) -> Result<Duration, ValueError> {
    parse_number(raw, 5, LOCK_SECONDS_MAX).map(Duration::from_secs)
}

pub(super) fn parse_roles(raw: &str) -> Result<BTreeSet<Role>, ValueError> {
    let roles = words(raw)
        .map(|word| match word {
            "aaa" => Ok(Role::Aaa),
            "api" => Ok(Role::Api),
            "worker" => Ok(Role::Worker),
            _ => Err(ValueError::Role {
                raw: word.to_owned(),
            }),
        })
        .collect::<Result<BTreeSet<_>, _>>()?;
    if roles.is_empty() {
        return Err(ValueError::Role {
            raw: raw.to_owned(),
        });
    }
    Ok(roles)
}

pub(super) fn parse_log_level(raw: &str) -> Result<Targets, ValueError> {
    let refuse = || ValueError::LogLevel {
        raw: raw.to_owned(),
    };
    // A bare word that is no level would be taken as the name of a part and log it in full.
    let is_known = |part: &str| {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
        level
            .parse::<tracing_subscriber::filter::LevelFilter>()
            .is_ok()
    };
    if raw.is_empty() || !words(raw).all(is_known) {
        return Err(refuse());
    }
    raw.parse::<Targets>().map_err(|_| refuse())
}

pub(super) fn parse_days(raw: &str) -> Result<Option<u32>, ValueError> {
    parse_days_from(1, raw)
}

pub(super) fn parse_days_of_sessions(raw: &str) -> Result<Option<u32>, ValueError> {
    parse_days_from(DAYS_OF_SESSIONS_MIN, raw)
}

fn parse_days_from(min: u32, raw: &str) -> Result<Option<u32>, ValueError> {
    match raw.trim().parse() {
        Ok(0) => Ok(None),
        Ok(days) if (min..=DAYS_MAX).contains(&days) => Ok(Some(days)),
        Ok(_) | Err(_) => Err(ValueError::Days {
            raw: raw.to_owned(),
            min,
            max: DAYS_MAX,
        }),
    }
}

pub(super) fn workers_default() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(WORKERS_MAX))
}

pub(super) fn parse_number(raw: &str, min: u64, max: u64) -> Result<u64, ValueError> {
    raw.trim()
        .parse::<u64>()
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| ValueError::Number {
            raw: raw.to_owned(),
            min,
            max,
        })
}

pub(super) fn words(raw: &str) -> impl Iterator<Item = &str> {
    raw.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        match raw {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

/// Replaces the password before the `@` and every `password=` of the query.
pub(super) fn hide_passwords(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let shown = match rest.split_once('?') {
        Some((path, query)) => {
            let pairs: Vec<String> = query.split('&').map(hide_pair).collect();
            format!("{path}?{}", pairs.join("&"))
        }
        None => rest.to_owned(),
    };
    format!("{scheme}://{}", hide_user_password(&shown))
}

fn hide_user_password(rest: &str) -> String {
    // The last '@' ends the user part, so that a password with an unescaped '@' or '?' stays hidden.
    let Some((user, host)) = rest.rsplit_once('@') else {
        return rest.to_owned();
    };
    match user.split_once(':') {
        Some((name, _)) => format!("{name}:***@{host}"),
        None => rest.to_owned(),
    }
}

fn hide_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, _)) if name.to_ascii_lowercase().contains("pass") => format!("{name}=***"),
        _ => pair.to_owned(),
    }
}
