//! Filling templates in with a request and the lists as they are.

use radius::data_type::DataType;

use crate::access::Place;
use crate::attribute::{Attribute, Role, Tag, Virtual};
use crate::authorize::Evaluation;
use crate::expand::{Part, Reference, Source, Template, Which};
use crate::name;
use crate::program::Item;
use crate::value;

/// Octets of an expansion beyond which it is cut: no attribute holds more.
const EXPANDED_OCTETS_MAX: usize = 4_096;

/// The octets of an attribute whose value is expanded; `None` when the text is no value of its type.
pub(crate) fn value(
    evaluation: &Evaluation<'_>,
    item: &Item,
    template: &Template,
) -> Option<Vec<u8>> {
    let attribute = &*item.attribute;
    if attribute.data_type == DataType::Text {
        // Escapes are those of the row; what is filled in has none.
        let parts = template.parts.as_deref()?;
        let mut out = Vec::new();
        fill(evaluation, parts, &mut out, true);
        return Some(out);
    }
    let text = text(evaluation, template)?;
    // FreeRADIUS has no way from text to these, whatever the text.
    if attribute.data_type == DataType::Ethernet {
        return Some(vec![0; 6]);
    }
    if attribute.data_type == DataType::Date && text.iter().all(u8::is_ascii_digit) {
        return Some(vec![0; 4]);
    }
    value::parse(attribute, std::str::from_utf8(&text).ok()?).ok()
}

/// The text of a template; `None` when it could not be parsed.
pub(crate) fn text(evaluation: &Evaluation<'_>, template: &Template) -> Option<Vec<u8>> {
    let parts = template.parts.as_deref()?;
    let mut out = Vec::new();
    fill(evaluation, parts, &mut out, false);
    Some(out)
}

fn fill(evaluation: &Evaluation<'_>, parts: &[Part], out: &mut Vec<u8>, is_unescaped: bool) {
    for part in parts {
        match part {
            Part::Literal(literal) if is_unescaped => {
                let literal = literal.as_bytes();
                let unescaped = value::unescaped(literal);
                out.extend_from_slice(unescaped.as_deref().unwrap_or(literal));
            }
            Part::Literal(literal) => out.extend_from_slice(literal.as_bytes()),
            Part::Group(group) => {
                let matched = evaluation.matched.as_ref();
                out.extend_from_slice(matched.map_or(&[], |matched| matched.group(*group)));
            }
            Part::Attribute(reference) => refer(evaluation, reference, out, is_unescaped),
            Part::Alternative(first, second) => {
                let start = out.len();
                fill(
                    evaluation,
                    std::slice::from_ref(&**first),
                    out,
                    is_unescaped,
                );
                if out.len() == start {
                    fill(evaluation, second, out, is_unescaped);
                }
            }
        }
        if EXPANDED_OCTETS_MAX < out.len() {
            out.truncate(EXPANDED_OCTETS_MAX);
            return;
        }
    }
}

fn refer(
    evaluation: &Evaluation<'_>,
    reference: &Reference,
    out: &mut Vec<u8>,
    is_unescaped: bool,
) {
    // Text is printed with escapes, which vanish again where escapes are resolved.
    let is_escaped = !is_unescaped && reference.attribute.data_type == DataType::Text;
    let shown = |value: Vec<u8>| {
        if is_escaped {
            name::printed(&value)
        } else {
            value
        }
    };
    let mut index = 0;
    let mut visit = |value: &dyn Fn() -> Vec<u8>| {
        match reference.which {
            Which::Index(wanted) if wanted == index => out.extend_from_slice(&shown(value())),
            Which::Index(_) | Which::Count => {}
            Which::All => {
                if index != 0 {
                    out.push(b',');
                }
                out.extend_from_slice(&shown(value()));
            }
        }
        index += 1;
    };
    match reference.source {
        Source::Request => visit_request(evaluation, reference, &mut visit),
        Source::Reply => visit_list(evaluation, reference, &evaluation.access.reply, &mut visit),
        Source::Control => {
            visit_list(
                evaluation,
                reference,
                &evaluation.access.control,
                &mut visit,
            );
        }
        Source::Empty => {}
    }
    if reference.which == Which::Count {
        out.extend_from_slice(index.to_string().as_bytes());
    }
}

type Visit<'v> = dyn FnMut(&dyn Fn() -> Vec<u8>) + 'v;

fn visit_request(evaluation: &Evaluation<'_>, reference: &Reference, visit: &mut Visit<'_>) {
    let attribute = &*reference.attribute;
    let request = evaluation.request;
    if let Some(value) = known_beside(evaluation, attribute) {
        visit(&|| value.clone());
        return;
    }
    request.visit(attribute, |instance| {
        if is_tagged(reference.tag, instance.tag) {
            visit(&|| value::print(attribute, instance.octets));
        }
        false
    });
    if let Some(octets) = request.added(attribute) {
        visit(&|| value::print(attribute, &octets));
    }
}

/// What the server knows beside the packet.
fn known_beside(evaluation: &Evaluation<'_>, attribute: &Attribute) -> Option<Vec<u8>> {
    let request = evaluation.request;
    let source = request.source.to_canonical();
    if attribute.role == Role::SqlGroup {
        let group = evaluation.group.as_ref()?;
        return Some(group.name.as_bytes().to_vec());
    }
    if let Role::Virtual(of) = attribute.role {
        return match of {
            Virtual::SourceAddress => source.is_ipv4().then(|| source.to_string().into_bytes()),
            Virtual::SourceAddressIpv6 => source.is_ipv6().then(|| source.to_string().into_bytes()),
            Virtual::PacketType => Some(b"Access-Request".to_vec()),
            Virtual::Server => Some(b"default".to_vec()),
            Virtual::ResponsePacketType => None,
        };
    }
    match &*attribute.name {
        "Stripped-User-Name" => {
            let stripped = evaluation.stripped.clone()?;
            Some(request.user_name[stripped].to_vec())
        }
        "SQL-User-Name" => Some(request.user_name.to_vec()),
        _ => None,
    }
}

fn visit_list(
    evaluation: &Evaluation<'_>,
    reference: &Reference,
    list: &[Place],
    visit: &mut Visit<'_>,
) {
    for place in list {
        let is_meant = match place {
            Place::AuthType(_) => reference.attribute.role == Role::AuthType,
            Place::Row(_) | Place::Made(..) => evaluation
                .access
                .attribute(*place)
                .is_some_and(|found| found.is(&reference.attribute)),
        };
        if is_meant && is_tagged(reference.tag, evaluation.access.tag(*place).sent()) {
            visit(&|| evaluation.print(*place).unwrap_or_default());
        }
    }
}

fn is_tagged(wanted: Tag, found: u8) -> bool {
    match wanted {
        Tag::Any => true,
        Tag::Number(tag) => tag == found,
    }
}
