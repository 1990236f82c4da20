//! The file of users that log in.

use std::path::Path;

use lab::credentials::Credentials;

use super::super::error::CliError;

const USERS_MAX: usize = 1_000_000;

/// Reads the users, at least their columns `username` and `password`.
pub(super) fn read_users(path: &Path) -> Result<Vec<Credentials>, CliError> {
    let refuse = |source| CliError::Users {
        path: path.to_owned(),
        source,
    };
    let mut reader = csv::Reader::from_path(path).map_err(|error| refuse(error.into()))?;
    let headers = reader
        .headers()
        .map_err(|error| refuse(error.into()))?
        .clone();
    let column = |name: &'static str| {
        headers
            .iter()
            .position(|header| header.trim().eq_ignore_ascii_case(name))
            .ok_or(UsersError::NoColumn { name })
    };
    let name_at = column("username").map_err(refuse)?;
    let password_at = column("password").map_err(refuse)?;
    let mut users = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| refuse(error.into()))?;
        let field = |at: usize| record.get(at).unwrap_or_default();
        let user = Credentials::new(field(name_at), field(password_at)).map_err(|source| {
            refuse(UsersError::Line {
                line: record.position().map_or(0, csv::Position::line),
                source,
            })
        })?;
        users.push(user);
        if USERS_MAX < users.len() {
            return Err(refuse(UsersError::TooMany));
        }
    }
    Ok(users)
}

/// Why a file of users cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsersError {
    #[error(
        "the column '{name}' is missing: the first line names the columns username and password"
    )]
    NoColumn { name: &'static str },
    #[error("line {line}")]
    Line {
        line: u64,
        #[source]
        source: lab::credentials::CredentialsError,
    },
    #[error("more than {USERS_MAX} users")]
    TooMany,
    #[error(transparent)]
    Unreadable(#[from] csv::Error),
}
