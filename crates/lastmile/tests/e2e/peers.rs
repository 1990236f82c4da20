//! Clients that nobody here wrote succeed, and Wireshark finds nothing wrong with our replies.

use std::net::SocketAddr;

use domain::secret::Secret;
use lab::auth::{AuthOptions, AuthOutcome};
use lab::credentials::Credentials;
use lab::method::Method;
use radius::code::Code;
use serde_json::json;
use testkit::peer::pyrad::{self, Target};
use testkit::peer::radclient::{self, Kind};
use testkit::peer::relay::{Direction, Relay};
use testkit::peer::{Answer, tshark};
use testkit::server::Server;

use crate::site::{ANA, FAY, SAM, SAM_ADDRESS, SECRET, Site, on_both_databases};
use testkit::database::DatabaseKind;

on_both_databases!(
    radclient_logs_in_with_every_method,
    radclient_is_rejected_with_nothing_but_a_message,
    radclient_accounts_a_session_from_start_to_stop,
    radclient_announces_a_restart,
    pyrad_logs_in_accounts_and_asks_for_status,
    peers_are_served_over_ipv6,
    tshark_decodes_every_reply_without_a_warning,
);

fn radclient_logs_in_with_every_method(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    for credential in ["User-Password", "CHAP-Password", "MS-CHAP-Password"] {
        let answer = radclient_login(server.auth, SAM, credential);
        let answer = answer.unwrap_or_else(|| panic!("{credential} is not answered"));
        assert_eq!(answer.code, "Access-Accept", "{credential}");
        let expected = [
            ("Mikrotik-Rate-Limit", "25M/50M"),
            ("Acct-Interim-Interval", "300"),
            ("Framed-IP-Address", SAM_ADDRESS),
        ];
        for (name, value) in expected {
            assert_eq!(answer.find(name), Some(value), "{credential}: {answer:?}");
        }
        assert!(answer.find("Class").is_some(), "{credential}: {answer:?}");
        assert_eq!(answer.names()[0], "Message-Authenticator", "{credential}");
        let has_keys = answer.find("MS-CHAP-MPPE-Keys").is_some();
        assert_eq!(has_keys, credential == "MS-CHAP-Password", "{answer:?}");
    }
    let plain = radclient_login(server.auth, ANA, "User-Password").expect("an answer");
    assert_eq!(plain.find("Framed-IP-Address"), None);
    assert_status_is_answered(&server);
}

fn radclient_is_rejected_with_nothing_but_a_message(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    let refused = [(SAM.0, "wrong"), ("nobody", "secret"), FAY];
    for user in refused {
        for credential in ["User-Password", "CHAP-Password", "MS-CHAP-Password"] {
            let answer = radclient_login(server.auth, user, credential);
            let answer = answer.unwrap_or_else(|| panic!("{user:?} {credential} is not answered"));
            assert_eq!(answer.code, "Access-Reject", "{user:?} {credential}");
            let allowed = ["Message-Authenticator", "Reply-Message", "MS-CHAP-Error"];
            for name in answer.names() {
                assert!(allowed.contains(&name), "{user:?} {credential}: {answer:?}");
            }
        }
    }
}

fn radclient_accounts_a_session_from_start_to_stop(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    let login = radclient_login(server.auth, SAM, "User-Password").expect("an answer");
    let class = login.find("Class").expect("a Class in the accept");
    let base = [
        ("User-Name", "\"sam\""),
        ("Acct-Session-Id", "\"81000001\""),
        ("Class", class),
        ("NAS-Port-Id", "\"ether2\""),
        ("Calling-Station-Id", "\"AA:BB:CC:00:00:01\""),
        ("Framed-IP-Address", SAM_ADDRESS),
    ];
    let report = |more: &[(&str, &str)]| {
        let attributes = [&base[..], more].concat();
        let answer = radclient::ask(server.acct, SECRET, Kind::Accounting, &attributes);
        let answer = answer.unwrap_or_else(|| panic!("{more:?} is not answered"));
        assert_eq!(answer.code, "Accounting-Response");
    };
    report(&[("Acct-Status-Type", "Start")]);
    report(&[
        ("Acct-Status-Type", "Interim-Update"),
        ("Acct-Session-Time", "300"),
        ("Acct-Input-Octets", "5"),
        ("Acct-Output-Octets", "7"),
        ("Acct-Output-Gigawords", "1"),
    ]);
    let open = site.sessions_in("open");
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(open[0]["download_bytes"], 4_294_967_303_u64);
    report(&[
        ("Acct-Status-Type", "Stop"),
        ("Acct-Session-Time", "600"),
        ("Acct-Input-Octets", "6"),
        ("Acct-Output-Octets", "8"),
        ("Acct-Output-Gigawords", "2"),
        ("Acct-Terminate-Cause", "User-Request"),
    ]);
    assert_eq!(site.sessions_in("open"), [json!(null); 0]);
    let closed = site.sessions_in("closed");
    assert_eq!(closed.len(), 1, "{closed:?}");
    let expected = json!({
        "user_name": "sam",
        "nas": "pop",
        "session_id": "81000001",
        "state": "closed",
        "upload_bytes": 6,
        "download_bytes": 8_589_934_600_u64,
        "terminate_cause": "User-Request",
        "framed_ipv4": SAM_ADDRESS,
        "session_seconds": 600,
        "nas_port": "ether2",
    });
    for (name, value) in expected.as_object().expect("it is an object") {
        assert_eq!(closed[0][name], *value, "{name} in {}", closed[0]);
    }
    // Class leads back to the login.
    assert!(closed[0]["auth_id"].is_string(), "{}", closed[0]);
}

fn radclient_announces_a_restart(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    let report = |attributes: &[(&str, &str)]| {
        let answer = radclient::ask(server.acct, SECRET, Kind::Accounting, attributes);
        answer.unwrap_or_else(|| panic!("{attributes:?} is not answered"))
    };
    for (status, session) in [("Accounting-On", "on"), ("Accounting-Off", "off")] {
        let session = format!("\"{session}-1\"");
        let start = [
            ("User-Name", "\"ana\""),
            ("Acct-Session-Id", session.as_str()),
            ("Acct-Status-Type", "Start"),
        ];
        report(&start);
        assert_eq!(site.sessions_in("open").len(), 1, "{status}");
        let answer = report(&[("Acct-Status-Type", status)]);
        assert_eq!(answer.code, "Accounting-Response");
        assert_eq!(site.sessions_in("open").len(), 0, "{status}");
    }
    for session in site.sessions_in("closed") {
        assert_eq!(session["terminate_cause"], "NAS-Reboot", "{session}");
    }
}

fn pyrad_logs_in_accounts_and_asks_for_status(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    let target = Target {
        auth: server.auth,
        acct: server.acct,
        secret: SECRET,
    };
    check_pyrad(&site, target);
}

fn peers_are_served_over_ipv6(kind: DatabaseKind) {
    let mut site = Site::empty(kind);
    site.set("LASTMILE_RADIUS__AUTH", "[::1]:0");
    site.set("LASTMILE_RADIUS__ACCT", "[::1]:0");
    site.furnish("::1");
    let server = site.program.serve();
    for credential in ["User-Password", "CHAP-Password", "MS-CHAP-Password"] {
        let answer = radclient_login(server.auth, ANA, credential);
        assert_eq!(
            answer.expect("an answer").code,
            "Access-Accept",
            "{credential}"
        );
    }
    assert_status_is_answered(&server);
    let start = [
        ("User-Name", "\"ana\""),
        ("Acct-Session-Id", "\"six\""),
        ("Acct-Status-Type", "Start"),
        ("Framed-IPv6-Prefix", "2001:db8:1::/64"),
    ];
    let answer = radclient::ask(server.acct, SECRET, Kind::Accounting, &start);
    assert_eq!(answer.expect("an answer").code, "Accounting-Response");
    let open = site.sessions_in("open");
    assert_eq!(open[0]["framed_ipv6_prefix"], "2001:db8:1::/64");
    let target = Target {
        auth: server.auth,
        acct: server.acct,
        secret: SECRET,
    };
    check_pyrad(&site, target);
}

fn tshark_decodes_every_reply_without_a_warning(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    let auth = Relay::start(server.auth);
    let acct = Relay::start(server.acct);
    for credential in ["User-Password", "CHAP-Password", "MS-CHAP-Password"] {
        radclient_login(auth.address, SAM, credential).expect("an answer");
    }
    for credential in ["User-Password", "CHAP-Password"] {
        radclient_login(auth.address, (SAM.0, "wrong"), credential).expect("an answer");
    }
    // radclient's MS-CHAP identifier is 0, which MS-CHAP-Error must repeat before its text
    // (RFC 2548 §2.1.5) and Wireshark takes for the end of the text.
    let user = Credentials::new(SAM.0, "wrong").expect("a valid login");
    let mut login = AuthOptions::new(auth.address, Secret::from(SECRET), user);
    login.method = Method::MsChapV1;
    login.seed = Some(1);
    let report = lab::auth::test_auth(&login).expect("loopback works");
    assert_eq!(report.outcome, AuthOutcome::Rejected);
    for relay in [&auth, &acct] {
        radclient::ask(relay.address, SECRET, Kind::Status, &[]).expect("an answer");
    }
    let target = Target {
        auth: auth.address,
        acct: acct.address,
        secret: SECRET,
    };
    let requests = [
        pyrad::Request::ms_chap_v2(ANA.0, ANA.1),
        pyrad::Request::ms_chap_v2(ANA.0, "wrong"),
        pyrad::Request::accounting(json!({
            "User-Name": "ana", "Acct-Session-Id": "shark", "Acct-Status-Type": 1,
        })),
    ];
    let answers = pyrad::ask(target, &requests);
    assert!(answers.iter().all(Option::is_some), "{answers:?}");
    let datagrams = [auth.finish(), acct.finish()].concat();
    let mut codes = Vec::new();
    for decoded in tshark::decode(&datagrams, SECRET) {
        if decoded.direction == Direction::Reply {
            assert!(decoded.complaints.is_empty(), "{decoded:#?}");
            codes.extend(decoded.code());
        }
    }
    let count = |code: Code| codes.iter().filter(|found| **found == code.as_u8()).count();
    assert_eq!(count(Code::AccessAccept), 5, "{codes:?}");
    assert_eq!(count(Code::AccessReject), 4, "{codes:?}");
    assert_eq!(count(Code::AccountingResponse), 2, "{codes:?}");
}

#[track_caller]
fn check_pyrad(site: &Site, target: Target<'_>) {
    let start = json!({
        "User-Name": "ana", "Acct-Session-Id": "pyrad", "Acct-Status-Type": 1,
    });
    let stop = json!({
        "User-Name": "ana", "Acct-Session-Id": "pyrad", "Acct-Status-Type": 2,
        "Acct-Input-Octets": 1_000, "Acct-Output-Octets": 2_000, "Acct-Session-Time": 60,
        "Acct-Terminate-Cause": 2,
    });
    let requests = [
        pyrad::Request::pap(SAM.0, SAM.1),
        pyrad::Request::chap(SAM.0, SAM.1),
        pyrad::Request::ms_chap_v2(SAM.0, SAM.1),
        pyrad::Request::pap(SAM.0, "wrong"),
        pyrad::Request::chap(SAM.0, "wrong"),
        pyrad::Request::ms_chap_v2(SAM.0, "wrong"),
        pyrad::Request::status_auth(),
        pyrad::Request::status_acct(),
        pyrad::Request::accounting(start),
        pyrad::Request::accounting(stop),
    ];
    let answers = pyrad::ask(target, &requests);
    let codes: Vec<&str> = answers
        .iter()
        .map(|answer| {
            answer
                .as_ref()
                .map_or("no answer", |answer| answer.code.as_str())
        })
        .collect();
    let expected = [
        "Access-Accept",
        "Access-Accept",
        "Access-Accept",
        "Access-Reject",
        "Access-Reject",
        "Access-Reject",
        "Access-Accept",
        "Accounting-Response",
        "Accounting-Response",
        "Accounting-Response",
    ];
    assert_eq!(codes, expected);
    for answer in answers[..3].iter().flatten() {
        assert_eq!(
            answer.find("Mikrotik-Rate-Limit"),
            Some("25M/50M"),
            "{answer:?}"
        );
        assert_eq!(
            answer.find("Acct-Interim-Interval"),
            Some("300"),
            "{answer:?}"
        );
        assert_eq!(
            answer.find("Framed-IP-Address"),
            Some(SAM_ADDRESS),
            "{answer:?}"
        );
    }
    let rows = site.sessions_in("closed");
    let session = rows.iter().find(|row| row["session_id"] == "pyrad");
    let session = session.unwrap_or_else(|| panic!("{rows:?}"));
    assert_eq!(session["upload_bytes"], 1_000);
    assert_eq!(session["download_bytes"], 2_000);
    assert_eq!(session["terminate_cause"], "Lost-Carrier");
}

fn radclient_login(server: SocketAddr, user: (&str, &str), credential: &str) -> Option<Answer> {
    let name = format!("\"{}\"", user.0);
    let password = format!("\"{}\"", user.1);
    let attributes = [
        ("User-Name", name.as_str()),
        (credential, password.as_str()),
        ("Service-Type", "Framed-User"),
        ("NAS-Port-Type", "Ethernet"),
    ];
    radclient::ask(server, SECRET, Kind::Access, &attributes)
}

#[track_caller]
fn assert_status_is_answered(server: &Server) {
    let ports = [
        (server.auth, "Access-Accept"),
        (server.acct, "Accounting-Response"),
    ];
    for (port, code) in ports {
        let answer = radclient::ask(port, SECRET, Kind::Status, &[]);
        assert_eq!(answer.expect("an answer").code, code);
    }
}
