//! A server elsewhere: shown the token of the user, and asked again when it could not be reached.

use std::error::Error;
use std::io;
use std::time::{Duration, Instant};

use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode, Url};

use super::call::Call;
use super::error::ClientError;
use super::problem::Problem;
use super::token::Token;
use super::trust::{self, Trust};
use super::{ANSWER_BYTES_MAX, Answer, Answered};

const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How long a server may be silent.
const READ_PATIENCE: Duration = Duration::from_secs(60);

/// How often a request is made at most.
const ATTEMPTS: u32 = 4;
/// Before the second attempt; doubled before each further one.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// A server may ask for more patience than ours, up to this.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Under this name a request is carried out once, however often it comes.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Where a server is, and how to speak with it.
#[derive(Clone, Debug)]
pub(crate) struct RemoteOptions {
    pub(crate) server: Url,
    pub(crate) token: Token,
    pub(crate) trust: Trust,
}

/// A server elsewhere.
#[derive(Clone)]
pub(crate) struct Remote {
    http: reqwest::Client,
    server: Url,
}

impl Remote {
    pub(crate) fn new(options: &RemoteOptions) -> Result<Self, ClientError> {
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, options.token.header()),
            (ACCEPT, HeaderValue::from_static("application/json")),
        ]);
        let tls = match options.server.scheme() {
            "https" => options.trust.config()?,
            _ => trust::nobody()?,
        };
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .default_headers(headers)
            .user_agent(concat!("lastmile/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_PATIENCE)
            .read_timeout(READ_PATIENCE)
            // What one server is shown must not go on to another.
            .redirect(Policy::none())
            // The environment is read in one place only.
            .no_proxy()
            .build()
            .map_err(|source| unreachable_at(&options.server, source))?;
        Ok(Self {
            http,
            server: options.server.clone(),
        })
    }

    pub(super) fn place(&self) -> String {
        place(&self.server)
    }

    /// Makes a request until it is answered. Each attempt has the same name, so that what was
    /// carried out already is not carried out again.
    pub(super) async fn carry_out(
        &self,
        call: &Call,
        watch: impl Fn(&Answered<'_>),
    ) -> Result<Answer, ClientError> {
        let url = call.url(&self.server);
        let key = format!("{:032x}", rand::random::<u128>());
        let mut wait = FIRST_WAIT;
        let mut attempt = 1;
        loop {
            let begun = Instant::now();
            let outcome = self.attempt(call, &url, &key).await;
            watch(&Answered {
                method: call.method(),
                url: &url,
                begun,
                outcome: outcome.as_ref(),
            });
            let Some(asked) = patience(&outcome).filter(|_| attempt < ATTEMPTS) else {
                return outcome;
            };
            tokio::time::sleep(asked.max(wait).min(WAIT_MAX)).await;
            wait *= 2;
            attempt += 1;
        }
    }

    async fn attempt(&self, call: &Call, url: &Url, key: &str) -> Result<Answer, ClientError> {
        let mut request = self.http.request(call.method().clone(), url.clone());
        if let Some(body) = call.body() {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        if call.is_mutation() {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        let response = request.send().await;
        let response = response.map_err(|source| unreachable_at(&self.server, source))?;
        if response.status().is_redirection() {
            let to = response.headers().get(LOCATION);
            return Err(ClientError::Moved {
                place: self.place(),
                to: to
                    .and_then(|to| to.to_str().ok())
                    .unwrap_or("an address that it does not tell")
                    .to_owned(),
            });
        }
        self.read(response).await
    }

    /// Reads an answer within its limit.
    async fn read(&self, mut response: Response) -> Result<Answer, ClientError> {
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        loop {
            let piece = response.chunk().await;
            let piece = piece.map_err(|source| unreachable_at(&self.server, source))?;
            let Some(piece) = piece else {
                return Ok(Answer {
                    status,
                    headers,
                    body,
                });
            };
            if ANSWER_BYTES_MAX < body.len() + piece.len() {
                return Err(ClientError::TooLarge {
                    place: self.place(),
                    most: ANSWER_BYTES_MAX,
                });
            }
            body.extend_from_slice(&piece);
        }
    }
}

/// For how long to wait at least before another attempt; `None` when there is no use in one.
fn patience(outcome: &Result<Answer, ClientError>) -> Option<Duration> {
    match outcome {
        Ok(answer) if is_passing(answer) => {
            let asked = answer.headers.get(RETRY_AFTER);
            let asked = asked.and_then(|value| value.to_str().ok()?.parse().ok());
            Some(Duration::from_secs(asked.unwrap_or(0)))
        }
        Err(ClientError::Unreachable { source, .. }) if !source.is_builder() => {
            Some(Duration::ZERO)
        }
        Ok(_) | Err(_) => None,
    }
}

/// Whether the same request may be answered otherwise in a moment.
fn is_passing(answer: &Answer) -> bool {
    match answer.status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => true,
        StatusCode::CONFLICT => {
            Problem::read(answer).is_some_and(|problem| problem.code == "idempotency_under_way")
        }
        _ => false,
    }
}

fn place(server: &Url) -> String {
    server.as_str().trim_end_matches('/').to_owned()
}

fn unreachable_at(server: &Url, source: reqwest::Error) -> ClientError {
    let place = place(server);
    match refusal_of(&source) {
        Some(source) => ClientError::Untrusted { place, source },
        None => ClientError::Unreachable {
            place,
            source: source.without_url(),
        },
    }
}

/// Why the certificate of the server was not believed, if that is what went wrong.
fn refusal_of(error: &reqwest::Error) -> Option<rustls::Error> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(refusal @ rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
            return Some(refusal.clone());
        }
        // What the system's errors carry is not among their causes.
        let carried = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        cause = match carried {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
