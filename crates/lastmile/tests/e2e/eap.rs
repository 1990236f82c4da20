//! EAP-MD5 as a foreign device does it, over the real wire and on both databases.

use std::net::SocketAddr;
use std::thread;

use radius::attribute::kind;
use radius::code::Code;
use radius::password::chap;
use testkit::database::DatabaseKind;
use testkit::peer::eapol::{self, Device};
use testkit::peer::relay::{Direction, Relay};
use testkit::peer::tshark;

use crate::rows::write;
use crate::site::{ANA, FAY, SAM, SECRET, Site, on_both_databases};
use crate::wire::{PATIENCE, Reply, Request, Router};

on_both_databases!(
    eapol_test_logs_in,
    eapol_test_is_refused_and_the_log_says_why,
    devices_log_in_at_once,
    a_state_is_good_for_one_answer_after_a_restart_for_none,
    tshark_finds_nothing_wrong_with_a_conversation,
);

fn log_in(server: SocketAddr, user: (&str, &str)) -> bool {
    log_in_by(server, user, "MD5")
}

fn log_in_by(server: SocketAddr, (identity, password): (&str, &str), method: &str) -> bool {
    let device = Device {
        identity,
        password,
        method,
    };
    eapol::log_in(server, SECRET, device)
}

fn eapol_test_logs_in(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    // The identity and what is before it do not fit one attribute.
    let long = (&*"x".repeat(253), "long-pass-word-4");
    site.command(&format!(
        "subscriber add {} --password {} --plan home",
        long.0, long.1
    ));
    write(
        &site,
        "INSERT INTO radcheck (username, attribute, op, value)
            VALUES ('Bob', 'Cleartext-Password', ':=', 'bob-pass-word-1');
        INSERT INTO radreply (username, attribute, op, value)
            VALUES ('Bob', 'Reply-Message', '=', 'hello')",
    );
    let server = site.program.serve();
    for user in [ANA, SAM, long, ("Bob", "bob-pass-word-1")] {
        assert!(log_in(server.auth, user), "{user:?}: {:#?}", server.log());
        site.until_logged(user.0);
    }
    let log = site.program.json(&["log", "auth"]);
    let entries = log.as_array().expect("a list");
    assert_eq!(entries.len(), 4, "{log}");
    for entry in entries {
        assert_eq!(entry["method"], "eap-md5", "{entry}");
        assert_eq!(entry["outcome"], "accepted", "{entry}");
    }
    let challenges = server.metric("lastmile_radius_access_challenges_total");
    assert_eq!(challenges, 4);
}

fn eapol_test_is_refused_and_the_log_says_why(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    site.program.done(&[
        "subscriber",
        "add",
        "ben",
        "--password-hash",
        "$2b$05$abcdefghijklmnopqrstuu7Wsm086i6RoD8b5pSlPADYu63vQpmHS",
        "--plan",
        "home",
    ]);
    let server = site.program.serve();
    let rows = [
        ((ANA.0, "wrong"), "MD5", "wrong_password"),
        (("nobody", "secret"), "MD5", "unknown_user"),
        (FAY, "MD5", "disabled"),
        (("ben", "password"), "MD5", "method_needs_cleartext"),
        (ANA, "MSCHAPV2", "no_common_method"),
    ];
    for (user, method, reason) in rows {
        assert!(!log_in_by(server.auth, user, method), "{user:?} {method}");
        site.until_logged(reason);
    }
}

fn devices_log_in_at_once(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    let server = server.auth;
    let outcomes = thread::scope(|scope| {
        let users = [ANA, SAM, (ANA.0, "wrong"), ANA];
        let running = users.map(|user| scope.spawn(move || log_in(server, user)));
        running.map(|one| one.join().expect("eapol_test comes to an end"))
    });
    assert_eq!(outcomes, [true, true, false, true]);
}

/// What was asked: the identifier, the challenge and the State.
fn challenge(reply: &Reply) -> (u8, Vec<u8>, Vec<u8>) {
    assert_eq!(reply.code, Code::AccessChallenge);
    let find = |wanted| {
        let mut found = reply.attributes.iter().filter(|(kind, _)| *kind == wanted);
        found.next().map(|(_, value)| value.clone())
    };
    let question = find(kind::EAP_MESSAGE).expect("it asks");
    let [1, identifier, 0, 22, 4, 16, challenge @ ..] = question.as_slice() else {
        panic!("a challenge of MD5 is asked: {question:?}");
    };
    let state = find(kind::STATE).expect("it is named");
    (*identifier, challenge.to_vec(), state)
}

fn a_state_is_good_for_one_answer_after_a_restart_for_none(kind: DatabaseKind) {
    let mut site = Site::furnished(kind);
    site.keep_ports();
    let server = site.program.serve();
    let router = Router::new();
    let (user, password) = ANA;
    let identity = [&[2, 1, 0, 8, 1][..], user.as_bytes()].concat();
    let mut radius_identifier = 0;
    let mut ask = |to: SocketAddr, eap: &[u8], state: &[u8]| {
        radius_identifier += 1;
        let mut attributes = vec![(kind::USER_NAME, user.as_bytes()), (kind::EAP_MESSAGE, eap)];
        if !state.is_empty() {
            attributes.push((kind::STATE, state));
        }
        let request = Request::access(radius_identifier, &attributes);
        router.ask(to, &request, PATIENCE).expect("an answer")
    };
    let answer = |(identifier, challenge, _): &(u8, Vec<u8>, Vec<u8>)| {
        let value = chap::respond(*identifier, challenge, password.as_bytes());
        [&[2, *identifier, 0, 22, 4, 16][..], &value[1..]].concat()
    };
    let first = challenge(&ask(server.auth, &identity, &[]));
    let second = challenge(&ask(server.auth, &identity, &[]));
    assert_ne!(first.2, second.2);
    // The right answer to another question is a wrong one.
    let crossed = ask(server.auth, &answer(&first), &second.2);
    assert_eq!(crossed.code, Code::AccessReject);
    let accepted = ask(server.auth, &answer(&first), &first.2);
    assert_eq!(accepted.code, Code::AccessAccept);
    let replayed = ask(server.auth, &answer(&first), &first.2);
    assert_eq!(replayed.code, Code::AccessReject);
    site.until_logged("conversation_unknown");
    let third = challenge(&ask(server.auth, &identity, &[]));
    assert_eq!(server.terminate().code, Some(0));
    let server = site.program.serve();
    let late = ask(server.auth, &answer(&third), &third.2);
    assert_eq!(late.code, Code::AccessReject);
    assert_eq!(
        server.metric("lastmile_radius_eap_answers_unknown_total"),
        1
    );
}

fn tshark_finds_nothing_wrong_with_a_conversation(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    let relay = Relay::start(server.auth);
    assert!(log_in(relay.address, ANA));
    assert!(!log_in(relay.address, (ANA.0, "wrong")));
    let mut codes = Vec::new();
    for decoded in tshark::decode(&relay.finish(), SECRET) {
        if decoded.direction == Direction::Reply {
            assert!(decoded.complaints.is_empty(), "{decoded:#?}");
            codes.extend(decoded.code());
        }
    }
    let expected = [
        Code::AccessChallenge,
        Code::AccessAccept,
        Code::AccessChallenge,
        Code::AccessReject,
    ];
    assert_eq!(codes, expected.map(Code::as_u8));
}
