//! What attribute rows mean, for those who change them.

use std::collections::HashMap;

use radius::dictionary::Dictionary;
use rows::compiler::Compiler;
use rows::lint::{Finding, GroupFacts, Linter, Severity};
use services::port::{RowFinding, RowReader, RowSeverity};
use storage::rows::{GroupRows, UserRows};

use super::rows as wired;

/// Reads rows with the built-in dictionary.
pub(crate) struct RowLinter {
    compiler: Compiler,
}

impl RowLinter {
    pub(crate) fn new() -> Self {
        Self {
            compiler: Compiler::new(Dictionary::builtin()),
        }
    }
}

impl RowReader for RowLinter {
    fn is_secret(&self, attribute: &str) -> bool {
        self.compiler.is_secret(attribute)
    }

    fn user(&self, user: &UserRows, groups: &[GroupRows]) -> Vec<RowFinding> {
        let linter = Linter::new(&self.compiler);
        let facts = groups.iter().map(|group| {
            let named = wired::group(group.clone());
            (named.name, linter.group_facts(&named.rows))
        });
        let facts: HashMap<String, GroupFacts> = facts.collect();
        let named = wired::user(user.clone());
        let of_group = |name: &str| facts.get(name).cloned();
        let findings = linter.user(&named.name, &named.rows, &of_group);
        findings.into_iter().map(told).collect()
    }

    fn group(&self, group: &GroupRows) -> Vec<RowFinding> {
        let named = wired::group(group.clone());
        let findings = Linter::new(&self.compiler).group(&named.name, &named.rows);
        findings.into_iter().map(told).collect()
    }
}

fn told(finding: Finding) -> RowFinding {
    let Finding {
        table,
        row,
        attribute,
        remark,
    } = finding;
    RowFinding {
        severity: match remark.severity() {
            Severity::Error => RowSeverity::Error,
            Severity::Warning => RowSeverity::Warning,
            Severity::Notice => RowSeverity::Notice,
        },
        code: remark.code(),
        table: table.name(),
        row,
        attribute: Some(attribute).filter(|attribute| !attribute.is_empty()),
        finding: remark.to_string(),
        remedy: remark.remedy().to_owned(),
    }
}
