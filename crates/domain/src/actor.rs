//! Who changes something: a person, a key, a command line, or the program itself.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use uuid::Uuid;

/// What kind of actor it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// The program: schedules, reconcilers, the packet path.
    System,
    /// Somebody at the machine.
    CommandLine,
    Operator,
    ApiKey,
}

/// Who does something, as the audit log keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Actor {
    pub kind: ActorKind,
    /// Of an operator or a key.
    pub id: Option<Uuid>,
    /// As it was called at the time.
    pub name: String,
}

/// A text that names no kind of actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an actor is system, command_line, operator or api_key")]
pub struct ActorKindError;

impl ActorKind {
    const ALL: [Self; 4] = [
        Self::System,
        Self::CommandLine,
        Self::Operator,
        Self::ApiKey,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::CommandLine => "command_line",
            Self::Operator => "operator",
            Self::ApiKey => "api_key",
        }
    }
}

impl FromStr for ActorKind {
    type Err = ActorKindError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == raw);
        found.ok_or(ActorKindError)
    }
}

impl Actor {
    /// The program itself, in one of its parts.
    pub fn system(part: &str) -> Self {
        Self {
            kind: ActorKind::System,
            id: None,
            name: part.to_owned(),
        }
    }

    /// A user of the machine.
    pub fn command_line(user: &str) -> Self {
        Self {
            kind: ActorKind::CommandLine,
            id: None,
            name: user.to_owned(),
        }
    }
}

/// As other records name it: `operator ana`.
impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ActorKind::System => "system",
            ActorKind::CommandLine => "command line, user",
            ActorKind::Operator => "operator",
            ActorKind::ApiKey => "API key",
        };
        write!(formatter, "{kind} {}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_survive_their_text() {
        for kind in ActorKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!("root".parse::<ActorKind>().is_err());
    }
}
