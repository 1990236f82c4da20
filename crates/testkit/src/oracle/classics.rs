//! Fifty users by hand: every operator, the order of groups, falling through, kinds of passwords and odd values.

use crate::oracle::case::{Case, Membership, Method, Question, Row, Table};

/// All of them as one case, since they share groups; each is asked the same.
pub fn classics() -> Case {
    let rows = [
        (Table::Check, CHECK),
        (Table::Reply, REPLY),
        (Table::GroupCheck, GROUP_CHECK),
        (Table::GroupReply, GROUP_REPLY),
    ]
    .into_iter()
    .flat_map(|(table, rows)| rows.iter().map(move |row| (table, *row)))
    .map(|(table, [owner, attribute, op, value])| Row {
        table,
        owner: owner.to_owned(),
        attribute: attribute.to_owned(),
        op: op.to_owned(),
        value: value.to_owned(),
    });
    let memberships = MEMBERSHIPS
        .iter()
        .map(|(user, group, priority)| Membership {
            user: (*user).to_owned(),
            group: (*group).to_owned(),
            priority: *priority,
        });
    let users = (1..=50).map(|number| format!("t{number:02}"));
    let questions = users.chain(["T29".to_owned()]).map(|user| Question {
        user,
        method: Method::Pap,
        password: "pw".to_owned(),
        attributes: REQUEST.map(str::to_owned).to_vec(),
    });
    Case {
        number: 0,
        rows: rows.collect(),
        memberships: memberships.collect(),
        questions: questions.collect(),
    }
}

const REQUEST: [&str; 4] = [
    "NAS-IP-Address = 127.0.0.1",
    "NAS-Port = 50",
    "NAS-Port-Type = Ethernet",
    "Calling-Station-Id = \"02:00:00:00:00:01\"",
];

const CHECK: &[[&str; 4]] = &[
    ["t02", "Cleartext-Password", ":=", "pw"],
    ["t03", "Cleartext-Password", ":=", "pw"],
    ["t04", "Cleartext-Password", ":=", "pw"],
    ["t05", "Cleartext-Password", ":=", "pw"],
    ["t06", "Cleartext-Password", ":=", "pw"],
    ["t07", "Cleartext-Password", ":=", "pw"],
    ["t08", "Cleartext-Password", ":=", "pw"],
    ["t09", "Cleartext-Password", ":=", "pw"],
    ["t09", "Calling-Station-Id", "==", "AA"],
    ["t10", "Cleartext-Password", "==", "pw"],
    ["t11", "Cleartext-Password", ":=", "pw"],
    ["t11", "NAS-Port-Type", "=", "Ethernet"],
    ["t12", "Cleartext-Password", ":=", "pw"],
    ["t12", "Calling-Station-Id", "=~", "^02:00"],
    ["t13", "Cleartext-Password", ":=", "pw"],
    ["t14", "User-Password", ":=", "pw"],
    ["t15", "User-Password", "==", "pw"],
    [
        "t16",
        "Crypt-Password",
        ":=",
        "$6$d/d6ks5iJZICs3Fi$2OwZgYwG9uNW2Mx0LX0BrDBKvHtkrXoJC9U4IRNz66daFG9fYL4G5PuBzrxz1dC37O1FRD7uakM8N0e.0XvdC/",
    ],
    [
        "t17",
        "MD5-Password",
        ":=",
        "8fe4c11451281c094a6578e6ddbf5eed",
    ],
    [
        "t18",
        "NT-Password",
        ":=",
        "8CC19B6A8CFEAC299C2871C86B38DE28",
    ],
    [
        "t19",
        "Password-With-Header",
        ":=",
        "{md5}8fe4c11451281c094a6578e6ddbf5eed",
    ],
    ["t20", "Cleartext-Password", ":=", "pw"],
    ["t21", "Cleartext-Password", ":=", "pw"],
    ["t22", "Cleartext-Password", ":=", "pw"],
    ["t23", "Cleartext-Password", ":=", "pw"],
    ["t23", "NAS-Port", ">", "100"],
    ["t24", "Cleartext-Password", ":=", "pw"],
    ["t25", "Cleartext-Password", ":=", "pw"],
    ["t25", "Cleartext-Password", ":=", "pw2"],
    ["t26", "Cleartext-Password", ":=", "pw"],
    ["t27", "Cleartext-Password", ":=", "pw"],
    ["t28", "Cleartext-Password", ":=", "pw"],
    ["T29", "Cleartext-Password", ":=", "pw"],
    ["t30", "Cleartext-Password", ":=", "pw"],
    ["t30", "Auth-Type", ":=", "Reject"],
    ["t32", "Cleartext-Password", ":=", "pw"],
    ["t33", "Cleartext-Password", ":=", "pw"],
    ["t33", "User-Profile", ":=", "prof1"],
    ["t34", "Cleartext-Password", ":=", "pw"],
    ["t35", "Cleartext-Password", ":=", "pw"],
    ["t36", "Cleartext-Password", ":=", "pw"],
    ["t36", "NAS-Port-Type", "!=", "Ethernet"],
    ["t37", "Cleartext-Password", ":=", "pw"],
    ["t37", "Calling-Station-Id", "!~", "^02:00"],
    ["t38", "Cleartext-Password", ":=", "pw"],
    ["t38", "NAS-Port", "=*", "1"],
    ["t39", "Cleartext-Password", ":=", "pw"],
    ["t39", "Framed-IP-Address", "!*", "1"],
    ["t40", "Cleartext-Password", ":=", "pw"],
    ["t40", "Framed-IP-Address", "==", "10.0.0.1"],
    ["t41", "Cleartext-Password", ":=", "pw"],
    ["t42", "Cleartext-Password", "+=", "pw"],
    ["t43", "Cleartext-Password", "=", "pw"],
    ["t44", "Cleartext-Password", ":=", "pw"],
    ["t44", "NAS-IP-Address", "==", "127.0.0.0/8"],
    ["t45", "Cleartext-Password", ":=", "pw"],
    ["t45", "SQL-Group", "==", "g1"],
    ["t46", "Cleartext-Password", ":=", "pw"],
    ["t47", "Cleartext-Password", ":=", "pw"],
    ["t48", "cleartext-password", ":=", "pw"],
    ["t50", "Cleartext-Password", ":=", "other"],
];

const REPLY: &[[&str; 4]] = &[
    ["t01", "Reply-Message", "+=", "user-reply"],
    ["t02", "Reply-Message", ":=", "a"],
    ["t02", "Reply-Message", ":=", "b"],
    ["t03", "Session-Timeout", ":=", "100"],
    ["t04", "Session-Timeout", ":=", "100"],
    ["t08", "Reply-Message", ":=", "u"],
    ["t08", "Fall-Through", "=", "No"],
    ["t11", "Reply-Message", ":=", "ok"],
    ["t12", "Reply-Message", ":=", "ok"],
    ["t13", "Reply-Message", "==", "x"],
    ["t20", "Reply-Message", "+=", "a"],
    ["t20", "Reply-Message", "+=", "b"],
    ["t20", "Reply-Message", "=", "c"],
    ["t21", "Session-Timeout", "=", "100"],
    ["t22", "Session-Timeout", "=", "100"],
    ["t23", "Reply-Message", ":=", "gt"],
    ["t24", "Cisco-AVPair", "+=", "ip:addr-pool=x"],
    ["t24", "Mikrotik-Address-List", ":=", "blocked"],
    ["t24", "Tunnel-Type:1", ":=", "VLAN"],
    ["t24", "Tunnel-Private-Group-Id:1", ":=", "20"],
    ["t26", "No-Such-Attr", ":=", "1"],
    ["t27", "Reply-Message", "", "noop"],
    ["t32", "Reply-Message", ":=", "`%{User-Name}`"],
    ["t33", "Reply-Message", ":=", "u"],
    ["t34", "Reply-Message", ":=", "\"%{User-Name}\""],
    ["t35", "Reply-Message", ":=", "%{User-Name}"],
    ["t41", "Session-Timeout", ">=", "100"],
    ["t46", "Reply-Message", "+=", "x"],
    ["t46", "Reply-Message", "-=", "x"],
    ["t47", "Session-Timeout", ":=", "abc"],
    ["t36", "Reply-Message", ":=", "m"],
    ["t37", "Reply-Message", ":=", "m"],
    ["t38", "Reply-Message", ":=", "m"],
    ["t39", "Reply-Message", ":=", "m"],
    ["t40", "Reply-Message", ":=", "m"],
    ["t44", "Reply-Message", ":=", "m"],
    ["t45", "Reply-Message", ":=", "m"],
];

const GROUP_CHECK: &[[&str; 4]] = &[
    ["acceptall", "Auth-Type", ":=", "Accept"],
    ["g3", "NAS-Port-Type", "==", "Wireless-802.11"],
    ["g6", "NAS-Port-Type", "==", "Wireless-802.11"],
    ["gpw", "Cleartext-Password", ":=", "pw"],
    ["gA", "Cleartext-Password", ":=", "pw"],
];

const GROUP_REPLY: &[[&str; 4]] = &[
    ["acceptall", "Reply-Message", "+=", "from-group"],
    ["gset", "Session-Timeout", ":=", "200"],
    ["geq", "Session-Timeout", "=", "200"],
    ["g1", "Filter-Id", ":=", "one"],
    ["g2", "Filter-Id", ":=", "two"],
    ["g3", "Filter-Id", ":=", "wifi"],
    ["g4", "Filter-Id", ":=", "four"],
    ["g4", "Fall-Through", "=", "Yes"],
    ["g5", "Reply-Message", ":=", "five"],
    ["gle", "Session-Timeout", "<=", "50"],
    ["gdel", "Session-Timeout", "!*", "0"],
    ["g6", "Filter-Id", ":=", "wifi"],
    ["g6", "Fall-Through", "=", "Yes"],
    ["gpw", "Filter-Id", ":=", "gpw"],
    ["gA", "Filter-Id", ":=", "A"],
    ["gB", "Filter-Id", ":=", "B"],
];

const MEMBERSHIPS: &[(&str, &str, i32)] = &[
    ("t01", "acceptall", 1),
    ("t03", "gset", 1),
    ("t04", "geq", 1),
    ("t05", "g1", 1),
    ("t05", "g2", 2),
    ("t06", "g3", 1),
    ("t06", "g2", 2),
    ("t07", "g4", 1),
    ("t07", "g5", 2),
    ("t08", "g1", 1),
    ("t09", "acceptall", 1),
    ("t21", "gle", 1),
    ("t22", "gdel", 1),
    ("t28", "g6", 1),
    ("t31", "gpw", 1),
    ("prof1", "g1", 1),
    ("t45", "g1", 1),
    ("t49", "gA", 1),
    ("t49", "gB", 1),
    ("t50", "gpw", 1),
];
