//! Logins that the tables of FreeRADIUS decide.

use aaa::engine::Effect;
use aaa::inbox::Completion;
use aaa::metrics::Drop;
use aaa::session_table::OpenSession;
use aaa::verifier::Question;
use domain::access::rows::{RowPlace, RowTable};
use domain::access::{Method, RejectReason};
use domain::accounting::{AccountingRecord, SessionKey, SessionPlace};
use domain::auth_log::AuthOutcome;
use domain::change::Change;
use domain::id::{NasId, SubscriberId, TenantId};
use domain::tenant::{RowObedience, TenantPolicy};
use domain::time::Timestamp;
use radius::attribute::kind;
use radius::password::chap;
use rows::row::{GroupRows, Membership, Row, UserRows};

use crate::eap::{hello, question};
use crate::registry::{NOW, PASSWORD};
use crate::request::Request;
use crate::script::{IDENTIFIED, STRICT, Script, check};

/// SHA-256-crypt of `password`, made with Python's crypt module.
const CRYPT: &str = "$5$saltsalt$gOjOtoMpVhru2uyjeJSEc/JaLQWOXMNmlOnj6T4AtC.";

const DENIED: [&str; 3] = [
    "Access-Reject",
    "Message-Authenticator",
    "Reply-Message = \"Access denied\"",
];

pub(crate) fn row(id: i64, attribute: &str, op: &str, value: &str) -> Row {
    Row {
        id,
        attribute: attribute.to_owned(),
        op: op.to_owned(),
        value: value.to_owned(),
    }
}

pub(crate) fn password(id: i64) -> Row {
    row(id, "Cleartext-Password", ":=", PASSWORD)
}

/// Writes rows and tells the engine's directory as the change feed does.
pub(crate) fn put_user(script: &Script, name: &str, rows: UserRows) {
    let users = script.registry.row_users.lock();
    users
        .expect("nobody panicked")
        .insert(name.to_owned(), rows);
    script.apply(&[Change::RowUser(name.into())]);
}

fn put_group(script: &Script, name: &str, rows: GroupRows) {
    let groups = script.registry.row_groups.lock();
    groups
        .expect("nobody panicked")
        .insert(name.to_owned(), rows);
    script.apply(&[Change::RowGroup(name.into())]);
}

pub(crate) fn user(check: Vec<Row>, reply: Vec<Row>, groups: &[&str]) -> UserRows {
    let groups = (1..).zip(groups).map(|(id, group)| Membership {
        id,
        group: (*group).to_owned(),
        priority: id,
    });
    UserRows {
        check,
        reply,
        groups: groups.collect(),
    }
}

fn pap(user_name: &str) -> Request {
    Request::access(user_name).pap(PASSWORD)
}

#[track_caller]
fn check_refused(script: &mut Script, request: &Request, message: &str, reason: RejectReason) {
    let message = format!("Reply-Message = \"{message}\"");
    let expected = ["Access-Reject", "Message-Authenticator", &message];
    check(script, STRICT, request, &expected);
    let last = script.log.last().map(|entry| entry.outcome);
    assert_eq!(last, Some(AuthOutcome::Rejected(reason)));
}

#[test]
fn the_attributes_of_rows_are_replied_in_their_order() {
    let mut script = Script::new();
    let reply = vec![
        row(1, "Reply-Message", "=", "one"),
        row(2, "Framed-IP-Address", "=", "10.0.0.9"),
        row(3, "Reply-Message", "+=", "two"),
    ];
    put_user(&script, "Bob", user(vec![password(1)], reply, &["gold"]));
    let rate = row(1, "Mikrotik-Rate-Limit", ":=", "10M/20M");
    let gold = GroupRows {
        check: Vec::new(),
        reply: vec![rate],
    };
    put_group(&script, "gold", gold);
    let expected = [
        "Access-Accept",
        "Message-Authenticator",
        "Reply-Message = \"one\"",
        "Framed-IP-Address = 10.0.0.9",
        "Reply-Message = \"two\"",
        "Mikrotik-Rate-Limit = \"10M/20M\"",
        "Class",
    ];
    check(&mut script, STRICT, &pap("Bob"), &expected);
    let request = Request::access("Bob").identifier(7);
    let response = chap::respond(9, &request.authenticator, PASSWORD.as_bytes());
    let request = request.with(kind::CHAP_PASSWORD, &response);
    check(&mut script, STRICT, &request, &expected);
    let steps: Vec<_> = script
        .log
        .iter()
        .map(|entry| entry.trace.as_str())
        .collect();
    assert_eq!(steps, ["R M Mg1 vpap g", "R M Mg1 vchap g"]);
    // Names are compared octet by octet.
    let reason = RejectReason::UnknownUser;
    check_refused(&mut script, &pap("bob"), "Access denied", reason);
}

#[test]
fn a_user_of_a_group_alone_gets_in_by_the_password_of_the_group() {
    let mut script = Script::new();
    put_user(&script, "Bob", user(Vec::new(), Vec::new(), &["open"]));
    let open = GroupRows {
        check: vec![password(1)],
        reply: Vec::new(),
    };
    put_group(&script, "open", open);
    let expected = ["Access-Accept", "Message-Authenticator", "Class"];
    check(&mut script, STRICT, &pap("Bob"), &expected);
}

#[test]
fn what_keeps_a_user_out_is_told() {
    let mut script = Script::new();
    let check = vec![password(1), row(2, "NAS-Port", "==", "77")];
    put_user(&script, "port", user(check, Vec::new(), &[]));
    let differs = RejectReason::RowDiffers(RowPlace {
        table: RowTable::Check,
        id: 2,
    });
    check_refused(&mut script, &pap("port"), "Access denied", differs);
    let check = vec![password(3), row(4, "No-Such-Name", "==", "77")];
    put_user(&script, "odd", user(check, Vec::new(), &[]));
    let failed = RejectReason::RowFailed(RowPlace {
        table: RowTable::Check,
        id: 4,
    });
    check_refused(&mut script, &pap("odd"), "Access denied", failed);
    let never = vec![password(5), row(6, "Auth-Type", ":=", "Reject")];
    put_user(&script, "never", user(never, Vec::new(), &[]));
    let reason = RejectReason::RowsReject;
    check_refused(&mut script, &pap("never"), "Access denied", reason);
    let wrong = Request::access("port").with(kind::NAS_PORT, &[0, 0, 0, 77]);
    let method = Method::Pap;
    let wrong = wrong.identifier(9).pap("wrong");
    let reason = RejectReason::WrongPassword { method };
    check_refused(&mut script, &wrong, "Access denied", reason);
}

/// The request of a device that has this password, after it was asked.
fn eap(script: &mut Script, user_name: &str, password: &str) -> Request {
    let asked = question(script, &hello(user_name));
    asked.reply(user_name, &asked.answer(password))
}

#[test]
fn eap_needs_a_password_in_clear_among_the_rows() {
    let reply = || {
        vec![
            row(1, "Reply-Message", "=", "not beside EAP"),
            row(2, "Framed-IP-Address", "=", "10.0.0.9"),
        ]
    };
    let by_eap = row(2, "Auth-Type", ":=", "EAP");
    for check_rows in [vec![password(1)], vec![password(1), by_eap]] {
        let mut script = Script::new();
        put_user(&script, "Bob", user(check_rows, reply(), &[]));
        let request = eap(&mut script, "Bob", PASSWORD);
        let expected = [
            "Access-Accept",
            "Message-Authenticator",
            "EAP-Message = 0x030a0004",
            "Framed-IP-Address = 10.0.0.9",
            "Class",
        ];
        check(&mut script, STRICT, &request, &expected);
        let last = script.log.last().expect("it is logged");
        assert_eq!(last.method, Method::EapMd5);
    }
    let method = Method::EapMd5;
    let crypt = row(1, "Crypt-Password", ":=", CRYPT);
    let pap_only = row(2, "Auth-Type", ":=", "PAP");
    for (check_rows, sent, reason) in [
        (
            vec![password(1)],
            "wrong",
            RejectReason::WrongPassword { method },
        ),
        (
            vec![crypt],
            "password",
            RejectReason::RowsPassword { method },
        ),
        (
            vec![password(1), pap_only],
            PASSWORD,
            RejectReason::RowsAuthType,
        ),
    ] {
        let mut script = Script::new();
        put_user(&script, "Bob", user(check_rows, reply(), &[]));
        let request = eap(&mut script, "Bob", sent);
        let failure = [
            "Access-Reject",
            "Message-Authenticator",
            "EAP-Message = 0x040a0004",
        ];
        check(&mut script, STRICT, &request, &failure);
        let last = script.log.last().map(|entry| entry.outcome);
        assert_eq!(last, Some(AuthOutcome::Rejected(reason)));
    }
    // Where any credential does, the device is asked all the same, and any answer does.
    let mut script = Script::new();
    let always = row(1, "Auth-Type", ":=", "Accept");
    put_user(&script, "Bob", user(vec![always], Vec::new(), &[]));
    let request = eap(&mut script, "Bob", "whatever");
    let success = [
        "Access-Accept",
        "Message-Authenticator",
        "EAP-Message = 0x030a0004",
        "Class",
    ];
    check(&mut script, STRICT, &request, &success);
}

/// A check of the user that differs leaves the group to decide, and the strict way refuses.
#[test]
fn an_import_says_how_rows_are_obeyed_where_the_configuration_does_not() {
    let mut script = Script::new();
    let elsewhere = row(2, "NAS-Identifier", "==", "elsewhere");
    put_user(
        &script,
        "ann",
        user(vec![password(1), elsewhere], vec![], &["open"]),
    );
    let open = GroupRows {
        check: vec![password(1)],
        reply: Vec::new(),
    };
    put_group(&script, "open", open);
    let accepted = ["Access-Accept", "Message-Authenticator", "Class"];
    let turns = [
        (Some(RowObedience::Compatible), accepted),
        (Some(RowObedience::Strict), DENIED),
        (Some(RowObedience::Compatible), accepted),
        (None, DENIED),
    ];
    for (identifier, (rows, expected)) in (1..).zip(turns) {
        *script.registry.policies.lock().expect("nobody panicked") = vec![TenantPolicy {
            rows,
            ..TenantPolicy::new(TenantId::DEFAULT)
        }];
        script.apply(&[Change::Tenant(TenantId::DEFAULT)]);
        let request = pap("ann").identifier(identifier);
        check(&mut script, STRICT, &request, &expected);
    }
}

#[test]
fn a_router_with_another_identifier_lets_nobody_in() {
    let mut script = Script::new();
    put_user(&script, "Bob", user(vec![password(1)], Vec::new(), &[]));
    check(&mut script, IDENTIFIED, &pap("Bob"), &DENIED);
    let request = Request::access("Bob").identifier(2).pap(PASSWORD);
    let request = request.with(kind::NAS_IDENTIFIER, b"bras-7");
    let expected = ["Access-Accept", "Message-Authenticator", "Class"];
    check(&mut script, IDENTIFIED, &request, &expected);
}

#[test]
fn a_subscriber_goes_before_rows() {
    let mut script = Script::new();
    let of_rows = row(1, "Cleartext-Password", ":=", "of the rows");
    put_user(&script, "ana", user(vec![of_rows], Vec::new(), &[]));
    let rate = "Mikrotik-Rate-Limit = \"25M/50M\"".to_owned();
    assert!(script.ask(STRICT, &pap("ana")).contains(&rate));
    let request = Request::access("ana").identifier(2).pap("of the rows");
    check(&mut script, STRICT, &request, &DENIED);
}

#[test]
fn rows_are_forgotten_when_they_are_gone() {
    let mut script = Script::new();
    put_user(&script, "Bob", user(vec![password(1)], Vec::new(), &[]));
    let expected = ["Access-Accept", "Message-Authenticator", "Class"];
    check(&mut script, STRICT, &pap("Bob"), &expected);
    script
        .registry
        .row_users
        .lock()
        .expect("nobody panicked")
        .clear();
    script.apply(&[Change::RowUser("Bob".into())]);
    check(&mut script, STRICT, &pap("Bob").identifier(2), &DENIED);
    put_user(&script, "Bob", user(vec![password(1)], Vec::new(), &[]));
    script
        .registry
        .row_users
        .lock()
        .expect("nobody panicked")
        .clear();
    script.apply(&[Change::Everything]);
    check(&mut script, STRICT, &pap("Bob").identifier(3), &DENIED);
}

#[test]
fn the_session_ends_with_the_login() {
    let mut script = Script::new();
    let until = |seconds: i64| {
        let at = Timestamp::from_seconds(NOW.as_seconds() + seconds);
        row(2, "Expiration", ":=", &at.as_seconds().to_string())
    };
    let timeout = || vec![row(1, "Session-Timeout", "=", "3600")];
    put_user(
        &script,
        "Bob",
        user(vec![password(1), until(60)], timeout(), &[]),
    );
    let accept = |timeout| ["Access-Accept", "Message-Authenticator", timeout, "Class"];
    let expected = accept("Session-Timeout = 60");
    check(&mut script, STRICT, &pap("Bob"), &expected);
    put_user(
        &script,
        "Bob",
        user(vec![password(1), until(60)], Vec::new(), &[]),
    );
    check(&mut script, STRICT, &pap("Bob").identifier(2), &expected);
    put_user(
        &script,
        "Bob",
        user(vec![password(1), until(7_200)], timeout(), &[]),
    );
    let expected = accept("Session-Timeout = 3600");
    check(&mut script, STRICT, &pap("Bob").identifier(3), &expected);
    put_user(
        &script,
        "Bob",
        user(vec![password(1), until(-1)], Vec::new(), &[]),
    );
    let at = NOW.plus_seconds(-1);
    let request = pap("Bob").identifier(4);
    let reason = RejectReason::Expired { at };
    check_refused(&mut script, &request, "Your account has expired", reason);
}

#[test]
fn sessions_of_a_name_with_rows_are_counted() {
    let mut script = Script::new();
    let once = row(2, "Simultaneous-Use", ":=", "1");
    put_user(
        &script,
        "Bob",
        user(vec![password(1), once], Vec::new(), &[]),
    );
    let start = Request::accounting(1, "81000001").with(kind::USER_NAME, b"Bob");
    script.send(STRICT, &start);
    let (record, _) = script.take_store();
    let AccountingRecord::Session(record) = record else {
        panic!("a session begins");
    };
    let id = record.subscriber.expect("the name has rows");
    assert_ne!(id, SubscriberId::from_bytes([0; 16]));
    let place = SessionPlace::default();
    let key = SessionKey([1; 16]);
    let session = OpenSession::of(key, NasId::from_bytes([1; 16]), &place, NOW);
    script.context.sessions.insert(id, session);
    let reason = RejectReason::SessionLimit { open: 1, limit: 1 };
    let message = "You are already logged in";
    check_refused(&mut script, &pap("Bob"), message, reason);
}

#[test]
fn a_slow_hash_is_compared_elsewhere_and_remembered() {
    let mut script = Script::new();
    let hashed = vec![row(1, "Crypt-Password", ":=", CRYPT)];
    put_user(&script, "Bob", user(hashed, Vec::new(), &[]));
    let request = Request::access("Bob").pap("password");
    check(&mut script, STRICT, &request, &[]);
    let (question, ticket) = match script.effects.pop() {
        Some(Effect::Verify {
            question: Question::Rows(question),
            ticket,
        }) => (question, ticket),
        other => panic!("expected a password to compare, found {other:?}"),
    };
    assert!(question.known.verify(question.password.expose()));
    let is_right = true;
    script.complete(Completion::Verified { ticket, is_right });
    let expected = ["Access-Accept", "Message-Authenticator", "Class"];
    assert_eq!(script.shown(&request), expected);
    // Another password came meanwhile.
    let request = request.identifier(2);
    check(&mut script, STRICT, &request, &[]);
    put_user(&script, "Bob", user(vec![password(1)], Vec::new(), &[]));
    let Some(Effect::Verify { ticket, .. }) = script.effects.pop() else {
        panic!("nothing was remembered");
    };
    script.complete(Completion::Verified { ticket, is_right });
    assert!(script.shown(&request).is_empty());
    assert_eq!(script.drops(Drop::CredentialChanged), 1);
}
