//! What rows grant: known-good passwords, limits, and the attributes of the reply.

mod reply;

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::attribute::{Attribute, Role, Tag};
use crate::cause::Cause;
use crate::limit::RowLimit;
use crate::operator::Operator;
use crate::password::{AuthType, KnownGood, PasswordKind};
use crate::program::{Entry, GroupProgram, Item, Operand, UserProgram};
use crate::request::Offer;
use crate::step::Steps;

pub use reply::ReplyAttribute;

/// How an evaluation came out, and on which way.
#[derive(Debug)]
pub struct Outcome {
    /// The result.
    pub authorization: Authorization,
    /// What happened, in order.
    pub steps: Steps,
}

/// What rows say about a request.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the usual one, and a box would be an allocation for each request"
)]
pub enum Authorization {
    /// Nothing is stored under the name.
    NotFound,
    /// A row ends in a refusal.
    Failed(Cause),
    /// What the rows grant to whoever proves to be the user.
    Found(Access),
}

/// What rows grant.
#[derive(Debug)]
pub struct Access {
    pub(crate) offer: Offer,
    /// What is referred to is kept alive.
    pub(crate) programs: SmallVec<[Program; 4]>,
    pub(crate) control: Held,
    pub(crate) reply: Held,
    /// Values that were expanded.
    pub(crate) made: Vec<Made>,
}

/// What the user has to prove.
#[derive(Debug)]
pub enum Demand<'a> {
    /// Nothing: `Auth-Type := Accept`.
    Nothing,
    /// There is nothing that would help.
    Refused(Refusal),
    /// The password of PAP is compared with this one.
    Pap(&'a Arc<KnownGood>),
    /// CHAP is computed with this one, which is stored in clear.
    Chap(&'a Arc<KnownGood>),
    /// MS-CHAP is computed with this NT hash.
    MsChap([u8; 16]),
}

/// Why no proof is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// `Auth-Type := Reject`.
    AuthTypeReject,
    /// `Auth-Type` asks for another method than the request offers, or for one that nobody speaks.
    AuthTypeDiffers,
    /// No row has a known-good password.
    NoPassword,
    /// The known-good password is stored so that it cannot answer this method.
    PasswordUnusable(PasswordKind),
    /// The request has no credential.
    NoCredential,
}

/// A program that was walked through.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    User(Arc<UserProgram>),
    Group(Arc<GroupProgram>),
}

/// Attributes of a list, in order.
pub(crate) type Held = SmallVec<[Place; 12]>;

/// An attribute of a list: a row, or what a module of FreeRADIUS put there before rows were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Row(At),
    /// The value of a row, expanded: its place among the made ones.
    Made(At, u32),
    AuthType(AuthType),
}

/// Where a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) program: u16,
    pub(crate) is_check: bool,
    pub(crate) index: u32,
}

/// A value that was expanded.
pub(crate) struct Made {
    /// Absent when the expansion is no value of the attribute: it is then not sent.
    pub(crate) octets: Option<Box<[u8]>>,
    pub(crate) known_good: Option<Arc<KnownGood>>,
}

/// It may be a password.
impl fmt::Debug for Made {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Made(hidden)")
    }
}

impl Program {
    pub(crate) fn entry(&self, at: At) -> &Entry {
        let list = match (self, at.is_check) {
            (Self::User(program), true) => &program.check,
            (Self::User(program), false) => &program.reply,
            (Self::Group(program), true) => &program.check,
            (Self::Group(program), false) => &program.reply,
        };
        &list.entries[at.index as usize]
    }
}

impl Access {
    /// What the user has to prove, given what the request offers.
    ///
    /// Any `Auth-Type` of `Reject` refuses; otherwise the last one counts. Without one, FreeRADIUS' chap and mschap
    /// modules have chosen before rows were read, and pap chooses afterwards.
    #[must_use]
    pub fn demand(&self) -> Demand<'_> {
        let mut last = None;
        for number in self.auth_types() {
            let auth_type = AuthType::of_number(number);
            if auth_type == Some(AuthType::Reject) {
                return Demand::Refused(Refusal::AuthTypeReject);
            }
            last = Some(auth_type);
        }
        match last {
            Some(Some(AuthType::Accept)) => Demand::Nothing,
            Some(Some(AuthType::Chap)) if self.offer.has_chap => self.demand_chap(),
            Some(Some(AuthType::MsChap)) if self.offer.has_ms_chap => self.demand_ms_chap(),
            Some(Some(AuthType::Pap)) if self.offer.has_password => self.demand_pap(),
            Some(_) => Demand::Refused(Refusal::AuthTypeDiffers),
            None if self.offer.has_password => self.demand_pap(),
            None => Demand::Refused(Refusal::NoCredential),
        }
    }

    /// The known-good passwords in the order in which FreeRADIUS considers them.
    ///
    /// Those with a header come last, and not at all beside one in clear.
    pub fn known_good(&self) -> impl Iterator<Item = &Arc<KnownGood>> {
        let direct = self.passwords(false);
        let mut has_cleartext = self
            .passwords(false)
            .any(|known_good| known_good.kind() == PasswordKind::Cleartext);
        let with_header = self.passwords(true).filter(move |known_good| {
            let is_used = !has_cleartext;
            has_cleartext |= known_good.kind() == PasswordKind::Cleartext;
            is_used
        });
        direct.chain(with_header)
    }

    /// The limits, each kind once: the first one counts.
    pub fn limits(&self) -> impl Iterator<Item = RowLimit> {
        self.control.iter().enumerate().filter_map(|(at, place)| {
            let attribute = self.attribute(*place)?;
            let Role::Limit(kind) = attribute.role else {
                return None;
            };
            let is_first = !self.control[..at]
                .iter()
                .filter_map(|earlier| self.attribute(*earlier))
                .any(|earlier| earlier.is(attribute));
            is_first
                .then(|| kind.with_value(self.octets(*place)?))
                .flatten()
        })
    }

    /// The rows that limit, in order: the name of the attribute, and the octets of its value.
    pub fn limit_rows(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.control.iter().filter_map(|place| {
            let attribute = self.attribute(*place)?;
            let Role::Limit(_) = attribute.role else {
                return None;
            };
            Some((&*attribute.name, self.octets(*place).unwrap_or_default()))
        })
    }

    /// The attributes of the reply in order, less those that are never sent.
    ///
    /// FreeRADIUS sends them with an Access-Reject too, and its default site then removes all but Reply-Message.
    pub fn reply(&self) -> impl Iterator<Item = ReplyAttribute<'_>> {
        self.reply
            .iter()
            .filter_map(|place| reply::attribute(self, *place))
    }

    fn demand_pap(&self) -> Demand<'_> {
        match self.known_good().next() {
            Some(known_good) => Demand::Pap(known_good),
            None => Demand::Refused(Refusal::NoPassword),
        }
    }

    fn demand_chap(&self) -> Demand<'_> {
        let cleartext = self
            .known_good()
            .find(|known_good| known_good.kind() == PasswordKind::Cleartext);
        match cleartext {
            Some(known_good) => Demand::Chap(known_good),
            None => Demand::Refused(self.without_use()),
        }
    }

    fn demand_ms_chap(&self) -> Demand<'_> {
        let first = |kind| {
            self.known_good()
                .find(move |known_good| known_good.kind() == kind)
        };
        let nt_hash = first(PasswordKind::Nt)
            .and_then(|known_good| known_good.nt_hash())
            .or_else(|| first(PasswordKind::Cleartext)?.nt_hash());
        match nt_hash {
            Some(nt_hash) => Demand::MsChap(nt_hash),
            None => Demand::Refused(self.without_use()),
        }
    }

    fn without_use(&self) -> Refusal {
        match self.known_good().next() {
            Some(known_good) => Refusal::PasswordUnusable(known_good.kind()),
            None => Refusal::NoPassword,
        }
    }

    fn auth_types(&self) -> impl Iterator<Item = u32> {
        self.control.iter().filter_map(|place| match place {
            Place::AuthType(auth_type) => Some(auth_type.number()),
            Place::Row(_) | Place::Made(..) => {
                let attribute = self.attribute(*place)?;
                (attribute.role == Role::AuthType).then_some(())?;
                Some(u32::from_be_bytes(self.octets(*place)?.try_into().ok()?))
            }
        })
    }

    fn passwords(&self, has_header: bool) -> impl Iterator<Item = &Arc<KnownGood>> {
        self.control.iter().filter_map(move |place| {
            let item = self.item(*place)?;
            let is_meant = if has_header {
                item.attribute.role == Role::PasswordWithHeader
            } else {
                matches!(item.attribute.role, Role::Password(_))
            };
            is_meant.then_some(())?;
            if let Place::Made(_, made) = place {
                self.made[*made as usize].known_good.as_ref()
            } else if let Operand::Password(known_good) = &item.operand {
                Some(known_good)
            } else {
                None
            }
        })
    }

    pub(crate) fn item(&self, place: Place) -> Option<&Item> {
        match place {
            Place::Row(at) | Place::Made(at, _) => {
                Some(&self.programs[usize::from(at.program)].entry(at).item)
            }
            Place::AuthType(_) => None,
        }
    }

    pub(crate) fn attribute(&self, place: Place) -> Option<&Attribute> {
        Some(&self.item(place)?.attribute)
    }

    /// The value; `None` when it is none of the attribute's type.
    pub(crate) fn octets(&self, place: Place) -> Option<&[u8]> {
        match place {
            Place::Row(_) => self.item(place)?.octets(),
            Place::Made(_, made) => self.made[made as usize].octets.as_deref(),
            Place::AuthType(_) => None,
        }
    }

    pub(crate) fn tag(&self, place: Place) -> Tag {
        self.item(place).map_or(Tag::Any, |item| item.tag)
    }

    pub(crate) fn operator(&self, place: Place) -> Option<Operator> {
        Some(self.item(place)?.operator)
    }
}
