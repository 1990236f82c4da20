//! What the rows of a user and of the groups make of each other.

use super::{Finding, Remark};
use crate::attribute::Role;
use crate::cause::Table;
use crate::compiler::Compiler;
use crate::password::{AuthType, PasswordKind};
use crate::program::{FallThrough, Item};
use crate::row::{GroupRows, Membership, Row, UserRows};

/// What about a group matters to the users in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupFacts {
    /// Assigns `Auth-Type := Accept`.
    is_accepting: bool,
    /// Has no check that could fail to match.
    is_always_matching: bool,
    is_falling_through: bool,
    /// Assigns a password, another way in, or a profile that may.
    has_way_in: bool,
}

impl GroupFacts {
    pub(super) fn of(compiler: &Compiler, rows: &GroupRows) -> Self {
        let program = compiler.group(rows);
        let facts = Checks::of(compiler, &rows.check);
        Self {
            is_accepting: facts.is_accepting,
            is_always_matching: !facts.is_comparing && program.failure().is_none(),
            is_falling_through: program.reply.fall_through == FallThrough::Yes,
            has_way_in: facts.has_way_in,
        }
    }
}

/// What a list of checks does.
#[derive(Default)]
struct Checks {
    is_accepting: bool,
    is_comparing: bool,
    has_way_in: bool,
}

impl Checks {
    fn of(compiler: &Compiler, rows: &[Row]) -> Self {
        let mut checks = Self::default();
        for item in rows.iter().filter_map(|row| compiler.item(row).ok()) {
            checks.take(&item);
        }
        checks
    }

    fn take(&mut self, item: &Item) {
        let is_assigned = item.operator.is_only_assigned();
        match item.attribute.role {
            Role::AuthType => {
                let accept = AuthType::Accept.number().to_be_bytes();
                self.is_accepting |= is_assigned && item.octets() == Some(&accept);
                self.has_way_in |= is_assigned;
            }
            Role::Password(_) | Role::PasswordWithHeader | Role::UserProfile => {
                self.has_way_in |= is_assigned;
            }
            Role::Plain
            | Role::FallThrough
            | Role::Skipped
            | Role::UserPassword
            | Role::SqlGroup
            | Role::Limit(_)
            | Role::UserName
            | Role::Prefix
            | Role::Suffix
            | Role::Virtual(_) => {}
        }
        let is_never_compared = matches!(
            item.attribute.role,
            Role::AuthType | Role::Skipped | Role::Password(PasswordKind::Crypt)
        );
        self.is_comparing |= !is_assigned && !is_never_compared;
    }
}

/// Looks at a user's tables together, and at the groups that the user is in.
pub(super) fn check_user(
    compiler: &Compiler,
    rows: &UserRows,
    group: &dyn Fn(&str) -> Option<GroupFacts>,
    findings: &mut Vec<Finding>,
) {
    if rows.check.is_empty() && !rows.reply.is_empty() {
        findings.push(Finding::of_name(Table::Reply, Remark::ReplyNeverRead));
    }
    let own = Checks::of(compiler, &rows.check);
    let mut memberships: Vec<&Membership> = rows.groups.iter().collect();
    memberships.sort_by_key(|membership| (membership.priority, membership.id));
    let mut has_way_in = own.has_way_in;
    let mut last: Option<&Membership> = None;
    for membership in memberships {
        let name = || membership.group.clone();
        if let Some(by) = last {
            let by = by.group.clone();
            let remark = Remark::GroupNeverAsked { group: name(), by };
            findings.push(Finding::of_group(membership, remark));
            continue;
        }
        let Some(facts) = group(&membership.group) else {
            findings.push(Finding::of_group(
                membership,
                Remark::GroupEmpty { group: name() },
            ));
            last = Some(membership);
            continue;
        };
        has_way_in |= facts.has_way_in;
        if own.is_comparing && facts.is_accepting {
            let remark = Remark::GroupAcceptsMismatch { group: name() };
            findings.push(Finding::of_group(membership, remark));
        }
        if facts.is_always_matching && !facts.is_falling_through {
            last = Some(membership);
        }
    }
    let is_somebody = !rows.check.is_empty() || !rows.groups.is_empty();
    // A user without checks may be a profile of others.
    if is_somebody && !has_way_in && !rows.check.is_empty() {
        findings.push(Finding::of_name(Table::Check, Remark::NothingToProve));
    }
}
