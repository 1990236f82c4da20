//! `lastmile events`: what happened, and what happens now.

use domain::event::{Topics, TopicsError};
use domain::id::TenantId;
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::Value as Json;
use services::event::catalogue;
use services::event::hub::Hub;
use services::event::reader::Reader;
use services::event::ring::Told;
use storage::event::Event;
use storage::page::Page;
use storage::store::Store;

use super::context::{Context, ListSize};
use super::error::CliError;
use crate::output::{OutputFormat, Record};

const TENANT: TenantId = TenantId::DEFAULT;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum EventsCommand {
    /// List what happened, in its order
    #[command(after_help = "Examples:
  lastmile events list --topics subscriber.*,plan.*
  lastmile events list --since 1200 --output jsonl")]
    List {
        #[command(flatten)]
        wanted: WantedArgs,
        #[command(flatten)]
        size: ListSize,
    },
    /// Show what happens, until it is interrupted
    #[command(after_help = "Examples:
  lastmile events tail
  lastmile events tail --topics session.started,session.stopped --output jsonl
  lastmile events tail --since 0 --limit 100")]
    Tail {
        #[command(flatten)]
        wanted: WantedArgs,
        /// End after so many events
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct WantedArgs {
    /// Only events behind this number; 0 is from the first one on
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(i64).range(0..))]
    since: Option<i64>,
    /// Only these, for example plan.* or session.started; separated by commas
    #[arg(long, value_name = "TOPICS", default_value = "*", value_parser = parse_topics)]
    topics: Topics,
}

/// A topic that is misspelt, or that nothing matches.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadTopics {
    #[error(transparent)]
    Malformed(#[from] TopicsError),
    #[error(transparent)]
    Unknown(#[from] catalogue::UnknownTopic),
}

#[derive(Debug, Serialize)]
struct EventRecord {
    seq: i64,
    at: Timestamp,
    r#type: String,
    resource_id: Option<String>,
    data: Json,
}

impl Record for EventRecord {
    const FIELDS: &'static [&'static str] = &["seq", "at", "type", "resource_id", "data"];
    const COLUMNS: &'static [&'static str] = &["seq", "at", "type", "resource_id"];
}

/// Topics that match something.
pub(crate) fn parse_topics(raw: &str) -> Result<Topics, BadTopics> {
    let topics = raw.parse()?;
    catalogue::check(&topics)?;
    Ok(topics)
}

pub(crate) async fn run(context: &mut Context, command: EventsCommand) -> Result<(), CliError> {
    match command {
        EventsCommand::List { wanted, size } => list(context, &wanted, size).await,
        EventsCommand::Tail { wanted, limit } => tail(context, &wanted, limit).await,
    }
}

async fn list(context: &mut Context, wanted: &WantedArgs, size: ListSize) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let mut listing = context.output.listing::<EventRecord>(size.extent());
    let mut page = Page::first(Page::<i64>::LIMIT_MAX);
    page.after = wanted.since;
    while listing.is_open() {
        let events = store.event_list(TENANT, &page).await?;
        let is_last = events.len() < page.limit() as usize;
        page.after = events.last().map(|event| event.seq);
        let events = events.into_iter();
        for event in events.filter(|event| wanted.topics.matches(&event.kind)) {
            listing.push(&EventRecord::from(event))?;
        }
        if is_last {
            break;
        }
    }
    let listed = listing.finish()?;
    context.note_listed(listed, "Nothing of that has happened");
    Ok(())
}

async fn tail(
    context: &mut Context,
    wanted: &WantedArgs,
    limit: Option<u64>,
) -> Result<(), CliError> {
    let is_for_programs = match context.output.format() {
        OutputFormat::Table => false,
        OutputFormat::Jsonl => true,
        OutputFormat::Json | OutputFormat::Csv => {
            return Err(CliError::Usage {
                option: "--output",
                reason: "what happens has no end: use jsonl, or table",
            });
        }
    };
    let store = context.app.store_read().await?;
    let hub = Hub::default();
    let mut left = limit.unwrap_or(u64::MAX);
    tokio::select! {
        () = hub.run(&store) => Ok(()),
        shown = async {
            let mut reader = subscribe(&hub, &store, wanted).await?;
            while left != 0 {
                for event in reader.next().await? {
                    if left == 0 {
                        break;
                    }
                    left -= 1;
                    show(context, &event, is_for_programs)?;
                }
                context.output.flush()?;
            }
            Ok(())
        } => shown,
    }
}

/// Begins to listen; what is not kept any more is passed over, and said.
async fn subscribe(hub: &Hub, store: &Store, wanted: &WantedArgs) -> Result<Reader, CliError> {
    let mut since = wanted.since;
    if since == Some(0) {
        // From the first one on that there is.
        since = Some(store.event_span(TENANT).await?.first - 1);
    }
    Ok(hub.subscribe(store, TENANT, &wanted.topics, since).await?)
}

fn show(context: &mut Context, event: &Told, is_for_programs: bool) -> Result<(), CliError> {
    let json = String::from_utf8_lossy(&event.json);
    if is_for_programs {
        return Ok(context.output.line(&json)?);
    }
    let known: Json = serde_json::from_str(&json).unwrap_or_default();
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let at = text(&known["at"]);
    let data = &known["data"];
    let who = ["username", "name", "source"].map(|name| text(&data[name]));
    let who = who.into_iter().find(|who| !who.is_empty());
    let who = who.unwrap_or_default();
    let line = format!("{at} {:>8} {:<24} {who}", event.seq, event.kind);
    Ok(context.output.line(line.trim_end())?)
}

impl From<Event> for EventRecord {
    fn from(event: Event) -> Self {
        Self {
            seq: event.seq,
            at: event.at,
            r#type: event.kind,
            resource_id: event.resource.map(|id| id.to_string()),
            data: event.data,
        }
    }
}
