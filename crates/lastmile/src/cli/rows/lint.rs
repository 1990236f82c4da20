//! `lastmile rows lint`: rows that mean something else than their author probably thinks.

use std::collections::HashMap;

use radius::dictionary::Dictionary;
use rows::compiler::Compiler;
use rows::lint::{Finding, GroupFacts, NameCases, Severity};
use serde::Serialize;
use storage::error::Resource;
use storage::rows::{GroupRows, UserRows};
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
    code: &'static str,
    table: &'static str,
    /// Absent when it is about all rows of the name.
    id: Option<i64>,
    name: String,
    attribute: Option<String>,
    finding: String,
    remedy: String,
}

impl Record for FindingRecord {
    const FIELDS: &'static [&'static str] = &[
        "severity",
        "code",
        "table",
        "id",
        "name",
        "attribute",
        "finding",
        "remedy",
    ];
    const COLUMNS: &'static [&'static str] =
        &["severity", "table", "id", "name", "attribute", "finding"];
}

/// The rows on their way through the linter.
struct Lint<'a> {
    store: &'a Store,
    linter: rows::lint::Linter<'a>,
    /// What is known of the groups that have rows.
    groups: HashMap<String, GroupFacts>,
    listing: Listing<'a, FindingRecord>,
    errors: usize,
}

pub(super) async fn run(context: &mut Context, args: LintArgs) -> Result<(), CliError> {
    let store = context.app.store_read().await?;
    let compiler = Compiler::new(Dictionary::builtin());
    let linter = rows::lint::Linter::new(&compiler);
    let mut lint = Lint {
        store: &store,
        linter,
        groups: HashMap::new(),
        listing: context.output.listing(Extent::All),
        errors: 0,
    };
    match (args.user, args.group) {
        (Some(user), _) => {
            let user = super::find_user(&store, &user).await?;
            let names: Vec<&str> = user.groups.iter().map(|row| row.group.as_str()).collect();
            lint.know(store.row_groups(&names).await?);
            lint.users(vec![user]).await?;
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
            lint.groups(found)?;
        }
        (None, None) => lint.everything().await?,
    }
    let errors = lint.errors;
    let listed = lint.listing.finish()?;
    context.note_listed(listed, "Every row means what it seems to");
    if errors == 0 {
        Ok(())
    } else {
        Err(CliError::RowErrors { errors })
    }
}

impl Lint<'_> {
    async fn everything(&mut self) -> Result<(), CliError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.store.row_group_page(after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            self.know(page.clone());
            self.groups(page)?;
        }
        let mut cases = NameCases::default();
        let mut after: Option<String> = None;
        loop {
            let page = self.store.row_user_page(after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            for user in &page {
                self.tell(&user.name, cases.note(&user.name))?;
            }
            self.users(page).await?;
        }
        self.routers().await
    }

    /// Remembers what users need to know of groups.
    fn know(&mut self, groups: Vec<GroupRows>) {
        for group in groups {
            let named = wired::group(group);
            let facts = self.linter.group_facts(&named.rows);
            self.groups.insert(named.name, facts);
        }
    }

    async fn users(&mut self, page: Vec<UserRows>) -> Result<(), CliError> {
        let names: Vec<&str> = page.iter().map(|user| user.name.as_str()).collect();
        let namesakes = self.store.row_namesakes(&names).await?;
        for user in page {
            let named = wired::user(user);
            if namesakes.contains(&named.name) {
                self.push(FindingRecord {
                    severity: "error",
                    code: "subscriber_first",
                    table: "radcheck",
                    id: None,
                    name: named.name.clone(),
                    attribute: None,
                    finding: "a subscriber has this name, and the rows are never asked".to_owned(),
                    remedy: "remove the subscriber, or the rows".to_owned(),
                })?;
            }
            let group = |name: &str| self.groups.get(name).cloned();
            let findings = self.linter.user(&named.name, &named.rows, &group);
            self.tell(&named.name, findings)?;
        }
        Ok(())
    }

    fn groups(&mut self, page: Vec<GroupRows>) -> Result<(), CliError> {
        for group in page {
            let named = wired::group(group);
            let findings = self.linter.group(&named.name, &named.rows);
            self.tell(&named.name, findings)?;
        }
        Ok(())
    }

    async fn routers(&mut self) -> Result<(), CliError> {
        for row in self.store.row_nas_all().await? {
            if let Err(problem) = row.to_nas() {
                self.push(FindingRecord {
                    severity: "error",
                    code: "nas_refused",
                    table: "nas",
                    id: Some(row.id),
                    name: row.nasname,
                    attribute: None,
                    finding: problem.to_string(),
                    remedy: "mend the row, or add the router with `lastmile nas add`".to_owned(),
                })?;
            }
        }
        Ok(())
    }

    fn tell(
        &mut self,
        name: &str,
        findings: impl IntoIterator<Item = Finding>,
    ) -> Result<(), CliError> {
        for finding in findings {
            let Finding {
                table,
                row,
                attribute,
                remark,
            } = finding;
            self.push(FindingRecord {
                severity: match remark.severity() {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                    Severity::Notice => "notice",
                },
                code: remark.code(),
                table: table.name(),
                id: row,
                name: name.to_owned(),
                attribute: Some(attribute).filter(|attribute| !attribute.is_empty()),
                finding: remark.to_string(),
                remedy: remark.remedy().to_string(),
            })?;
        }
        Ok(())
    }

    fn push(&mut self, record: FindingRecord) -> Result<(), CliError> {
        if record.severity == "error" {
            self.errors += 1;
        }
        Ok(self.listing.push(&record)?)
    }
}
