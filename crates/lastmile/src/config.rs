//! Configuration: defaults, file, environment and flags, each later one stronger, all typed.
//!
//! Nothing else in the program reads the environment.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aaa::guard::GuardOptions;
use ipnet::IpNet;
use rows::row::Mode;
use serde::Serialize;
use services::webhook::Reach;

mod http;
mod source;
mod value;

pub use http::{AcmeConfig, CertificateFiles, Challenge, HttpConfig, HttpRefusal, Protection};
use source::{Candidate, Layers};
pub use source::{Environment, RemoteVariables};
pub use value::ValueError;
use value::parse_one;

use crate::relay_secret;

/// Everything that is configurable, parsed.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the database, the key ring and the accounting spool live.
    pub data_dir: PathBuf,
    /// Which database.
    pub database_url: DatabaseUrl,
    /// The RADIUS side.
    pub radius: RadiusConfig,
    /// How the rows of FreeRADIUS' tables are obeyed; absent when nothing was set, and then the
    /// installation says so.
    pub rows: Option<Mode>,
    /// The web side.
    pub http: HttpConfig,
    /// What this process does.
    pub roles: BTreeSet<Role>,
    /// Who is kept from guessing passwords, and for how long.
    pub guard: GuardOptions,
    /// How long history is kept.
    pub retention: RetentionConfig,
    /// Which endpoints of webhooks there may be.
    pub webhook_reach: Reach,
    /// What is logged, and how.
    pub log: LogConfig,
    /// What the service manager handed over.
    pub service: ServiceManager,
}

/// Addresses and limits of the RADIUS listeners; port 0 lets the system choose.
#[derive(Clone, Debug)]
pub struct RadiusConfig {
    /// Where Access-Request and Status-Server are answered.
    pub auth: Vec<SocketAddr>,
    /// Where Accounting-Request and Status-Server are answered.
    pub acct: Vec<SocketAddr>,
    /// How many workers, each with its own sockets.
    pub workers: usize,
    /// Where local tools hand in CoA and Disconnect requests for the routers; `None` is nowhere.
    pub relay: Option<SocketAddr>,
    /// Whose requests are read there.
    pub relay_clients: Vec<IpNet>,
    /// What they sign with.
    pub relay_secret_file: PathBuf,
    /// How long an Access-Reject is held back, to slow down guessing.
    pub reject_delay: Duration,
}

/// How many days history is kept; `None` is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionConfig {
    /// Sessions, after their end.
    pub sessions_days: Option<u32>,
    /// The authentication log.
    pub auth_log_days: Option<u32>,
    /// Usage by the hour; usage by the day is kept for ever.
    pub usage_hourly_days: Option<u32>,
    /// Events, as those are told who listen.
    pub events_days: Option<u32>,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// Which events are logged.
    pub level: tracing_subscriber::filter::Targets,
    /// How they are written.
    pub format: LogFormat,
}

/// What systemd told this process in its environment.
#[derive(Clone, Debug, Default)]
pub struct ServiceManager {
    /// `$NOTIFY_SOCKET`: where to say that the service is ready (`sd_notify(3)`).
    pub notify_socket: Option<PathBuf>,
    /// `$WATCHDOG_USEC`: how often the service must show that it lives.
    pub watchdog: Option<Duration>,
    /// `$CREDENTIALS_DIRECTORY`: where `LoadCredential=` puts secrets.
    pub credentials_dir: Option<PathBuf>,
}

/// A part of the program that a process may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Answers routers.
    Aaa,
    /// Serves HTTP.
    Api,
    /// Runs housekeeping and jobs.
    Worker,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A database URL. Its password is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

/// The configuration in force and where each value came from.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The values, typed.
    pub config: Config,
    /// The values as text, in the order of the documentation.
    pub settings: Vec<Setting>,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

/// One configured value as text, without secrets.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Setting {
    /// Its dotted key.
    pub key: &'static str,
    /// Its value, with passwords hidden.
    pub value: String,
    /// Where it came from.
    pub source: String,
}

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--config`: this file and no other.
    pub file: Option<PathBuf>,
    /// Keys, their values and the flags that gave them.
    pub values: Vec<Override>,
}

/// One value given by a flag.
#[derive(Clone)]
pub struct Override {
    /// The dotted key.
    pub key: String,
    /// The value as text.
    pub value: String,
    /// The flag, as the user knows it.
    pub flag: &'static str,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key that nothing reads.
    #[error("unknown key '{key}' in {origin}: the nearest known key is '{nearest}'")]
    UnknownKey {
        /// The key as found.
        key: String,
        /// The most similar key that exists.
        nearest: &'static str,
        /// Where it was found.
        origin: String,
    },
    /// A value that cannot be used.
    #[error("{key} in {origin}")]
    BadValue {
        /// The key.
        key: &'static str,
        /// Where the value was found.
        origin: String,
        /// What is wrong with it.
        #[source]
        source: ValueError,
    },
    /// The file could not be read.
    #[error("could not read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why, on one line.
        message: String,
    },
    /// An environment variable holds something else than text.
    #[error("environment variable {variable} is not UTF-8")]
    NotText {
        /// Its name.
        variable: String,
    },
}

/// Every key with its default; an empty default is computed.
const KEYS: [(&str, &str); 37] = [
    ("data_dir", "./data"),
    ("database.url", "sqlite:"),
    ("radius.auth", "0.0.0.0:1812"),
    ("radius.acct", "0.0.0.0:1813"),
    ("radius.workers", ""),
    ("radius.relay", "127.0.0.1:3799"),
    ("radius.relay_clients", "127.0.0.0/8,::1"),
    ("radius.relay_secret_file", ""),
    ("radius.reject_delay_ms", "500"),
    ("aaa.rows", "strict"),
    ("aaa.guard.user_failures", "10"),
    ("aaa.guard.station_failures", "30"),
    ("aaa.guard.nas_failures", "0"),
    ("aaa.guard.lock_seconds_max", "300"),
    ("http.listen", "127.0.0.1:8080"),
    ("http.tls", "auto"),
    ("http.plain", "false"),
    ("http.names", ""),
    ("http.certificate", ""),
    ("http.key", ""),
    ("http.acme.domains", ""),
    ("http.acme.contact", ""),
    (
        "http.acme.directory",
        "https://acme-v02.api.letsencrypt.org/directory",
    ),
    ("http.acme.ca_file", ""),
    ("http.acme.challenge", "tls-alpn-01"),
    ("http.redirect_listen", "off"),
    ("http.connections_max", "4096"),
    ("http.connections_per_address_max", "256"),
    ("http.trusted_proxies", ""),
    ("roles", "aaa,api,worker"),
    ("retention.sessions_days", "0"),
    ("retention.auth_log_days", "90"),
    ("retention.usage_hourly_days", "400"),
    ("retention.events_days", "30"),
    ("webhooks.allow_private", "false"),
    ("log.level", "info"),
    ("log.format", "text"),
];

const DEFAULT: &str = "default";

/// Puts the configuration together.
pub fn load(environment: &Environment, overrides: &Overrides) -> Result<Effective, ConfigError> {
    let layers = Layers::new(environment, overrides)?;
    let data_dir = PathBuf::from(layers.text_of("data_dir", KEYS[0].1));
    let file = source::find_file(environment, overrides, &data_dir)?;
    let layers = match &file {
        Some((path, text)) => layers.above_file(path, text)?,
        None => layers,
    };
    let candidates = layers.candidates();
    if let Some(stranger) = candidates.iter().find(|found| !is_known(&found.key)) {
        return Err(ConfigError::UnknownKey {
            nearest: nearest(&stranger.key),
            key: stranger.key.clone(),
            origin: stranger.origin.clone(),
        });
    }
    let reader = Reader {
        values: KEYS.map(|(key, default)| choose(key, default, &candidates)),
    };
    let (config, settings) = reader.read(environment)?;
    Ok(Effective {
        config,
        settings,
        file: file.map(|(path, _)| path),
    })
}

impl ConfigError {
    /// Whether the mistake is on the command line.
    pub fn is_from_flag(&self) -> bool {
        match self {
            Self::UnknownKey { origin, .. } | Self::BadValue { origin, .. } => {
                origin.starts_with("--")
            }
            Self::Unreadable { .. } | Self::Syntax { .. } | Self::NotText { .. } => false,
        }
    }
}

impl Effective {
    /// Whether anything but the default gave the value of a key.
    pub fn is_set(&self, key: &str) -> bool {
        self.settings
            .iter()
            .any(|setting| setting.key == key && setting.source != DEFAULT)
    }
}

fn is_known(key: &str) -> bool {
    KEYS.iter().any(|(known, _)| *known == key)
}

/// The known key that a mistyped one was probably meant to be.
fn nearest(key: &str) -> &'static str {
    KEYS.iter()
        .map(|(known, _)| *known)
        .min_by_key(|known| strsim::osa_distance(known, key))
        .expect("there is at least one key")
}

fn choose(key: &'static str, default: &str, candidates: &[Candidate]) -> Chosen {
    candidates
        .iter()
        .find(|candidate| candidate.key == key)
        .map_or_else(
            || Chosen {
                key,
                text: default.to_owned(),
                origin: DEFAULT.to_owned(),
            },
            |candidate| Chosen {
                key,
                text: candidate.text.clone(),
                origin: candidate.origin.clone(),
            },
        )
}

/// The text that won for a key.
struct Chosen {
    key: &'static str,
    text: String,
    origin: String,
}

struct Reader {
    values: [Chosen; KEYS.len()],
}

impl Reader {
    fn read(mut self, environment: &Environment) -> Result<(Config, Vec<Setting>), ConfigError> {
        let data_dir = self.parse("data_dir", value::parse_directory)?;
        self.fill("radius.workers", value::workers_default().to_string());
        let secret_file = data_dir.join(relay_secret::FILE);
        self.fill(
            "radius.relay_secret_file",
            secret_file.display().to_string(),
        );
        let config = Config {
            data_dir,
            database_url: self.parse("database.url", DatabaseUrl::parse)?,
            radius: RadiusConfig {
                auth: self.parse("radius.auth", value::parse_addresses)?,
                acct: self.parse("radius.acct", value::parse_addresses)?,
                workers: self.parse("radius.workers", value::parse_workers)?,
                relay: self.parse("radius.relay", value::parse_relay)?,
                relay_clients: self.parse("radius.relay_clients", value::parse_clients)?,
                relay_secret_file: self
                    .parse("radius.relay_secret_file", value::parse_directory)?,
                reject_delay: self.parse("radius.reject_delay_ms", value::parse_reject_delay)?,
            },
            rows: self.find("aaa.rows", value::parse_mode)?,
            http: http::read(&self)?,
            roles: self.parse("roles", value::parse_roles)?,
            guard: GuardOptions {
                user_failures: self.parse("aaa.guard.user_failures", value::parse_failures)?,
                station_failures: self
                    .parse("aaa.guard.station_failures", value::parse_failures)?,
                nas_failures: self.parse("aaa.guard.nas_failures", value::parse_failures)?,
                lock_max: self.parse("aaa.guard.lock_seconds_max", value::parse_lock)?,
            },
            retention: RetentionConfig {
                sessions_days: self
                    .parse("retention.sessions_days", value::parse_days_of_sessions)?,
                auth_log_days: self.parse("retention.auth_log_days", value::parse_days)?,
                usage_hourly_days: self.parse("retention.usage_hourly_days", value::parse_days)?,
                events_days: self.parse("retention.events_days", value::parse_days)?,
            },
            webhook_reach: self.parse("webhooks.allow_private", value::parse_reach)?,
            log: LogConfig {
                level: self.parse("log.level", value::parse_log_level)?,
                format: self.parse("log.format", parse_one::<LogFormat>)?,
            },
            service: environment.service_manager(),
        };
        let settings = self.values.map(|chosen| Setting {
            key: chosen.key,
            value: match chosen.key {
                "database.url" => config.database_url.to_string(),
                _ => chosen.text,
            },
            source: chosen.origin,
        });
        Ok((config, settings.into()))
    }

    fn fill(&mut self, key: &str, text: String) {
        for chosen in &mut self.values {
            if chosen.key == key && chosen.origin == DEFAULT {
                chosen.text = text;
                return;
            }
        }
    }

    /// The value of a key, unless it is the default.
    fn find<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, ValueError>,
    ) -> Result<Option<T>, ConfigError> {
        match self.chosen(key).origin.as_str() {
            DEFAULT => Ok(None),
            _ => self.parse(key, parse).map(Some),
        }
    }

    fn chosen(&self, key: &str) -> &Chosen {
        self.values
            .iter()
            .find(|chosen| chosen.key == key)
            .expect("the key is in the table")
    }

    fn parse<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, ValueError>,
    ) -> Result<T, ConfigError> {
        parse(&self.chosen(key).text).map_err(|source| self.refusal(key, source))
    }

    /// What is wrong with the value of a key.
    fn refusal(&self, key: &str, source: impl Into<ValueError>) -> ConfigError {
        let chosen = self.chosen(key);
        ConfigError::BadValue {
            key: chosen.key,
            origin: chosen.origin.clone(),
            source: source.into(),
        }
    }
}

impl DatabaseUrl {
    fn parse(raw: &str) -> Result<Self, ValueError> {
        let is_known = ["sqlite:", "postgres://", "postgresql://"]
            .iter()
            .any(|scheme| raw.starts_with(scheme));
        if is_known {
            Ok(Self(raw.to_owned()))
        } else {
            Err(ValueError::DatabaseUrl)
        }
    }

    /// The whole URL, with its password.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The URL with its passwords replaced, in the user part and in the query.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&value::hide_passwords(&self.0))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Debug for Override {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}=(hidden)", self.flag, self.key)
    }
}

#[cfg(test)]
mod tests;
