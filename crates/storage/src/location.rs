//! Where the database is: what `database.url` means.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use crate::error::OpenError;

const SQLITE_FILE: &str = "lastmile.db";

/// A database, found but not opened.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

impl Location {
    /// Reads `sqlite:` (a file in the data directory), `sqlite:PATH` or `postgres://…`.
    pub(crate) fn parse(url: &str, data_dir: &Path) -> Result<Self, OpenError> {
        if let Some(rest) = url.strip_prefix("sqlite:") {
            return parse_sqlite(rest, data_dir).map(Self::Sqlite);
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(url).map_err(|_| OpenError::BadUrl {
                reason: "expected postgres://USER:PASSWORD@HOST:PORT/DATABASE, with special characters in the password written as %XX",
            })?;
            return Ok(Self::Postgres(Box::new(options)));
        }
        Err(OpenError::BadUrl {
            reason: "expected `sqlite:`, `sqlite:PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`",
        })
    }

    /// The database as messages name it: without user and password.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(options) => format!(
                "postgres://{}:{}/{}",
                options.get_host(),
                options.get_port(),
                options.get_database().unwrap_or_default()
            ),
        }
    }
}

fn parse_sqlite(rest: &str, data_dir: &Path) -> Result<PathBuf, OpenError> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.contains('?') {
        return Err(OpenError::BadUrl {
            reason: "a `sqlite:` URL takes a path and no parameters",
        });
    }
    if path.contains(":memory:") {
        return Err(OpenError::BadUrl {
            reason: "a database in memory would lose what was acknowledged: name a file",
        });
    }
    let path = if path.is_empty() { SQLITE_FILE } else { path };
    Ok(data_dir.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: Option<&str>) {
        let location = Location::parse(url, Path::new("/srv/data"));
        let place = location.ok().map(|location| location.place());
        assert_eq!(place.as_deref(), expected, "{url}");
    }

    #[test]
    fn sqlite_files_are_in_the_data_directory_unless_absolute() {
        check("sqlite:", Some("/srv/data/lastmile.db"));
        check("sqlite://", Some("/srv/data/lastmile.db"));
        check("sqlite:isp.db", Some("/srv/data/isp.db"));
        check("sqlite:/mnt/isp.db", Some("/mnt/isp.db"));
        check("sqlite:///mnt/isp.db", Some("/mnt/isp.db"));
    }

    #[test]
    fn place_shows_no_password() {
        check(
            "postgres://ana:planted@db.example:5433/isp",
            Some("postgres://db.example:5433/isp"),
        );
    }

    #[test]
    fn other_urls_are_refused() {
        check("", None);
        check("isp.db", None);
        check("mysql://localhost/isp", None);
        check("sqlite::memory:", None);
        check("sqlite:isp.db?mode=ro", None);
        check("postgres://ana@db.example:port/isp", None);
    }

    #[test]
    fn a_bad_url_is_not_repeated() {
        let error = Location::parse("postgres://ana:planted@db:port/isp", Path::new("."))
            .expect_err("the port is no number");
        assert!(!error.to_string().contains("planted"));
    }
}
