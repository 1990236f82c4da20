//! The Access-Request of a login that nobody sends.

use aaa::engine::Belief;
use domain::nas::Nas;
use radius::avp::{Avp, EncodeError, Keys, encode};
use radius::code::Code;
use radius::dictionary::Dictionary;
use radius::value::{Secret, Value};
use radius::writer::{PacketWriter, WriteError};
use rand::Rng as _;

/// Attributes that prove who somebody is.
const CREDENTIALS: [&str; 5] = [
    "User-Password",
    "CHAP-Password",
    "MS-CHAP-Response",
    "MS-CHAP2-Response",
    "EAP-Message",
];

/// A login as it was described.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) user_name: &'a str,
    pub(crate) password: Option<&'a str>,
    pub(crate) attributes: &'a [Avp],
}

/// A request as a router would send it.
pub(crate) struct Written {
    pub(crate) octets: Vec<u8>,
    pub(crate) authenticator: [u8; 16],
    pub(crate) belief: Belief,
}

/// Why there can be no such request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("--attr")]
    Attribute(#[source] EncodeError),
    #[error("--attr: the attributes do not fit into one packet of 4096 octets: give fewer")]
    TooLong(#[source] WriteError),
    #[error("the dictionary has no attribute {name}")]
    Missing { name: &'static str },
}

/// Whether a login proves itself by its own attributes.
pub(crate) fn has_credential(dictionary: &Dictionary, attributes: &[Avp]) -> bool {
    has(dictionary, attributes, &CREDENTIALS)
}

/// Whether one of these names is among the attributes.
pub(crate) fn has(dictionary: &Dictionary, attributes: &[Avp], names: &[&str]) -> bool {
    attributes
        .iter()
        .any(|avp| names.contains(&dictionary.name(&avp.oid).as_str()))
}

/// Writes the request, signed. What every router sends is added: the NAS-Identifier that is
/// registered, and a password. One that was made up is taken as given.
pub(crate) fn write(
    dictionary: &Dictionary,
    asked: &Asked<'_>,
    nas: &Nas,
) -> Result<Written, RequestError> {
    let mut authenticator = [0; 16];
    rand::rng().fill_bytes(&mut authenticator);
    let secret = nas.secret.expose();
    let mut avps = vec![avp(dictionary, "User-Name", text(asked.user_name))?];
    let is_proven = has_credential(dictionary, asked.attributes);
    let belief = if is_proven || asked.password.is_some() {
        Belief::Compared
    } else {
        Belief::Given
    };
    if !is_proven {
        // A device shows nothing but its address.
        let password = asked.password.unwrap_or(asked.user_name);
        let hidden = Value::Secret(Secret::new(password.as_bytes()));
        avps.push(avp(dictionary, "User-Password", hidden)?);
    }
    if let Some(identifier) = &nas.settings.identifier
        && !has(dictionary, asked.attributes, &["NAS-Identifier"])
    {
        avps.push(avp(dictionary, "NAS-Identifier", text(identifier))?);
    }
    let signature = ["Message-Authenticator"];
    let given = asked.attributes.iter().cloned();
    avps.extend(given.filter(|avp| !has(dictionary, std::slice::from_ref(avp), &signature)));
    let keys = Keys {
        secret,
        request_authenticator: &authenticator,
        salt: 0,
    };
    let mut encoded = Vec::new();
    encode(dictionary, &avps, Some(&keys), &mut encoded).map_err(RequestError::Attribute)?;
    let octets = packet(&encoded, &authenticator, secret).map_err(RequestError::TooLong)?;
    Ok(Written {
        octets,
        authenticator,
        belief,
    })
}

fn packet(encoded: &[u8], authenticator: &[u8; 16], secret: &[u8]) -> Result<Vec<u8>, WriteError> {
    let mut octets = Vec::new();
    let mut writer = PacketWriter::new(&mut octets, Code::AccessRequest, 1);
    writer.push_message_authenticator()?;
    let mut rest = encoded;
    while let [kind, length, behind @ ..] = rest {
        let (value, following) = behind.split_at(usize::from(*length).saturating_sub(2));
        writer.push(*kind, value)?;
        rest = following;
    }
    writer.finish_access_request(authenticator, secret);
    Ok(octets)
}

fn avp(dictionary: &Dictionary, name: &'static str, value: Value) -> Result<Avp, RequestError> {
    let oid = dictionary.resolve(name);
    let oid = oid.ok_or(RequestError::Missing { name })?;
    Ok(Avp::new(oid, value))
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}
