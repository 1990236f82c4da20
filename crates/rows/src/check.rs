//! Checks: whether a request has what the rows of a list ask for.

use std::borrow::Cow;
use std::net::IpAddr;

use radius::data_type::DataType;

use crate::attribute::{Attribute, Role, Virtual};
use crate::authorize::Evaluation;
use crate::compare;
use crate::fill;
use crate::limit::LimitKind;
use crate::merge::without_value;
use crate::operator::Operator;
use crate::password::PasswordKind;
use crate::pattern::{Matched, Pattern};
use crate::program::{Entry, GroupName, Item, Operand, UserProgram};
use crate::request::Instance;
use crate::value;

/// The groups that `SQL-Group` is compared with.
#[derive(Clone, Copy)]
pub(crate) struct Membership<'p>(&'p [GroupName]);

impl<'p> Membership<'p> {
    pub(crate) fn of(user: &'p UserProgram) -> Self {
        Self(&user.groups)
    }
}

/// Whether every check matches; the first that does not otherwise.
pub(crate) fn all<'p>(
    evaluation: &mut Evaluation<'_>,
    entries: &'p [Entry],
    membership: Membership<'_>,
) -> Result<(), &'p Entry> {
    let is_stripping = !entries.iter().any(|entry| {
        &*entry.item.attribute.name == "Strip-User-Name" && entry.item.octets() == Some(&[0; 4])
    });
    let mut entries = entries.iter();
    match entries.find(|entry| !is_match(evaluation, &entry.item, membership, is_stripping)) {
        Some(entry) => Err(entry),
        None => Ok(()),
    }
}

fn is_match(
    evaluation: &mut Evaluation<'_>,
    item: &Item,
    membership: Membership<'_>,
    is_stripping: bool,
) -> bool {
    let attribute = &*item.attribute;
    if item.operator.is_only_assigned() {
        return true;
    }
    match attribute.role {
        Role::AuthType | Role::Skipped | Role::Password(PasswordKind::Crypt) => true,
        Role::UserPassword if evaluation.request.password.is_none() => true,
        Role::SqlGroup => called_back(
            item,
            |operand| {
                let is_member = |name: &[u8]| {
                    let mut groups = membership.0.iter();
                    groups.any(|group| group.name.as_bytes() == name)
                };
                i32::from(!is_member(operand))
            },
            evaluation,
        ),
        Role::Prefix | Role::Suffix => affix(evaluation, item, is_stripping),
        Role::Virtual(of) => called_back(
            item,
            |operand| virtual_difference(evaluation, of, item, operand),
            evaluation,
        ),
        Role::Limit(LimitKind::Expiration) if !item.operator.is_pattern() => called_back(
            item,
            |operand| {
                let seconds = operand.try_into().map(u32::from_be_bytes).unwrap_or(0);
                i32::from(i64::from(seconds) <= evaluation.request.now.as_seconds())
            },
            evaluation,
        ),
        Role::Plain
        | Role::FallThrough
        | Role::UserPassword
        | Role::Password(_)
        | Role::PasswordWithHeader
        | Role::UserProfile
        | Role::Limit(_)
        | Role::UserName => is_in_request(evaluation, item),
    }
}

/// A comparison that does not look at the attribute's own instances: it is always there.
fn called_back(
    item: &Item,
    difference: impl FnOnce(&[u8]) -> i32,
    evaluation: &Evaluation<'_>,
) -> bool {
    if item.operator.is_unary() {
        return item.operator == Operator::Present;
    }
    let operand = operand(evaluation, item);
    compare::is_asked_for(item.operator, difference(&operand))
}

/// The value of a check, expanded if it has to be.
fn operand<'p>(evaluation: &Evaluation<'_>, item: &'p Item) -> Cow<'p, [u8]> {
    if let Operand::Template(template) = &item.operand {
        fill::value(evaluation, item, template)
            .map_or_else(|| Cow::Borrowed(without_value(&item.attribute)), Cow::Owned)
    } else {
        Cow::Borrowed(item.octets().unwrap_or_default())
    }
}

fn is_in_request(evaluation: &mut Evaluation<'_>, item: &Item) -> bool {
    let attribute = &*item.attribute;
    match (&item.operand, item.operator) {
        (_, Operator::Present) => any(evaluation, attribute, |_| true),
        (_, Operator::Absent) => !any(evaluation, attribute, |_| true),
        (Operand::Pattern(pattern), _) => matches(evaluation, item, pattern),
        (Operand::Template(template), operator) if operator.is_pattern() => {
            let expression = fill::text(evaluation, template).unwrap_or_default();
            match Pattern::compile(&expression) {
                Ok(pattern) => matches(evaluation, item, &pattern),
                Err(_) => false,
            }
        }
        (_, operator) => {
            let operand = operand(evaluation, item);
            any(evaluation, attribute, |instance| {
                let difference =
                    compare::difference(attribute, instance, (item.tag, &operand), operator);
                compare::is_asked_for(operator, difference)
            })
        }
    }
}

/// Whether any instance of the attribute is what is asked for.
fn any(
    evaluation: &Evaluation<'_>,
    attribute: &Attribute,
    mut is_asked_for: impl FnMut(Instance<'_>) -> bool,
) -> bool {
    if evaluation.request.visit(attribute, &mut is_asked_for) {
        return true;
    }
    evaluation.request.added(attribute).is_some_and(|octets| {
        is_asked_for(Instance {
            tag: 0,
            octets: &octets,
        })
    })
}

fn matches(evaluation: &mut Evaluation<'_>, item: &Item, pattern: &Pattern) -> bool {
    let attribute = &*item.attribute;
    if item.operator == Operator::MatchesNot {
        return any(evaluation, attribute, |instance| {
            pattern.is_match(&printed(attribute, instance.octets)) == Some(false)
        });
    }
    let mut matched: Option<Matched> = None;
    any(evaluation, attribute, |instance| {
        matched = pattern.find(&printed(attribute, instance.octets));
        matched.is_some()
    });
    let is_match = matched.is_some();
    evaluation.matched = matched.or_else(|| evaluation.matched.take());
    is_match
}

fn printed<'o>(attribute: &Attribute, octets: &'o [u8]) -> Cow<'o, [u8]> {
    if attribute.data_type == DataType::Text {
        Cow::Borrowed(octets)
    } else {
        Cow::Owned(value::print(attribute, octets))
    }
}

/// `Prefix` and `Suffix`: what matches is taken off the name, unless the list says `Strip-User-Name = No`.
fn affix(evaluation: &mut Evaluation<'_>, item: &Item, is_stripping: bool) -> bool {
    if item.operator.is_unary() || item.operator.is_pattern() {
        return item.operator == Operator::Present;
    }
    let whole = evaluation.request.user_name;
    let range = evaluation.stripped.clone().unwrap_or(0..whole.len());
    let name = &whole[range.clone()];
    let affix = operand(evaluation, item);
    let is_prefix = item.attribute.role == Role::Prefix;
    let difference = match name.len().checked_sub(affix.len()) {
        Some(_) if is_prefix => name[..affix.len()].cmp(&affix) as i32,
        Some(start) => name[start..].cmp(&affix) as i32,
        None if is_prefix => name.cmp(&affix) as i32,
        None => -1,
    };
    if difference == 0 && is_stripping {
        evaluation.stripped = Some(if is_prefix {
            range.start + affix.len()..range.end
        } else {
            range.start..range.end - affix.len()
        });
    }
    compare::is_asked_for(item.operator, difference)
}

/// FreeRADIUS asks whether the comparison as a whole is true, and takes that for the difference.
fn virtual_difference(
    evaluation: &Evaluation<'_>,
    of: Virtual,
    item: &Item,
    operand: &[u8],
) -> i32 {
    let request = evaluation.request;
    let address;
    let found: &[u8] = match (of, request.source.to_canonical()) {
        (Virtual::SourceAddress, IpAddr::V4(source)) => {
            address = source.octets();
            &address
        }
        (Virtual::SourceAddressIpv6, IpAddr::V6(source)) => {
            let address = source.octets();
            return i32::from(!holds(item, &address, operand));
        }
        (Virtual::SourceAddress | Virtual::SourceAddressIpv6, _) => return 1,
        (Virtual::PacketType, _) => return i32::from(operand != [0, 0, 0, 1]),
        (Virtual::ResponsePacketType, _) => return 1,
        (Virtual::Server, _) => b"default",
    };
    i32::from(!holds(item, found, operand))
}

fn holds(item: &Item, found: &[u8], operand: &[u8]) -> bool {
    let is_comparison = matches!(
        item.operator,
        Operator::Equal
            | Operator::NotEqual
            | Operator::Less
            | Operator::LessEqual
            | Operator::Greater
            | Operator::GreaterEqual
    );
    if !is_comparison {
        return false;
    }
    let instance = Instance {
        tag: 0,
        octets: found,
    };
    let difference = compare::difference(
        &item.attribute,
        instance,
        (item.tag, operand),
        item.operator,
    );
    compare::is_asked_for(item.operator, difference)
}
