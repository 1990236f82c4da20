//! Names and values that rows are made of, and the requests that they are about.

/// An attribute with values: `right` are those of the first request, or will do in a reply.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) name: &'static str,
    pub(super) right: &'static [&'static str],
    pub(super) other: &'static [&'static str],
}

const fn word(
    name: &'static str,
    right: &'static [&'static str],
    other: &'static [&'static str],
) -> Word {
    Word { name, right, other }
}

/// What routers say, beside user name and credential.
pub(super) const REQUESTS: [&[&str]; 3] = [
    &[
        "NAS-IP-Address = 127.0.0.1",
        "NAS-Port = 50",
        "NAS-Port-Type = Ethernet",
        "Calling-Station-Id = \"02:00:00:00:00:01\"",
        "Called-Station-Id = \"pppoe-1\"",
        "Service-Type = Framed-User",
        "Framed-Protocol = PPP",
        "Framed-IP-Address = 10.0.0.7",
        "NAS-IPv6-Address = 2001:db8::1",
        "Framed-IPv6-Prefix = 2001:db8:1::/48",
        "Framed-Interface-Id = 0:0:0:1",
        "Event-Timestamp = 1795000000",
        "NAS-Identifier = \"lab\"",
        "Connect-Info = \"100 Mbit/s\"",
        "Connect-Info = \"CONNECT\"",
        "Cisco-AVPair = \"client-mac=0200\"",
        "Cisco-AVPair = \"a=b\"",
        "Mikrotik-Host-IP = 10.0.0.7",
        "Mikrotik-Realm = \"isp\"",
        "ADSL-Agent-Circuit-Id = 0x0102",
        "Tunnel-Type:1 = VLAN",
        "Tunnel-Client-Endpoint:1 = \"192.0.2.1\"",
        "MIP6-Feature-Vector = 5",
        "PKM-SAID = 5",
        "PMIP6-Home-IPv4-HoA = 10.2.0.0/16",
        "Fortinet-WirelessController-Device-MAC = 02:00:00:00:00:01",
    ],
    &[
        "NAS-IP-Address = 127.0.0.1",
        "NAS-Port = 7",
        "NAS-Port-Type = Virtual",
        "Calling-Station-Id = \"AA-BB-CC-00-11-22\"",
        "Service-Type = Login-User",
        "Event-Timestamp = 1795000007",
        "Connect-Info = \"\\\"odd\\\" % `value`\"",
    ],
    &["NAS-Identifier = \"bare\"", "Event-Timestamp = 1795000007"],
];

/// What checks compare with requests.
pub(super) const CHECKS: &[Word] = &[
    word(
        "NAS-Port",
        &["50", "0x32", "50", "50"],
        &[
            "7",
            "100",
            "0",
            "abc",
            "-1",
            "4294967295",
            "4294967296",
            "5.0",
            "",
            " 50",
            "50 ",
            "050",
            "0x",
            "1e1",
        ],
    ),
    word(
        "NAS-Port-Type",
        &["Ethernet", "15", "ethernet"],
        &[
            "Virtual",
            "Wireless-802.11",
            "5",
            "Nonsense",
            "0xf",
            "Ether",
        ],
    ),
    word(
        "Calling-Station-Id",
        &["02:00:00:00:00:01"],
        &[
            "AA",
            "02:00:00:00:00:0A",
            "",
            "02-00-00-00-00-01",
            "AA-BB-CC-00-11-22",
            "aa-bb-cc-00-11-22",
            "\"02:00:00:00:00:01\"",
            "'02:00:00:00:00:01'",
            "`%{Calling-Station-Id}`",
            "02:00:00:00:00:01 ",
        ],
    ),
    word(
        "Called-Station-Id",
        &["pppoe-1"],
        &[
            "pppoe",
            "PPPOE-1",
            "`%{Called-Station-Id}`",
            "%{Called-Station-Id}",
        ],
    ),
    word(
        "Service-Type",
        &["Framed-User", "2", "Framed"],
        &["Login-User", "1", "Framed User", "Administrative-User"],
    ),
    word("Framed-Protocol", &["PPP", "1"], &["SLIP", "ppp", "2", "P"]),
    word(
        "Framed-IP-Address",
        &["10.0.0.7", "10.0.0.7/32"],
        &[
            "10.0.0.0/24",
            "10.0.0.1",
            "10.0.0",
            "10.0.0.300",
            "167772167",
            "0x0a000007",
            "",
        ],
    ),
    word(
        "NAS-IP-Address",
        &["127.0.0.1"],
        &[
            "127.0.0.0/8",
            "10.0.0.1",
            "127.1",
            "127.0.0.1/32",
            "127.0.0.1/33",
        ],
    ),
    word(
        "NAS-IPv6-Address",
        &["2001:db8::1", "2001:DB8:0::1"],
        &["2001:db8::2", "2001:db8::/32", "::", "2001:db8", "10.0.0.1"],
    ),
    word(
        "Framed-IPv6-Prefix",
        &["2001:db8:1::/48"],
        &[
            "2001:db8::/32",
            "2001:db8:1::",
            "2001:db8:1::/64",
            "2001:db8:1::/129",
            "10.0.0.0/8",
            "2001:db8:1::5/48",
        ],
    ),
    word(
        "Framed-Interface-Id",
        &["0:0:0:1", "0000:0000:0000:0001"],
        &["0:0:0:2", "1", "0:0:0", "::1", "02:00:00:00:00:01"],
    ),
    word(
        "Event-Timestamp",
        &["1795000000"],
        &[
            "1795000001",
            "1",
            "Nov 18 2026 10:26:40 UTC",
            "Nov 18 2026",
            "18 Nov 2026",
            "2026-11-18T10:26:40Z",
            "tomorrow",
        ],
    ),
    word(
        "NAS-Identifier",
        &["lab"],
        &["bare", "LAB", "la", "lab2", "%{NAS-Identifier}"],
    ),
    word(
        "Connect-Info",
        &["100 Mbit/s", "CONNECT"],
        &[
            "CONNECTED",
            "",
            "\\\"odd\\\" % `value`",
            "\"odd\" % `value`",
        ],
    ),
    word(
        "Cisco-AVPair",
        &["a=b", "client-mac=0200"],
        &["a=c", "a", "client-mac"],
    ),
    word(
        "Mikrotik-Host-IP",
        &["10.0.0.7"],
        &["10.0.0.8", "10.0.0.0/24"],
    ),
    word("Mikrotik-Realm", &["isp"], &["ISP", "i", "other"]),
    word(
        "ADSL-Agent-Circuit-Id",
        &["0x0102"],
        &["0x01", "0x010203", "0102", "abc", "0x1", "0xzz"],
    ),
    word("Tunnel-Type", &["VLAN", "13"], &["L2TP", "3", "vlan"]),
    word("Tunnel-Type:1", &["VLAN", "13"], &["L2TP", "3"]),
    word("Tunnel-Client-Endpoint:1", &["192.0.2.1"], &["192.0.2.2"]),
    word("Tunnel-Client-Endpoint", &["192.0.2.1"], &["192.0.2.2"]),
    word(
        "MIP6-Feature-Vector",
        &["5"],
        &["4", "18446744073709551615", "18446744073709551616", "0x5"],
    ),
    word(
        "PKM-SAID",
        &["5", "0x5"],
        &["4", "65535", "65536", "-1", "abc"],
    ),
    word(
        "PMIP6-Home-IPv4-HoA",
        &["10.2.0.0/16", "10.2.0.0/16"],
        &[
            "10.2.0.0",
            "10.2.3.4/16",
            "10.0.0.0/8",
            "10.2.0.0/33",
            "10.2/16",
        ],
    ),
    word(
        "Fortinet-WirelessController-Device-MAC",
        &["02:00:00:00:00:01"],
        &[
            "02-00-00-00-00-01",
            "020000000001",
            "02:00:00:00:00:02",
            "2:0:0:0:0:1",
            "02:00:00:00:00",
        ],
    ),
    word("Framed-MTU", &["1500"], &["0", "1492"]),
    word("Idle-Timeout", &["1"], &["0"]),
    word("User-Name", &["u§"], &["U§", "", "`%{User-Name}`", "u"]),
    word("Prefix", &["u"], &["x"]),
    word("Suffix", &["§"], &["x"]),
    word("SQL-Group", &["g§a", "g§b"], &["g§z", "", "G§a", "`g§a`"]),
];

/// Regular expressions of checks.
pub(super) const PATTERNS: &[&str] = &[
    "^02:00",
    "^02:(..):(..)",
    "01$",
    ".*",
    "^AA",
    "^02:00:00:00:00:0[1-3]$",
    "[0-9]{2}:",
    "^$",
    "(Ether|Virtual)",
    "^[A-Za-z0-9:. _-]+$",
    "50",
    "^u",
    "a=(.)",
    "(x)?lab",
    "100|200",
    "(",
    "[0-9",
    "*",
];

/// What only configures the server.
pub(super) const CONTROLS: &[Word] = &[
    word(
        "Auth-Type",
        &["PAP", "CHAP", "MS-CHAP", "Accept"],
        &[
            "Reject", "Local", "System", "pap", "accept", "Nonsense", "4",
        ],
    ),
    word("Simultaneous-Use", &["5"], &["abc", "1000"]),
    word("User-Profile", &["p§"], &["nobody§", "", "`p§`"]),
    word("Fall-Through", &["Yes"], &["No"]),
    word("Session-Timeout", &["100"], &["abc"]),
    word("Reply-Message", &["in check"], &[""]),
    word("Port-Limit", &["1"], &["x"]),
];

/// Hours and counters. Windows begin and end with an hour.
pub(super) const LIMITS: &[Word] = &[
    word(
        "Expiration",
        &["1 Jan 2035", "Jan 1 2037 12:00:00", "2000000000"],
        &["1 Jan 2020", "never", "2030-01-01", ""],
    ),
    word(
        "Login-Time",
        &[
            "Al",
            "Any",
            "Wk,Sa,Su",
            "Al0000-2359",
            "SuMoTuWeThFrSa",
            "Su-Sa0000-2259",
        ],
        &[
            "Never",
            "Wk0800-1759",
            "Su-We",
            "1000-1159",
            "Sa,Fr-Su0600-0559",
            "Th|Fr1200-2359, Sa",
            "",
        ],
    ),
    word(
        "Max-Daily-Session",
        &["3600", "100000"],
        &["0", "abc", "", "1h"],
    ),
    word("Max-Weekly-Session", &["7200", "\"50\""], &["0"]),
    word("Max-Monthly-Session", &["5000", "10000000"], &["0", "x1"]),
    word("Max-Hourly-Session", &["600", "3600"], &["0"]),
    word("Max-All-Session", &["1", "36000"], &["0", "0x10"]),
    word("Max-Daily-Octets", &["1000000"], &["0"]),
    word("Max-Monthly-Traffic", &["50000", "4000000000"], &["0", ""]),
    word("Max-All-Octets", &["7"], &["0"]),
    word("Access-Period", &["86400"], &["0"]),
    word("Expire-After", &["3600"], &["0"]),
];

/// What replies carry.
pub(super) const REPLIES: &[Word] = &[
    word(
        "Reply-Message",
        &["a", "b", "hello world"],
        &[
            "",
            "\"quoted\"",
            "'single'",
            "\"unbalanced",
            "a\\nb",
            "\"a\\nb\"",
            "\"a\\\"b\"",
            "'a\\'b'",
            "ä\u{f6}",
            "%",
            "%{User-Name}",
            "\"%{User-Name}\"",
            " a ",
            "\\x41",
            "\\101",
            "\"\\101\"",
            "it''s",
        ],
    ),
    word(
        "Session-Timeout",
        &["100", "50", "200", "3600", "0x64"],
        &[
            "abc",
            "-1",
            "4294967296",
            "",
            "100 ",
            " 100",
            "1h",
            "0100",
            "1.5",
            "0",
        ],
    ),
    word("Idle-Timeout", &["600", "300"], &["never"]),
    word("Acct-Interim-Interval", &["300", "60"], &["5m"]),
    word(
        "Framed-IP-Address",
        &["10.1.0.1", "10.1.0.2", "255.255.255.254"],
        &[
            "10.1.0",
            "10.1.0.1/32",
            "10.1.0.1/24",
            "300.1.1.1",
            "167837697",
            "0x0a010001",
        ],
    ),
    word("Framed-IP-Netmask", &["255.255.255.255"], &["32"]),
    word("Framed-Pool", &["pool-a", "pool-b"], &[""]),
    word("Framed-Protocol", &["PPP", "1"], &["Nonsense", "ppp"]),
    word(
        "Service-Type",
        &["Framed-User", "2"],
        &["Nonsense", "Framed-user"],
    ),
    word(
        "Framed-Compression",
        &["Van-Jacobson-TCP-IP", "None"],
        &["Van-Jacobsen-TCP-IP", "No"],
    ),
    word("Filter-Id", &["one", "two", "three"], &["`f`"]),
    word(
        "Framed-Route",
        &["10.9.0.0/16 0.0.0.0 1", "10.8.0.0/16 0.0.0.0 1"],
        &[],
    ),
    word("Framed-MTU", &["1492", "1480"], &["big"]),
    word("Port-Limit", &["1", "2"], &[]),
    word(
        "Framed-IPv6-Prefix",
        &["2001:db8:2::/64", "2001:db8:3::/56"],
        &["2001:db8:2::", "2001:db8:2::1/64", "2001:db8:2::/200"],
    ),
    word(
        "Delegated-IPv6-Prefix",
        &["2001:db8:4::/56"],
        &["2001:db8:4::/x"],
    ),
    word("Framed-IPv6-Pool", &["pool6"], &[]),
    word("Framed-Interface-Id", &["0:0:0:5"], &["5"]),
    word(
        "DNS-Server-IPv6-Address",
        &["2001:db8::53"],
        &["2001:db8::/64"],
    ),
    word("Login-IP-Host", &["192.0.2.9"], &["192.0.2.0/24"]),
    word(
        "Mikrotik-Rate-Limit",
        &["10M/20M", "5M/5M 10M/10M 4M/4M 10/10"],
        &["", "fast"],
    ),
    word("Mikrotik-Address-List", &["blocked", "vip"], &[]),
    word(
        "Mikrotik-Total-Limit",
        &["1000000", "4294967295"],
        &["4294967296", "1G"],
    ),
    word(
        "Cisco-AVPair",
        &["ip:addr-pool=x", "sub:qos=gold", "a=b"],
        &[""],
    ),
    word("WISPr-Bandwidth-Max-Down", &["1000000"], &["1M"]),
    word("PKM-SAID", &["5", "7"], &["65536", "0x10", "-1"]),
    word(
        "PMIP6-Home-IPv4-HoA",
        &["10.2.0.0/16"],
        &["10.2.0.1", "10.2.0.1/16"],
    ),
    word(
        "ChilliSpot-Max-Total-Octets",
        &["1000000", "2000000"],
        &["1e6"],
    ),
    word("Ascend-Data-Rate", &["64000"], &[]),
    word("ERX-Service-Activate:1", &["gold(1)"], &[]),
    word("Tunnel-Type:1", &["VLAN", "13"], &["Nonsense"]),
    word("Tunnel-Medium-Type:1", &["IEEE-802", "6"], &[]),
    word("Tunnel-Private-Group-Id:1", &["20", "30"], &[]),
    word("Tunnel-Type", &["VLAN"], &[]),
    word("Tunnel-Private-Group-Id", &["20"], &[]),
    word("Tunnel-Private-Group-Id:2", &["40"], &[]),
    word("Tunnel-Server-Endpoint:0", &["192.0.2.3"], &[]),
    word("Tunnel-Password:1", &["tunnel secret"], &[]),
    word(
        "MIP6-Feature-Vector",
        &["5", "18446744073709551615"],
        &["18446744073709551616", "-1"],
    ),
    word(
        "ADSL-Agent-Circuit-Id",
        &["0x0102", "0xff"],
        &["abc", "0x1"],
    ),
    word("Class", &["0x0102", "abc"], &["0x1"]),
    word("User-Name", &["other-name"], &[]),
    word("Termination-Action", &["RADIUS-Request"], &["1", "Default"]),
    word("NAS-Port:1", &[], &["50"]),
];

/// Back-quoted values, which are expanded when a request comes.
///
/// `%{1}` is not among them: after an expression that does not match, FreeRADIUS 3.2.1 ends over it with
/// "OUT OF MEMORY" in its `regex.c`.
pub(super) const EXPANSIONS: &[&str] = &[
    "`%{User-Name}`",
    "`%{NAS-Port}`",
    "`x%{Calling-Station-Id}y`",
    "`%{request:NAS-Port}`",
    "`%{reply:Session-Timeout}`",
    "`%{control:Cleartext-Password}`",
    "`%{%{Framed-MTU}:-9}`",
    "`%{%{Framed-Pool}:-none}`",
    "`%{%{NAS-Identifier}:-%{User-Name}}`",
    "`%{0}`",
    "`%{Cisco-AVPair[1]}`",
    "`%{Cisco-AVPair[0]}`",
    "`%{Connect-Info}`",
    "`%{NAS-Port-Type}`",
    "`%{Event-Timestamp}`",
    "`%{Framed-IPv6-Prefix}`",
    "`%{ADSL-Agent-Circuit-Id}`",
    "`%{Tunnel-Type:1}`",
    "`%{No-Such-Attribute}`",
    "`%{Idle-Timeout}`",
    "`%{`",
    "`%{User-Name`",
    "``",
    "`plain`",
    "`100`",
    "`%%`",
    "`10.1.0.%{NAS-Port}`",
];

/// Operators as people write them, the usual ones several times.
pub(super) const CHECK_OPERATORS: &[&str] = &[
    "==", "==", "==", "==", "==", "==", ":=", ":=", "=", "=", "+=", "!=", "!=", "<", "<=", ">",
    ">=", "=*", "!*", "^=", "-=",
];
pub(super) const PATTERN_OPERATORS: &[&str] = &["=~", "=~", "=~", "!~"];
pub(super) const REPLY_OPERATORS: &[&str] = &[
    ":=", ":=", ":=", ":=", ":=", ":=", ":=", ":=", ":=", ":=", "=", "=", "=", "=", "=", "=", "=",
    "=", "+=", "+=", "+=", "+=", "+=", "+=", "-=", "-=", "==", "==", "<=", "<=", ">=", ">=", "!*",
    "!*", "^=", "^=", "=*", "!=", "<", ">",
];
pub(super) const PASSWORD_OPERATORS: &[&str] =
    &["=", "==", "+=", "-=", "!=", "=~", "=*", "!*", "<=", "^="];
pub(super) const ODD_OPERATORS: &[&str] = &[
    "", "", " ", "x", "~", ":", "!", "===", "=>", "<>", ": =", "eq",
];
pub(super) const FALL_THROUGH: &[&str] = &[
    "Yes", "Yes", "Yes", "No", "No", "yes", "no", "1", "0", "Maybe", "2", "true",
];

/// Names that no dictionary has, or that only look like names.
pub(super) const UNKNOWN_NAMES: &[&str] = &[
    "No-Such-Attr",
    "Mikrotik-Rate-Limits",
    "Session Timeout",
    "Session-Timeout ",
    " Session-Timeout",
    "",
    "Reply-Message:99",
    "Filter-Id:x",
];

/// User names as they are stored and asked, the plain one most often.
pub(super) const USER_NAMES: &[(&str, &str)] = &[
    ("u§@isp.example", "u§@isp.example"),
    ("isp/u§", "isp/u§"),
    ("u§ b", "u§ b"),
    ("u§'b", "u§'b"),
    ("u§=27b", "u§'b"),
    ("u§%b", "u§%b"),
    ("u§=25b", "u§%b"),
    ("ü§", "ü§"),
    ("=C3=BC§", "ü§"),
    ("u§\"b", "u§\"b"),
    ("u§\\b", "u§\\b"),
    ("u§=5Cb", "u§\\b"),
    ("u§=3Db", "u§=b"),
    ("u§=b", "u§=b"),
    ("U§", "u§"),
    ("u§", "U§"),
    ("u§ ", "u§ "),
    ("u§", "u§ "),
    ("02:00:00:00:00:01§", "02:00:00:00:00:01§"),
    ("u§+x", "u§+x"),
    ("u§=2Bx", "u§+x"),
    ("u§(x)", "u§(x)"),
    ("u§,x", "u§,x"),
    ("u§=2Cx", "u§,x"),
];

/// Names of groups as members and as rows have them, and a letter for each group of a user.
pub(super) const GROUP_NAMES: &[(&str, &str)] = &[
    ("g§ ", "g§ "),
    ("g§'", "g§'"),
    ("g§'", "g§=27"),
    ("G§", "g§"),
    ("g§ä", "g§ä"),
    ("g§%", "g§=25"),
    ("g§=", "g§=3D"),
];
