//! Rows, requests and answers in a few words.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};

use domain::time::Timestamp;
use radius::avp;
use radius::dictionary::Dictionary;
use radius::packet::Packet;
use radius::value::Value;
use rows::access::{Access, Authorization, Demand, Outcome};
use rows::attribute::Place;
use rows::authorize::{Groups, authorize};
use rows::compiler::Compiler;
use rows::name::stored_name;
use rows::program::{GroupProgram, UserProgram};
use rows::request::Request;
use rows::row::{GroupRows, Membership, Mode, Row, UserRows};

/// Attribute, operator and value.
pub(crate) type Words<'w> = &'w [(&'w str, &'w str, &'w str)];

pub(crate) const PASSWORD: (&str, &str, &str) = ("Cleartext-Password", ":=", "pw");
pub(crate) const MESSAGE: (&str, &str, &str) = ("Reply-Message", ":=", "m");
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// What a router says beside the name and the password.
const USUAL: &str = "NAS-IP-Address = 127.0.0.1, NAS-Port = 50, NAS-Port-Type = Ethernet, Calling-Station-Id = \"02:00:00:00:00:01\"";

pub(crate) static COMPILER: LazyLock<Compiler> =
    LazyLock::new(|| Compiler::new(Dictionary::builtin()));

/// Users and groups.
#[derive(Default)]
pub(crate) struct World {
    users: HashMap<String, Arc<UserProgram>>,
    groups: HashMap<String, Arc<GroupProgram>>,
}

pub(crate) fn rows(words: Words<'_>) -> Vec<Row> {
    (1..)
        .zip(words)
        .map(|(id, (attribute, op, value))| Row {
            id,
            attribute: (*attribute).to_owned(),
            op: (*op).to_owned(),
            value: (*value).to_owned(),
        })
        .collect()
}

pub(crate) fn user_rows(check: Words<'_>, reply: Words<'_>, groups: &[&str]) -> UserRows {
    let groups = (1..)
        .zip(groups)
        .map(|(id, group)| Membership {
            id,
            group: (*group).to_owned(),
            priority: 1,
        })
        .collect();
    UserRows {
        check: rows(check),
        reply: rows(reply),
        groups,
    }
}

impl World {
    pub(crate) fn user(
        mut self,
        name: &str,
        check: Words<'_>,
        reply: Words<'_>,
        groups: &[&str],
    ) -> Self {
        let program = COMPILER.user(&user_rows(check, reply, groups));
        self.users.insert(name.to_owned(), Arc::new(program));
        self
    }

    pub(crate) fn group(mut self, name: &str, check: Words<'_>, reply: Words<'_>) -> Self {
        let program = COMPILER.group(&GroupRows {
            check: rows(check),
            reply: rows(reply),
        });
        self.groups.insert(name.to_owned(), Arc::new(program));
        self
    }

    /// What somebody of this name gets who says `pw`.
    pub(crate) fn ask(&self, name: &str) -> String {
        self.ask_with(name, "", Some(b"pw"), Mode::Compatible)
    }

    /// What somebody gets whose router says more, or whose password is another one.
    pub(crate) fn ask_with(
        &self,
        name: &str,
        extra: &str,
        password: Option<&[u8]>,
        mode: Mode,
    ) -> String {
        let name_attribute = format!("User-Name = \"{name}\"");
        let bytes = match extra {
            "" => packet(&name_attribute),
            extra => packet(&format!("{name_attribute}, {extra}")),
        };
        let packet = Packet::parse(&bytes).expect("a well-formed packet");
        let request = request(&packet, name.as_bytes(), password);
        answer(&self.outcome(&request, mode).authorization, password)
    }

    pub(crate) fn outcome(&self, request: &Request<'_>, mode: Mode) -> Outcome {
        let user = self.users.get(&*stored_name(request.user_name));
        authorize(user, self, request, mode)
    }
}

impl Groups for World {
    fn group(&self, stored: &str) -> Option<Arc<GroupProgram>> {
        self.groups.get(stored).cloned()
    }

    fn user(&self, stored: &str) -> Option<Arc<UserProgram>> {
        self.users.get(stored).cloned()
    }
}

/// A request with the usual attributes and some more.
pub(crate) fn packet(extra: &str) -> Vec<u8> {
    let dictionary = COMPILER.dictionary();
    let text = if extra.is_empty() {
        USUAL.to_owned()
    } else {
        format!("{USUAL}, {extra}")
    };
    let avps = avp::parse_list(dictionary, &text).expect("attributes of the dictionary");
    let mut bytes = vec![0; 20];
    avp::encode(dictionary, &avps, None, &mut bytes).expect("attributes that can be sent");
    bytes[0] = 1;
    let length = u16::try_from(bytes.len()).expect("a small packet");
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

pub(crate) fn request<'r>(
    packet: &'r Packet<'r>,
    user_name: &'r [u8],
    password: Option<&'r [u8]>,
) -> Request<'r> {
    Request {
        packet,
        user_name,
        password,
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        now: NOW,
        gaps: None,
    }
}

/// `reject`, or `accept` and the attributes of the reply; CHAP and MS-CHAP are taken to succeed.
pub(crate) fn answer(authorization: &Authorization, password: Option<&[u8]>) -> String {
    let Authorization::Found(access) = authorization else {
        return "reject".to_owned();
    };
    let is_right = match access.demand() {
        Demand::Nothing | Demand::Chap(_) | Demand::MsChap(_) => true,
        Demand::Refused(_) => false,
        Demand::Pap(known_good) => password.is_some_and(|password| known_good.verify(password)),
    };
    if is_right {
        format!("accept{}", reply(access))
    } else {
        "reject".to_owned()
    }
}

/// The attributes of a reply, as ` Name=value`.
pub(crate) fn reply(access: &Access) -> String {
    let mut out = String::new();
    for attribute in access.reply() {
        let value = match COMPILER.dictionary().find(attribute.name) {
            Some(definition) => {
                let value = Value::decode(definition.data_type(), attribute.value());
                let name = value
                    .as_number()
                    .and_then(|number| definition.value_name(number));
                name.map_or_else(|| value.to_string(), str::to_owned)
            }
            None => format!("{:?}", attribute.value()),
        };
        let tag = attribute
            .tag()
            .map_or_else(String::new, |tag| format!(":{tag}"));
        assert!(!matches!(attribute.place, Place::Internal(_)));
        out.push_str(&format!(" {}{tag}={value}", attribute.name));
    }
    out
}
