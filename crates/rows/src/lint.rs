//! Lint: every row that means something else than its author probably thinks.

mod lists;
mod remark;
mod rows;

use std::collections::HashMap;

use crate::cause::Table;
use crate::compiler::Compiler;
use crate::name::stored_name;
use crate::row::{GroupRows, Membership, UserRows};

pub use lists::GroupFacts;
pub use remark::{Remark, Severity};

/// Something about a row, or about all rows of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The table of the row.
    pub table: Table,
    /// Its primary key; `None` when the finding is about the name as a whole.
    pub row: Option<i64>,
    /// The attribute, as stored; empty when the finding is about the name as a whole.
    pub attribute: String,
    /// What it is.
    pub remark: Remark,
}

/// Looks at the rows of users and groups, one name at a time, in a time that grows with their number alone.
#[derive(Clone, Copy, Debug)]
pub struct Linter<'c> {
    compiler: &'c Compiler,
}

impl Finding {
    fn of_name(table: Table, remark: Remark) -> Self {
        Self {
            table,
            row: None,
            attribute: String::new(),
            remark,
        }
    }

    fn of_group(membership: &Membership, remark: Remark) -> Self {
        Self {
            table: Table::UserGroup,
            row: Some(membership.id),
            attribute: String::new(),
            remark,
        }
    }
}

impl<'c> Linter<'c> {
    /// A linter that reads rows as this compiler does.
    #[must_use]
    pub const fn new(compiler: &'c Compiler) -> Self {
        Self { compiler }
    }

    /// What a user's rows do with a group's depends on this about the group.
    #[must_use]
    pub fn group_facts(&self, rows: &GroupRows) -> GroupFacts {
        GroupFacts::of(self.compiler, rows)
    }

    /// Looks at the rows of a group.
    #[must_use]
    pub fn group(&self, name: &str, rows: &GroupRows) -> Vec<Finding> {
        let mut findings = Vec::new();
        check_name(name, Table::GroupCheck, &mut findings);
        rows::check(self.compiler, Table::GroupCheck, &rows.check, &mut findings);
        rows::check(self.compiler, Table::GroupReply, &rows.reply, &mut findings);
        findings
    }

    /// Looks at the rows of a user; `group` gives what is known of a group that has rows, by its name.
    #[must_use]
    pub fn user(
        &self,
        name: &str,
        rows: &UserRows,
        group: &dyn Fn(&str) -> Option<GroupFacts>,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        check_name(name, Table::Check, &mut findings);
        rows::check(self.compiler, Table::Check, &rows.check, &mut findings);
        rows::check(self.compiler, Table::Reply, &rows.reply, &mut findings);
        lists::check_user(self.compiler, rows, group, &mut findings);
        findings
    }
}

/// Finds names that differ in letter case only, among all that it is told of.
#[derive(Debug, Default)]
pub struct NameCases {
    names: HashMap<Box<str>, Box<str>>,
}

impl NameCases {
    /// Takes the next name; gives a finding when one before it differs from it in letter case only.
    pub fn note(&mut self, name: &str) -> Option<Finding> {
        let folded = name.to_lowercase().into_boxed_str();
        let first = self.names.entry(folded).or_insert_with(|| name.into());
        (**first != *name).then(|| {
            let other = first.to_string();
            Finding::of_name(Table::Check, Remark::NameCase { other })
        })
    }
}

/// A name that no request can be looked up under.
fn check_name(name: &str, table: Table, findings: &mut Vec<Finding>) {
    // What has been escaped stays, so only names that change twice are out of reach.
    let is_reachable =
        without_escapes(name).is_some_and(|rest| stored_name(rest.as_bytes()) == rest);
    if !is_reachable {
        let stored = stored_name(name.as_bytes()).into_owned();
        findings.push(Finding::of_name(table, Remark::NameUnreachable { stored }));
    }
}

/// The name less its `=XX` and `\n`; `None` when an escape is broken.
fn without_escapes(name: &str) -> Option<String> {
    let mut rest = String::with_capacity(name.len());
    let mut characters = name.chars();
    while let Some(character) = characters.next() {
        match character {
            '=' => {
                let is_upper = |digit: char| matches!(digit, '0'..='9' | 'A'..='F');
                if !characters.next().is_some_and(is_upper)
                    || !characters.next().is_some_and(is_upper)
                {
                    return None;
                }
            }
            other => rest.push(other),
        }
    }
    Some(rest)
}
