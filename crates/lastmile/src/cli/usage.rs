//! `lastmile usage USER`: how much, by hour or by day.

use domain::id::TenantId;
use domain::name::Username;
use domain::time::Timestamp;
use domain::usage::UsageBucket;
use storage::error::Resource;
use storage::usage::UsageGrain;

use super::context::Context;
use super::error::CliError;
use crate::output::{Extent, Record};

const TENANT: TenantId = TenantId::DEFAULT;
const HOURS_DEFAULT: i64 = 48;
const DAYS_DEFAULT: i64 = 31;
/// A year of hours.
const BUCKETS_MAX: u32 = 8_784;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lastmile usage ana
  lastmile usage ana --by hour
  lastmile usage ana --from 2026-11-01 --to 2026-12-01 --output csv")]
pub(crate) struct UsageArgs {
    /// User name
    username: Username,
    /// Size of the steps; hours and days are UTC
    #[arg(long, value_name = "STEP", default_value = "day")]
    by: GrainArg,
    /// The beginning [default: 31 days or 48 hours ago]
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// The end [default: now]
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum GrainArg {
    Hour,
    Day,
}

impl Record for UsageBucket {
    const FIELDS: &'static [&'static str] = &[
        "starts_at",
        "upload_bytes",
        "download_bytes",
        "session_seconds",
    ];
    const COLUMNS: &'static [&'static str] = Self::FIELDS;
}

pub(crate) async fn run(context: &mut Context, args: UsageArgs) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let now = context.app.now();
    let (grain, from) = match args.by {
        GrainArg::Hour => (
            UsageGrain::Hour,
            now.plus_seconds(-HOURS_DEFAULT * 3_600).hour_start(),
        ),
        GrainArg::Day => (
            UsageGrain::Day,
            now.plus_seconds(-DAYS_DEFAULT * 86_400).day_start(),
        ),
    };
    let from = args.from.unwrap_or(from);
    let to = args.to.unwrap_or_else(|| now.plus_seconds(1));
    if to <= from {
        return Err(CliError::Usage {
            option: "--to",
            reason: "the end is not after --from",
        });
    }
    let buckets = store
        .usage_list(TENANT, &args.username, grain, from, to, BUCKETS_MAX)
        .await?;
    if buckets.is_empty()
        && store
            .subscriber_find(TENANT, &args.username)
            .await?
            .is_none()
    {
        return Err(CliError::NotFound {
            what: Resource::Subscriber,
            name: args.username.to_string(),
            remedy: "`lastmile subscriber list --search TEXT` looks for one",
        });
    }
    let mut listing = context.output.listing(Extent::All);
    for bucket in &buckets {
        listing.push(bucket)?;
    }
    let listed = listing.finish()?;
    context.note_listed(listed, "No usage in this time");
    Ok(())
}
