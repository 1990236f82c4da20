//! What every command has at hand.

use std::fmt;
use std::io::{self, Write as _};

use storage::page::Page;

use crate::app::App;
use crate::output::{Extent, Listed, Output, Record};

/// The program and where its output goes.
pub(crate) struct Context {
    pub(crate) app: App,
    pub(crate) output: Output,
}

/// Whether a change is made or only shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct DryRun {
    /// Check everything and show the result, but change nothing
    #[arg(long = "dry-run")]
    pub(crate) is_dry: bool,
}

/// How much of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct ListSize {
    /// Show at most N entries [default: 1000 in a table, everything otherwise]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

/// What a command did, or would do: "NAS pop-1" "added" ": 192.0.2.1".
pub(crate) struct Deed<'d> {
    pub(crate) what: String,
    pub(crate) verb: &'d str,
    pub(crate) details: String,
}

impl ListSize {
    pub(crate) fn extent(self) -> Extent {
        self.limit.map_or(Extent::All, |limit| {
            Extent::First(usize::try_from(limit).unwrap_or(usize::MAX))
        })
    }

    /// The first page; it asks for one more than is shown, to know whether there is more.
    pub(crate) fn first_page<Key>(self) -> Page<Key> {
        Page::first(
            self.limit
                .map_or(Page::<Key>::LIMIT_MAX, |limit| limit.saturating_add(1)),
        )
    }
}

impl Context {
    /// Tells something that is not data, on stderr.
    pub(crate) fn note(&self, text: impl fmt::Display) {
        // A closed stderr is no reason to fail.
        drop(writeln!(io::stderr().lock(), "{text}"));
    }

    /// Ends a mutation: a sentence for people, the record for programs.
    pub(crate) fn report<R: Record>(
        &mut self,
        dry_run: DryRun,
        deed: &Deed<'_>,
        record: &R,
    ) -> io::Result<()> {
        let Deed {
            what,
            verb,
            details,
        } = deed;
        if dry_run.is_dry {
            self.note(format_args!(
                "Dry run: {what} would be {verb}{details}. Nothing is changed."
            ));
            return self.output.show(record);
        }
        self.note(format_args!("{what} {verb}{details}"));
        if self.output.is_for_programs() {
            self.output.show(record)?;
        }
        Ok(())
    }

    /// Says what a list left out, or that it is empty.
    pub(crate) fn note_listed(&self, listed: Listed, none: &str) {
        if listed.is_cut {
            self.note(format_args!(
                "Showing the first {} only: use --limit, or --output jsonl for all",
                listed.rows
            ));
        } else if listed.rows == 0 && !self.output.is_for_programs() {
            self.note(none);
        }
    }
}
