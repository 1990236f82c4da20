//! Webhooks: where events are sent, whether they are sent at all, and when they are sent again.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Serialize, Serializer};

pub mod address;

/// Whether events are sent to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WebhookState {
    Active,
    /// Somebody stopped it for a while.
    Paused,
    /// The program gave it up.
    Disabled,
}

/// A word that is not a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a webhook is active, paused or disabled")]
pub struct WebhookStateError;

/// Where events are sent: an `https` or `http` URL with a host, and no user or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookUrl(String);

/// A text that is no such URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookUrlError {
    #[error("a URL begins with https://, for example https://panel.example/hooks/lastmile")]
    Scheme,
    #[error("a URL has at most {} characters", WebhookUrl::LEN_MAX)]
    TooLong,
    #[error(
        "a URL has a space or a character outside of ASCII at octet {at}: write it in percent form"
    )]
    BadByte { at: usize },
    #[error("the URL has no host, or one that is none")]
    Host,
    #[error("the port of the URL is no number from 1 to 65535")]
    Port,
    #[error("leave user and password out of the URL: every message is signed")]
    User,
    #[error("leave the part behind # out of the URL: it is never sent")]
    Fragment,
}

/// What has to follow a delivery that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Another attempt after so many seconds.
    After(i64),
    /// It has failed for about a day.
    GiveUp,
}

/// Seconds after each attempt that failed; a day in all.
const WAITS: [i64; 10] = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 28_800];

impl Retry {
    /// What follows the attempt of this number, from 1. `jitter` is drawn from 0 to 1: of many that
    /// failed together, not all come again together.
    pub fn after(attempt: u32, jitter: f64) -> Self {
        let place = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(wait) = WAITS.get(place) else {
            return Self::GiveUp;
        };
        // Within a fifth of the wait, either way.
        let percent = (jitter.clamp(0.0, 1.0) * 40.0) as i64 + 80;
        Self::After((wait * percent / 100).max(1))
    }
}

impl WebhookState {
    const ALL: [Self; 3] = [Self::Active, Self::Paused, Self::Disabled];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }
}

impl FromStr for WebhookState {
    type Err = WebhookStateError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == raw);
        found.ok_or(WebhookStateError)
    }
}

impl fmt::Display for WebhookState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl Serialize for WebhookState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl WebhookUrl {
    pub const LEN_MAX: usize = 2_048;

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, when the URL names one and no name.
    pub fn address(&self) -> Option<IpAddr> {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        match rest[..end].strip_prefix('[') {
            Some(literal) => literal.split_once(']')?.0.parse().ok(),
            None => rest[..end].split(':').next()?.parse().ok(),
        }
    }

    /// Whether what is sent there is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl FromStr for WebhookUrl {
    type Err = WebhookUrlError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let rest = raw
            .strip_prefix("https://")
            .or_else(|| raw.strip_prefix("http://"));
        let rest = rest.ok_or(WebhookUrlError::Scheme)?;
        if Self::LEN_MAX < raw.len() {
            return Err(WebhookUrlError::TooLong);
        }
        let is_bad = |octet: u8| !octet.is_ascii_graphic() || b"\\\"<>^`{|}".contains(&octet);
        if let Some(at) = raw.bytes().position(is_bad) {
            return Err(WebhookUrlError::BadByte { at });
        }
        if raw.contains('#') {
            return Err(WebhookUrlError::Fragment);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        check_authority(&rest[..end])?;
        Ok(Self(raw.to_owned()))
    }
}

fn check_authority(authority: &str) -> Result<(), WebhookUrlError> {
    if authority.contains('@') {
        return Err(WebhookUrlError::User);
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(literal) => {
            let (literal, port) = literal.split_once(']').ok_or(WebhookUrlError::Host)?;
            let is_address = literal.parse::<std::net::Ipv6Addr>().is_ok();
            (is_address, port)
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            (is_host(&authority[..end]), &authority[end..])
        }
    };
    if !host {
        return Err(WebhookUrlError::Host);
    }
    match port.strip_prefix(':') {
        Some(port) => match port.parse::<u16>() {
            Ok(0) | Err(_) => Err(WebhookUrlError::Port),
            Ok(_) => Ok(()),
        },
        None if port.is_empty() => Ok(()),
        None => Err(WebhookUrlError::Host),
    }
}

fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        let is_inner = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(is_inner)
    };
    // A last dot says that the name is complete.
    let name = host.strip_suffix('.').unwrap_or(host);
    host.len() <= 253 && name.split('.').all(is_label)
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl Serialize for WebhookUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_survive_their_text() {
        for state in WebhookState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
    }

    #[test]
    fn attempts_last_about_a_day_and_then_end() {
        let mut seconds = 0;
        let mut attempt = 1;
        while let Retry::After(wait) = Retry::after(attempt, 0.5) {
            let (least, most) = (Retry::after(attempt, 0.0), Retry::after(attempt, 1.0));
            assert!(matches!(least, Retry::After(least) if least <= wait));
            assert!(matches!(most, Retry::After(most) if wait <= most));
            seconds += wait;
            attempt += 1;
        }
        assert!((20 * 3_600..=28 * 3_600).contains(&seconds), "{seconds}");
        assert_eq!(attempt, 11);
    }

    #[test]
    fn urls_are_checked() {
        let check = |raw: &str| raw.parse::<WebhookUrl>().map(|_| ());
        for good in [
            "https://panel.example",
            "https://panel.example/hooks/a?key=1",
            "https://panel.example:8443/",
            "http://192.0.2.1/hook",
            "https://[2001:db8::1]:443/hook",
            "https://localhost?x",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, error) in [
            ("ftp://panel.example", WebhookUrlError::Scheme),
            ("panel.example", WebhookUrlError::Scheme),
            ("HTTPS://panel.example", WebhookUrlError::Scheme),
            ("https://", WebhookUrlError::Host),
            ("https://a..b", WebhookUrlError::Host),
            ("https://[::1", WebhookUrlError::Host),
            ("https://[panel]/", WebhookUrlError::Host),
            ("https://[::1]x/", WebhookUrlError::Host),
            ("https://panel.example:0/", WebhookUrlError::Port),
            ("https://panel.example:99999/", WebhookUrlError::Port),
            ("https://panel.example:/", WebhookUrlError::Port),
            ("https://ana:pw@panel.example/", WebhookUrlError::User),
            ("https://panel.example/#x", WebhookUrlError::Fragment),
            (
                "https://panel.example/a b",
                WebhookUrlError::BadByte { at: 23 },
            ),
            (
                "https://panel.example\\@10.0.0.1/",
                WebhookUrlError::BadByte { at: 21 },
            ),
        ] {
            assert_eq!(check(bad), Err(error), "{bad}");
        }
        let long = format!("https://panel.example/{}", "a".repeat(WebhookUrl::LEN_MAX));
        assert_eq!(check(&long), Err(WebhookUrlError::TooLong));
    }
}
