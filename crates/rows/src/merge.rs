//! How the rows of a list are merged into the control list or the reply: what each operator does.

use smallvec::SmallVec;

use crate::access::{Access, Held, Place};
use crate::attribute::{Attribute, Tag};
use crate::compare;
use crate::operator::Operator;
use crate::request::{Instance, fixed_octets};

/// Merges places of rows into `list`.
///
/// Every row acts on the list as it was before: rows of one merge do not see each other, except that what one has
/// replaced another does not replace again.
pub(crate) fn merge(access: &Access, list: &mut Held, from: &[Place]) {
    let mut merge = Merge {
        access,
        old: list.iter().map(|place| Some(*place)).collect(),
        is_edited: SmallVec::from_elem(false, list.len()),
        prepended: Held::new(),
        appended: Held::new(),
    };
    for place in from {
        merge.row(*place);
    }
    list.clear();
    list.extend(merge.prepended);
    list.extend(merge.old.into_iter().flatten());
    list.extend(merge.appended);
}

struct Merge<'a> {
    access: &'a Access,
    /// What was there, less what was removed.
    old: SmallVec<[Option<Place>; 12]>,
    is_edited: SmallVec<[bool; 12]>,
    prepended: Held,
    appended: Held,
}

impl Merge<'_> {
    fn row(&mut self, place: Place) {
        let (Some(attribute), Some(operator)) =
            (self.access.attribute(place), self.access.operator(place))
        else {
            return;
        };
        match operator {
            Operator::Add => self.appended.push(place),
            Operator::Prepend => self.prepended.insert(0, place),
            Operator::Set => {
                let first = self.alike(attribute).next();
                match first {
                    Some(at) => self.replace(at, place),
                    None => self.appended.push(place),
                }
            }
            Operator::Assign => {
                let has_one = self.alike(attribute).next().is_some();
                if !has_one {
                    self.appended.push(place);
                }
            }
            Operator::Absent => self.remove(attribute, |_| true),
            Operator::Subtract => {
                let access = self.access;
                self.remove(attribute, |old| difference(access, old, place) == 0);
            }
            Operator::Equal => {
                let access = self.access;
                self.remove(attribute, |old| difference(access, old, place) != 0);
            }
            Operator::LessEqual => self.clamp(attribute, place, |difference| 0 < difference),
            Operator::GreaterEqual => self.clamp(attribute, place, |difference| difference < 0),
            // FreeRADIUS takes these and does nothing.
            Operator::NotEqual
            | Operator::Less
            | Operator::Greater
            | Operator::Matches
            | Operator::MatchesNot
            | Operator::Present
            | Operator::Increment => {}
        }
    }

    /// Where the list has the attribute, less what this merge has put there.
    fn alike(&self, attribute: &Attribute) -> impl Iterator<Item = usize> {
        (0..self.old.len()).filter(move |at| {
            !self.is_edited[*at]
                && self.old[*at].is_some_and(|old| is_attribute(self.access, old, attribute))
        })
    }

    fn replace(&mut self, at: usize, place: Place) {
        self.old[at] = Some(place);
        self.is_edited[at] = true;
    }

    fn remove(&mut self, attribute: &Attribute, is_removed: impl Fn(Place) -> bool) {
        for at in 0..self.old.len() {
            let Some(old) = self.old[at].filter(|_| !self.is_edited[at]) else {
                continue;
            };
            if is_attribute(self.access, old, attribute) && is_removed(old) {
                self.old[at] = None;
            }
        }
    }

    /// Replaces the first instance that is beyond the limit; without one the row is appended.
    fn clamp(&mut self, attribute: &Attribute, place: Place, is_beyond: fn(i32) -> bool) {
        let beyond = self.alike(attribute).find(|at| {
            self.old[*at].is_some_and(|old| is_beyond(difference(self.access, old, place)))
        });
        match beyond {
            Some(at) => self.replace(at, place),
            None => self.appended.push(place),
        }
    }
}

fn is_attribute(access: &Access, place: Place, attribute: &Attribute) -> bool {
    match place {
        Place::AuthType(_) => attribute.role == crate::attribute::Role::AuthType,
        Place::Row(_) | Place::Made(..) => access
            .attribute(place)
            .is_some_and(|found| found.is(attribute)),
    }
}

/// What is left of the value in the list less that of the row; what has no value counts as 0.
fn difference(access: &Access, old: Place, row: Place) -> i32 {
    let Some(attribute) = access.attribute(row) else {
        return 1;
    };
    let number;
    let found = match old {
        Place::AuthType(auth_type) => {
            number = auth_type.number().to_be_bytes();
            &number[..]
        }
        Place::Row(_) | Place::Made(..) => access
            .octets(old)
            .unwrap_or_else(|| without_value(attribute)),
    };
    let wanted = access
        .octets(row)
        .unwrap_or_else(|| without_value(attribute));
    let instance = Instance {
        tag: access.tag(old).sent(),
        octets: found,
    };
    let tag = match (access.tag(row), access.tag(old)) {
        (_, Tag::Any) => Tag::Any,
        (tag, Tag::Number(_)) => tag,
    };
    compare::difference(attribute, instance, (tag, wanted), Operator::Equal)
}

/// The octets of an attribute whose expansion gave no value.
pub(crate) fn without_value(attribute: &Attribute) -> &'static [u8] {
    const ZEROS: [u8; 18] = [0; 18];
    &ZEROS[..fixed_octets(attribute.data_type).unwrap_or_default()]
}
