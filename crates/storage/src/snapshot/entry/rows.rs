//! What the tables of FreeRADIUS say about a name, as an entry.

use serde::{Deserialize, Serialize};

use crate::rows::{AttributeRow, GroupRows, MembershipRow, UserRows};

/// A user or a group; a group is in no group.
#[derive(Serialize, Deserialize)]
pub(in crate::snapshot) struct RowsEntry<'a> {
    name: &'a str,
    #[serde(borrow)]
    check: Vec<AttributeEntry<'a>>,
    reply: Vec<AttributeEntry<'a>>,
    groups: Vec<MembershipEntry<'a>>,
}

#[derive(Serialize, Deserialize)]
struct AttributeEntry<'a> {
    id: i64,
    attribute: &'a str,
    op: &'a str,
    value: &'a str,
}

#[derive(Serialize, Deserialize)]
struct MembershipEntry<'a> {
    id: i64,
    group: &'a str,
    priority: i64,
}

impl<'a> From<&'a UserRows> for RowsEntry<'a> {
    fn from(rows: &'a UserRows) -> Self {
        let UserRows {
            name,
            check,
            reply,
            groups,
        } = rows;
        let groups = groups.iter().map(|row| MembershipEntry {
            id: row.id,
            group: &row.group,
            priority: row.priority,
        });
        Self {
            name,
            check: attributes(check),
            reply: attributes(reply),
            groups: groups.collect(),
        }
    }
}

impl<'a> From<&'a GroupRows> for RowsEntry<'a> {
    fn from(rows: &'a GroupRows) -> Self {
        let GroupRows { name, check, reply } = rows;
        Self {
            name,
            check: attributes(check),
            reply: attributes(reply),
            groups: Vec::new(),
        }
    }
}

impl RowsEntry<'_> {
    pub(super) fn into_user(self) -> UserRows {
        let groups = self.groups.into_iter().map(|row| MembershipRow {
            id: row.id,
            group: row.group.to_owned(),
            priority: row.priority,
        });
        UserRows {
            name: self.name.to_owned(),
            check: rows(self.check),
            reply: rows(self.reply),
            groups: groups.collect(),
        }
    }

    pub(super) fn into_group(self) -> GroupRows {
        GroupRows {
            name: self.name.to_owned(),
            check: rows(self.check),
            reply: rows(self.reply),
        }
    }
}

fn attributes(rows: &[AttributeRow]) -> Vec<AttributeEntry<'_>> {
    let entries = rows.iter().map(|row| AttributeEntry {
        id: row.id,
        attribute: &row.attribute,
        op: &row.op,
        value: &row.value,
    });
    entries.collect()
}

fn rows(entries: Vec<AttributeEntry<'_>>) -> Vec<AttributeRow> {
    let rows = entries.into_iter().map(|entry| AttributeRow {
        id: entry.id,
        attribute: entry.attribute.to_owned(),
        op: entry.op.to_owned(),
        value: entry.value.to_owned(),
    });
    rows.collect()
}
