//! What was sent to the endpoint of a webhook, and sending something now.

use domain::name::Name;
use serde::Serialize;
use services::webhook::{Trial, TryError};
use storage::page::Page;
use storage::store::Store;
use storage::webhook::delivery::DeliveryRow;

use super::super::context::{Context, DryRun, ListSize};
use super::super::error::CliError;
use super::{TENANT, find};
use crate::output::Record;
use crate::wiring::webhooks::WebhookPost;

#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
struct DeliveryRecord(DeliveryRow);

impl Record for DeliveryRecord {
    const FIELDS: &'static [&'static str] = &[
        "number",
        "at",
        "event",
        "kind",
        "attempt",
        "status",
        "problem",
        "duration_ms",
    ];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

impl From<DeliveryRow> for DeliveryRecord {
    fn from(row: DeliveryRow) -> Self {
        Self(row)
    }
}

pub(super) async fn list(
    context: &mut Context,
    name: &Name,
    size: ListSize,
) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let webhook = find(&store, name).await?;
    let load = async |page: &Page<i64>| store.webhook_delivery_list(webhook.id, page).await;
    let key = |row: &DeliveryRow| row.number;
    context
        .list::<DeliveryRecord, _, _>(size, "Nothing was sent yet", key, load)
        .await
}

pub(super) async fn test(
    context: &mut Context,
    name: &Name,
    dry_run: DryRun,
) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let webhook = find(&store, name).await?;
    if dry_run.is_dry {
        context.note(format_args!(
            "Dry run: a test message would be sent to {}. Nothing is sent.",
            webhook.url
        ));
        return Ok(());
    }
    let client = WebhookPost::new(context.app.config.webhook_reach);
    let row = trial(context, &store, &client).test(&webhook).await?;
    tell(context, name, row)
}

pub(super) async fn redeliver(
    context: &mut Context,
    (name, number): (&Name, i64),
    dry_run: DryRun,
) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let webhook = find(&store, name).await?;
    if dry_run.is_dry {
        context.note(format_args!(
            "Dry run: the event of delivery {number} would be sent to {}. Nothing is sent.",
            webhook.url
        ));
        return Ok(());
    }
    let client = WebhookPost::new(context.app.config.webhook_reach);
    let trial = trial(context, &store, &client);
    let row = trial.redeliver(&webhook, number).await?;
    tell(context, name, row)
}

fn trial<'a>(context: &Context, store: &'a Store, client: &'a WebhookPost) -> Trial<'a> {
    Trial {
        store,
        client,
        tenant: TENANT,
        now: context.app.now(),
    }
}

/// Shows what came of it; what did not arrive is a failure.
fn tell(context: &mut Context, name: &Name, row: DeliveryRow) -> Result<(), CliError> {
    let problem = row.problem.clone();
    context.output.show(&DeliveryRecord(row))?;
    match problem {
        None => {
            context.note(format_args!("Webhook {name} took it"));
            Ok(())
        }
        Some(problem) => Err(CliError::NotDelivered {
            name: name.to_string(),
            problem,
        }),
    }
}

impl From<TryError> for CliError {
    fn from(error: TryError) -> Self {
        match error {
            TryError::Gone => Self::EventGone,
            TryError::Store(error) => error.into(),
        }
    }
}
