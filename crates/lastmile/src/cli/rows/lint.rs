//! `lastmile rows lint`: rows that mean something else than their author probably thinks.

use std::collections::HashSet;

use radius::dictionary::Dictionary;
use rows::cause::Cause;
use rows::compiler::Compiler;
use rows::row::UserRows;
use serde::Serialize;
use storage::error::Resource;
use storage::rows::{GroupRows, UserRows as StoredUser};
use storage::store::Store;

use super::super::context::Context;
use super::super::error::CliError;
use crate::output::{Extent, Listing, Record};
use crate::wiring::rows as wired;

/// Names read together.
const PAGE: u32 = 20_000;

#[derive(Debug, clap::Args)]
pub(crate) struct LintArgs {
    /// Only the rows of this user
    #[arg(long, value_name = "USER", conflicts_with = "group")]
    user: Option<String>,
    /// Only the rows of this group
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
}

#[derive(Debug, Serialize)]
struct FindingRecord {
    severity: &'static str,
    table: &'static str,
    id: Option<i64>,
    name: String,
    finding: String,
    remedy: String,
}

impl Record for FindingRecord {
    const FIELDS: &'static [&'static str] =
        &["severity", "table", "id", "name", "finding", "remedy"];
    const COLUMNS: &'static [&'static str] = &["severity", "table", "id", "name", "finding"];
}

/// The rows on their way through the linter.
struct Linter<'a> {
    store: &'a Store,
    compiler: Compiler,
    /// Groups that have rows.
    groups: HashSet<String>,
    listing: Listing<'a, FindingRecord>,
    errors: usize,
}

pub(super) async fn run(context: &mut Context, args: LintArgs) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let mut linter = Linter {
        store: &store,
        compiler: Compiler::new(Dictionary::builtin()),
        groups: group_names(&store).await?,
        listing: context.output.listing(Extent::All),
        errors: 0,
    };
    match (args.user, args.group) {
        (Some(user), _) => {
            let user = super::find_user(&store, &user).await?;
            linter.users(vec![user]).await?;
        }
        (None, Some(group)) => {
            let found = store.row_groups(&[&group]).await?;
            if found.is_empty() {
                return Err(CliError::NotFound {
                    what: Resource::RowGroup,
                    name: group,
                    remedy: "names are compared as they are written",
                });
            }
            linter.groups(found)?;
        }
        (None, None) => linter.everything().await?,
    }
    let errors = linter.errors;
    let listed = linter.listing.finish()?;
    context.note_listed(listed, "Every row means what it seems to");
    if errors == 0 {
        Ok(())
    } else {
        Err(CliError::RowErrors { errors })
    }
}

async fn group_names(store: &Store) -> Result<HashSet<String>, CliError> {
    let mut names = HashSet::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.row_group_page(after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(names);
        };
        after = Some(last.name.clone());
        names.extend(page.into_iter().map(|group| group.name));
    }
}

impl Linter<'_> {
    async fn everything(&mut self) -> Result<(), CliError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.store.row_user_page(after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            self.users(page).await?;
        }
        let mut after: Option<String> = None;
        loop {
            let page = self.store.row_group_page(after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            self.groups(page)?;
        }
        for row in self.store.row_nas_all().await? {
            if let Err(problem) = row.to_nas() {
                self.errors += 1;
                self.listing.push(&FindingRecord {
                    severity: "error",
                    table: "nas",
                    id: Some(row.id),
                    name: row.nasname,
                    finding: problem.to_string(),
                    remedy: "mend the row, or add the router with `lastmile nas add`".to_owned(),
                })?;
            }
        }
        Ok(())
    }

    async fn users(&mut self, page: Vec<StoredUser>) -> Result<(), CliError> {
        let names: Vec<&str> = page.iter().map(|user| user.name.as_str()).collect();
        let namesakes = self.store.row_namesakes(&names).await?;
        for user in page {
            let named = wired::user(user);
            if namesakes.contains(&named.name) {
                self.errors += 1;
                self.listing.push(&FindingRecord {
                    severity: "error",
                    table: "radcheck",
                    id: named.rows.check.first().map(|row| row.id),
                    name: named.name.clone(),
                    finding: "a subscriber has this name, and the rows are never asked".to_owned(),
                    remedy: "remove the subscriber, or the rows".to_owned(),
                })?;
            }
            self.memberships(&named.name, &named.rows)?;
            let program = self.compiler.user(&named.rows);
            self.tell(&named.name, program.failure())?;
        }
        Ok(())
    }

    /// Groups that say nothing.
    fn memberships(&mut self, name: &str, rows: &UserRows) -> Result<(), CliError> {
        for row in &rows.groups {
            if !self.groups.contains(&row.group) {
                self.listing.push(&FindingRecord {
                    severity: "warning",
                    table: "radusergroup",
                    id: Some(row.id),
                    name: name.to_owned(),
                    finding: format!("the group {} has no rows", row.group),
                    remedy: "write rows of the group, or remove the membership".to_owned(),
                })?;
            }
        }
        Ok(())
    }

    fn groups(&mut self, page: Vec<GroupRows>) -> Result<(), CliError> {
        for group in page {
            let named = wired::group(group);
            let program = self.compiler.group(&named.rows);
            self.tell(&named.name, program.failure())?;
        }
        Ok(())
    }

    /// A row that keeps everybody out.
    fn tell(&mut self, name: &str, failure: Option<&Cause>) -> Result<(), CliError> {
        let Some(cause) = failure else {
            return Ok(());
        };
        self.errors += 1;
        self.listing.push(&FindingRecord {
            severity: "error",
            table: cause.table.name(),
            id: Some(cause.row),
            name: name.to_owned(),
            finding: cause.to_string(),
            remedy: "mend the row, or remove it: until then nobody gets in by it".to_owned(),
        })?;
        Ok(())
    }
}
