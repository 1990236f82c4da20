//! The users of a provider, most of them as panels write them, some in every other way.

use std::fmt::Write as _;

use radius::password::mschap;
use testkit::oracle::case::{Case, Membership, Method, Question, Row, Table};

/// What the groups are; `gold` and `silver` are plans, the others are not.
const GROUPS: [(Table, &str, &str, &str, &str); 11] = [
    (Table::GroupCheck, "gold", "Simultaneous-Use", ":=", "2"),
    (
        Table::GroupReply,
        "gold",
        "Mikrotik-Rate-Limit",
        ":=",
        "20M/100M",
    ),
    (Table::GroupReply, "gold", "Framed-Pool", "=", "pppoe"),
    (Table::GroupReply, "gold", "Idle-Timeout", "=", "900"),
    (
        Table::GroupReply,
        "silver",
        "Mikrotik-Rate-Limit",
        "=",
        "5M/20M",
    ),
    (
        Table::GroupReply,
        "silver",
        "Acct-Interim-Interval",
        "=",
        "600",
    ),
    (
        Table::GroupReply,
        "silver",
        "Service-Type",
        "=",
        "Framed-User",
    ),
    (Table::GroupReply, "silver", "Framed-Protocol", "=", "PPP"),
    (
        Table::GroupReply,
        "listed",
        "Mikrotik-Address-List",
        "=",
        "office",
    ),
    (
        Table::GroupCheck,
        "local",
        "NAS-Port-Type",
        "==",
        "Ethernet",
    ),
    (
        Table::GroupCheck,
        "daloRADIUS-Disabled-Users",
        "Auth-Type",
        ":=",
        "Reject",
    ),
];

/// The rows of groups, which belong to no user.
pub(crate) fn groups() -> Case {
    let rows =
        GROUPS.map(|(table, owner, attribute, op, value)| row(table, owner, attribute, op, value));
    Case {
        number: 0,
        rows: rows.into(),
        memberships: Vec::new(),
        questions: Vec::new(),
    }
}

fn row(table: Table, owner: &str, attribute: &str, op: &str, value: &str) -> Row {
    Row {
        table,
        owner: owner.to_owned(),
        attribute: attribute.to_owned(),
        op: op.to_owned(),
        value: value.to_owned(),
    }
}

/// The user of a number, of one of sixteen kinds, and what is asked about it.
pub(crate) fn user(number: u64) -> Case {
    let mut case = Case {
        number,
        rows: Vec::new(),
        memberships: Vec::new(),
        questions: Vec::new(),
    };
    let name = "u§";
    let mut check = |attribute: &str, op: &str, value: &str| {
        case.rows
            .push(row(Table::Check, "u§", attribute, op, value));
    };
    match number % 16 {
        0..=6 => check("Cleartext-Password", ":=", "pw-§"),
        7 => {
            check("Cleartext-Password", ":=", "pw-§");
            check("Expiration", ":=", "1 Jan 2020");
        }
        8 => check("NT-Password", ":=", &nt_hash(number)),
        9 => check("User-Password", ":=", "pw-§"),
        10 => check("MD5-Password", ":=", "8fe4c11451281c094a6578e6ddbf5eed"),
        11 => {
            check("Cleartext-Password", ":=", "pw-§");
            check("Calling-Station-Id", "==", "02:00:00:00:00:01");
        }
        12 => {
            check("Cleartext-Password", ":=", "pw-§");
            check("NAS-Port-Type", "==", "Virtual");
        }
        13 => check("Auth-Type", ":=", "Accept"),
        _ => check("Cleartext-Password", ":=", "pw-§"),
    }
    let mut reply = |attribute: &str, op: &str, value: &str| {
        case.rows
            .push(row(Table::Reply, "u§", attribute, op, value));
    };
    let third = number / 256 % 256;
    match number % 16 {
        1 => reply(
            "Framed-IP-Address",
            "=",
            &format!("100.64.{third}.{}", number % 256),
        ),
        2 => reply("Session-Timeout", "=", "3600"),
        3 => reply("Reply-Message", "=", "Welcome"),
        14 => reply("Framed-IP-Address", "=", "255.255.255.254"),
        _ => {}
    }
    let groups: &[(&str, i32)] = match number % 16 {
        0 | 1 | 7 | 8 | 9 | 10 | 11 => &[("gold", 1)],
        4 => &[("silver", 1), ("gold", 2)],
        5 => &[("daloRADIUS-Disabled-Users", 0), ("silver", 1)],
        6 => &[("listed", 1)],
        15 => &[("local", 1)],
        _ => &[("silver", 1)],
    };
    for (group, priority) in groups {
        case.memberships.push(Membership {
            user: name.to_owned(),
            group: (*group).to_owned(),
            priority: *priority,
        });
    }
    case.questions = questions(name, &format!("pw-{number}"));
    case
}

fn nt_hash(number: u64) -> String {
    let hash = mschap::nt_hash(&format!("pw-{number}"));
    let digits = hash.iter().map(|octet| format!("{octet:02x}"));
    digits.collect()
}

/// The right password, a wrong one, and the right one by CHAP, from a MikroTik and from something
/// that says less.
fn questions(user: &str, password: &str) -> Vec<Question> {
    let framed = [
        "Service-Type = Framed-User",
        "Framed-Protocol = PPP",
        "NAS-Port-Type = Ethernet",
        "Calling-Station-Id = \"02:00:00:00:00:01\"",
    ];
    let plain = ["NAS-Port-Type = Virtual"];
    let question = |method, password: &str, attributes: &[&str]| Question {
        user: user.to_owned(),
        method,
        password: password.to_owned(),
        attributes: attributes.iter().map(|one| (*one).to_owned()).collect(),
    };
    vec![
        question(Method::Pap, password, &framed),
        // What the digests are of, and nobody else's password.
        question(Method::Pap, "pw", &framed),
        question(Method::Chap, password, &framed),
        question(Method::Pap, password, &plain),
    ]
}

/// SQL for routers: three that are good, and three that are not.
pub(crate) const ROUTERS: &str = "
INSERT INTO nas (nasname, shortname, type, ports, secret) VALUES
('127.0.0.1', 'pop', 'other', 1812, 'freeradius-secret-0001'),
('192.0.2.0/24', 'pop', 'mikrotik', NULL, 'another-secret-0002'),
('2001:db8::1', 'six', 'other', NULL, 'third-secret-0003'),
('0.0.0.0/0', 'all', 'other', NULL, 'wide-open-0004'),
('router.example', 'named', 'other', NULL, 'named-secret-0005'),
('192.0.2.1', 'known', 'other', NULL, 'secret');
";

/// Users in a table that a test makes by thousands, all of `gold`.
pub(crate) fn thousands(from: u64, to: u64) -> String {
    let mut sql = String::new();
    let numbers: Vec<u64> = (from..to).collect();
    for chunk in numbers.chunks(500) {
        for (head, row) in [
            (
                "radcheck (username, attribute, op, value)",
                "('c§', 'Cleartext-Password', ':=', 'pw-§')",
            ),
            (
                "radusergroup (username, groupname, priority)",
                "('c§', 'gold', 1)",
            ),
        ] {
            let rows = chunk
                .iter()
                .map(|number| row.replace('§', &number.to_string()));
            let rows: Vec<String> = rows.collect();
            writeln!(sql, "INSERT INTO {head} VALUES {};", rows.join(", ")).unwrap();
        }
    }
    sql
}
