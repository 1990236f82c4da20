//! `operator sessions`: where somebody is signed in.

use serde::Serialize;

use super::record::SessionRecord;
use super::{SessionsArgs, found};
use crate::cli::context::{Context, Deed};
use crate::cli::error::CliError;
use crate::output::{Extent, Record};

/// How many sessions a command ended.
#[derive(Clone, Debug, Serialize)]
struct EndedRecord {
    operator: String,
    ended: u64,
}

impl Record for EndedRecord {
    const FIELDS: &'static [&'static str] = &["operator", "ended"];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

pub(super) async fn run(context: &mut Context, args: SessionsArgs) -> Result<(), CliError> {
    if args.end.is_some() || args.end_all {
        return end(context, args).await;
    }
    let store = context.app.store_read().await?;
    let operator = found(&store, &args.name, &args.tenant).await?;
    let sessions = store.operator_session_list(operator.tenant, &args.name);
    let sessions = sessions.await?;
    let mut listing = context.output.listing::<SessionRecord>(Extent::All);
    for session in sessions {
        listing.push(&SessionRecord::from(session))?;
    }
    let listed = listing.finish()?;
    let none = format!("Operator {} is signed in nowhere", operator.name);
    context.note_listed(listed, &none);
    Ok(())
}

async fn end(context: &mut Context, args: SessionsArgs) -> Result<(), CliError> {
    let store = args.dry_run.store(&context.app).await?;
    let operator = found(&store, &args.name, &args.tenant).await?;
    let ended = store.operator_session_end(operator.tenant, &args.name, args.end);
    let ended = ended.await?;
    let deed = Deed {
        what: format!("Sessions of operator {}", operator.name),
        verb: "ended",
        details: format!(": {ended}"),
    };
    let record = EndedRecord {
        operator: operator.name.to_string(),
        ended,
    };
    Ok(context.report(args.dry_run, &deed, &record)?)
}
