//! Why somebody else's database cannot be read. No message carries a password.

use sqlx::Error as SqlxError;

use crate::error::DatabaseError;

/// Why a database cannot be imported from.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    #[error(
        "--database is not usable: {reason}; write sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE or mysql://USER:PASSWORD@HOST/DATABASE, with special characters in the password written as %XX"
    )]
    BadUrl { reason: &'static str },
    #[error(
        "the database {place} cannot be reached: check that it runs and that the URL, user and password are right; MySQL 8 wants TLS (?ssl-mode=REQUIRED) or a user with mysql_native_password"
    )]
    Unreachable {
        place: String,
        #[source]
        source: DatabaseError,
    },
    #[error(
        "{place} has no table '{table}' with the column '{column}': name the database that FreeRADIUS uses"
    )]
    NotFreeRadius {
        place: String,
        table: &'static str,
        column: &'static str,
    },
    #[error(
        "{place} is a database of lastmile: its rows are obeyed where they are, and there is nothing to import"
    )]
    Ours { place: String },
    #[error(
        "{table} of {place} has more than {max} rows, which is more than an import holds in memory: import from a copy with a part of them"
    )]
    TooMany {
        place: String,
        table: &'static str,
        max: usize,
    },
    #[error("the database {place} refused to be read")]
    Refused {
        place: String,
        #[source]
        source: DatabaseError,
    },
}

impl ForeignError {
    pub(super) fn unreachable(place: &str, source: SqlxError) -> Self {
        Self::Unreachable {
            place: place.to_owned(),
            source: source.into(),
        }
    }

    pub(super) fn refused(place: &str, source: SqlxError) -> Self {
        Self::Refused {
            place: place.to_owned(),
            source: source.into(),
        }
    }
}
