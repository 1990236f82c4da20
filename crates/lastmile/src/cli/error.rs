//! Why a command failed, and which exit code that is.

use std::io;
use std::path::PathBuf;

use domain::credential::PasswordError;
use domain::operator::password::PasswordWeakness;
use lab::credentials::CredentialsError;
use lab::line::LineError;
use lab::listeners::ListenError;
use lab::load::options::LoadError;
use services::api_key::ApiKeyError;
use services::event::reader::{ReadError, SubscribeError};
use services::operator::OperatorError;
use services::plan::ScheduleError;
use services::webhook::UrlRefusal;
use storage::error::{MigrateError, OpenError, Resource, StoreError, UniqueField};
use storage::foreign::ForeignError;
use storage::listing::ListFailure;

use super::import::ImportFailure;
use super::lab::users::UsersError;
use super::remote::ServerUrlError;
use super::value::{ReadSecretError, ServerError};
use crate::app::StartError;
use crate::client::error::ClientError;
use crate::client::token::TokenError;
use crate::config::ConfigError;
use crate::contexts::ContextsError;
use crate::dry_run::DryRunError;
use crate::exit::{ExitStatus, is_denied};
use crate::import::apply::ApplyError;
use crate::import::history::HistoryError;
use crate::relay_secret::RelaySecretError;
use crate::serve::ServeError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Store(StoreError),
    #[error(
        "{option}: another {what} has this {field}: choose another, or change that one with `set`"
    )]
    Conflict {
        option: &'static str,
        what: Resource,
        field: UniqueField,
    },
    /// What is told of a request is in `told`; this is the rest.
    #[error(transparent)]
    Client(ClientError),
    /// What the interface refused, by the options of the command.
    #[error("{text}")]
    Refused { text: String, status: ExitStatus },
    /// A refusal that the server has in its log.
    #[error("{told} (request {request})")]
    Answered { told: Box<Self>, request: String },
    #[error(transparent)]
    Contexts(#[from] ContextsError),
    #[error(
        "`lastmile {command}` works on the machine of the server only: run it there, or with --context local on the database of this machine"
    )]
    OnlyDatabase { command: String },
    #[error(
        "`lastmile {command}` is about the machine it runs on: run it there, without --server and --context"
    )]
    OnlyMachine { command: String },
    #[error("{option}")]
    ServerUrl {
        option: &'static str,
        #[source]
        source: ServerUrlError,
    },
    #[error("{option}")]
    Server {
        option: &'static str,
        #[source]
        source: ServerError,
    },
    #[error("{option}")]
    Token {
        option: &'static str,
        #[source]
        source: TokenError,
    },
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    RelaySecret(#[from] RelaySecretError),
    #[error(transparent)]
    Import(#[from] ImportFailure),
    #[error(transparent)]
    Foreign(#[from] ForeignError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    List(ListFailure),
    #[error("{option}")]
    Secret {
        option: &'static str,
        #[source]
        source: ReadSecretError,
    },
    #[error("{option}")]
    Password {
        option: &'static str,
        #[source]
        source: PasswordError,
    },
    #[error("{option}")]
    Credentials {
        option: &'static str,
        #[source]
        source: CredentialsError,
    },
    #[error("{}", path.display())]
    Users {
        path: PathBuf,
        #[source]
        source: UsersError,
    },
    #[error("the server stopped answering")]
    Silence,
    #[error("{option}: {reason}")]
    Usage {
        option: &'static str,
        reason: &'static str,
    },
    #[error("{option}")]
    Attribute {
        option: &'static str,
        #[source]
        source: radius::avp::ParseError,
    },
    #[error(transparent)]
    DryRun(#[from] DryRunError),
    #[error("there is no {what} '{name}': {remedy}")]
    NotFound {
        what: Resource,
        name: String,
        remedy: &'static str,
    },
    #[error(transparent)]
    Operator(OperatorError),
    #[error("--password")]
    Weak(#[source] PasswordWeakness),
    #[error(transparent)]
    ApiKey(ApiKeyError),
    #[error("line {line} of the audit log is not as it was written, or is missing")]
    AuditBroken { line: i64 },
    #[error("{failed} of {all} failed: `lastmile session commands` shows why")]
    CommandsFailed { failed: usize, all: usize },
    #[error("{under_way} of {all} not known after {seconds} s: {hint}")]
    CommandsUnderWay {
        under_way: usize,
        all: usize,
        seconds: u64,
        hint: &'static str,
    },
    #[error("more than {most} sessions are open: watch some of them, by --nas, --user or --plan")]
    TooManyWatched { most: usize },
    #[error("migrations pending: {count}; run `lastmile migrate`")]
    Pending { count: usize },
    #[error(
        "the schema is version {found} and this program knows {known}: run the newer lastmile that made it"
    )]
    Newer { found: u32, known: u32 },
    #[error("checks failed: {failed}; the remedy of each is above")]
    Unhealthy { failed: usize },
    #[error(
        "rows that cannot be obeyed as they are: {errors}; the remedy of each is in --output json"
    )]
    RowErrors { errors: usize },
    #[error("{user_name} was not accepted: {outcome}")]
    NotAccepted {
        user_name: String,
        outcome: &'static str,
    },
    #[error(
        "no NAS covers {source_address}, which test requests come from: add one with `lastmile nas add loopback --address {source_address}`"
    )]
    NoLoopbackNas { source_address: std::net::IpAddr },
    #[error("{what} has no port yet (it is 0 in the configuration): give --server ADDRESS:PORT")]
    NoServerPort { what: &'static str },
    #[error("the socket to {server} could not be used")]
    Line {
        server: std::net::SocketAddr,
        #[source]
        source: LineError,
    },
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("the load could not be run")]
    Load(#[source] LoadError),
    #[error(
        "{returned} of {subscribers} subscribers are back: what the others met is in the counts, and `lastmile log auth` says why a login was rejected"
    )]
    StormIncomplete { returned: u64, subscribers: u64 },
    #[error("the session was not completed: {outcome}")]
    SessionIncomplete { outcome: &'static str },
    #[error("could not read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the program could not be set up")]
    Setup(#[source] io::Error),
    #[error("could not write the output")]
    Write(#[from] io::Error),
    #[error("--at")]
    At(#[source] ScheduleError),
    #[error("--url")]
    WebhookUrl {
        #[source]
        source: UrlRefusal,
    },
    #[error("webhook '{name}' did not take it: {problem}")]
    NotDelivered { name: String, problem: String },
    #[error("the event of that delivery is not kept any more: look at another one")]
    EventGone,
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    #[error(transparent)]
    Listening(#[from] ReadError),
    #[error("a background computation stopped early")]
    Interrupted(#[from] tokio::task::JoinError),
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        if let StoreError::Conflict { what, field, .. } = error {
            return Self::conflict(what, field);
        }
        Self::Store(error)
    }
}

impl From<ListFailure> for CliError {
    fn from(failure: ListFailure) -> Self {
        match failure {
            ListFailure::Store(error) => error.into(),
            ListFailure::Query(_) => Self::List(failure),
        }
    }
}

impl From<OperatorError> for CliError {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Store(error) => error.into(),
            OperatorError::Weak(weakness) => Self::Weak(weakness),
            error @ (OperatorError::Hashing(_)
            | OperatorError::Beyond(_)
            | OperatorError::WrongPassword
            | OperatorError::WrongCode
            | OperatorError::SamePassword) => Self::Operator(error),
        }
    }
}

impl From<ApiKeyError> for CliError {
    fn from(error: ApiKeyError) -> Self {
        match error {
            ApiKeyError::Store(error) => error.into(),
            error @ ApiKeyError::Beyond(_) => Self::ApiKey(error),
        }
    }
}

impl CliError {
    /// Another thing has what was given.
    pub(crate) const fn conflict(what: Resource, field: UniqueField) -> Self {
        let option = match field {
            UniqueField::Name => "NAME",
            UniqueField::Username => "USERNAME",
            UniqueField::Source => "--address",
            UniqueField::Ipv4 => "--ipv4",
            UniqueField::Ipv6Prefix => "--ipv6-prefix",
            UniqueField::Ipv6Delegated => "--ipv6-delegated",
            UniqueField::Number => "--number",
        };
        Self::Conflict {
            option,
            what,
            field,
        }
    }

    /// The exit code of a process that fails so.
    pub(crate) fn status(&self) -> ExitStatus {
        if let Self::Refused { status, .. } = self {
            *status
        } else if let Self::Answered { told, .. } = self {
            told.status()
        } else if self.is_usage() {
            ExitStatus::Usage
        } else if matches!(
            self,
            Self::NotFound { .. }
                | Self::Store(StoreError::NotFound { .. })
                | Self::DryRun(DryRunError::NasUnknown { .. })
                | Self::Contexts(ContextsError::Unknown { .. })
        ) {
            ExitStatus::NotFound
        } else if is_denied(self) && !self.is_wrong_place() {
            ExitStatus::Denied
        } else {
            ExitStatus::Failed
        }
    }

    fn is_usage(&self) -> bool {
        if let Self::Config(error) = self {
            return error.is_from_flag();
        }
        matches!(
            self,
            Self::Usage { .. }
                | Self::OnlyDatabase { .. }
                | Self::OnlyMachine { .. }
                | Self::ServerUrl { .. }
                | Self::Server { .. }
                | Self::Token { .. }
                | Self::Contexts(ContextsError::IsLocal | ContextsError::Taken { .. })
                | Self::Attribute { .. }
                | Self::DryRun(DryRunError::Request(_))
                | Self::Secret { .. }
                | Self::List(_)
                | Self::Password { .. }
                | Self::Weak(_)
                | Self::Credentials { .. }
                | Self::Foreign(ForeignError::BadUrl { .. })
                | Self::WebhookUrl { .. }
        )
    }

    /// A directory that cannot be written is a wrong choice of directory, not a lack of rights.
    const fn is_wrong_place(&self) -> bool {
        let (Self::Start(error) | Self::Serve(ServeError::Store(error))) = self else {
            return false;
        };
        matches!(
            error,
            StartError::DataDir { .. }
                | StartError::ReadOnly { .. }
                | StartError::Open(OpenError::ReadOnly { .. })
                | StartError::Migrate(MigrateError::Open(OpenError::ReadOnly { .. }))
        )
    }
}
