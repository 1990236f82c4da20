//! How far a command has come, and what became of it in the end.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// How far a command has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommandState {
    /// The router has not been asked yet.
    Asked,
    /// The router does not answer.
    WaitingRouter,
    /// The router was asked.
    Sent,
    /// The router agreed, and nothing shows yet that it did so.
    Acknowledged,
    /// It is so.
    Confirmed,
    Failed,
}

/// What became of a command in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The end of the session is in the books.
    Ended,
    /// The router has no such session, and has not reported its end.
    Gone,
    /// The session was heard of after the router had agreed to the change.
    Reported,
    /// The session was as it should be.
    NothingToChange,
    /// The router agreed to the change, and the session was not heard of since.
    Unproven,
    Refused,
    /// The router did not answer for as long as the command was good.
    Silent,
    /// So much was asked of the router that the command never had its turn.
    Busy,
    NasRemoved,
    NoAddress,
    /// The router has no attribute for what is to change.
    CannotChange,
    /// Nothing is known of the session that would mean it alone.
    Ambiguous,
    /// The router agreed, and the session goes on.
    GoesOn,
    /// A change came too late for the session.
    SessionEnded,
    /// The session is to change, and the router says that it has none.
    UnknownToRouter,
    /// A later command took its place.
    Superseded,
}

/// A word that is not a state of a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{raw}' is not a state: use asked, waiting_router, sent, acknowledged, confirmed or failed"
)]
pub struct CommandStateError {
    raw: String,
}

impl CommandState {
    pub const ALL: [Self; 6] = [
        Self::Asked,
        Self::WaitingRouter,
        Self::Sent,
        Self::Acknowledged,
        Self::Confirmed,
        Self::Failed,
    ];

    /// Those in which a command may stay.
    pub const FINAL: [Self; 3] = [Self::Acknowledged, Self::Confirmed, Self::Failed];

    /// A stable name, which is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::WaitingRouter => "waiting_router",
            Self::Sent => "sent",
            Self::Acknowledged => "acknowledged",
            Self::Confirmed => "confirmed",
            Self::Failed => "failed",
        }
    }
}

impl Verdict {
    const ALL: [Self; 16] = [
        Self::Ended,
        Self::Gone,
        Self::Reported,
        Self::NothingToChange,
        Self::Unproven,
        Self::Refused,
        Self::Silent,
        Self::Busy,
        Self::NasRemoved,
        Self::NoAddress,
        Self::CannotChange,
        Self::Ambiguous,
        Self::GoesOn,
        Self::SessionEnded,
        Self::UnknownToRouter,
        Self::Superseded,
    ];

    /// The state in which the command stays.
    pub const fn state(self) -> CommandState {
        match self {
            Self::Ended | Self::Gone | Self::Reported | Self::NothingToChange => {
                CommandState::Confirmed
            }
            Self::Unproven => CommandState::Acknowledged,
            Self::Refused
            | Self::Silent
            | Self::Busy
            | Self::NasRemoved
            | Self::NoAddress
            | Self::CannotChange
            | Self::Ambiguous
            | Self::GoesOn
            | Self::SessionEnded
            | Self::UnknownToRouter
            | Self::Superseded => CommandState::Failed,
        }
    }

    /// A stable name, which is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Gone => "gone",
            Self::Reported => "reported",
            Self::NothingToChange => "nothing_to_change",
            Self::Unproven => "unproven",
            Self::Refused => "refused",
            Self::Silent => "silent",
            Self::Busy => "busy",
            Self::NasRemoved => "nas_removed",
            Self::NoAddress => "no_address",
            Self::CannotChange => "cannot_change",
            Self::Ambiguous => "ambiguous",
            Self::GoesOn => "goes_on",
            Self::SessionEnded => "session_ended",
            Self::UnknownToRouter => "unknown_to_router",
            Self::Superseded => "superseded",
        }
    }

    /// What [`as_str`](Self::as_str) wrote.
    pub fn from_stored(stored: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|verdict| verdict.as_str() == stored)
    }
}

/// The sentence an operator reads.
impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Ended => "the session has ended",
            Self::Gone => "the router has no such session; it has not reported its end",
            Self::Reported => "the session was heard of after the router had agreed",
            Self::NothingToChange => "the session was as it should be",
            Self::Unproven => "the router agreed, and the session was not heard of since",
            Self::Refused => "the router refused",
            Self::Silent => "the router did not answer",
            Self::Busy => "so much was asked of the router that there was no room",
            Self::NasRemoved => "the router is not registered",
            Self::NoAddress => "it is not known which address the router of this session has",
            Self::CannotChange => "the router has no attribute for what is to change",
            Self::Ambiguous => "nothing is known of the session that would mean it alone",
            Self::GoesOn => "the router agreed, and the session goes on",
            Self::SessionEnded => "the session had ended before",
            Self::UnknownToRouter => "the router has no such session",
            Self::Superseded => "a later command took its place",
        })
    }
}

impl fmt::Display for CommandState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for CommandState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl FromStr for CommandState {
    type Err = CommandStateError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == raw)
            .ok_or_else(|| CommandStateError {
                raw: raw.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::from_stored(verdict.as_str()), Some(verdict));
        }
        for state in CommandState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("done".parse::<CommandState>().is_err());
    }
}
