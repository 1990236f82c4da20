//! The rows of a name in few octets, kept beside its program so that they can be copied.

use rows::row::{GroupRows, Membership, Row, UserRows};
use zeroize::Zeroizing;

/// The rows of one name. They may hold passwords, so they are wiped when dropped and print
/// nothing.
pub(super) struct Packed(Zeroizing<Box<[u8]>>);

type AttributeFields<'a> = (i64, &'a str, &'a str, &'a str);
type MembershipFields<'a> = (i64, &'a str, i64);
type Fields<'a> = (
    Vec<AttributeFields<'a>>,
    Vec<AttributeFields<'a>>,
    Vec<MembershipFields<'a>>,
);

impl Packed {
    pub(super) fn user(rows: &UserRows) -> Self {
        let UserRows {
            check,
            reply,
            groups,
        } = rows;
        let groups = groups
            .iter()
            .map(|row| (row.id, row.group.as_str(), row.priority));
        Self::fields(&(fields(check), fields(reply), groups.collect()))
    }

    pub(super) fn group(rows: &GroupRows) -> Self {
        let GroupRows { check, reply } = rows;
        Self::fields(&(fields(check), fields(reply), Vec::new()))
    }

    pub(super) fn to_user(&self) -> UserRows {
        let (check, reply, groups): Fields<'_> =
            postcard::from_bytes(&self.0).expect("it was packed here");
        let groups = groups.into_iter().map(|(id, group, priority)| Membership {
            id,
            group: group.to_owned(),
            priority,
        });
        UserRows {
            check: check.into_iter().map(row).collect(),
            reply: reply.into_iter().map(row).collect(),
            groups: groups.collect(),
        }
    }

    pub(super) fn to_group(&self) -> GroupRows {
        let UserRows { check, reply, .. } = self.to_user();
        GroupRows { check, reply }
    }

    fn fields(fields: &Fields<'_>) -> Self {
        let octets = postcard::to_allocvec(fields).expect("text and numbers are always written");
        Self(Zeroizing::new(octets.into_boxed_slice()))
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

fn fields(rows: &[Row]) -> Vec<AttributeFields<'_>> {
    let fields = rows
        .iter()
        .map(|row| (row.id, &*row.attribute, &*row.op, &*row.value));
    fields.collect()
}

fn row((id, attribute, op, value): AttributeFields<'_>) -> Row {
    Row {
        id,
        attribute: attribute.to_owned(),
        op: op.to_owned(),
        value: value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were() {
        let rows = UserRows {
            check: vec![row((i64::MAX, "Cleartext-Password", ":=", "\u{e9}"))],
            reply: vec![row((1, "", "", "")), row((-2, "Class", "+=", "x"))],
            groups: vec![Membership {
                id: 3,
                group: "gold".to_owned(),
                priority: -1,
            }],
        };
        assert_eq!(Packed::user(&rows).to_user(), rows);
        let UserRows { check, reply, .. } = rows;
        let rows = GroupRows { check, reply };
        assert_eq!(Packed::group(&rows).to_group(), rows);
    }
}
