//! What attribute rows mean, for those who change them.

use std::collections::HashMap;
use std::sync::OnceLock;

use radius::dictionary::Dictionary;
use rows::compiler::Compiler;
use rows::lint::{Finding, GroupFacts, Linter, Severity};
use services::port::{RowFinding, RowReader, RowSeverity};
use storage::rows::{GroupRows, UserRows};

use super::rows as wired;

/// Reads rows with the built-in dictionary, which is put together when rows are read first.
#[derive(Default)]
pub(crate) struct RowLinter {
    compiler: OnceLock<Compiler>,
}

impl RowLinter {
    fn compiler(&self) -> &Compiler {
        let made = || Compiler::new(Dictionary::builtin());
        self.compiler.get_or_init(made)
    }
}

impl RowReader for RowLinter {
    fn is_secret(&self, attribute: &str) -> bool {
        self.compiler().is_secret(attribute)
    }

    fn user(&self, user: &UserRows, groups: &[GroupRows]) -> Vec<RowFinding> {
        let linter = Linter::new(self.compiler());
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
        let findings = Linter::new(self.compiler()).group(&named.name, &named.rows);
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
