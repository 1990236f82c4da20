//! `lastmile subscriber import`: a whole file in one transaction, with progress on a terminal.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use domain::id::TenantId;
use domain::name::{Name, Username};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use services::subscriber_row::Column;
use storage::page::Page;
use storage::store::Store;
use storage::subscriber_import::ImportError;

use super::context::{Context, DryRun};
use super::error::CliError;
use super::import::{self, Complaint, ImportFailure, Plans, Sheet};

const TENANT: TenantId = TenantId::DEFAULT;
/// How often, in rows, a bar is told where it is.
const PROGRESS_STEP: usize = 256;

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// The CSV file; `-` reads standard input
    file: PathBuf,
    #[command(flatten)]
    dry_run: DryRun,
}

/// What an import did.
#[derive(Clone, Copy, Debug, Serialize)]
struct Imported {
    subscribers: usize,
    is_dry_run: bool,
}

pub(crate) async fn run(context: &mut Context, args: ImportArgs) -> Result<(), CliError> {
    let store = args.dry_run.store(&context.app).await?;
    let plans = plans(&store).await?;
    let file = open(&args.file)?;
    let bar = Bar::new("read");
    let sheet = import::read(file, TENANT, &plans, |rows| bar.show(rows));
    bar.finish();
    let sheet = sheet.inspect_err(|failure| {
        tell_complaints(context, failure);
    })?;
    let imported = Imported {
        subscribers: sheet.rows.len(),
        is_dry_run: args.dry_run.is_dry,
    };
    write(context, &store, sheet).await?;
    // SQLite's journal of a large file is folded in now and not when the server opens it.
    store.close().await;
    if context.output.is_for_programs() {
        context.output.document(&imported)?;
    } else {
        context.note(imported);
    }
    Ok(())
}

async fn plans(store: &Store) -> Result<Plans, CliError> {
    let mut plans = HashMap::new();
    let mut page = Page::first(Page::<Name>::LIMIT_MAX);
    loop {
        let rows = store.plan_list(TENANT, &page).await?;
        let is_last = rows.len() < page.limit() as usize;
        page.after = rows.last().map(|plan| plan.name.clone());
        plans.extend(
            rows.into_iter()
                .map(|plan| (plan.name.key().to_owned(), plan.id)),
        );
        if is_last {
            return Ok(plans);
        }
    }
}

fn open(path: &Path) -> Result<Box<dyn Read>, CliError> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(io::stdin().lock()));
    }
    match File::open(path) {
        Ok(file) => Ok(Box::new(file)),
        Err(source) => Err(CliError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

async fn write(context: &Context, store: &Store, sheet: Sheet) -> Result<(), CliError> {
    let Sheet { rows, lines } = sheet;
    let names: Vec<Username> = rows.iter().map(|row| row.username.clone()).collect();
    let bar = Bar::with_end("written", rows.len());
    let outcome = store
        .subscriber_import(TENANT, rows, |written| bar.show(written))
        .await;
    bar.finish();
    let (field, list, reason) = match outcome {
        Ok(_) => return Ok(()),
        // Not as an option's fault: there is no option, but a line.
        Err(ImportError::Store(error)) => return Err(CliError::Store(error)),
        Err(ImportError::Taken { field, rows }) => (field, rows, "another subscriber has it"),
        Err(ImportError::Repeated { field, rows }) => (field, rows, "a line before has it"),
    };
    let complaints: Vec<Complaint> = list
        .indexes
        .iter()
        .take(import::COMPLAINTS_MAX)
        .map(|index| Complaint {
            line: lines[*index],
            text: format!(
                "{} of '{}': {reason}",
                Column::of(field).map_or(field.as_str(), Column::as_str),
                names[*index]
            ),
        })
        .collect();
    let failure = ImportFailure::Lines {
        omitted: list.count.saturating_sub(complaints.len()),
        complaints,
    };
    tell_complaints(context, &failure);
    Err(failure.into())
}

fn tell_complaints(context: &Context, failure: &ImportFailure) {
    if let ImportFailure::Lines {
        complaints,
        omitted,
    } = failure
    {
        for complaint in complaints {
            context.note(format_args!("line {}: {}", complaint.line, complaint.text));
        }
        if *omitted != 0 {
            context.note(format_args!("and {omitted} more"));
        }
    }
}

impl fmt::Display for Imported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_dry_run {
            write!(
                formatter,
                "Dry run: subscribers that would be imported: {}. Nothing is changed.",
                self.subscribers
            )
        } else {
            write!(formatter, "Subscribers imported: {}", self.subscribers)
        }
    }
}

/// A progress bar on stderr; invisible unless that is a terminal.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// Counts without knowing the end.
    pub(crate) fn new(done: &'static str) -> Self {
        Self::drawn(
            ProgressBar::no_length(),
            "{spinner} {human_pos} lines {msg}",
            done,
        )
    }

    pub(crate) fn with_end(done: &'static str, rows: usize) -> Self {
        let end = u64::try_from(rows).unwrap_or(u64::MAX);
        let template = "{bar:40} {human_pos} of {human_len} {msg}, {eta} left";
        Self::drawn(ProgressBar::new(end), template, done)
    }

    fn drawn(bar: ProgressBar, template: &str, done: &'static str) -> Self {
        bar.set_draw_target(ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(done);
        Self(bar)
    }

    pub(crate) fn show(&self, rows: usize) {
        if rows.is_multiple_of(PROGRESS_STEP) {
            self.0.set_position(u64::try_from(rows).unwrap_or(u64::MAX));
        }
    }

    /// Shows how many are done, whatever the number.
    pub(crate) fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
