//! The rows of FreeRADIUS' tables as the store keeps them, and as the node reads them.

use aaa::port::Named;
use rows::row::{GroupRows, Membership, Row, UserRows};
use storage::rows as stored;

/// A user as the node reads it.
pub(crate) fn user(user: stored::UserRows) -> Named<UserRows> {
    let stored::UserRows {
        name,
        check,
        reply,
        groups,
    } = user;
    let groups = groups.into_iter().map(|row| Membership {
        id: row.id,
        group: row.group,
        priority: row.priority,
    });
    let rows = UserRows {
        check: rows(check),
        reply: rows(reply),
        groups: groups.collect(),
    };
    Named { name, rows }
}

/// A group as the node reads it.
pub(crate) fn group(group: stored::GroupRows) -> Named<GroupRows> {
    let stored::GroupRows { name, check, reply } = group;
    let rows = GroupRows {
        check: rows(check),
        reply: rows(reply),
    };
    Named { name, rows }
}

/// A user as the store keeps it.
pub(super) fn stored_user(user: Named<UserRows>) -> stored::UserRows {
    let Named { name, rows } = user;
    let groups = rows.groups.into_iter().map(|row| stored::MembershipRow {
        id: row.id,
        group: row.group,
        priority: row.priority,
    });
    stored::UserRows {
        name,
        check: stored_rows(rows.check),
        reply: stored_rows(rows.reply),
        groups: groups.collect(),
    }
}

/// A group as the store keeps it.
pub(super) fn stored_group(group: Named<GroupRows>) -> stored::GroupRows {
    let Named { name, rows } = group;
    stored::GroupRows {
        name,
        check: stored_rows(rows.check),
        reply: stored_rows(rows.reply),
    }
}

fn rows(rows: Vec<stored::AttributeRow>) -> Vec<Row> {
    let rows = rows.into_iter().map(|row| Row {
        id: row.id,
        attribute: row.attribute,
        op: row.op,
        value: row.value,
    });
    rows.collect()
}

fn stored_rows(rows: Vec<Row>) -> Vec<stored::AttributeRow> {
    let rows = rows.into_iter().map(|row| stored::AttributeRow {
        id: row.id,
        attribute: row.attribute,
        op: row.op,
        value: row.value,
    });
    rows.collect()
}
