//! What every command has at hand.

use std::fmt;
use std::io::{self, Write as _};
use std::ops::ControlFlow;

use domain::actor::Actor;
use serde::de::DeserializeOwned;
use storage::act::Act;
use storage::error::StoreError;
use storage::listing::{LIMIT_MAX, ListFailure, ListQuery, Listed};
use storage::page::Page;
use storage::store::Store;

use super::error::CliError;
use super::remote::Target;
use crate::app::{App, StartError};
use crate::client::Client;
use crate::client::call::Call;
use crate::client::local::Local;
use crate::client::remote::Remote;
use crate::output::{Extent, Listed as Shown, Output, Record};

/// The program and where its output goes.
pub(crate) struct Context {
    pub(crate) app: App,
    pub(crate) output: Output,
    /// Where the command works.
    pub(crate) target: Target,
    /// Each request is told.
    pub(crate) is_verbose: bool,
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

/// Who runs this command, for the record.
pub(crate) fn actor() -> String {
    act().actor.to_string()
}

/// On whose behalf this command changes something.
fn act() -> Act {
    Act::of(user())
}

/// The user at the machine.
fn user() -> Actor {
    Actor::command_line(&nix::unistd::getuid().to_string())
}

impl DryRun {
    /// For what is not rehearsed.
    pub(crate) const fn none() -> Self {
        Self { is_dry: false }
    }

    /// The store for a change. A dry run rehearses in it, and makes nothing where nothing is.
    pub(crate) async fn store(self, app: &App) -> Result<Store, StartError> {
        if self.is_dry {
            Ok(app.store_read().await?.acting(act()).rehearsal())
        } else {
            Ok(app.store_write().await?.acting(act()))
        }
    }
}

impl ListSize {
    pub(crate) fn extent(self) -> Extent {
        self.limit.map_or(Extent::All, |limit| {
            Extent::First(usize::try_from(limit).unwrap_or(usize::MAX))
        })
    }

    /// The first page; it asks for one more than is shown, to know whether there is more.
    fn first_page<Key>(self) -> Page<Key> {
        Page::first(
            self.limit
                .map_or(Page::<Key>::LIMIT_MAX, |limit| limit.saturating_add(1)),
        )
    }
}

impl Context {
    /// The interface, for a command that only reads.
    pub(crate) async fn reader(&self) -> Result<Client, CliError> {
        match &self.target {
            Target::Here => Ok(self.local(self.app.store_read().await?)),
            Target::There(options) => Ok(Client::remote(Remote::new(options)?, self.is_verbose)),
        }
    }

    /// The interface, for a command that changes something, or shows what it would change.
    pub(crate) async fn writer(&self, dry_run: DryRun) -> Result<Client, CliError> {
        if dry_run.is_dry {
            return Ok(self.reader().await?.rehearsal());
        }
        match &self.target {
            Target::Here => Ok(self.local(self.app.store_write().await?)),
            Target::There(_) => self.reader().await,
        }
    }

    fn local(&self, store: Store) -> Client {
        Client::local(Local::new(&self.app, store, user()), self.is_verbose)
    }

    /// Writes a list of the interface page by page, as it comes.
    pub(crate) async fn list_of<R, T>(
        &mut self,
        size: ListSize,
        none: &str,
        (client, call): (&Client, Call),
    ) -> Result<(), CliError>
    where
        R: Record + From<T>,
        T: DeserializeOwned,
    {
        let limit = size.first_page::<String>().limit();
        let mut listing = self.output.listing::<R>(size.extent());
        let take = |item: T| {
            listing.push(&R::from(item))?;
            Ok::<_, CliError>(match listing.is_open() {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            })
        };
        client.each(call, limit, take).await?;
        let listed = listing.finish()?;
        self.note_listed(listed, none);
        Ok(())
    }

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

    /// Writes a list page by page. A page begins after the `key` of the last row before it.
    pub(crate) async fn list<R, T, Key>(
        &mut self,
        size: ListSize,
        none: &str,
        key: impl Fn(&T) -> Key,
        load: impl AsyncFn(&Page<Key>) -> Result<Vec<T>, StoreError>,
    ) -> Result<(), CliError>
    where
        R: Record + From<T>,
    {
        let mut listing = self.output.listing::<R>(size.extent());
        let mut page = size.first_page();
        while listing.is_open() {
            let rows = load(&page).await?;
            let is_last = rows.len() < page.limit() as usize;
            page.after = rows.last().map(&key);
            for row in rows {
                listing.push(&R::from(row))?;
            }
            if is_last {
                break;
            }
        }
        let listed = listing.finish()?;
        self.note_listed(listed, none);
        Ok(())
    }

    /// Writes a list that is narrowed, page by page.
    pub(crate) async fn narrowed_list<R, T>(
        &mut self,
        size: ListSize,
        none: &str,
        mut query: ListQuery,
        load: impl AsyncFn(&ListQuery) -> Result<Listed<T>, ListFailure>,
    ) -> Result<(), CliError>
    where
        R: Record + From<T>,
    {
        let mut listing = self.output.listing::<R>(size.extent());
        // One more than is shown, to know whether there is more.
        query.limit = size
            .limit
            .map_or(LIMIT_MAX, |limit| limit.saturating_add(1));
        while listing.is_open() {
            let page = load(&query).await?;
            for row in page.rows {
                listing.push(&R::from(row))?;
            }
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        let shown = listing.finish()?;
        self.note_listed(shown, none);
        Ok(())
    }

    /// Says what a list left out, or that it is empty.
    pub(crate) fn note_listed(&self, listed: Shown, none: &str) {
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
