//! The crate against a real FreeRADIUS: the same rows, the same requests, no server of ours in between.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use domain::time::Timestamp;
use radius::attribute::{kind, microsoft, vendor};
use radius::avp::Keys;
use radius::code::Code;
use radius::dictionary::Dictionary;
use radius::packet::Packet;
use radius::password::pap::PASSWORD_LENGTH_MAX;
use radius::password::{chap, mschap, pap};
use radius::writer::PacketWriter;
use rows::access::{Access, Authorization, Demand};
use rows::authorize::{Groups, authorize};
use rows::compiler::Compiler;
use rows::name::stored_name;
use rows::program::{GroupProgram, UserProgram};
use rows::request::Request;
use rows::row::{GroupRows, Membership, Mode, Row, UserRows};
use testkit::database::Database;
use testkit::freeradius::{FreeRadius, Limits, SECRET};
use testkit::oracle::ask::{Asked, Reply};
use testkit::oracle::case::{Case, Question, Table};
use testkit::oracle::contest::Contest;
use testkit::oracle::generate::Generator;
use testkit::oracle::settings;

/// Differences that are made small and shown.
const SHOWN_MAX: usize = 10;
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

testkit::test_on_both_databases!(rows_mean_what_freeradius_makes_of_them);

async fn rows_mean_what_freeradius_makes_of_them(database: Database) {
    let (seed, users) = (settings::seed(), settings::users());
    let reference = FreeRadius::over(&database, Limits::Ignored);
    let compiler = Compiler::new(Dictionary::builtin());
    let dictionary = Dictionary::builtin();
    let asked = Asked {
        server: reference.auth(),
        secret: SECRET,
        dictionary: &dictionary,
    };
    let pure = Asked { ..asked };
    let contest = Contest::new(&database, asked, |_: &Case, cases: &[Case]| {
        answers(&compiler, &pure, cases)
    });
    let round = contest.play(&Generator::new(seed).cases(users)).await;
    let count = round.differences.len();
    let mut report = String::new();
    for difference in round.differences.into_iter().take(SHOWN_MAX) {
        report += &contest.shrink(difference).await.to_string();
        report.push('\n');
    }
    let repeat = format!("LASTMILE_ORACLE_SEED={seed} LASTMILE_ORACLE_USERS={users}");
    assert_eq!(count, 0, "{repeat}: {count} users differ:\n{report}");
    assert!(
        users < round.accepted,
        "{repeat}: {} accepted",
        round.accepted
    );
}

#[derive(Default)]
struct Stored {
    users: HashMap<String, UserRows>,
    groups: HashMap<String, GroupRows>,
}

struct Programs {
    users: HashMap<String, Arc<UserProgram>>,
    groups: HashMap<String, Arc<GroupProgram>>,
}

impl Groups for Programs {
    fn group(&self, stored: &str) -> Option<Arc<GroupProgram>> {
        self.groups.get(stored).cloned()
    }

    fn user(&self, stored: &str) -> Option<Arc<UserProgram>> {
        self.users.get(stored).cloned()
    }
}

fn answers(compiler: &Compiler, asked: &Asked<'_>, cases: &[Case]) -> Vec<Vec<Reply>> {
    let mut stored = Stored::default();
    for case in cases {
        stored.take(case);
    }
    let users = stored
        .users
        .iter()
        .map(|(name, rows)| (name.clone(), Arc::new(compiler.user(rows))));
    let groups = stored
        .groups
        .iter()
        .map(|(name, rows)| (name.clone(), Arc::new(compiler.group(rows))));
    let programs = Programs {
        users: users.collect(),
        groups: groups.collect(),
    };
    cases
        .iter()
        .map(|case| {
            let answer = |question| answer(&programs, asked, case, question);
            case.questions.iter().map(answer).collect()
        })
        .collect()
}

impl Stored {
    fn take(&mut self, case: &Case) {
        for (id, row) in (1..).zip(&case.rows) {
            let owner = case.text(&row.owner);
            let list = match row.table {
                Table::Check => &mut self.users.entry(owner).or_default().check,
                Table::Reply => &mut self.users.entry(owner).or_default().reply,
                Table::GroupCheck => &mut self.groups.entry(owner).or_default().check,
                Table::GroupReply => &mut self.groups.entry(owner).or_default().reply,
            };
            list.push(Row {
                id,
                attribute: row.attribute.clone(),
                op: row.op.clone(),
                value: case.text(&row.value),
            });
        }
        for (id, row) in (1..).zip(&case.memberships) {
            let user = self.users.entry(case.text(&row.user)).or_default();
            user.groups.push(Membership {
                id,
                group: case.text(&row.group),
                priority: i64::from(row.priority),
            });
        }
    }
}

fn answer(programs: &Programs, asked: &Asked<'_>, case: &Case, question: &Question) -> Reply {
    let datagram = asked.request(7, case, question);
    let packet = Packet::parse(&datagram).expect("it is ours");
    let mut clear = [0; PASSWORD_LENGTH_MAX];
    let password = packet.find(kind::USER_PASSWORD).and_then(|hidden| {
        pap::decrypt(
            hidden,
            asked.secret.as_bytes(),
            packet.authenticator(),
            &mut clear,
        )
    });
    let password = password.map(without_padding);
    let user_name = packet
        .find(kind::USER_NAME)
        .expect("every question has a name");
    let request = Request {
        packet: &packet,
        user_name,
        password,
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        now: NOW,
        gaps: None,
    };
    let user = programs.users.get(&*stored_name(user_name));
    let outcome = authorize(user, programs, &request, Mode::Compatible);
    match outcome.authorization {
        Authorization::Found(access) if is_proven(&access, &request) => {
            accepted(&access, &packet, asked)
        }
        Authorization::Found(_) | Authorization::Failed(_) | Authorization::NotFound => {
            Reply::Reject
        }
    }
}

/// The padding of User-Password is no part of the password (RFC 2865 §5.2).
fn without_padding(padded: &[u8]) -> &[u8] {
    let last = padded.iter().rposition(|octet| *octet != 0);
    last.map_or(&[], |last| &padded[..=last])
}

fn is_proven(access: &Access, request: &Request<'_>) -> bool {
    let packet = request.packet;
    match access.demand() {
        Demand::Nothing => true,
        Demand::Refused(_) => false,
        Demand::Pap(known_good) => request
            .password
            .is_some_and(|password| known_good.verify(password)),
        Demand::Chap(known_good) => {
            let challenge = packet
                .find(kind::CHAP_CHALLENGE)
                .expect("questions have one");
            let response = packet.find(kind::CHAP_PASSWORD).expect("the offer is chap");
            let clear = known_good.cleartext().expect("the demand says so");
            chap::verify(response, challenge, clear)
        }
        Demand::MsChap(hash) => {
            let find = |number| packet.find_vendor(vendor::MICROSOFT, number);
            let challenge = find(microsoft::MS_CHAP_CHALLENGE).expect("the offer is mschap");
            if let Some(response) = find(microsoft::MS_CHAP2_RESPONSE) {
                let challenge = challenge.try_into().expect("16 octets");
                return mschap::v2_verify(challenge, response, request.user_name, &hash).is_some();
            }
            let response = find(microsoft::MS_CHAP_RESPONSE).expect("one of the two");
            let challenge = challenge.try_into().expect("8 octets");
            mschap::v1_verify(challenge, response, &hash)
        }
    }
}

fn accepted(access: &Access, request: &Packet<'_>, asked: &Asked<'_>) -> Reply {
    let mut buffer = Vec::new();
    let mut writer = PacketWriter::new(&mut buffer, Code::AccessAccept, request.identifier());
    for (salt, attribute) in (1..).zip(access.reply()) {
        let keys = Keys {
            secret: asked.secret.as_bytes(),
            request_authenticator: request.authenticator(),
            salt,
        };
        attribute.write(&mut writer, &keys).expect("it fits");
    }
    writer.finish_reply(request.authenticator(), asked.secret.as_bytes());
    let reply = Packet::parse(&buffer).expect("it is ours");
    asked.accepted(&reply, request.authenticator())
}
