//! How the web listener is set up: where it listens, what protects it, and how much it takes.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use super::value::{self, parse_one};
use super::{ConfigError, Reader, ValueError};

/// Beyond this a certificate authority refuses, or takes too long.
const DOMAINS_MAX: usize = 20;
const NAMES_MAX: usize = 64;
const CONTACTS_MAX: usize = 8;
const PROXIES_MAX: usize = 64;
const CONNECTIONS_MAX: u64 = 100_000;

/// Octets of a name, of a label of it, and of an address for mail (RFC 1035 §2.3.4, RFC 5321 §4.5.3).
const NAME_OCTETS_MAX: usize = 253;
const LABEL_OCTETS_MAX: usize = 63;
const CONTACT_OCTETS_MAX: usize = 254;

/// Everything that is configurable about the web listener.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Where the API, health, readiness and metrics are served; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// What protects it.
    pub protection: Protection,
    /// Names and addresses by which clients reach it.
    pub names: Vec<String>,
    /// Where plain HTTP is led to HTTPS and HTTP-01 challenges are answered; `None` is nowhere.
    pub redirect_listen: Option<SocketAddr>,
    /// Connections at a time.
    pub connections_max: usize,
    /// Connections at a time of one address.
    pub connections_per_address_max: usize,
    /// Whose word about the client and the protocol is believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// What keeps others from reading along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Nothing: for loopback, and for what something else protects.
    Plain,
    /// A certificate that the program makes for itself.
    SelfSigned,
    /// A certificate that somebody else keeps in files.
    Files(CertificateFiles),
    /// A certificate from an authority that speaks ACME (RFC 8555).
    Acme(AcmeConfig),
}

/// Where somebody else keeps a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate and those that lead to its authority, in PEM.
    pub certificate: PathBuf,
    /// The private key, in PEM.
    pub key: PathBuf,
}

/// Which authority is asked for which names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeConfig {
    /// What the certificate is for.
    pub domains: Vec<String>,
    /// Whom the authority may write to, as `mailto:` URLs.
    pub contact: Vec<String>,
    /// The directory of the authority, an HTTPS URL.
    pub directory: String,
    /// Whom to trust about that URL, instead of those whom the system trusts.
    pub ca_file: Option<PathBuf>,
    /// How the authority sees that the names are ours.
    pub challenge: Challenge,
}

/// How an authority sees that a name is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// By a request to port 80 (RFC 8555 §8.3).
    Http,
    /// By a handshake on port 443 (RFC 8737).
    TlsAlpn,
}

/// What is wrong with a setting of the web listener.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpRefusal {
    /// Not a way to protect it.
    #[error("'{raw}' protects nothing: write auto, off, self-signed, files or acme")]
    Tls {
        /// The text.
        raw: String,
    },
    /// Not a challenge.
    #[error("'{raw}' is not a challenge that is answered here: write http-01 or tls-alpn-01")]
    Challenge {
        /// The text.
        raw: String,
    },
    /// Neither true nor false.
    #[error("'{raw}' is neither true nor false")]
    Bool {
        /// The text.
        raw: String,
    },
    /// Neither an address with a port nor off.
    #[error("'{raw}' is not an address with a port: write 0.0.0.0:80, or off")]
    Redirect {
        /// The text.
        raw: String,
    },
    /// Not a name of a host.
    #[error(
        "'{raw}' is not a host name: write names such as aaa.example.net, other alphabets as xn--…, and no wildcard"
    )]
    Name {
        /// The text.
        raw: String,
    },
    /// Not an address for mail.
    #[error("'{raw}' is not an address for mail: write noc@example.net")]
    Contact {
        /// The text.
        raw: String,
    },
    /// Not the URL of a directory.
    #[error("'{raw}' is not the URL of an ACME directory: it begins with https://")]
    Directory {
        /// The text.
        raw: String,
    },
    /// Too many of something.
    #[error("{count} of them: write {max} at most, separated by commas")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many may be.
        max: usize,
    },
    /// Plain HTTP where others can read along.
    #[error(
        "plain HTTP on {listen} lets others read passwords along: write auto for TLS with a certificate of its own, listen on loopback, or set http.plain = true if something else protects it"
    )]
    PlainInPublic {
        /// The address.
        listen: SocketAddr,
    },
    /// Another setting is needed for this one.
    #[error("{needed} is missing: {remedy}")]
    Missing {
        /// The key that is missing.
        needed: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Files and ACME at once.
    #[error(
        "there are files (http.certificate) and names for ACME (http.acme.domains): write files or acme"
    )]
    TwoSources,
    /// Nothing to lead to.
    #[error("there is no HTTPS to lead to: remove it, or protect http.listen with http.tls")]
    NothingToLeadTo,
    /// Two listeners on one address.
    #[error("{address} is http.listen already: write another port")]
    SameAddress {
        /// The address.
        address: SocketAddr,
    },
}

/// What `http.tls` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Auto,
    Off,
    SelfSigned,
    Files,
    Acme,
}

/// Reads the settings of the web listener.
pub(super) fn read(reader: &Reader) -> Result<HttpConfig, ConfigError> {
    let listen = reader.parse("http.listen", parse_one::<SocketAddr>)?;
    let redirect_listen = reader.parse("http.redirect_listen", parse_redirect)?;
    let protection = read_protection(reader, listen, redirect_listen)?;
    let refuse = |refusal| Err(reader.refusal("http.redirect_listen", refusal));
    match redirect_listen {
        Some(_) if protection == Protection::Plain => return refuse(HttpRefusal::NothingToLeadTo),
        Some(address) if address == listen && address.port() != 0 => {
            return refuse(HttpRefusal::SameAddress { address });
        }
        Some(_) | None => {}
    }
    Ok(HttpConfig {
        listen,
        protection,
        names: reader.parse("http.names", parse_names)?,
        redirect_listen,
        connections_max: reader.parse("http.connections_max", parse_connections)?,
        connections_per_address_max: reader
            .parse("http.connections_per_address_max", parse_connections)?,
        trusted_proxies: reader.parse("http.trusted_proxies", parse_proxies)?,
    })
}

fn read_protection(
    reader: &Reader,
    listen: SocketAddr,
    redirect_listen: Option<SocketAddr>,
) -> Result<Protection, ConfigError> {
    let wanted = reader.parse("http.tls", parse_tls)?;
    let may_be_plain = reader.parse("http.plain", parse_bool)? || is_loopback(listen);
    let files = read_files(reader)?;
    let acme = read_acme(reader)?;
    let refuse = |refusal| Err(reader.refusal("http.tls", refusal));
    let needs = |needed, remedy| refuse(HttpRefusal::Missing { needed, remedy });
    let protection = match (wanted, files, acme) {
        (Wanted::Auto, Some(_), Some(_)) => return refuse(HttpRefusal::TwoSources),
        (Wanted::Auto | Wanted::Files, Some(files), _) => Protection::Files(files),
        (Wanted::Auto | Wanted::Acme, _, Some(acme)) => Protection::Acme(acme),
        (Wanted::Auto | Wanted::Off, _, _) if may_be_plain => Protection::Plain,
        (Wanted::Auto | Wanted::SelfSigned, _, _) => Protection::SelfSigned,
        (Wanted::Off, _, _) => return refuse(HttpRefusal::PlainInPublic { listen }),
        (Wanted::Files, None, _) => {
            return needs("http.certificate", "write where the certificate is");
        }
        (Wanted::Acme, _, None) => {
            return needs("http.acme.domains", "write the names of this server");
        }
    };
    match &protection {
        Protection::Acme(acme)
            if acme.challenge == Challenge::Http && redirect_listen.is_none() =>
        {
            let refusal = HttpRefusal::Missing {
                needed: "http.redirect_listen",
                remedy: "write the address of port 80, where the authority asks (0.0.0.0:80)",
            };
            Err(reader.refusal("http.acme.challenge", refusal))
        }
        Protection::Plain | Protection::SelfSigned | Protection::Files(_) | Protection::Acme(_) => {
            Ok(protection)
        }
    }
}

fn read_files(reader: &Reader) -> Result<Option<CertificateFiles>, ConfigError> {
    let certificate = reader.parse("http.certificate", parse_path)?;
    let key = reader.parse("http.key", parse_path)?;
    let half = |given, needed, remedy| {
        let refusal = HttpRefusal::Missing { needed, remedy };
        Err(reader.refusal(given, refusal))
    };
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(CertificateFiles { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => half(
            "http.certificate",
            "http.key",
            "write where the private key of the certificate is",
        ),
        (None, Some(_)) => half(
            "http.key",
            "http.certificate",
            "write where the certificate of the key is",
        ),
    }
}

fn read_acme(reader: &Reader) -> Result<Option<AcmeConfig>, ConfigError> {
    let acme = AcmeConfig {
        domains: reader.parse("http.acme.domains", parse_domains)?,
        contact: reader.parse("http.acme.contact", parse_contacts)?,
        directory: reader.parse("http.acme.directory", parse_directory_url)?,
        ca_file: reader.parse("http.acme.ca_file", parse_path)?,
        challenge: reader.parse("http.acme.challenge", parse_challenge)?,
    };
    Ok((!acme.domains.is_empty()).then_some(acme))
}

/// Whether only this machine reaches an address.
fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn parse_tls(raw: &str) -> Result<Wanted, ValueError> {
    Ok(match raw.trim() {
        "auto" => Wanted::Auto,
        "off" => Wanted::Off,
        "self-signed" => Wanted::SelfSigned,
        "files" => Wanted::Files,
        "acme" => Wanted::Acme,
        _ => return Err(HttpRefusal::Tls { raw: raw.into() }.into()),
    })
}

fn parse_challenge(raw: &str) -> Result<Challenge, ValueError> {
    Ok(match raw.trim() {
        "http-01" => Challenge::Http,
        "tls-alpn-01" => Challenge::TlsAlpn,
        _ => return Err(HttpRefusal::Challenge { raw: raw.into() }.into()),
    })
}

fn parse_bool(raw: &str) -> Result<bool, ValueError> {
    let parsed = raw.trim().parse();
    parsed.map_err(|_| HttpRefusal::Bool { raw: raw.into() }.into())
}

fn parse_redirect(raw: &str) -> Result<Option<SocketAddr>, ValueError> {
    if raw.trim() == "off" {
        return Ok(None);
    }
    let address = raw.trim().parse().map(Some);
    address.map_err(|_| HttpRefusal::Redirect { raw: raw.into() }.into())
}

/// A file, or none.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the readers of all keys have one form"
)]
fn parse_path(raw: &str) -> Result<Option<PathBuf>, ValueError> {
    Ok((!raw.is_empty()).then(|| PathBuf::from(raw)))
}

fn parse_connections(raw: &str) -> Result<usize, ValueError> {
    let number = value::parse_number(raw, 1, CONNECTIONS_MAX)?;
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
}

fn parse_proxies(raw: &str) -> Result<Vec<IpNet>, ValueError> {
    if raw.trim().is_empty() {
        return Ok(Vec::new());
    }
    let proxies = value::parse_clients(raw)?;
    at_most(PROXIES_MAX, proxies)
}

fn parse_names(raw: &str) -> Result<Vec<String>, ValueError> {
    let names = value::words(raw)
        .map(parse_name)
        .collect::<Result<_, _>>()?;
    at_most(NAMES_MAX, names)
}

fn parse_domains(raw: &str) -> Result<Vec<String>, ValueError> {
    let domains = value::words(raw).map(parse_domain);
    at_most(DOMAINS_MAX, domains.collect::<Result<_, _>>()?)
}

fn parse_contacts(raw: &str) -> Result<Vec<String>, ValueError> {
    let contacts = value::words(raw).map(parse_contact);
    at_most(CONTACTS_MAX, contacts.collect::<Result<_, _>>()?)
}

fn at_most<T>(max: usize, list: Vec<T>) -> Result<Vec<T>, ValueError> {
    match list.len() {
        count if max < count => Err(HttpRefusal::TooMany { count, max }.into()),
        _ => Ok(list),
    }
}

/// A name or an address.
fn parse_name(raw: &str) -> Result<String, ValueError> {
    match raw.parse::<IpAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => parse_domain(raw),
    }
}

fn parse_domain(raw: &str) -> Result<String, ValueError> {
    let is_label = |label: &str| {
        (1..=LABEL_OCTETS_MAX).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_name = raw.len() <= NAME_OCTETS_MAX
        && raw.split('.').all(is_label)
        && raw.parse::<IpAddr>().is_err();
    if is_name {
        Ok(raw.to_ascii_lowercase())
    } else {
        Err(HttpRefusal::Name { raw: raw.into() }.into())
    }
}

fn parse_contact(raw: &str) -> Result<String, ValueError> {
    let address = raw.strip_prefix("mailto:").unwrap_or(raw);
    let is_address = address.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty() && !host.contains('@') && parse_domain(host).is_ok()
    });
    let is_plain = address.bytes().all(|byte| byte.is_ascii_graphic());
    if is_address && is_plain && address.len() <= CONTACT_OCTETS_MAX {
        Ok(format!("mailto:{address}"))
    } else {
        Err(HttpRefusal::Contact { raw: raw.into() }.into())
    }
}

fn parse_directory_url(raw: &str) -> Result<String, ValueError> {
    let url = raw.trim();
    let is_url = url.parse::<axum::http::Uri>().is_ok_and(|uri| {
        uri.scheme_str() == Some("https") && uri.host().is_some_and(|host| !host.is_empty())
    });
    if is_url {
        Ok(url.to_owned())
    } else {
        Err(HttpRefusal::Directory { raw: raw.into() }.into())
    }
}

#[cfg(test)]
mod tests;
