//! `lastmile subscriber top-up`: volume and time beyond the quotas of a plan.

use std::fmt;
use std::str::FromStr;

use domain::id::{TenantId, TopUpId};
use domain::limit::{ByteAmount, DurationAmount, TopUpMeasure};
use domain::name::Username;
use domain::time::Timestamp;
use serde::Serialize;
use services::top_up::{
    self, Order, REFERENCE_OCTETS_MAX, TopUpError, Until, VALID_SECONDS_MAX, is_reference,
};
use storage::error::{Resource, StoreError};
use storage::top_up::TopUpSummary;

use super::context::{Context, Deed, DryRun, ListSize, actor};
use super::error::CliError;
use super::subscriber;
use crate::output::Record;

const TENANT: TenantId = TenantId::DEFAULT;
const NO_QUOTA: &str =
    "the plan has no such quota that a top-up could add to: see `lastmile plan show`";

#[derive(Debug, clap::Args)]
pub(crate) struct TopUpArgs {
    /// User name
    username: Username,
    /// How much data: 5G, 500M
    #[arg(long, value_name = "AMOUNT", value_parser = parse_data, required_unless_present = "time")]
    data: Option<ByteAmount>,
    /// How much time online: 2h, 90m
    #[arg(long, value_name = "DURATION", value_parser = parse_time)]
    time: Option<DurationAmount>,
    /// How long it may be used: 7d, 12h, or `period` for as long as the plan's quota runs
    /// [default: until it is used up]
    #[arg(long, value_name = "DURATION")]
    valid: Option<ValidArg>,
    /// Number of the purchase: it is granted once, however often the command is repeated
    #[arg(long, value_name = "TEXT", value_parser = parse_reference)]
    reference: Option<String>,
    #[command(flatten)]
    dry_run: DryRun,
}

/// How long a top-up may be used.
#[derive(Clone, Copy, Debug)]
enum ValidArg {
    Seconds(u64),
    Period,
}

#[derive(Debug, thiserror::Error)]
enum TopUpError {
    #[error("'{raw}' is not an amount of data: write bytes or k, M, G, T (5G)")]
    Data { raw: String },
    #[error("'{raw}' is not a duration: write seconds (3600) or units d, h, m, s (7d, 12h)")]
    Duration { raw: String },
    #[error("0 is nothing: write 1 or more")]
    Nothing,
    #[error("{seconds} s is longer than 36500 days")]
    TooLong { seconds: u64 },
    #[error("a reference has 1 to {REFERENCE_OCTETS_MAX} printable ASCII characters")]
    Reference,
}

fn parse_data(raw: &str) -> Result<ByteAmount, TopUpError> {
    let amount = ByteAmount::parse(raw).ok_or_else(|| TopUpError::Data {
        raw: raw.to_owned(),
    })?;
    if amount.0 == 0 || i64::try_from(amount.0).is_err() {
        return Err(TopUpError::Nothing);
    }
    Ok(amount)
}

fn parse_time(raw: &str) -> Result<DurationAmount, TopUpError> {
    let amount = DurationAmount::parse(raw).ok_or_else(|| TopUpError::Duration {
        raw: raw.to_owned(),
    })?;
    match amount.0 {
        0 => Err(TopUpError::Nothing),
        seconds if VALID_SECONDS_MAX < seconds => Err(TopUpError::TooLong { seconds }),
        _ => Ok(amount),
    }
}

fn parse_reference(raw: &str) -> Result<String, TopUpError> {
    is_reference(raw)
        .then(|| raw.to_owned())
        .ok_or(TopUpError::Reference)
}

impl FromStr for ValidArg {
    type Err = TopUpError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        if raw == "period" {
            return Ok(Self::Period);
        }
        Ok(Self::Seconds(parse_time(raw)?.0))
    }
}

/// How a top-up stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Standing {
    Usable,
    UsedUp,
    Over,
    Revoked,
}

#[derive(Clone, Debug, Serialize)]
struct TopUpRecord {
    id: String,
    measure: TopUpMeasure,
    /// Bytes, or seconds.
    amount: u64,
    used: u64,
    standing: Standing,
    ends_at: Option<Timestamp>,
    reference: Option<String>,
    granted_at: Timestamp,
    granted_by: String,
    revoked_at: Option<Timestamp>,
    revoked_by: Option<String>,
}

impl Record for TopUpRecord {
    const FIELDS: &'static [&'static str] = &[
        "id",
        "measure",
        "amount",
        "used",
        "standing",
        "ends_at",
        "reference",
        "granted_at",
        "granted_by",
        "revoked_at",
        "revoked_by",
    ];
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "measure",
        "amount",
        "used",
        "standing",
        "ends_at",
        "reference",
        "granted_at",
        "granted_by",
    ];
}

impl TopUpRecord {
    fn new(summary: TopUpSummary, now: Timestamp) -> Self {
        let top_up = summary.top_up;
        let standing = if summary.revoked_at.is_some() {
            Standing::Revoked
        } else if top_up.amount <= top_up.used {
            Standing::UsedUp
        } else if top_up.left(now) == 0 {
            Standing::Over
        } else {
            Standing::Usable
        };
        Self {
            id: top_up.id.to_string(),
            measure: top_up.measure,
            amount: top_up.amount,
            used: top_up.used,
            standing,
            ends_at: top_up.ends_at,
            reference: summary.reference,
            granted_at: summary.created_at,
            granted_by: summary.actor,
            revoked_at: summary.revoked_at,
            revoked_by: summary.revoked_by,
        }
    }
}

/// An amount as it is written.
struct Amount(TopUpMeasure, u64);

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            TopUpMeasure::Data => write!(formatter, "{}B", ByteAmount(self.1)),
            TopUpMeasure::Time => write!(formatter, "{}", DurationAmount(self.1)),
        }
    }
}

pub(crate) async fn grant(context: &mut Context, args: TopUpArgs) -> Result<(), CliError> {
    let store = args.dry_run.store(&context.app).await?;
    let username = &args.username;
    let now = context.app.now();
    let order = Order {
        amounts: args.amounts(),
        until: match args.valid {
            None => Until::UsedUp,
            Some(ValidArg::Seconds(seconds)) => Until::Seconds(seconds),
            Some(ValidArg::Period) => Until::Period,
        },
        reference: args.reference.clone(),
        actor: actor(),
    };
    let purchase = top_up::grant(&store, TENANT, username, order, now).await;
    let purchase = purchase.map_err(|error| refusal(error, username))?;
    if !purchase.is_old {
        return report(context, args.dry_run, username, "granted", purchase.top_ups);
    }
    for summary in purchase.top_ups {
        let what = Amount(summary.top_up.measure, summary.top_up.amount);
        context.note(format_args!(
            "Subscriber {username} has {what} of this reference since {}: nothing is granted again",
            summary.created_at
        ));
        if context.output.is_for_programs() {
            context.output.show(&TopUpRecord::new(summary, now))?;
        }
    }
    Ok(())
}

/// What was refused, as the option that asked for it.
fn refusal(error: TopUpError, username: &Username) -> CliError {
    let (option, reason) = match error {
        TopUpError::NotLimited(TopUpMeasure::Data) => ("--data", NO_QUOTA),
        TopUpError::NotLimited(TopUpMeasure::Time) => ("--time", NO_QUOTA),
        TopUpError::NoPeriod => (
            "--valid",
            "no quota of the plan that it adds to begins anew: write a duration (7d)",
        ),
        TopUpError::OtherReference => (
            "--reference",
            "something else was granted under this reference: choose another",
        ),
        TopUpError::TooMany => (
            "USERNAME",
            "64 top-ups are not used up yet: revoke some with `lastmile subscriber revoke-top-up`",
        ),
        TopUpError::Store(error) => return not_there(error, username),
    };
    CliError::Usage { option, reason }
}

fn report(
    context: &mut Context,
    dry_run: DryRun,
    username: &Username,
    verb: &str,
    all: Vec<TopUpSummary>,
) -> Result<(), CliError> {
    let now = context.app.now();
    for summary in all {
        let deed = Deed {
            what: format!(
                "Top-up of {}",
                Amount(summary.top_up.measure, summary.top_up.amount)
            ),
            verb,
            details: format!(" to subscriber {username}"),
        };
        context.report(dry_run, &deed, &TopUpRecord::new(summary, now))?;
    }
    Ok(())
}

pub(crate) async fn list(
    context: &mut Context,
    username: &Username,
    size: ListSize,
) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let all = store.top_up_list(TENANT, username).await;
    let all = all.map_err(|error| not_there(error, username))?;
    let now = context.app.now();
    let mut listing = context.output.listing::<TopUpRecord>(size.extent());
    for summary in all {
        listing.push(&TopUpRecord::new(summary, now))?;
    }
    let listed = listing.finish()?;
    context.note_listed(listed, "No top-up was granted");
    Ok(())
}

pub(crate) async fn revoke(
    context: &mut Context,
    username: &Username,
    id: TopUpId,
    dry_run: DryRun,
) -> Result<(), CliError> {
    let store = dry_run.store(&context.app).await?;
    let revoked = store.top_up_revoke(TENANT, username, id, &actor()).await;
    let revoked = revoked.map_err(|error| not_there(error, username))?;
    let top_up = revoked.top_up;
    let deed = Deed {
        what: format!("Top-up of {}", Amount(top_up.measure, top_up.amount)),
        verb: "revoked",
        details: format!(
            " from subscriber {username}, with {} used",
            Amount(top_up.measure, top_up.used)
        ),
    };
    let record = TopUpRecord::new(revoked, context.app.now());
    Ok(context.report(dry_run, &deed, &record)?)
}

impl TopUpArgs {
    fn amounts(&self) -> Vec<(TopUpMeasure, u64)> {
        let data = self.data.map(|amount| (TopUpMeasure::Data, amount.0));
        let time = self.time.map(|amount| (TopUpMeasure::Time, amount.0));
        data.into_iter().chain(time).collect()
    }
}

fn not_there(error: StoreError, username: &Username) -> CliError {
    let StoreError::NotFound { what, name } = error else {
        return error.into();
    };
    if what != Resource::TopUp {
        return subscriber::not_found(username);
    }
    CliError::NotFound {
        what,
        name,
        remedy: "`lastmile subscriber top-ups USERNAME` shows them",
    }
}
