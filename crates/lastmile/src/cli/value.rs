//! What options accept: durations, secrets and the numbers of a plan, each with its own complaint.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;

use domain::credential::PasswordHash;
use domain::plan::{InterimInterval, SessionLimit, TermError, TimeoutSeconds};
use domain::secret::Secret;
use services::nas_secret::{self, NasSecretError};
use zeroize::Zeroizing;

use super::error::CliError;
use super::terminal;

const IDENTIFIER_OCTETS_MAX: usize = 253;
const SECRET_FILE_OCTETS_MAX: u64 = 4_096;

/// A secret on the command line, or `-` for the first line of standard input. It shows itself
/// nowhere.
#[derive(Clone)]
pub(crate) struct HiddenArg(Zeroizing<String>);

impl FromStr for HiddenArg {
    type Err = std::convert::Infallible;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        Ok(Self(Zeroizing::new(raw.to_owned())))
    }
}

impl fmt::Debug for HiddenArg {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(hidden)")
    }
}

/// Why a secret could not be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadSecretError {
    #[error(transparent)]
    Refused(#[from] NasSecretError),
    #[error("could not read {place}")]
    Unreadable {
        place: String,
        #[source]
        source: io::Error,
    },
}

impl HiddenArg {
    /// The text given, or the first line of standard input for `-`; a terminal does not show it.
    pub(crate) fn resolve(&self, option: &'static str) -> Result<Zeroizing<String>, CliError> {
        if self.0.as_str() != "-" {
            return Ok(self.0.clone());
        }
        let mut line = Zeroizing::new(String::new());
        let read = || {
            let mut input = io::stdin().lock().take(SECRET_FILE_OCTETS_MAX);
            input.read_line(&mut line)
        };
        terminal::read_hidden(option, read).map_err(|source| CliError::Secret {
            option,
            source: ReadSecretError::Unreadable {
                place: "standard input".to_owned(),
                source,
            },
        })?;
        cut_line_end(&mut line);
        Ok(line)
    }
}

/// Checks the secret that a NAS and we share.
pub(crate) fn nas_secret(option: &'static str, text: &str) -> Result<Secret, CliError> {
    nas_secret::check(text).map_err(|problem| CliError::Secret {
        option,
        source: problem.into(),
    })
}

/// Reads a secret from a file, without the line end that editors add.
pub(crate) fn secret_file(
    option: &'static str,
    path: &Path,
) -> Result<Zeroizing<String>, CliError> {
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(path)
        .and_then(|file| file.take(SECRET_FILE_OCTETS_MAX).read_to_string(&mut text))
        .map_err(|source| CliError::Secret {
            option,
            source: ReadSecretError::Unreadable {
                place: path.display().to_string(),
                source,
            },
        })?;
    cut_line_end(&mut text);
    Ok(text)
}

fn cut_line_end(text: &mut String) {
    let kept = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(kept);
}

/// A password hash on the command line; it is as good as the password, so it is hidden too.
#[derive(Clone, Debug)]
pub(crate) struct HashArg(pub(crate) PasswordHash);

impl FromStr for HashArg {
    type Err = domain::credential::PasswordHashError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        raw.parse().map(Self)
    }
}

/// Why a duration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DurationError {
    #[error("'{raw}' is not a duration: write seconds (3600) or units d, h, m, s (1h, 30m, 1h30m)")]
    Malformed { raw: String },
    #[error(transparent)]
    Range(#[from] TermError),
}

/// Reads `3600`, `1h`, `1h30m` as seconds.
pub(crate) fn parse_seconds(raw: &str) -> Result<u32, DurationError> {
    let refuse = || DurationError::Malformed {
        raw: raw.to_owned(),
    };
    if let Ok(seconds) = raw.parse::<u32>() {
        return Ok(seconds);
    }
    let mut total = 0_u32;
    let mut digits = String::new();
    for char in raw.chars() {
        let factor = match char.to_ascii_lowercase() {
            '0'..='9' => {
                digits.push(char);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(refuse()),
        };
        let amount: u32 = digits.parse().map_err(|_| refuse())?;
        digits.clear();
        total = amount
            .checked_mul(factor)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(refuse)?;
    }
    // Digits without a unit are seconds only when they stand alone.
    if raw.is_empty() || !digits.is_empty() {
        return Err(refuse());
    }
    Ok(total)
}

pub(crate) fn parse_timeout(raw: &str) -> Result<TimeoutSeconds, DurationError> {
    Ok(TimeoutSeconds::new(parse_seconds(raw)?)?)
}

pub(crate) fn parse_interim(raw: &str) -> Result<InterimInterval, DurationError> {
    Ok(InterimInterval::new(parse_seconds(raw)?)?)
}

/// Why a number of sessions cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SessionLimitError {
    #[error(
        "'{raw}' is not a number of sessions: write 1 to {}",
        SessionLimit::MAX
    )]
    Malformed { raw: String },
    #[error(transparent)]
    Range(#[from] TermError),
}

pub(crate) fn parse_session_limit(raw: &str) -> Result<SessionLimit, SessionLimitError> {
    let sessions = raw
        .parse::<u16>()
        .map_err(|_| SessionLimitError::Malformed {
            raw: raw.to_owned(),
        })?;
    Ok(SessionLimit::new(sessions)?)
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{raw}' is not an address with a port: write 127.0.0.1:1812 or [::1]:1812")]
pub(crate) struct ServerError {
    raw: String,
}

/// Reads where a server listens.
pub(crate) fn parse_server(raw: &str) -> Result<SocketAddr, ServerError> {
    raw.parse().map_err(|_| ServerError {
        raw: raw.to_owned(),
    })
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a NAS-Identifier has 1 to {IDENTIFIER_OCTETS_MAX} octets without control characters")]
pub(crate) struct IdentifierError;

/// Reads what a NAS says in NAS-Identifier (RFC 2865 §5.32).
pub(crate) fn parse_identifier(raw: &str) -> Result<String, IdentifierError> {
    let fits = (1..=IDENTIFIER_OCTETS_MAX).contains(&raw.len());
    if !fits || raw.chars().any(char::is_control) {
        return Err(IdentifierError);
    }
    Ok(raw.to_owned())
}

/// What `--FIELD VALUE` and `--clear-FIELD` ask for together: a value, nothing, or no change.
pub(crate) fn replacement<T>(new: Option<T>, is_cleared: bool) -> Option<Option<T>> {
    match (new, is_cleared) {
        (Some(value), _) => Some(Some(value)),
        (None, true) => Some(None),
        (None, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_seconds(raw: &str, expected: Option<u32>) {
        assert_eq!(parse_seconds(raw).ok(), expected, "{raw}");
    }

    #[test]
    fn durations_are_seconds_or_units() {
        check_seconds("3600", Some(3_600));
        check_seconds("1h", Some(3_600));
        check_seconds("1h30m", Some(5_400));
        check_seconds("2D", Some(172_800));
        check_seconds("90s", Some(90));
    }

    #[test]
    fn durations_refuse_what_has_no_unit_or_overflows() {
        check_seconds("", None);
        check_seconds("h", None);
        check_seconds("1h30", None);
        check_seconds("1w", None);
        check_seconds("-5", None);
        check_seconds("4294967296", None);
        check_seconds("99999999d", None);
    }

    #[test]
    fn hidden_values_stay_hidden() {
        let Ok(hidden) = "kookaburra".parse::<HiddenArg>();
        assert_eq!(format!("{hidden:?}"), "(hidden)");
    }
}
