//! `lastmile session watch`: who comes and goes, and how fast sessions are.

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use domain::accounting::TerminateCause;
use domain::id::SessionId;
use domain::name::{Name, Username};
use domain::session::SessionState;
use domain::time::Timestamp;
use serde::Serialize;
use services::watch::{SessionEvent, WATCHED_MAX, Watch};
use storage::session::{SessionFilter, SessionRow};

use super::{TENANT, find_plan};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::output::{Extent, OutputFormat, Record, show_value};

/// Sessions and events that a screen shows.
const SESSIONS_SHOWN: usize = 20;
const EVENTS_SHOWN: usize = 10;

/// Puts the cursor at the top and clears what is below (ECMA-48 §8.3.21, §8.3.39).
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

#[derive(Debug, clap::Args)]
pub(crate) struct WatchArgs {
    /// Only sessions of this user
    #[arg(long, value_name = "USER")]
    user: Option<Username>,
    /// Only sessions on this router
    #[arg(long, value_name = "NAME")]
    nas: Option<Name>,
    /// Only sessions of subscribers on this plan
    #[arg(long, value_name = "NAME")]
    plan: Option<Name>,
    /// Look so often
    #[arg(long, value_name = "SECONDS", default_value = "2",
        value_parser = clap::value_parser!(u64).range(1..=3_600))]
    every: u64,
}

/// An event as programs read it.
#[derive(Debug, Serialize)]
struct EventRecord {
    at: Timestamp,
    event: &'static str,
    id: SessionId,
    user_name: String,
    nas: String,
    session_id: String,
    framed_ipv4: Option<std::net::Ipv4Addr>,
    started_at: Timestamp,
    updated_at: Timestamp,
    stopped_at: Option<Timestamp>,
    upload_bytes: u64,
    download_bytes: u64,
    session_seconds: u64,
    upload_bps: Option<u64>,
    download_bps: Option<u64>,
    terminate_cause: Option<TerminateCause>,
    wanted: Option<String>,
}

impl Record for EventRecord {
    const FIELDS: &'static [&'static str] = &[
        "at",
        "event",
        "id",
        "user_name",
        "nas",
        "session_id",
        "framed_ipv4",
        "started_at",
        "updated_at",
        "stopped_at",
        "upload_bytes",
        "download_bytes",
        "session_seconds",
        "upload_bps",
        "download_bps",
        "terminate_cause",
        "wanted",
    ];
    const COLUMNS: &'static [&'static str] = &["at", "event", "user_name", "nas"];
}

pub(super) async fn run(context: &mut Context, args: WatchArgs) -> Result<(), CliError> {
    let is_for_programs = match context.output.format() {
        OutputFormat::Table => false,
        OutputFormat::Jsonl => true,
        OutputFormat::Json | OutputFormat::Csv => {
            return Err(CliError::Usage {
                option: "--output",
                reason: "what is watched has no end: use jsonl, or table",
            });
        }
    };
    let store = context.app.store_read().await?;
    let filter = SessionFilter {
        state: Some(SessionState::Open),
        plan: find_plan(&store, args.plan.as_ref()).await?,
        username: args.user,
        nas: args.nas,
        ..SessionFilter::default()
    };
    let is_screen = !is_for_programs && io::stdout().is_terminal();
    let mut watch = Watch::default();
    let mut shown = VecDeque::with_capacity(EVENTS_SHOWN);
    let mut is_first = true;
    loop {
        let Some(events) = watch.look(&store, TENANT, &filter).await? else {
            return Err(CliError::TooManyWatched { most: WATCHED_MAX });
        };
        if is_first && !is_screen {
            let count = watch.open_count();
            context.note(format_args!("Watching {count} open sessions"));
        }
        is_first = false;
        let at = context.app.now();
        if is_for_programs {
            write_events(context, at, &events)?;
        } else if is_screen {
            for event in &events {
                if shown.len() == EVENTS_SHOWN {
                    shown.pop_front();
                }
                shown.push_back(line(at, event));
            }
            write_screen(context, &watch, &shown)?;
        } else {
            for event in &events {
                context.output.line(&line(at, event))?;
            }
        }
        context.output.flush()?;
        tokio::time::sleep(Duration::from_secs(args.every)).await;
    }
}

fn write_events(
    context: &mut Context,
    at: Timestamp,
    events: &[SessionEvent],
) -> Result<(), CliError> {
    let mut listing = context.output.listing::<EventRecord>(Extent::All);
    for event in events {
        listing.push(&record(at, event))?;
    }
    listing.finish()?;
    Ok(())
}

/// The fastest sessions, and what happened last.
fn write_screen(
    context: &mut Context,
    watch: &Watch,
    events: &VecDeque<String>,
) -> Result<(), CliError> {
    let sessions = watch.fastest();
    let header = format!("{CLEAR}{} sessions are open", sessions.len());
    context.output.line(&header)?;
    let mut listing = context
        .output
        .listing::<SessionRow>(Extent::First(SESSIONS_SHOWN));
    for session in sessions.iter().take(SESSIONS_SHOWN) {
        listing.push(*session)?;
    }
    listing.finish()?;
    for event in events {
        context.output.line(event)?;
    }
    Ok(())
}

fn line(at: Timestamp, event: &SessionEvent) -> String {
    let session = &event.session;
    let shown = |field: &str, value: Option<u64>| show_value(field, &serde_json::json!(value));
    let cause = session
        .terminate_cause
        .map(|cause| serde_json::json!(cause))
        .map(|cause| format!(", {}", show_value("terminate_cause", &cause)))
        .unwrap_or_default();
    let wanted = event.wanted.as_deref();
    let wanted = wanted.map(|wanted| format!(", asked to {wanted}"));
    format!(
        "{} {} {} on {}, {} up, {} down{cause}{}",
        show_value("at", &serde_json::json!(at)),
        event.happening.as_str(),
        show_value("user_name", &serde_json::json!(session.user_name)),
        session.nas,
        shown("upload_bps", session.upload_bps),
        shown("download_bps", session.download_bps),
        wanted.unwrap_or_default()
    )
}

fn record(at: Timestamp, event: &SessionEvent) -> EventRecord {
    let session = event.session.clone();
    EventRecord {
        at,
        event: event.happening.as_str(),
        id: session.id,
        user_name: session.user_name,
        nas: session.nas,
        session_id: session.session_id.into(),
        framed_ipv4: session.framed_ipv4,
        started_at: session.started_at,
        updated_at: session.updated_at,
        stopped_at: session.stopped_at,
        upload_bytes: session.upload_bytes,
        download_bytes: session.download_bytes,
        session_seconds: session.session_seconds,
        upload_bps: session.upload_bps,
        download_bps: session.download_bps,
        terminate_cause: session.terminate_cause,
        wanted: event.wanted.clone(),
    }
}
