//! `lastmile import`: leaving a FreeRADIUS, with a preview.

use std::path::PathBuf;
use std::str::FromStr;

use domain::limit::Zone;
use rows::row::Mode;
use storage::foreign::{ForeignDatabase, ForeignLocation};
use storage::store::Store;

use super::context::{Context, DryRun};
use super::error::CliError;
use super::subscriber_import::Bar;
use super::value::{self, HiddenArg};
use crate::app::StartError;
use crate::import::apply::{self, Applied};
use crate::import::history::{self, HistoryOptions};
use crate::import::report::{self, Line, Part};
use crate::import::survey::{self, Keeping};
use crate::output::Extent;

const DATABASE: &str = "--database";
const DATABASE_FILE: &str = "--database-file";

#[derive(Debug, clap::Subcommand)]
pub(crate) enum ImportCommand {
    /// Take routers, users, groups and history from the database of a FreeRADIUS
    #[command(
        after_help = "The other database is read and never written. Users whose rows mean what a subscriber on a plan
means become subscribers, with sealed passwords; the others keep their rows, which are obeyed as
FreeRADIUS obeys them. What is here already stays as it is, so the same command goes on after an
interruption, and run again it takes what is new.

Examples:
  lastmile import freeradius --database sqlite:/var/lib/radius/radius.db --dry-run
  lastmile import freeradius --database-file /run/secrets/radius-url
  lastmile import freeradius --database - --sessions 400 --time-zone Africa/Nairobi
  lastmile import freeradius --database sqlite:radius.db --keep-rows --output json"
    )]
    Freeradius(Box<FreeradiusArgs>),
}

#[derive(Debug, clap::Args)]
pub(crate) struct FreeradiusArgs {
    /// Where it is: sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE,
    /// mysql://USER:PASSWORD@HOST/DATABASE; `-` reads this from standard input
    #[arg(long, value_name = "URL", required_unless_present = "database_file")]
    database: Option<HiddenArg>,
    /// Read the URL from a file
    #[arg(long, value_name = "FILE", conflicts_with = "database")]
    database_file: Option<PathBuf>,
    /// Copy the rows of all users, for a panel that goes on writing them
    #[arg(long)]
    keep_rows: bool,
    /// Take the sessions that ended in the last DAYS, or `all`, with their usage
    #[arg(long, value_name = "DAYS")]
    sessions: Option<Days>,
    /// What the clocks of the other server show, where its columns do not say
    #[arg(long, value_name = "ZONE", default_value_t = Zone::default())]
    time_zone: Zone,
    #[command(flatten)]
    dry_run: DryRun,
}

/// How far back history is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Days {
    All,
    Last(u32),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{raw}' is not a number of days: write 1 or more, or all")]
struct DaysError {
    raw: String,
}

impl FromStr for Days {
    type Err = DaysError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        if raw == "all" {
            return Ok(Self::All);
        }
        match raw.parse() {
            Ok(days) if days != 0 => Ok(Self::Last(days)),
            Ok(_) | Err(_) => Err(DaysError {
                raw: raw.to_owned(),
            }),
        }
    }
}

pub(crate) async fn run(context: &mut Context, command: ImportCommand) -> Result<(), CliError> {
    let ImportCommand::Freeradius(args) = command;
    let location: ForeignLocation = url(&args)?.parse()?;
    let store = store(context, args.dry_run).await?;
    let mut foreign = ForeignDatabase::open(&location).await?;
    let lines = import(context, &args, &mut foreign, store.as_ref()).await?;
    foreign.close().await;
    if let Some(store) = store {
        store.close().await;
    }
    let mut listing = context.output.listing::<Line>(Extent::All);
    for line in &lines {
        listing.push(line)?;
    }
    listing.finish()?;
    if args.dry_run.is_dry {
        context.note("Dry run: nothing is changed. The same command without --dry-run imports it.");
    } else {
        context.note("Imported. The other database is as it was.");
    }
    Ok(())
}

fn url(args: &FreeradiusArgs) -> Result<zeroize::Zeroizing<String>, CliError> {
    match (&args.database, &args.database_file) {
        (Some(url), _) => url.resolve(DATABASE),
        (None, Some(path)) => value::secret_file(DATABASE_FILE, path),
        (None, None) => Err(CliError::Usage {
            option: DATABASE,
            reason: "say where the other database is",
        }),
    }
}

/// The store to import into. A preview needs none: before the first start nothing is here.
async fn store(context: &Context, dry_run: DryRun) -> Result<Option<Store>, CliError> {
    match dry_run.store(&context.app).await {
        Ok(store) => Ok(Some(store)),
        Err(StartError::Nothing { .. }) if dry_run.is_dry => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn import(
    context: &Context,
    args: &FreeradiusArgs,
    foreign: &mut ForeignDatabase,
    store: Option<&Store>,
) -> Result<Vec<Line>, CliError> {
    let about = foreign.about().await?;
    let bar = Bar::new("read");
    let tables = foreign.tables(|rows| bar.show(rows)).await;
    bar.finish();
    let tables = tables?;
    let mut lines = report::source(&about);
    let found = report::found(&about, &tables);
    let keeping = match args.keep_rows {
        true => Keeping::AllRows,
        false => Keeping::RowsThatSayMore,
    };
    let bar = Bar::with_end("looked at", tables.users.len());
    let survey = survey::survey(tables, store, keeping, found, |users| bar.show(users)).await;
    bar.finish();
    let survey = survey?;
    lines.extend(survey.tally.lines());
    let has_rows = !survey.row_users.is_empty() || !survey.row_groups.is_empty();
    if has_rows {
        lines.push(obedience(context.app.config.rows));
    }
    if let Some(store) = store
        && !args.dry_run.is_dry
    {
        let bar = Bar::with_end("imported", survey.drafts.len() + survey.row_users.len());
        let applied = apply::apply(store, survey, |users| bar.show(users)).await;
        bar.finish();
        lines.extend(done(applied?));
    }
    if let Some(days) = args.sessions {
        let options = HistoryOptions {
            days: match days {
                Days::All => None,
                Days::Last(days) => Some(days),
            },
            zone: args.time_zone.clone(),
            now: context.app.now(),
        };
        let bar = Bar::new("of history read");
        let history = history::take(foreign, store, &options, |rows| bar.show(rows)).await;
        bar.finish();
        lines.extend(history?.lines());
    }
    Ok(lines)
}

/// How the rows that are copied will be obeyed.
fn obedience(configured: Option<Mode>) -> Line {
    let detail = match configured {
        None => "rows are obeyed as FreeRADIUS obeys them from now on; aaa.rows overrides it",
        Some(Mode::Compatible) => {
            "aaa.rows = compatible is configured: rows are obeyed as FreeRADIUS obeys them"
        }
        Some(Mode::Strict) => {
            "aaa.rows = strict is configured and overrides the import: some users are refused whom FreeRADIUS lets in; remove the key"
        }
    };
    Line {
        part: Part::Remark,
        what: "aaa.rows".to_owned(),
        count: None,
        detail: detail.to_owned(),
    }
}

fn done(applied: Applied) -> Vec<Line> {
    let Applied {
        routers,
        plans,
        subscribers,
        row_groups,
        row_users,
    } = applied;
    let counts = [
        ("routers", routers),
        ("plans", plans),
        ("subscribers", subscribers),
        ("groups_with_rows", row_groups),
        ("users_with_rows", row_users),
    ];
    let line = |(what, count): (&str, usize)| Line {
        part: Part::Done,
        what: what.to_owned(),
        count: u64::try_from(count).ok(),
        detail: "added".to_owned(),
    };
    counts.map(line).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_a_number_or_all() {
        assert_eq!("all".parse(), Ok(Days::All));
        assert_eq!("400".parse(), Ok(Days::Last(400)));
        for raw in ["0", "-1", "", "ever"] {
            assert!(raw.parse::<Days>().is_err(), "{raw}");
        }
    }
}
