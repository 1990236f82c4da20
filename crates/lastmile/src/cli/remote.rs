//! Whether a command works on this machine or on a server elsewhere, and on which one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use reqwest::Url;

use super::error::CliError;
use super::value::{self, HiddenArg, ServerError};
use crate::certificate::fingerprint::Fingerprint;
use crate::client::remote::RemoteOptions;
use crate::client::token::Token;
use crate::client::trust::Trust;
use crate::config::{Environment, RemoteVariables};
use crate::contexts::{self, ContextsFile};

/// Which server is asked, and how.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "On a server elsewhere")]
pub(crate) struct RemoteArgs {
    /// Ask this server instead of working on the local database [env: LASTMILE_SERVER]
    #[arg(long, global = true, value_name = "URL")]
    server: Option<ServerArg>,
    /// The token it is shown; `-` reads it from standard input [env: LASTMILE_TOKEN]
    #[arg(long, global = true, value_name = "TOKEN")]
    token: Option<HiddenArg>,
    /// Read the token from a file
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Ask the server of this stored context; `local` is this machine [env: LASTMILE_CONTEXT]
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
    /// Believe the certificate authorities in this PEM file, and no others
    #[arg(long, global = true, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Believe the certificate with this SHA-256 fingerprint, and no other
    #[arg(long, global = true, value_name = "SHA256")]
    fingerprint: Option<Fingerprint>,
    /// Allow a token to cross the network unencrypted
    #[arg(long, global = true)]
    plain_http: bool,
    /// Tell each request on stderr: method, address, status, time and id
    #[arg(long, global = true)]
    pub(crate) verbose: bool,
}

/// A server as it is given: the address of a web server, or of a RADIUS server for the commands that
/// speak with one.
#[derive(Clone, Debug)]
pub(crate) struct ServerArg(String);

/// Why that is not the address of a web server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ServerUrlError {
    #[error(
        "'{raw}' is not the address of a server: write https://isp.example or http://127.0.0.1:8080"
    )]
    Malformed { raw: String },
    #[error(
        "{server} would be shown the token unencrypted: use https://, or give --plain-http if the way there is protected"
    )]
    Plain { server: Url },
}

/// Where a command works.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// On the database of this machine.
    Here,
    /// On a server elsewhere.
    There(Box<RemoteOptions>),
}

/// Where a command can work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Here and elsewhere.
    Anywhere,
    /// On the database of its machine, beside its server.
    Database,
    /// On its machine, whatever database is meant.
    Machine,
    /// It has a meaning of its own for the options that name a server.
    Itself,
}

impl FromStr for ServerArg {
    type Err = std::convert::Infallible;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        Ok(Self(raw.to_owned()))
    }
}

impl ServerArg {
    /// Where a RADIUS server listens.
    pub(crate) fn socket(&self) -> Result<SocketAddr, ServerError> {
        value::parse_server(&self.0)
    }
}

impl RemoteArgs {
    /// Where a command works that can work where `reach` says. `is_here` tells that a database of
    /// this machine was named.
    pub(crate) fn target(
        &self,
        environment: &Environment,
        (command, reach): (&str, Reach),
        is_here: bool,
    ) -> Result<Target, CliError> {
        if reach == Reach::Itself {
            return Ok(Target::Here);
        }
        let is_named = self.server.is_some()
            || self
                .context
                .as_deref()
                .is_some_and(|name| name != contexts::LOCAL);
        if reach == Reach::Machine {
            if is_named {
                let command = command.to_owned();
                return Err(CliError::OnlyMachine { command });
            }
            return Ok(Target::Here);
        }
        if is_named && is_here {
            return Err(CliError::Usage {
                option: if self.server.is_some() {
                    "--server"
                } else {
                    "--context"
                },
                reason: "--data-dir is on this machine: give one of them",
            });
        }
        let target = match self.find(environment, is_here)? {
            Some(options) => Target::There(Box::new(options)),
            None => Target::Here,
        };
        if reach == Reach::Database && matches!(target, Target::There(_)) {
            let command = command.to_owned();
            return Err(CliError::OnlyDatabase { command });
        }
        Ok(target)
    }

    /// The server that is asked: the one given, that of the context given, that of the environment,
    /// that of the context in use.
    fn find(
        &self,
        environment: &Environment,
        is_here: bool,
    ) -> Result<Option<RemoteOptions>, CliError> {
        let variables = environment.remote();
        match (&self.server, &self.context) {
            (Some(_), Some(_)) => Err(CliError::Usage {
                option: "--context",
                reason: "--server names another server: give one of them",
            }),
            (Some(server), None) => self.given(&server.0, &variables).map(Some),
            (None, Some(name)) => self.stored(environment, name),
            (None, None) if is_here => Ok(None),
            (None, None) => match (&variables.server, &variables.context) {
                (Some(server), _) => self.given(server, &variables).map(Some),
                (None, Some(name)) => self.stored(environment, name),
                (None, None) => {
                    let Ok(file) = ContextsFile::new(environment.user_directory().as_deref())
                    else {
                        return Ok(None);
                    };
                    let contexts = file.read()?;
                    match contexts.current() {
                        Some(name) => self.stored(environment, name),
                        None => Ok(None),
                    }
                }
            },
        }
    }

    /// The server that a new context is to name.
    pub(crate) fn options(&self, environment: &Environment) -> Result<RemoteOptions, CliError> {
        let server = self.server.as_ref().ok_or(CliError::Usage {
            option: "--server",
            reason: "give the address of the server, for example https://isp.example",
        })?;
        self.given(&server.0, &environment.remote())
    }

    fn given(&self, server: &str, variables: &RemoteVariables) -> Result<RemoteOptions, CliError> {
        let server = parse_url(server, self.plain_http).map_err(|source| CliError::ServerUrl {
            option: "--server",
            source,
        })?;
        let token = match (self.token()?, &variables.token) {
            (Some(token), _) => token,
            (None, Some(text)) => parse_token("LASTMILE_TOKEN", text)?,
            (None, None) => {
                return Err(CliError::Usage {
                    option: "--token",
                    reason: "give --token - to read it, --token-file, LASTMILE_TOKEN, or a stored context; `lastmile token create` makes one",
                });
            }
        };
        Ok(RemoteOptions {
            server,
            token,
            trust: self.trust()?.unwrap_or(Trust::System),
        })
    }

    fn stored(
        &self,
        environment: &Environment,
        name: &str,
    ) -> Result<Option<RemoteOptions>, CliError> {
        if name == contexts::LOCAL {
            return Ok(None);
        }
        let file = ContextsFile::new(environment.user_directory().as_deref())?;
        let mut options = file.read()?.find(name)?.options(name)?;
        if let Some(token) = self.token()? {
            options.token = token;
        }
        if let Some(trust) = self.trust()? {
            options.trust = trust;
        }
        Ok(Some(options))
    }

    fn token(&self) -> Result<Option<Token>, CliError> {
        match (&self.token, &self.token_file) {
            (Some(_), Some(_)) => Err(CliError::Usage {
                option: "--token-file",
                reason: "--token gives another token: give one of them",
            }),
            (Some(token), None) => parse_token("--token", &token.resolve("--token")?).map(Some),
            (None, Some(path)) => {
                let text = value::secret_file("--token-file", path)?;
                parse_token("--token-file", &text).map(Some)
            }
            (None, None) => Ok(None),
        }
    }

    fn trust(&self) -> Result<Option<Trust>, CliError> {
        match (self.fingerprint, &self.ca_file) {
            (Some(_), Some(_)) => Err(CliError::Usage {
                option: "--fingerprint",
                reason: "--ca-file believes other certificates: give one of them",
            }),
            (Some(fingerprint), None) => Ok(Some(Trust::Pinned(fingerprint))),
            (None, Some(path)) => {
                let path = std::path::absolute(path).map_err(|source| CliError::Read {
                    path: path.clone(),
                    source,
                })?;
                Ok(Some(Trust::Authorities(path)))
            }
            (None, None) => Ok(None),
        }
    }
}

fn parse_token(option: &'static str, text: &str) -> Result<Token, CliError> {
    Token::parse(text).map_err(|source| CliError::Token { option, source })
}

fn parse_url(raw: &str, is_plain_allowed: bool) -> Result<Url, ServerUrlError> {
    let malformed = || ServerUrlError::Malformed {
        raw: raw.to_owned(),
    };
    let url = Url::parse(raw).map_err(|_| malformed())?;
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !is_bare || url.host().is_none() {
        return Err(malformed());
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_plain_allowed || is_loopback(&url) => Ok(url),
        "http" => Err(ServerUrlError::Plain { server: url }),
        _ => Err(malformed()),
    }
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: bool) {
        assert_eq!(parse_url(raw, false).is_ok(), expected, "{raw}");
    }

    #[test]
    fn tokens_cross_the_network_encrypted_only() {
        check("https://isp.example", true);
        check("https://isp.example:8443/lastmile", true);
        check("http://127.0.0.1:8080", true);
        check("http://[::1]:8080", true);
        check("http://localhost", true);
        check("http://isp.example", false);
        check("http://127.0.0.1.isp.example", false);
        assert!(parse_url("http://192.0.2.1", true).is_ok());
    }

    #[test]
    fn addresses_have_nothing_more_than_a_place() {
        for raw in [
            "isp.example",
            "127.0.0.1:1812",
            "ftp://isp.example",
            "https://user@isp.example",
            "https://isp.example/?q=1",
            "https://isp.example/#x",
            "https://",
        ] {
            check(raw, false);
        }
    }
}
