//! What the interface asks of the program itself: decisions that are tried out, and how it is doing.

use std::time::Duration;

use aaa::metrics::Count;
use domain::session_command::verdict::CommandState;
use serde_json::Value as Json;
use services::inquiry::{InquiryError, Login, NasReference, Why};
use services::port::{
    Answering, ConfiguredValue, Health as HealthAnswer, NodeHealth, Program, WorkerHealth,
};
use storage::store::Store;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::health::{Accounting, DirectorySource, Health, NodeView, Status};
use crate::app::App;
use crate::cli::error::CliError;
use crate::cli::explain::Question;
use crate::cli::why::WhyDocument;
use crate::config::Setting;
use crate::dry_run::DryRunError;
use crate::exit::ErrorChain;
use crate::inquiry::Inquiry;
use crate::late_store::LateStore;

/// Decisions that are tried out at a time: each loads what a server keeps in memory about a name.
const INQUIRIES_MAX: usize = 4;

/// How long one more waits for its turn.
const TURN_PATIENCE: Duration = Duration::from_secs(5);

/// The program that serves.
pub(super) struct RunningProgram {
    app: App,
    store: LateStore,
    health: Health,
    settings: Vec<Setting>,
    turns: Semaphore,
}

impl RunningProgram {
    pub(super) fn new(
        app: &App,
        store: &LateStore,
        health: &Health,
        settings: Vec<Setting>,
    ) -> Self {
        Self {
            app: app.clone(),
            store: store.clone(),
            health: health.clone(),
            settings,
            turns: Semaphore::new(INQUIRIES_MAX),
        }
    }

    /// Waits for a turn and for the store.
    async fn begin(&self) -> Result<(SemaphorePermit<'_>, Store), InquiryError> {
        let store = self.store.find().cloned();
        let store = store.ok_or(InquiryError::NoDatabase)?;
        match timeout(TURN_PATIENCE, self.turns.acquire()).await {
            Ok(Ok(turn)) => Ok((turn, store)),
            Ok(Err(_)) | Err(_) => Err(InquiryError::Busy),
        }
    }
}

impl Program for RunningProgram {
    fn why(&self, asked: Why) -> Answering<'_, Result<Json, InquiryError>> {
        Box::pin(async move {
            let (_turn, store) = self.begin().await?;
            why(self.app.clone(), store, asked).await
        })
    }

    fn explain(&self, login: Login) -> Answering<'_, Result<Json, InquiryError>> {
        Box::pin(async move {
            let (_turn, store) = self.begin().await?;
            explain(self.app.clone(), store, login).await
        })
    }

    fn health(&self) -> Answering<'_, HealthAnswer> {
        Box::pin(async move {
            let readiness = self.health.readiness().await;
            let trouble = |told: String| (told != "ok").then_some(told);
            let node = self.health.node.as_ref();
            HealthAnswer {
                is_ready: readiness.status == Status::Ready,
                version: env!("CARGO_PKG_VERSION"),
                database: trouble(readiness.database),
                disk: trouble(readiness.disk),
                node: node.map(|node| {
                    let accounting = (readiness.accounting, readiness.accounting_problem);
                    node_health(node, readiness.directory, accounting)
                }),
                worker: self.health.worker.as_ref().map(|worker| WorkerHealth {
                    confirmed: worker.settled(CommandState::Confirmed),
                    acknowledged: worker.settled(CommandState::Acknowledged),
                    failed: worker.settled(CommandState::Failed),
                    failures: worker.failures(),
                }),
            }
        })
    }

    fn settings(&self) -> Vec<ConfiguredValue> {
        configured(&self.settings)
    }
}

/// Why somebody cannot get on.
pub(crate) async fn why(app: App, store: Store, asked: Why) -> Result<Json, InquiryError> {
    beside(async move {
        let whose = (Some(asked.tenant), asked.user_name.as_str());
        let inquiry = Inquiry::make(&app, &store, whose, asked.at).await;
        let inquiry = inquiry.map_err(|problem| refused(problem.into()))?;
        Ok(json(&WhyDocument::new(asked.user_name, inquiry)))
    })
    .await
}

/// What a router would be answered.
pub(crate) async fn explain(app: App, store: Store, login: Login) -> Result<Json, InquiryError> {
    beside(async move {
        let nas = match &login.nas {
            NasReference::Name(name) => name.clone(),
            NasReference::Address(address) => address.to_string(),
        };
        let password = login.password.as_ref().map(|secret| secret.expose());
        let password = password.map(String::from_utf8_lossy);
        let question = Question {
            tenant: Some(login.tenant),
            user_name: &login.user_name,
            nas: &nas,
            attributes: &login.attributes,
            password: password.as_deref(),
            at: login.at.unwrap_or_else(|| app.now()),
        };
        let explanation = question.answer(&app, &store).await.map_err(refused)?;
        Ok(json(&explanation))
    })
    .await
}

/// The configuration as the interface shows it.
pub(crate) fn configured(settings: &[Setting]) -> Vec<ConfiguredValue> {
    let value = |setting: &Setting| ConfiguredValue {
        key: setting.key,
        value: setting.value.clone(),
        source: setting.source.clone(),
    };
    settings.iter().map(value).collect()
}

/// Carries it out on a thread that may compute for long: a slow hash takes its time.
async fn beside(
    work: impl Future<Output = Result<Json, InquiryError>> + Send + 'static,
) -> Result<Json, InquiryError> {
    let handle = Handle::current();
    let answer = tokio::task::spawn_blocking(move || handle.block_on(work));
    answer.await.unwrap_or(Err(InquiryError::Failed))
}

fn json(document: &impl serde::Serialize) -> Json {
    serde_json::to_value(document).expect("a document is made of texts, numbers and lists")
}

/// Why it cannot be answered, in the words of the interface.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what a decision cannot fail with is a fault of the program"
)]
fn refused(problem: CliError) -> InquiryError {
    let invalid = |field, problem: &CliError| InquiryError::Invalid {
        field,
        detail: ErrorChain(problem).to_string(),
    };
    match problem {
        CliError::DryRun(DryRunError::Store(problem)) => InquiryError::Store(problem),
        CliError::DryRun(DryRunError::Request(_)) | CliError::Attribute { .. } => {
            invalid("attributes", &problem)
        }
        CliError::DryRun(DryRunError::NasUnknown { .. }) | CliError::NotFound { .. } => {
            invalid("nas", &problem)
        }
        CliError::Usage { option, .. } => match option {
            "--attr" => invalid("attributes", &problem),
            "--password" => invalid("password", &problem),
            _ => invalid("nas", &problem),
        },
        CliError::DryRun(DryRunError::Dropped { .. }) => invalid("attributes", &problem),
        other => {
            tracing::error!(
                error = &other as &dyn std::error::Error,
                "A decision could not be tried out"
            );
            InquiryError::Failed
        }
    }
}

fn node_health(
    node: &NodeView,
    directory: Option<DirectorySource>,
    (accounting, problem): (Option<Accounting>, Option<String>),
) -> NodeHealth {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    NodeHealth {
        directory: match directory {
            Some(DirectorySource::Database) => "database",
            Some(DirectorySource::Snapshot) | None => "snapshot",
        },
        subscribers: number(node.directory.subscriber_count()),
        sessions: number(node.sessions.len()),
        accounting: match accounting {
            Some(Accounting::Direct) => "direct",
            Some(Accounting::Spooling) => "spooling",
            Some(Accounting::Refused) | None => "refused",
        },
        accounting_problem: problem,
        spooled_records: node.spool.depth(),
        access_accepts: node.metrics.value(Count::AccessAccept),
        access_rejects: node.metrics.value(Count::AccessReject),
        accounting_responses: node.metrics.value(Count::AccountingResponse),
    }
}
