//! Plain HTTP beside HTTPS: leads there, and answers the challenges of an authority.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::shown::Shown;

/// Where an authority asks (RFC 8555 §8.3).
const CHALLENGE: &str = "/.well-known/acme-challenge/{token}";

const HTTPS_PORT: u16 = 443;

/// Answers every request by leading to `port`, except those of an authority.
pub(super) fn router(shown: Arc<Shown>, port: u16) -> Router {
    Router::new()
        .route(CHALLENGE, get(challenge))
        .with_state(shown)
        .fallback(move |headers: HeaderMap, uri: Uri| async move { lead(&headers, &uri, port) })
}

async fn challenge(State(shown): State<Arc<Shown>>, Path(token): Path<String>) -> Response {
    let answer = shown
        .challenges()
        .and_then(|challenges| challenges.get_http_01_key_auth(&token));
    match answer {
        Some(answer) => {
            let octets = [(header::CONTENT_TYPE, "application/octet-stream")];
            (octets, answer).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Leads to the same place over HTTPS.
fn lead(headers: &HeaderMap, uri: &Uri, port: u16) -> Response {
    let Some(location) = location(headers, uri, port) else {
        let remedy = "This is for HTTPS: say which host is meant, or ask over https://\n";
        return (StatusCode::BAD_REQUEST, remedy).into_response();
    };
    // 308 keeps the method and the body of the request.
    (
        StatusCode::PERMANENT_REDIRECT,
        [(header::LOCATION, location)],
    )
        .into_response()
}

fn location(headers: &HeaderMap, uri: &Uri, port: u16) -> Option<String> {
    let named = headers.get(header::HOST)?.to_str().ok()?;
    let authority: Authority = named.parse().ok()?;
    // What stands before an @ would be taken for the host by people who read it.
    if authority.host().is_empty() || authority.as_str().contains('@') {
        return None;
    }
    let port = match port {
        HTTPS_PORT => String::new(),
        other => format!(":{other}"),
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Some(format!("https://{}{port}{path}", authority.host()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, path: &str, port: u16, expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        if let Ok(host) = host.parse() {
            headers.insert(header::HOST, host);
        }
        let location = location(&headers, &path.parse().unwrap(), port);
        assert_eq!(location.as_deref(), expected, "{host}");
    }

    #[test]
    fn the_same_place_is_meant() {
        check(
            "aaa.example.net",
            "/api/v1/plans?limit=2",
            443,
            Some("https://aaa.example.net/api/v1/plans?limit=2"),
        );
        check(
            "aaa.example.net:8080",
            "/",
            8443,
            Some("https://aaa.example.net:8443/"),
        );
        check(
            "[2001:db8::1]:80",
            "/x",
            443,
            Some("https://[2001:db8::1]/x"),
        );
    }

    #[test]
    fn nobody_is_led_to_a_host_that_is_none() {
        for host in ["", "a b", "aaa.example.net@evil.example", "a/b"] {
            check(host, "/", 443, None);
        }
    }
}
