//! The interface as commands use it: the same requests to a server elsewhere, or to the interface
//! in this process over the local database.

use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::time::Instant;

use reqwest::Url;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use call::Call;
use error::ClientError;
use local::Local;
use problem::Problem;
use remote::Remote;

pub(crate) mod call;
pub(crate) mod error;
pub(crate) mod local;
pub(crate) mod problem;
pub(crate) mod remote;
pub(crate) mod token;
pub(crate) mod trust;

/// The most octets of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The most entries of a page.
pub(crate) const PAGE_MAX: u32 = 1_000;

/// Header with the id under which a server has a request in its log.
const REQUEST_ID: &str = "x-request-id";

/// Carries requests out.
#[derive(Clone)]
pub(crate) struct Client {
    transport: Transport,
    /// Nothing is to be changed, only shown.
    is_rehearsal: bool,
    /// Each request is told on stderr.
    is_told: bool,
}

#[derive(Clone)]
enum Transport {
    Local(Local),
    Remote(Remote),
}

/// A page of a list.
#[derive(Deserialize)]
struct Listing<T> {
    items: Vec<T>,
    next_page_token: Option<String>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// Over the database of this machine.
    pub(crate) const fn local(local: Local, is_told: bool) -> Self {
        Self {
            transport: Transport::Local(local),
            is_rehearsal: false,
            is_told,
        }
    }

    /// To a server elsewhere.
    pub(crate) const fn remote(remote: Remote, is_told: bool) -> Self {
        Self {
            transport: Transport::Remote(remote),
            is_rehearsal: false,
            is_told,
        }
    }

    /// The same, but nothing is changed by it.
    #[must_use]
    pub(crate) fn rehearsal(&self) -> Self {
        Self {
            is_rehearsal: true,
            ..self.clone()
        }
    }

    /// Asks for something, and reads it.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T, ClientError> {
        let answer = self.carry_out(call).await?;
        serde_json::from_slice(&answer.body).map_err(|source| ClientError::Unreadable {
            place: self.place(),
            source,
        })
    }

    /// Asks for something that may not be there.
    pub(crate) async fn find<T: DeserializeOwned>(
        &self,
        call: Call,
    ) -> Result<Option<T>, ClientError> {
        match self.ask(call).await {
            Ok(found) => Ok(Some(found)),
            Err(ClientError::Refused(problem)) if problem.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a list page by page, of `limit` entries each, until `take` has seen enough.
    pub(crate) async fn each<T: DeserializeOwned, E: From<ClientError>>(
        &self,
        call: Call,
        limit: u32,
        mut take: impl FnMut(T) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let mut token: Option<String> = None;
        loop {
            let page = call.clone().with("limit", limit);
            let page = page.with_some("page_token", token.as_ref());
            let listing: Listing<T> = self.ask(page).await?;
            for item in listing.items {
                if take(item)?.is_break() {
                    return Ok(());
                }
            }
            token = listing.next_page_token;
            if token.is_none() {
                return Ok(());
            }
        }
    }

    /// The first entry of a list that `is_meant`.
    pub(crate) async fn find_in<T: DeserializeOwned>(
        &self,
        call: Call,
        is_meant: impl Fn(&T) -> bool,
    ) -> Result<Option<T>, ClientError> {
        let mut found = None;
        let take = |item: T| {
            if !is_meant(&item) {
                return Ok(ControlFlow::Continue(()));
            }
            found = Some(item);
            Ok::<_, ClientError>(ControlFlow::Break(()))
        };
        self.each(call, PAGE_MAX, take).await?;
        Ok(found)
    }

    /// Has something done of which nothing is told.
    pub(crate) async fn tell(&self, call: Call) -> Result<(), ClientError> {
        self.carry_out(call).await.map(drop)
    }

    async fn carry_out(&self, call: Call) -> Result<Answer, ClientError> {
        let call = if self.is_rehearsal && call.is_mutation() {
            call.with("dry_run", "true")
        } else {
            call
        };
        let watch = |answered: &Answered<'_>| {
            if self.is_told {
                answered.tell();
            }
        };
        let answer = match &self.transport {
            Transport::Local(local) => local.carry_out(&call, watch).await?,
            Transport::Remote(remote) => remote.carry_out(&call, watch).await?,
        };
        self.accepted(answer)
    }

    /// An answer that is no refusal.
    fn accepted(&self, answer: Answer) -> Result<Answer, ClientError> {
        if answer.status.is_success() {
            return Ok(answer);
        }
        let Some(mut problem) = Problem::read(&answer) else {
            return Err(ClientError::Strange {
                place: self.place(),
                status: answer.status,
            });
        };
        if matches!(self.transport, Transport::Local(_)) {
            // There is no log of a server to look it up in.
            problem.request_id = None;
        }
        Err(ClientError::Refused(Box::new(problem)))
    }

    /// What answers, as people know it.
    fn place(&self) -> String {
        match &self.transport {
            Transport::Local(_) => "this program".to_owned(),
            Transport::Remote(remote) => remote.place(),
        }
    }
}

/// One attempt at a request, to be told.
struct Answered<'a> {
    method: &'a Method,
    url: &'a Url,
    begun: Instant,
    outcome: Result<&'a Answer, &'a ClientError>,
}

impl Answered<'_> {
    fn tell(&self) {
        let Self { method, url, .. } = self;
        let taken = self.begun.elapsed().as_millis();
        let mut stderr = io::stderr().lock();
        // A closed stderr is no reason to fail.
        let _ = match self.outcome {
            Ok(answer) => {
                let id = answer.headers.get(REQUEST_ID);
                let id = id.and_then(|id| id.to_str().ok()).unwrap_or("none");
                let status = answer.status.as_u16();
                writeln!(
                    stderr,
                    "{method} {url}: {status} in {taken} ms, request {id}"
                )
            }
            Err(_) => writeln!(stderr, "{method} {url}: no answer in {taken} ms"),
        };
    }
}
