//! Events: what their kinds are called, and which of them somebody wants.

use std::fmt;
use std::str::FromStr;

/// What happened, beside what was done to the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    SessionStarted,
    SessionStopped,
    /// A session goes on although a limit is reached.
    SessionLimitCrossed,
    /// A router began anew, which ended its sessions.
    NasRestarted,
    /// An unknown sender asks.
    NasKnocking,
    AuthRejected,
    SessionCommandConfirmed,
    SessionCommandFailed,
    /// A login bound a new device.
    DeviceBound,
    OperationStarted,
    OperationProgressed,
    OperationFinished,
    /// Events could not be stored as fast as they came.
    EventsLost,
    /// An endpoint failed for too long, or said that it is gone.
    WebhookDisabled,
    /// Somebody tries an endpoint; it is sent to that endpoint alone.
    WebhookTest,
}

impl EventKind {
    pub const ALL: [Self; 15] = [
        Self::SessionStarted,
        Self::SessionStopped,
        Self::SessionLimitCrossed,
        Self::NasRestarted,
        Self::NasKnocking,
        Self::AuthRejected,
        Self::SessionCommandConfirmed,
        Self::SessionCommandFailed,
        Self::DeviceBound,
        Self::OperationStarted,
        Self::OperationProgressed,
        Self::OperationFinished,
        Self::EventsLost,
        Self::WebhookDisabled,
        Self::WebhookTest,
    ];

    /// The name that programs know it by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SessionStarted => "session.started",
            Self::SessionStopped => "session.stopped",
            Self::SessionLimitCrossed => "session.limit_crossed",
            Self::NasRestarted => "nas.restarted",
            Self::NasKnocking => "nas.knocking",
            Self::AuthRejected => "auth.rejected",
            Self::SessionCommandConfirmed => "session_command.confirmed",
            Self::SessionCommandFailed => "session_command.failed",
            Self::DeviceBound => "device.bound",
            Self::OperationStarted => "operation.started",
            Self::OperationProgressed => "operation.progressed",
            Self::OperationFinished => "operation.finished",
            Self::EventsLost => "events.lost",
            Self::WebhookDisabled => "webhook.disabled",
            Self::WebhookTest => "webhook.test",
        }
    }
}

/// One pattern that kinds of events match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// `*`
    Everything,
    /// `plan.*`, without the star.
    About(String),
    /// `plan.created`
    Exactly(String),
}

/// Patterns of which one has to match, each once and in one order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topics(Vec<Topic>);

/// A text that is no list of topics.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicsError {
    #[error(
        "no topic is named: write * for everything, or topics separated by commas, for example plan.*,session.started"
    )]
    Empty,
    #[error(
        "'{0}' is no topic: write *, NOUN.* or NOUN.VERB, for example plan.* or session.started"
    )]
    Malformed(String),
    #[error(
        "more than {} topics are named: use NOUN.* for all about a noun, or *",
        Topics::MAX
    )]
    TooMany,
}

impl Topic {
    /// The most octets of one.
    const LEN_MAX: usize = 64;

    pub fn matches(&self, kind: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::About(noun) => kind
                .strip_prefix(noun.as_str())
                .is_some_and(|rest| rest.starts_with('.')),
            Self::Exactly(exact) => exact == kind,
        }
    }
}

impl Topics {
    /// The most that one list has.
    pub const MAX: usize = 32;

    /// Everything that happens.
    pub fn everything() -> Self {
        Self(vec![Topic::Everything])
    }

    /// Whether a kind of event is wanted.
    pub fn matches(&self, kind: &str) -> bool {
        self.0.iter().any(|topic| topic.matches(kind))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Topic> {
        self.0.iter()
    }
}

impl FromStr for Topic {
    type Err = TopicsError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let malformed = || TopicsError::Malformed(raw.chars().take(Self::LEN_MAX).collect());
        if raw == "*" {
            return Ok(Self::Everything);
        }
        let is_word = |word: &str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|octet| matches!(octet, b'a'..=b'z' | b'_'))
        };
        match raw.split_once('.') {
            _ if Self::LEN_MAX < raw.len() => Err(malformed()),
            Some((noun, "*")) if is_word(noun) => Ok(Self::About(noun.to_owned())),
            Some((noun, verb)) if is_word(noun) && is_word(verb) => {
                Ok(Self::Exactly(raw.to_owned()))
            }
            Some(_) | None => Err(malformed()),
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => formatter.write_str("*"),
            Self::About(noun) => write!(formatter, "{noun}.*"),
            Self::Exactly(kind) => formatter.write_str(kind),
        }
    }
}

/// Topics separated by commas, with or without spaces.
impl FromStr for Topics {
    type Err = TopicsError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let words = raw.split(',').map(str::trim);
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        if words.is_empty() {
            return Err(TopicsError::Empty);
        }
        if Self::MAX < words.len() {
            return Err(TopicsError::TooMany);
        }
        let topics: Result<Vec<Topic>, _> = words.into_iter().map(str::parse).collect();
        let mut topics = topics?;
        topics.sort_unstable();
        topics.dedup();
        Ok(match topics.first() {
            Some(Topic::Everything) => Self::everything(),
            Some(Topic::About(_) | Topic::Exactly(_)) | None => Self(topics),
        })
    }
}

impl fmt::Display for Topics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, topic) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(formatter, "{comma}{topic}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(topics: &str, kind: &str, is_wanted: bool) {
        let parsed: Topics = topics.parse().expect("the test names topics");
        assert_eq!(parsed.matches(kind), is_wanted, "{topics} and {kind}");
    }

    #[test]
    fn topics_match_kinds_and_nouns() {
        check("*", "plan.created", true);
        check("plan.*", "plan.created", true);
        check("plan.*", "plans.created", false);
        check("session.*", "session_command.failed", false);
        check("session.started", "session.started", true);
        check("session.started", "session.stopped", false);
        check(" plan.* , nas.knocking ", "nas.knocking", true);
    }

    #[test]
    fn topics_have_one_form() {
        let form = |raw: &str| raw.parse::<Topics>().map(|topics| topics.to_string());
        assert_eq!(form("b.x, a.*,b.x"), Ok("a.*,b.x".to_owned()));
        assert_eq!(form("plan.*,*"), Ok("*".to_owned()));
        assert_eq!(form(" , "), Err(TopicsError::Empty));
        for bad in [
            "plan",
            "plan.",
            ".created",
            "Plan.*",
            "*.created",
            "a.b.c",
            "a.*.b",
        ] {
            assert_eq!(
                form(bad),
                Err(TopicsError::Malformed(bad.to_owned())),
                "{bad}"
            );
        }
        let many = vec!["a.b"; Topics::MAX + 1].join(",");
        assert_eq!(form(&many), Err(TopicsError::TooMany));
    }

    #[test]
    fn kinds_are_topics() {
        for kind in EventKind::ALL {
            let topic: Topic = kind.as_str().parse().expect("a kind is NOUN.VERB");
            assert!(topic.matches(kind.as_str()));
        }
    }
}
