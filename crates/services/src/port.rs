//! What is needed from the outside, stated as traits that the program implements.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use domain::session::Session;
use domain::session_command::{RouterReply, Wish};
use domain::webhook::WebhookUrl;
use serde_json::Value as Json;
use storage::rows::{GroupRows, UserRows};

use crate::inquiry::{InquiryError, Login, Why};

/// One question to the router of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterRequest {
    /// As it is in the books now.
    pub session: Session,
    pub wish: Wish,
    /// Which of the sets of attributes names the session, from 0. There may be fewer.
    pub attempt: u8,
}

/// Asks routers about their sessions (RFC 5176).
pub trait Routers: Send + Sync + 'static {
    /// Asks, with all retransmissions, and gives what came of it.
    fn ask(&self, request: &RouterRequest) -> impl Future<Output = RouterReply> + Send;
}

/// One signed message to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRequest {
    pub url: WebhookUrl,
    /// The signature, and what it covers beside the body.
    pub headers: [(&'static str, String); 3],
    /// JSON.
    pub body: Bytes,
}

/// Why there is no answer of an endpoint. The text is for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WebhookFailure(pub String);

/// What an endpoint answered: its status.
pub type WebhookAnswer<'a> = Pin<Box<dyn Future<Output = Result<u16, WebhookFailure>> + Send + 'a>>;

/// Sends messages to endpoints.
pub trait WebhookClient: Send + Sync + 'static {
    /// Sends one message, within 15 s. Redirects are not followed, and no address is connected to
    /// that is not permitted.
    fn post(&self, request: WebhookRequest) -> WebhookAnswer<'_>;
}

/// An answer that takes a while.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What only the program itself can say: decisions that are tried out, and how it is doing.
pub trait Program: Send + Sync + 'static {
    /// Why somebody cannot get on, as `lastmile why` says it.
    fn why(&self, asked: Why) -> Answering<'_, Result<Json, InquiryError>>;

    /// What a router would be answered, as `lastmile explain` says it.
    fn explain(&self, login: Login) -> Answering<'_, Result<Json, InquiryError>>;

    fn health(&self) -> Answering<'_, Health>;

    /// The configuration in force, without secrets.
    fn settings(&self) -> Vec<ConfiguredValue>;
}

/// How the process that answers is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    pub is_ready: bool,
    pub version: &'static str,
    /// `None` when it is well, or what is wrong with it.
    pub database: Option<String>,
    pub disk: Option<String>,
    pub node: Option<NodeHealth>,
    /// What came of session commands; absent when another process carries them out.
    pub worker: Option<WorkerHealth>,
}

/// How the part is doing that answers routers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeHealth {
    /// `database` or `snapshot`.
    pub directory: &'static str,
    pub subscribers: u64,
    pub sessions: u64,
    /// `direct`, `spooling` or `refused`.
    pub accounting: &'static str,
    pub accounting_problem: Option<String>,
    /// Records on local disk that wait for the database.
    pub spooled_records: u64,
    pub access_accepts: u64,
    pub access_rejects: u64,
    pub accounting_responses: u64,
}

/// Session commands since the start of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerHealth {
    pub confirmed: u64,
    pub acknowledged: u64,
    pub failed: u64,
    pub failures: u64,
}

/// One configured value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredValue {
    pub key: &'static str,
    pub value: String,
    /// Where it comes from.
    pub source: String,
}

/// How much something about a row matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowSeverity {
    /// Worth knowing.
    Notice,
    /// It probably does not do what was meant.
    Warning,
    /// Somebody is refused, or let in, who should not be.
    Error,
}

/// Something about an attribute row, or about all rows of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFinding {
    pub severity: RowSeverity,
    /// A stable name for programs.
    pub code: &'static str,
    /// The table that the row is in.
    pub table: &'static str,
    /// The id of the row; absent when it is about the name as a whole.
    pub row: Option<i64>,
    pub attribute: Option<String>,
    pub finding: String,
    pub remedy: String,
}

/// Knows what attribute rows mean.
pub trait RowReader: Send + Sync + 'static {
    /// Whether the value of an attribute is a secret.
    fn is_secret(&self, attribute: &str) -> bool;

    /// What about the rows of a user is not as it seems, beside those of the groups that have rows.
    fn user(&self, user: &UserRows, groups: &[GroupRows]) -> Vec<RowFinding>;

    /// The same for the rows of a group.
    fn group(&self, group: &GroupRows) -> Vec<RowFinding>;
}

impl RowSeverity {
    /// A stable name for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}
