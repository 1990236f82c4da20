//! `lastmile webhook`: where events are sent.

use domain::event::Topics;
use domain::id::TenantId;
use domain::name::Name;
use domain::time::Timestamp;
use domain::webhook::{WebhookState, WebhookUrl};
use serde::Serialize;
use services::webhook::{check_url, make_secret};
use storage::error::Resource;
use storage::page::Page;
use storage::store::Store;
use storage::webhook::{NewWebhook, WebhookPatch, WebhookSummary};

use super::context::{Context, Deed, DryRun, ListSize};
use super::error::CliError;
use super::events::parse_topics;
use crate::output::Record;

mod delivery;

const TENANT: TenantId = TenantId::DEFAULT;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum WebhookCommand {
    /// Send what happens from now on to a URL; the secret is shown once
    #[command(after_help = "Examples:
  lastmile webhook add panel --url https://panel.example/hooks/lastmile
  lastmile webhook add billing --url https://billing.example/in --topics subscriber.*,session.stopped")]
    Add {
        /// What to call the webhook
        name: Name,
        /// Where events are sent, with https://
        #[arg(long)]
        url: WebhookUrl,
        /// Which events, for example plan.* or session.started; separated by commas
        #[arg(long, value_name = "TOPICS", default_value = "*", value_parser = parse_topics)]
        topics: Topics,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// List the webhooks
    #[command(after_help = "Examples:
  lastmile webhook list")]
    List(ListSize),
    /// Show a webhook, and how far it has come
    #[command(after_help = "Examples:
  lastmile webhook show panel")]
    Show {
        /// Name of the webhook
        name: Name,
    },
    /// Change a webhook; one that becomes active again goes on where it stopped
    #[command(after_help = "Examples:
  lastmile webhook set panel --state active
  lastmile webhook set panel --topics session.* --description \"the big screen\"
  lastmile webhook set panel --position 1200      # go on behind event 1200")]
    Set {
        /// Name of the webhook
        name: Name,
        #[command(flatten)]
        changes: Changes,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Give a webhook a new secret, shown once; the one before holds for another 24 hours
    #[command(after_help = "Examples:
  lastmile webhook rotate panel")]
    Rotate {
        /// Name of the webhook
        name: Name,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Remove a webhook
    #[command(after_help = "Examples:
  lastmile webhook remove panel")]
    Remove {
        /// Name of the webhook
        name: Name,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// Send a test message, and say what the endpoint made of it
    #[command(after_help = "Examples:
  lastmile webhook test panel")]
    Test {
        /// Name of the webhook
        name: Name,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// List what was sent, the newest first
    #[command(after_help = "Examples:
  lastmile webhook deliveries panel --limit 20")]
    Deliveries {
        /// Name of the webhook
        name: Name,
        #[command(flatten)]
        size: ListSize,
    },
    /// Send the event of a delivery again, once
    #[command(after_help = "Examples:
  lastmile webhook redeliver panel 17")]
    Redeliver {
        /// Name of the webhook
        name: Name,
        /// Number of the delivery, as `webhook deliveries` lists it
        number: i64,
        #[command(flatten)]
        dry_run: DryRun,
    },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Changes {
    /// Another name
    #[arg(long, value_name = "NAME")]
    rename: Option<Name>,
    /// Another URL
    #[arg(long)]
    url: Option<WebhookUrl>,
    /// Other events
    #[arg(long, value_name = "TOPICS", value_parser = parse_topics)]
    topics: Option<Topics>,
    /// What it is for; empty takes the description away
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// active or paused
    #[arg(long, value_name = "STATE")]
    state: Option<StateArg>,
    /// Go on behind this event
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(i64).range(0..))]
    position: Option<i64>,
}

/// What people set; only the program disables.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum StateArg {
    Active,
    Paused,
}

#[derive(Clone, Debug, Serialize)]
struct WebhookRecord {
    name: String,
    url: String,
    topics: String,
    state: WebhookState,
    reason: Option<String>,
    description: Option<String>,
    position: i64,
    attempts: u32,
    delivered_at: Option<Timestamp>,
    failing_since: Option<Timestamp>,
    old_secret_until: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
    id: String,
}

/// A webhook with its secret.
#[derive(Clone, Debug, Serialize)]
struct FreshRecord {
    secret: String,
    name: String,
    url: String,
    topics: String,
}

impl Record for WebhookRecord {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "url",
        "topics",
        "state",
        "reason",
        "description",
        "position",
        "attempts",
        "delivered_at",
        "failing_since",
        "old_secret_until",
        "created_at",
        "updated_at",
        "id",
    ];
    const COLUMNS: &'static [&'static str] = &["name", "url", "topics", "state", "position"];
}

impl Record for FreshRecord {
    const FIELDS: &'static [&'static str] = &["secret", "name", "url", "topics"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

impl From<WebhookSummary> for WebhookRecord {
    fn from(webhook: WebhookSummary) -> Self {
        Self {
            name: webhook.name.to_string(),
            url: webhook.url.to_string(),
            topics: webhook.topics.to_string(),
            state: webhook.state,
            reason: webhook.reason,
            description: webhook.description,
            position: webhook.position,
            attempts: webhook.attempts,
            delivered_at: webhook.delivered_at,
            failing_since: webhook.failing_since,
            old_secret_until: webhook.old_secret_until,
            created_at: webhook.created_at,
            updated_at: webhook.updated_at,
            id: webhook.id.to_string(),
        }
    }
}

pub(crate) async fn run(context: &mut Context, command: WebhookCommand) -> Result<(), CliError> {
    match command {
        WebhookCommand::Add {
            name,
            url,
            topics,
            description,
            dry_run,
        } => add(context, (name, url, topics, description), dry_run).await,
        WebhookCommand::List(size) => list(context, size).await,
        WebhookCommand::Show { name } => {
            let store = context.app.store_read().await?;
            let webhook = find(&store, &name).await?;
            Ok(context.output.show(&WebhookRecord::from(webhook))?)
        }
        WebhookCommand::Set {
            name,
            changes,
            dry_run,
        } => set(context, &name, changes, dry_run).await,
        WebhookCommand::Rotate { name, dry_run } => rotate(context, &name, dry_run).await,
        WebhookCommand::Remove { name, dry_run } => remove(context, &name, dry_run).await,
        WebhookCommand::Test { name, dry_run } => delivery::test(context, &name, dry_run).await,
        WebhookCommand::Deliveries { name, size } => delivery::list(context, &name, size).await,
        WebhookCommand::Redeliver {
            name,
            number,
            dry_run,
        } => delivery::redeliver(context, (&name, number), dry_run).await,
    }
}

async fn find(store: &Store, name: &Name) -> Result<WebhookSummary, CliError> {
    let found = store.webhook_find(TENANT, name).await?;
    found.ok_or_else(|| CliError::NotFound {
        what: Resource::Webhook,
        name: name.to_string(),
        remedy: "`lastmile webhook list` shows them",
    })
}

fn check_reach(context: &Context, url: &WebhookUrl) -> Result<(), CliError> {
    let checked = check_url(url, context.app.config.webhook_reach);
    checked.map_err(|source| CliError::WebhookUrl { source })
}

async fn add(
    context: &mut Context,
    (name, url, topics, description): (Name, WebhookUrl, Topics, Option<String>),
    dry_run: DryRun,
) -> Result<(), CliError> {
    check_reach(context, &url)?;
    let store = dry_run.store(&context.app).await?;
    let secret = make_secret();
    let new = NewWebhook {
        tenant: TENANT,
        name,
        url,
        topics,
        description,
        secret: secret.clone(),
    };
    let webhook = store.webhook_insert(new).await?;
    let details = format!(": {} to {}", webhook.topics, webhook.url);
    show_fresh(
        context,
        dry_run,
        ("added", details),
        (webhook, secret.expose()),
    )
}

/// Shows a webhook with its secret, which in a dry run is none.
fn show_fresh(
    context: &mut Context,
    dry_run: DryRun,
    (verb, details): (&str, String),
    (webhook, secret): (WebhookSummary, &[u8]),
) -> Result<(), CliError> {
    if dry_run.is_dry {
        let deed = Deed {
            what: format!("Webhook {}", webhook.name),
            verb,
            details,
        };
        return Ok(context.report(dry_run, &deed, &WebhookRecord::from(webhook))?);
    }
    context.note(format_args!(
        "Webhook {} {verb}{details}. The secret is shown this once: keep it safe.",
        webhook.name
    ));
    let record = FreshRecord {
        secret: String::from_utf8_lossy(secret).into_owned(),
        name: webhook.name.to_string(),
        url: webhook.url.to_string(),
        topics: webhook.topics.to_string(),
    };
    Ok(context.output.show(&record)?)
}

async fn list(context: &mut Context, size: ListSize) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let none = "No webhook yet: make one with `lastmile webhook add NAME --url https://…`";
    let load = async |page: &Page<Name>| store.webhook_list(TENANT, page).await;
    let key = |webhook: &WebhookSummary| webhook.name.clone();
    context
        .list::<WebhookRecord, _, _>(size, none, key, load)
        .await
}

async fn set(
    context: &mut Context,
    name: &Name,
    changes: Changes,
    dry_run: DryRun,
) -> Result<(), CliError> {
    if let Some(url) = &changes.url {
        check_reach(context, url)?;
    }
    let store = dry_run.store(&context.app).await?;
    let patch = WebhookPatch {
        name: changes.rename,
        url: changes.url,
        topics: changes.topics,
        description: changes
            .description
            .map(|text| (!text.is_empty()).then_some(text)),
        state: changes.state.map(|state| match state {
            StateArg::Active => WebhookState::Active,
            StateArg::Paused => WebhookState::Paused,
        }),
        position: changes.position,
    };
    let webhook = store.webhook_update(TENANT, name, patch).await?;
    let deed = Deed {
        what: format!("Webhook {}", webhook.name),
        verb: "changed",
        details: format!(": {}, {} to {}", webhook.state, webhook.topics, webhook.url),
    };
    Ok(context.report(dry_run, &deed, &WebhookRecord::from(webhook))?)
}

async fn rotate(context: &mut Context, name: &Name, dry_run: DryRun) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let secret = make_secret();
    let webhook = store.webhook_rotate(TENANT, name, &secret).await?;
    let verb = ("given a new secret", String::new());
    show_fresh(context, dry_run, verb, (webhook, secret.expose()))
}

async fn remove(context: &mut Context, name: &Name, dry_run: DryRun) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let webhook = find(&store, name).await?;
    store.webhook_delete(TENANT, name).await?;
    let deed = Deed {
        what: format!("Webhook {}", webhook.name),
        verb: "removed",
        details: String::new(),
    };
    Ok(context.report(dry_run, &deed, &WebhookRecord::from(webhook))?)
}
