//! Row by row.

use std::collections::HashSet;

use domain::rate_limit::RateLimit;
use radius::attribute::{kind, mikrotik, vendor};
use radius::data_type::DataType;

use super::{Finding, Remark};
use crate::attribute::{Place, Role};
use crate::cause::{Problem, Table};
use crate::compiler::Compiler;
use crate::limit::LimitKind;
use crate::operator::Operator;
use crate::password::{AuthType, PasswordKind};
use crate::pattern::Pattern;
use crate::program::{Item, Operand};
use crate::row::Row;

/// Octets of the longest value, of the packet's own attributes and of a vendor's.
const VALUE_OCTETS_MAX: (usize, usize) = (253, 247);

/// Looks at each row of a table.
pub(super) fn check(compiler: &Compiler, table: Table, rows: &[Row], findings: &mut Vec<Finding>) {
    let mut seen = HashSet::with_capacity(rows.len());
    let mut has_cleartext = false;
    for row in rows {
        let mut remarks = Vec::new();
        match compiler.item(row) {
            Err(problem) => remarks.push(failure(row, problem)),
            Ok(item) => {
                check_text(row, &item, &mut remarks);
                match table {
                    Table::Check | Table::GroupCheck => check_check(row, &item, &mut remarks),
                    Table::Reply | Table::GroupReply => check_reply(table, &item, &mut remarks),
                    Table::UserGroup => {}
                }
                let is_cleartext = item.attribute.role == Role::Password(PasswordKind::Cleartext);
                if is_cleartext && has_cleartext {
                    remarks.push(Remark::PasswordShadowed);
                }
                has_cleartext |= is_cleartext;
            }
        }
        if !seen.insert((&row.attribute, &row.op, &row.value)) {
            remarks.push(Remark::Duplicate);
        }
        findings.extend(remarks.into_iter().map(|remark| Finding {
            table,
            row: Some(row.id),
            attribute: row.attribute.clone(),
            remark,
        }));
    }
}

fn failure(row: &Row, problem: Problem) -> Remark {
    let letters = |text: &str| -> String {
        text.chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|letter| letter.to_ascii_lowercase())
            .collect()
    };
    let is_nearly = matches!(
        letters(&row.attribute).as_str(),
        "fallthrough" | "fallthru" | "fallthrought" | "fallthroug" | "fallthroughs" | "falltrough"
    );
    if problem == Problem::UnknownAttribute && is_nearly {
        Remark::FallThroughMisspelt
    } else {
        Remark::Fails(problem)
    }
}

/// What is written, wherever it stands.
fn check_text(row: &Row, item: &Item, remarks: &mut Vec<Remark>) {
    if row.op.is_empty() {
        remarks.push(Remark::OperatorEmpty);
    } else if row.op.trim() != item.operator.spelling() {
        let obeyed = item.operator.spelling();
        remarks.push(Remark::OperatorSloppy { obeyed });
    }
    if let Operand::Pattern(pattern) = &item.operand {
        if matches!(**pattern, Pattern::Never) {
            remarks.push(Remark::PatternNeverMatches);
        }
    } else if let Operand::Template(template) = &item.operand {
        if template.parts.is_none() {
            remarks.push(Remark::ExpansionWithoutValue);
        }
    } else if !item.attribute.is_secret && row.value.contains("%{") {
        remarks.push(Remark::NotExpanded);
    }
    if item.attribute.data_type == DataType::Integer32
        && let Some(Ok(obeyed)) = item.octets().map(<[u8; 4]>::try_from)
        && let Ok(written) = row.value.trim().parse::<i128>()
        && written != i128::from(u32::from_be_bytes(obeyed))
    {
        let obeyed = u64::from(u32::from_be_bytes(obeyed));
        remarks.push(Remark::NumberWraps { obeyed });
    }
}

/// A row of `radcheck` or `radgroupcheck`.
fn check_check(row: &Row, item: &Item, remarks: &mut Vec<Remark>) {
    let attribute = &*item.attribute;
    let is_assigned = item.operator.is_only_assigned();
    match attribute.role {
        Role::UserPassword => remarks.push(Remark::PasswordAttribute),
        Role::Password(_) | Role::PasswordWithHeader => check_password(item, remarks),
        Role::AuthType => check_auth_type(row, item, remarks),
        Role::FallThrough => remarks.push(Remark::FallThroughInCheck),
        Role::Limit(LimitKind::Expiration) if item.operator == Operator::Equal => {
            remarks.push(Remark::ExpirationCompared);
        }
        Role::Limit(LimitKind::Expiration) if item.operator == Operator::Assign => {}
        Role::Limit(LimitKind::LoginTime) if is_never_open(item) => {
            remarks.push(Remark::NeverOpen);
        }
        Role::Plain if attribute.is_internal() && attribute.is_secret && is_assigned => {
            remarks.push(Remark::PasswordUnsupported);
        }
        Role::Limit(_) | Role::UserProfile | Role::Plain if attribute.is_internal() => {
            if !is_assigned && item.operator != Operator::Absent {
                remarks.push(Remark::NeverInRequest);
            }
        }
        Role::Plain | Role::UserName if is_assigned => remarks.push(Remark::AssignedNotCompared),
        Role::Plain
        | Role::UserName
        | Role::Skipped
        | Role::SqlGroup
        | Role::UserProfile
        | Role::Limit(_)
        | Role::Prefix
        | Role::Suffix
        | Role::Virtual(_) => {}
    }
    check_comparison(item, remarks);
}

fn check_comparison(item: &Item, remarks: &mut Vec<Remark>) {
    let is_order = matches!(
        item.operator,
        Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual
    );
    let data_type = item.attribute.data_type;
    if data_type == DataType::Integer32
        && is_order
        && let Some([high, ..]) = item.octets()
        && 0x80 <= *high
    {
        remarks.push(Remark::ComparisonWraps);
    }
    let is_plain = !item.operator.is_only_assigned()
        && !item.operator.is_unary()
        && !item.operator.is_pattern();
    if data_type == DataType::Ethernet && is_plain {
        remarks.push(Remark::ComparisonMissing);
    }
}

fn check_password(item: &Item, remarks: &mut Vec<Remark>) {
    if !item.operator.is_only_assigned() {
        remarks.push(Remark::PasswordOperator);
    }
    if let Operand::Password(known_good) = &item.operand {
        if known_good.kind() == PasswordKind::Unsupported {
            remarks.push(Remark::PasswordUnsupported);
        } else if !known_good.can_be_right() {
            remarks.push(Remark::PasswordNeverRight);
        }
    }
}

fn check_auth_type(row: &Row, item: &Item, remarks: &mut Vec<Remark>) {
    let is_set = matches!(
        item.operator,
        Operator::Set | Operator::Add | Operator::Assign | Operator::Prepend
    );
    if !is_set {
        remarks.push(Remark::AuthTypeCompared);
        return;
    }
    let auth_type = item
        .octets()
        .and_then(|octets| octets.try_into().ok())
        .map(u32::from_be_bytes)
        .and_then(AuthType::of_number);
    match auth_type {
        Some(AuthType::Accept) => remarks.push(Remark::AcceptsAnybody),
        Some(
            AuthType::Reject | AuthType::Pap | AuthType::Chap | AuthType::MsChap | AuthType::Eap,
        ) => {}
        Some(AuthType::Local) | None if !row.value.starts_with('`') => {
            remarks.push(Remark::AuthTypeUnknown);
        }
        Some(AuthType::Local) | None => {}
    }
}

/// A Login-Time that is set and opens nothing.
fn is_never_open(item: &Item) -> bool {
    match &item.operand {
        Operand::Hours(hours) => item.operator.is_only_assigned() && hours.windows.is_empty(),
        Operand::Octets(_)
        | Operand::Encoded(_)
        | Operand::Password(_)
        | Operand::Pattern(_)
        | Operand::Template(_) => false,
    }
}

/// A row of `radreply` or `radgroupreply`.
fn check_reply(table: Table, item: &Item, remarks: &mut Vec<Remark>) {
    let attribute = &*item.attribute;
    let role = attribute.role;
    if role == Role::FallThrough {
        let is_plain = matches!(item.octets(), Some([0, 0, 0, 0 | 1]));
        if !is_plain {
            remarks.push(Remark::FallThroughOdd);
        }
        return;
    }
    let belongs_in_check = matches!(
        role,
        Role::Password(_)
            | Role::PasswordWithHeader
            | Role::AuthType
            | Role::Limit(_)
            | Role::UserProfile
    );
    if belongs_in_check || attribute.is_internal() {
        remarks.push(if belongs_in_check {
            Remark::BelongsInCheck
        } else {
            Remark::NeverSent
        });
        return;
    }
    if adds_nothing(table, item.operator) {
        remarks.push(Remark::ReplyOperator);
    } else if table == Table::GroupReply && item.operator == Operator::Assign {
        remarks.push(Remark::GroupAssign);
    }
    check_reply_value(item, remarks);
}

/// Whether the operator adds nothing; those that take away have something to take in groups only.
fn adds_nothing(table: Table, operator: Operator) -> bool {
    match operator {
        Operator::Set
        | Operator::Add
        | Operator::Prepend
        | Operator::Assign
        | Operator::LessEqual
        | Operator::GreaterEqual => false,
        Operator::Subtract | Operator::Absent | Operator::Equal => table == Table::Reply,
        Operator::NotEqual
        | Operator::Less
        | Operator::Greater
        | Operator::Matches
        | Operator::MatchesNot
        | Operator::Present
        | Operator::Increment => true,
    }
}

fn check_reply_value(item: &Item, remarks: &mut Vec<Remark>) {
    let Some(octets) = item.octets() else {
        return;
    };
    let octets_max = match item.attribute.place {
        Place::Vendor { .. } => VALUE_OCTETS_MAX.1,
        Place::Standard(_) => VALUE_OCTETS_MAX.0,
        Place::Deep(_) | Place::Internal(_) => usize::MAX,
    };
    if octets.is_empty() {
        remarks.push(Remark::EmptyNotSent);
    } else if octets_max < octets.len() {
        remarks.push(Remark::Cut { octets_max });
    }
    let place = item.attribute.place;
    if place == Place::Standard(kind::SESSION_TIMEOUT) && octets == [0; 4] {
        remarks.push(Remark::SessionTimeoutZero);
    }
    let rate_limit = Place::Vendor {
        vendor: vendor::MIKROTIK,
        kind: mikrotik::RATE_LIMIT,
    };
    if place == rate_limit
        && let Err(error) = String::from_utf8_lossy(octets).parse::<RateLimit>()
    {
        let reason = error.to_string();
        remarks.push(Remark::RateLimit { reason });
    }
}
