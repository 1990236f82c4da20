//! What a login costs whose user and group are rows; the aim is less than a microsecond.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use domain::time::Timestamp;
use radius::avp;
use radius::dictionary::Dictionary;
use radius::packet::Packet;
use rows::access::Authorization;
use rows::authorize::{Groups, authorize};
use rows::compiler::Compiler;
use rows::lint::Linter;
use rows::program::{GroupProgram, UserProgram};
use rows::request::Request;
use rows::row::{GroupRows, Membership, Mode, Row, UserRows};

/// One group for everybody.
struct OneGroup(Arc<GroupProgram>);

impl Groups for OneGroup {
    fn group(&self, _: &str) -> Option<Arc<GroupProgram>> {
        Some(Arc::clone(&self.0))
    }

    fn user(&self, _: &str) -> Option<Arc<UserProgram>> {
        None
    }
}

fn rows(rows: &[(&str, &str, &str)]) -> Vec<Row> {
    (1..)
        .zip(rows)
        .map(|(id, (attribute, op, value))| Row {
            id,
            attribute: (*attribute).to_owned(),
            op: (*op).to_owned(),
            value: (*value).to_owned(),
        })
        .collect()
}

/// A user with two checks and a reply, in a group with two replies.
fn user_rows() -> UserRows {
    UserRows {
        check: rows(&[
            ("Cleartext-Password", ":=", "kookaburra"),
            ("NAS-Port-Type", "==", "Ethernet"),
        ]),
        reply: rows(&[("Framed-IP-Address", ":=", "100.64.0.1")]),
        groups: vec![Membership {
            id: 1,
            group: "home-50".to_owned(),
            priority: 1,
        }],
    }
}

fn group_rows() -> GroupRows {
    GroupRows {
        check: rows(&[]),
        reply: rows(&[
            ("Mikrotik-Rate-Limit", ":=", "10M/50M"),
            ("Acct-Interim-Interval", ":=", "300"),
        ]),
    }
}

fn packet(dictionary: &Dictionary) -> Vec<u8> {
    let text = "User-Name = \"u\", NAS-IP-Address = 127.0.0.1, NAS-Port = 50, NAS-Port-Type = Ethernet, Calling-Station-Id = \"02:00:00:00:00:01\"";
    let avps = avp::parse_list(dictionary, text).expect("attributes of the dictionary");
    let mut bytes = vec![0; 20];
    avp::encode(dictionary, &avps, None, &mut bytes).expect("attributes that can be sent");
    bytes[0] = 1;
    let length = u16::try_from(bytes.len()).expect("a small packet");
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

fn authorization(criterion: &mut Criterion) {
    let compiler = Compiler::new(Dictionary::builtin());
    let user = Arc::new(compiler.user(&user_rows()));
    let group = OneGroup(Arc::new(compiler.group(&group_rows())));
    let bytes = packet(compiler.dictionary());
    let packet = Packet::parse(&bytes).expect("a well-formed packet");
    let request = Request {
        packet: &packet,
        user_name: b"u",
        password: Some(b"kookaburra"),
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        now: Timestamp::from_seconds(1_800_000_000),
        gaps: None,
    };
    criterion.bench_function("authorize a user in a group", |bencher| {
        bencher.iter(|| {
            let outcome = authorize(Some(&user), &group, black_box(&request), Mode::Strict);
            match outcome.authorization {
                Authorization::Found(access) => {
                    black_box(access.demand());
                    access.reply().count()
                }
                Authorization::NotFound | Authorization::Failed(_) => 0,
            }
        });
    });
}

fn compiling(criterion: &mut Criterion) {
    let compiler = Compiler::new(Dictionary::builtin());
    let (user, group) = (user_rows(), group_rows());
    criterion.bench_function("compile a user", |bencher| {
        bencher.iter(|| compiler.user(black_box(&user)));
    });
    let linter = Linter::new(&compiler);
    let facts = linter.group_facts(&group);
    criterion.bench_function("lint a user", |bencher| {
        bencher.iter(|| linter.user("u", black_box(&user), &|_| Some(facts)));
    });
}

criterion_group!(benches, authorization, compiling);
criterion_main!(benches);
