//! Rows as programs: resolved, parsed and shared, so that a request only walks through them.

use std::sync::Arc;

use domain::limit::Windows;
use domain::secret::Secret;

use crate::attribute::{Attribute, Role, Tag};
use crate::cause::Cause;
use crate::expand::Template;
use crate::limit::LimitKind;
use crate::operator::Operator;
use crate::password::KnownGood;
use crate::pattern::Pattern;

/// The rows of a user.
#[derive(Debug)]
pub struct UserProgram {
    pub(crate) check: List,
    pub(crate) reply: List,
    pub(crate) groups: Box<[GroupName]>,
}

/// The rows of a group.
#[derive(Debug)]
pub struct GroupProgram {
    pub(crate) check: List,
    pub(crate) reply: List,
}

/// The rows of one table, by primary key.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) entries: Box<[Entry]>,
    /// FreeRADIUS fails as soon as it reads the list.
    pub(crate) failure: Option<Box<Cause>>,
    /// The strict mode refuses when the list is obeyed.
    pub(crate) hole: Option<Box<Cause>>,
    pub(crate) fall_through: FallThrough,
}

/// What a reply says about what comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FallThrough {
    /// Nothing: after a user the groups are asked, and after a group the profile.
    Default,
    Yes,
    No,
}

/// A row, with its primary key; what the row says is shared with equal rows.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: i64,
    pub(crate) item: Arc<Item>,
}

/// What a row says.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) attribute: Arc<Attribute>,
    pub(crate) tag: Tag,
    pub(crate) operator: Operator,
    pub(crate) operand: Operand,
}

/// The value of a row.
#[derive(Debug)]
pub(crate) enum Operand {
    /// Octets as in a packet, without a tag.
    Octets(Secret),
    /// An attribute that has no number of its own in a packet.
    Encoded(Box<Encoded>),
    Password(Arc<KnownGood>),
    /// A Login-Time.
    Hours(Box<Hours>),
    Pattern(Box<Pattern>),
    Template(Box<Template>),
}

/// The value of an attribute that is put together with others, or in a vendor's own way.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) octets: Secret,
    /// The whole attribute as it is sent; nothing when it cannot be sent alone.
    pub(crate) whole: Secret,
}

/// A Login-Time, as it is written and as it is obeyed.
#[derive(Debug)]
pub(crate) struct Hours {
    pub(crate) octets: Secret,
    pub(crate) windows: Arc<Windows>,
}

/// A group that a user is in.
#[derive(Clone, Debug)]
pub(crate) struct GroupName {
    /// As in `radusergroup`.
    pub(crate) name: Arc<str>,
    /// As in the query for its rows.
    pub(crate) stored: Arc<str>,
}

impl UserProgram {
    /// The groups in the order in which they are asked, as they are named in `radusergroup`.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &str> {
        self.groups.iter().map(|group| &*group.name)
    }

    /// Whether a row asks for hours or for a counter.
    #[must_use]
    pub fn has_limits(&self) -> bool {
        self.check.has_limits()
    }

    /// Why nobody of this name gets in, whatever they send: a row that FreeRADIUS cannot read.
    #[must_use]
    pub fn failure(&self) -> Option<&Cause> {
        self.check.failure.as_deref()
    }
}

impl GroupProgram {
    /// Whether a row asks for hours or for a counter.
    #[must_use]
    pub fn has_limits(&self) -> bool {
        self.check.has_limits()
    }

    /// Why nobody gets through this group: a row of its checks that FreeRADIUS cannot read.
    #[must_use]
    pub fn failure(&self) -> Option<&Cause> {
        self.check.failure.as_deref()
    }
}

impl List {
    fn has_limits(&self) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| {
            matches!(
                entry.item.attribute.role,
                Role::Limit(LimitKind::LoginTime | LimitKind::Counter(_))
            )
        })
    }
}

impl Item {
    /// The octets that the row itself holds; `None` when they depend on the request.
    pub(crate) fn octets(&self) -> Option<&[u8]> {
        match &self.operand {
            Operand::Octets(octets) => Some(octets.expose()),
            Operand::Encoded(encoded) => Some(encoded.octets.expose()),
            Operand::Password(known_good) => Some(known_good.expose()),
            Operand::Hours(hours) => Some(hours.octets.expose()),
            Operand::Pattern(_) | Operand::Template(_) => None,
        }
    }
}
