//! Sessions of people with a browser: their cookie, and what keeps other pages from using it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use domain::operator::session::AGE_SECONDS_MAX;
use services::operator::session;
use storage::operator::session::SignedIn;

use crate::problem::Problem;
use crate::secret_text::SecretText;
use crate::state::{Api, Peer};

/// Sent with every change that a page asks for: `csrf_token` of `GET /api/v1/session`.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";

/// Over TLS the name itself says that no other host and no plain connection may have set it.
pub(crate) const NAME_ENCRYPTED: &str = "__Host-lastmile";
const NAME_PLAIN: &str = "lastmile";

/// The longest value of a cookie that is looked at.
const VALUE_LEN_MAX: usize = 128;

/// Somebody who is signed in with a browser, beside their request.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) signed_in: SignedIn,
    token: SecretText,
}

impl Session {
    pub(crate) fn new(signed_in: SignedIn, token: SecretText) -> Self {
        Self { signed_in, token }
    }

    /// What changes have to be sent with.
    pub(crate) fn csrf_token(&self) -> String {
        session::csrf_token(self.token.expose())
    }
}

impl FromRequestParts<Api> for Session {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _api: &Api) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            Problem::new(
                StatusCode::NOT_FOUND,
                "no_session",
                "this is about the session of an operator who is signed in, and a token has none",
            )
        })
    }
}

/// What the cookie of a request carries.
pub(crate) fn token_of(headers: &HeaderMap) -> Option<SecretText> {
    let values = headers.get_all(header::COOKIE).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';'));
    let mut named = pairs.filter_map(|pair| pair.trim().split_once('='));
    named
        .find(|(name, value)| {
            [NAME_ENCRYPTED, NAME_PLAIN].contains(name) && value.len() <= VALUE_LEN_MAX
        })
        .map(|(_, value)| SecretText::from(value.to_owned()))
}

/// The header that gives a browser its cookie.
pub(crate) fn set(token: &SecretText, peer: Option<Peer>) -> Result<HeaderValue, Problem> {
    written(token.expose(), AGE_SECONDS_MAX, peer)
}

/// The header that takes it away.
pub(crate) fn clear(peer: Option<Peer>) -> Result<HeaderValue, Problem> {
    written("", 0, peer)
}

fn written(value: &str, age_seconds: i64, peer: Option<Peer>) -> Result<HeaderValue, Problem> {
    let (name, secure) = match peer.is_some_and(|peer| peer.is_encrypted) {
        true => (NAME_ENCRYPTED, "; Secure"),
        false => (NAME_PLAIN, ""),
    };
    let text =
        format!("{name}={value}; Path=/; Max-Age={age_seconds}; HttpOnly; SameSite=Strict{secure}");
    let mut header = HeaderValue::from_str(&text).map_err(|_| Problem::internal())?;
    header.set_sensitive(true);
    Ok(header)
}

/// Refuses a request that another page had the browser send, and a change that does not prove that
/// ours did.
pub(crate) fn check(
    method: &Method,
    headers: &HeaderMap,
    token: &SecretText,
) -> Result<(), Problem> {
    check_origin(headers)?;
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let sent = headers.get(CSRF_HEADER);
    let sent = sent.and_then(|value| value.to_str().ok());
    if session::is_csrf_token(token.expose(), sent.unwrap_or_default()) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "csrf",
        "send X-CSRF-Token with the csrf_token of GET /api/v1/session",
    ))
}

/// Refuses a request that a page of somebody else had the browser send.
pub(crate) fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    let host = headers.get(header::HOST);
    let host = host.and_then(|value| value.to_str().ok());
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    match (authority, host) {
        (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "wrong_origin",
            "the page that asks is not ours; a proxy before us has to pass on the header Host",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| {
                (
                    header::HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let found = |text| token_of(&headers(&[("cookie", text)]));
        let token = || Some(SecretText::from("abc".to_owned()));
        assert_eq!(found("a=b; lastmile=abc; c=d"), token());
        assert_eq!(found("__Host-lastmile=abc"), token());
        assert_eq!(found("lastmile2=abc; lastmile"), None);
    }

    #[test]
    fn the_cookie_is_for_this_host_and_no_script() {
        let peer = |is_encrypted| {
            Some(Peer {
                address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                is_encrypted,
            })
        };
        let token = SecretText::from("abc".to_owned());
        let plain = set(&token, peer(false)).expect("it is a header");
        assert_eq!(
            plain,
            "lastmile=abc; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict"
        );
        let encrypted = set(&token, peer(true)).expect("it is a header");
        assert_eq!(
            encrypted,
            "__Host-lastmile=abc; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict; Secure"
        );
        assert!(encrypted.is_sensitive());
        assert!(!format!("{token:?}").contains("abc"));
    }

    #[test]
    fn pages_of_others_are_refused() {
        let check = |origin, host| check_origin(&headers(&[("origin", origin), ("host", host)]));
        assert!(check("https://isp.example", "isp.example").is_ok());
        assert!(check("http://127.0.0.1:8080", "127.0.0.1:8080").is_ok());
        for origin in [
            "https://evil.example",
            "null",
            "",
            "https://isp.example:444",
        ] {
            assert!(check(origin, "isp.example").is_err(), "{origin}");
        }
        assert!(check_origin(&headers(&[("host", "isp.example")])).is_ok());
    }

    #[test]
    fn a_change_has_to_prove_that_our_page_asks() {
        let token = SecretText::from("abc".to_owned());
        let good = session::csrf_token("abc");
        let mut sent = HeaderMap::new();
        assert!(check(&Method::GET, &sent, &token).is_ok());
        assert!(check(&Method::POST, &sent, &token).is_err());
        sent.insert(CSRF_HEADER, HeaderValue::from_static("wrong"));
        assert!(check(&Method::DELETE, &sent, &token).is_err());
        let good = HeaderValue::from_str(&good).expect("it is text");
        sent.insert(CSRF_HEADER, good);
        assert!(check(&Method::POST, &sent, &token).is_ok());
        sent.insert(
            header::ORIGIN,
            HeaderValue::from_static("https://evil.example"),
        );
        assert!(check(&Method::POST, &sent, &token).is_err());
    }
}
