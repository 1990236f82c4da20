//! Where somebody else's database is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::ForeignError;

/// A database that is not ours, found but not opened.
#[derive(Clone)]
pub struct ForeignLocation(pub(super) Kind);

#[derive(Clone)]
pub(super) enum Kind {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
    MySql(Box<MySqlConnectOptions>),
}

impl ForeignLocation {
    /// The database as messages name it: without user and password.
    pub fn place(&self) -> String {
        match &self.0 {
            Kind::Sqlite(path) => path.display().to_string(),
            Kind::Postgres(options) => format!(
                "postgres://{}:{}/{}",
                options.get_host(),
                options.get_port(),
                options.get_database().unwrap_or_default()
            ),
            Kind::MySql(options) => {
                let database = options.get_database().unwrap_or_default();
                match options.get_socket() {
                    Some(socket) => format!("mysql:{}/{database}", socket.display()),
                    None => format!(
                        "mysql://{}:{}/{database}",
                        options.get_host(),
                        options.get_port()
                    ),
                }
            }
        }
    }
}

/// Reads `sqlite:PATH`, `postgres://…` and `mysql://…`, which `mariadb://…` means too.
impl FromStr for ForeignLocation {
    type Err = ForeignError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let refuse = |reason| ForeignError::BadUrl { reason };
        if let Some(rest) = url.strip_prefix("sqlite:") {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if path.is_empty() || path.contains('?') || path.contains(":memory:") {
                return Err(refuse("a `sqlite:` URL names a file, without parameters"));
            }
            return Ok(Self(Kind::Sqlite(path.into())));
        }
        let malformed = "host, port, database or a parameter is malformed";
        let unnamed = "the database is not named";
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(url).map_err(|_| refuse(malformed))?;
            if options.get_database().is_none() {
                return Err(refuse(unnamed));
            }
            return Ok(Self(Kind::Postgres(Box::new(options))));
        }
        if url.starts_with("mysql://") || url.starts_with("mariadb://") {
            let options = MySqlConnectOptions::from_str(url).map_err(|_| refuse(malformed))?;
            if options.get_database().is_none() {
                return Err(refuse(unnamed));
            }
            return Ok(Self(Kind::MySql(Box::new(options))));
        }
        Err(refuse("the kind of database is not known"))
    }
}

/// Without user and password.
impl fmt::Debug for ForeignLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ForeignLocation({})", self.place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: Option<&str>) {
        let location = url.parse::<ForeignLocation>().ok();
        let place = location.map(|location| location.place());
        assert_eq!(place.as_deref(), expected, "{url}");
    }

    #[test]
    fn places_are_told_without_passwords() {
        check("sqlite:/var/lib/radius.db", Some("/var/lib/radius.db"));
        check("sqlite:radius.db", Some("radius.db"));
        check(
            "postgres://ana:planted@db.example/radius",
            Some("postgres://db.example:5432/radius"),
        );
        check(
            "mysql://ana:planted@db.example:3307/radius?ssl-mode=REQUIRED",
            Some("mysql://db.example:3307/radius"),
        );
        check(
            "mariadb://ana:planted@localhost/radius?socket=/run/mysqld/mysqld.sock",
            Some("mysql:/run/mysqld/mysqld.sock/radius"),
        );
    }

    #[test]
    fn other_urls_are_refused_and_not_repeated() {
        for url in [
            "",
            "radius",
            "sqlite:",
            "sqlite::memory:",
            "mysql://ana:planted@db.example",
            "mysql://ana:planted@db.example:port/radius",
            "mysql://ana:planted@db.example/radius?nonsense=1&ssl-mode=maybe",
            "mssql://ana:planted@db.example/radius",
        ] {
            check(url, None);
            let error = url.parse::<ForeignLocation>().expect_err("it is refused");
            assert!(!error.to_string().contains("planted"));
        }
    }
}
