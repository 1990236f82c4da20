//! What a subscriber is told about how the account stands: a template for each state, in the
//! language of the tenant.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use arrayvec::ArrayString;
use serde::{Serialize, Serializer};

use crate::subscriber::state::AccessState;
use crate::time::Timestamp;

/// What one Reply-Message carries (RFC 2865 §5.18).
pub const MESSAGE_OCTETS_MAX: usize = 253;

/// A message as it is sent.
pub type MessageText = ArrayString<MESSAGE_OCTETS_MAX>;

/// Text with names in braces: `{username}`, `{plan}`, `{expires_at}`, `{ends_at}`; `{{` and `}}`
/// are braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageTemplate(Box<str>);

/// A language tag in lower case, such as `en` or `pt-br` (RFC 5646 §2.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language(Box<str>);

/// A template for one state in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateMessage {
    pub state: AccessState,
    pub language: Language,
    pub template: MessageTemplate,
}

/// What the names in braces stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageFacts<'a> {
    pub username: &'a str,
    pub plan: &'a str,
    pub expires_at: Option<Timestamp>,
    /// The end of the grace.
    pub ends_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    #[error("a message is empty: write 1 to {MESSAGE_OCTETS_MAX} octets")]
    Empty,
    #[error("a message of {octets} octets is too long: {MESSAGE_OCTETS_MAX} fit in Reply-Message")]
    TooLong { octets: usize },
    #[error("a message has a control character at character {at}: remove it")]
    Control { at: usize },
    #[error(
        "{{{name}}} is not known: a message may have {{username}}, {{plan}}, {{expires_at}}, {{ends_at}}; a brace itself is written twice"
    )]
    UnknownName { name: String },
    #[error("a brace is not closed or not opened: a brace itself is written twice")]
    Brace,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{raw}' is not a language: write a tag such as en, sw or pt-br")]
pub struct LanguageError {
    raw: String,
}

/// One part of a template.
enum Piece<'t> {
    Text(&'t str),
    Name(&'t str),
}

/// What is sent when the tenant has no message of its own. Nobody is told anything about an
/// active account.
pub const fn default_template(state: AccessState) -> &'static str {
    match state {
        AccessState::Pending => "Your account is not active yet",
        AccessState::Active => "Welcome",
        AccessState::Grace => "Your account has expired; access ends on {ends_at}",
        AccessState::SuspendedWalled | AccessState::SuspendedHard => "Your account is suspended",
        AccessState::Expired => "Your account has expired",
        AccessState::Disabled => "Your account is disabled",
    }
}

/// Writes a template out. What does not fit is cut off behind a whole character.
pub fn render(template: &str, facts: &MessageFacts<'_>) -> MessageText {
    let mut text = MessageText::new();
    let mut cutting = Cutting(&mut text);
    // An error means that it is full.
    let _is_full: fmt::Result = pieces(template).try_for_each(|piece| match piece {
        Ok(Piece::Text(part)) => cutting.write_str(part),
        Ok(Piece::Name(name)) => write_fact(&mut cutting, name, facts),
        Err(_) => Ok(()),
    });
    text
}

fn write_fact(text: &mut Cutting<'_>, name: &str, facts: &MessageFacts<'_>) -> fmt::Result {
    let time = |text: &mut Cutting<'_>, at: Option<Timestamp>| match at {
        Some(at) => write!(text, "{at}"),
        None => text.write_str("-"),
    };
    match name {
        "username" => text.write_str(facts.username),
        "plan" => text.write_str(facts.plan),
        "expires_at" => time(text, facts.expires_at),
        "ends_at" => time(text, facts.ends_at),
        _ => Ok(()),
    }
}

/// Takes text until there is no room.
struct Cutting<'t>(&'t mut MessageText);

impl fmt::Write for Cutting<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = self.0.remaining_capacity();
        let fitting = part.floor_char_boundary(room);
        self.0.push_str(&part[..fitting]);
        if fitting < part.len() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}

/// The parts of a template in order.
fn pieces(template: &str) -> impl Iterator<Item = Result<Piece<'_>, MessageError>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let piece = match first {
            '{' | '}' if rest[1..].starts_with(first) => {
                let brace = &rest[..1];
                rest = &rest[2..];
                Ok(Piece::Text(brace))
            }
            '{' => match rest[1..].split_once('}') {
                Some((name, behind)) => {
                    rest = behind;
                    Ok(Piece::Name(name))
                }
                None => {
                    rest = "";
                    Err(MessageError::Brace)
                }
            },
            '}' => {
                rest = "";
                Err(MessageError::Brace)
            }
            _ => {
                let (text, behind) = rest.split_at(rest.find(['{', '}']).unwrap_or(rest.len()));
                rest = behind;
                Ok(Piece::Text(text))
            }
        };
        Some(piece)
    })
}

impl MessageTemplate {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MessageTemplate {
    type Err = MessageError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        if raw.is_empty() {
            return Err(MessageError::Empty);
        }
        if MESSAGE_OCTETS_MAX < raw.len() {
            return Err(MessageError::TooLong { octets: raw.len() });
        }
        if let Some(at) = raw.chars().position(char::is_control) {
            return Err(MessageError::Control { at });
        }
        for piece in pieces(raw) {
            match piece? {
                Piece::Text(_) | Piece::Name("username" | "plan" | "expires_at" | "ends_at") => {}
                Piece::Name(name) => {
                    return Err(MessageError::UnknownName {
                        name: name.to_owned(),
                    });
                }
            }
        }
        Ok(Self(raw.into()))
    }
}

impl fmt::Display for MessageTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl Serialize for MessageTemplate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Language {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Language {
    fn default() -> Self {
        Self("en".into())
    }
}

impl FromStr for Language {
    type Err = LanguageError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let mut parts = raw.split('-');
        let is_language = parts
            .next()
            .is_some_and(|part| (2..=8).contains(&part.len()) && is_alphabetic(part));
        let are_subtags = parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_alphanumeric())
        });
        if is_language && are_subtags && raw.len() <= 35 {
            Ok(Self(raw.to_ascii_lowercase().into()))
        } else {
            Err(LanguageError {
                raw: raw.to_owned(),
            })
        }
    }
}

fn is_alphabetic(part: &str) -> bool {
    part.bytes().all(|octet| octet.is_ascii_alphabetic())
}

impl fmt::Display for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl Serialize for Language {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: MessageFacts<'static> = MessageFacts {
        username: "ana",
        plan: "Home 50",
        expires_at: Some(Timestamp::from_seconds(1_800_000_000)),
        ends_at: None,
    };

    #[track_caller]
    fn check(template: &str, expected: &str) {
        let parsed: MessageTemplate = template.parse().expect("a good template");
        assert_eq!(render(parsed.as_str(), &FACTS).as_str(), expected);
    }

    #[test]
    fn names_are_filled_in() {
        check("Pay for {plan}, {username}!", "Pay for Home 50, ana!");
        check(
            "{expires_at} until {ends_at}",
            "2027-01-15T08:00:00Z until -",
        );
        check("{{{username}}} }}{{", "{ana} }{");
        check("Malipo — ✓", "Malipo — ✓");
    }

    #[track_caller]
    fn check_error(template: &str, expected: MessageError) {
        assert_eq!(template.parse::<MessageTemplate>(), Err(expected));
    }

    #[test]
    fn templates_are_checked_when_they_are_written() {
        check_error("", MessageError::Empty);
        check_error("a\nb", MessageError::Control { at: 1 });
        check_error("{username", MessageError::Brace);
        check_error("username}", MessageError::Brace);
        let name = || "password".to_owned();
        check_error("{password}", MessageError::UnknownName { name: name() });
        check_error(&"é".repeat(127), MessageError::TooLong { octets: 254 });
    }

    #[test]
    fn what_does_not_fit_is_cut_behind_a_whole_character() {
        let long = "é".repeat(120);
        let facts = MessageFacts {
            plan: &long,
            ..FACTS
        };
        let text = render("12345678901{plan}{plan}", &facts);
        // 11 octets and 121 letters of two.
        assert_eq!(text.len(), MESSAGE_OCTETS_MAX);
        let text = render("123456789012{plan}{plan}", &facts);
        assert_eq!(text.len(), MESSAGE_OCTETS_MAX - 1);
        assert!(text.ends_with('é'));
    }

    #[test]
    fn defaults_are_good_templates() {
        for state in AccessState::ALL {
            let template = default_template(state).parse::<MessageTemplate>();
            assert!(template.is_ok(), "{state}");
        }
    }

    #[test]
    fn languages_are_tags() {
        assert_eq!(
            "pt-BR".parse::<Language>().map(|one| one.to_string()),
            Ok("pt-br".into())
        );
        for wrong in ["", "e", "english language", "en_US", "-", "en-"] {
            assert!(wrong.parse::<Language>().is_err(), "{wrong}");
        }
    }
}
