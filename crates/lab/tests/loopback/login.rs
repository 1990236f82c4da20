//! Single logins and probes: what is believed and what is reported.

use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};

use domain::secret::Secret;
use lab::auth::{AuthOptions, AuthOutcome, AuthReport, Verification, test_auth};
use lab::credentials::Credentials;
use lab::method::Method;
use lab::probe::{self, ProbeReport};
use lab::reply::{ReplyFault, ReplyPolicy};
use lab::request::Signing;
use lab::router::Service;

use radius::client::Schedule;

use crate::responder::{Responder, Treatment, ana, hasty, persistent, secret};

fn log_in(treat: fn(u64) -> Treatment, change: impl FnOnce(&mut AuthOptions)) -> AuthReport {
    let responder = Responder::start(treat);
    let mut options = AuthOptions::new(responder.auth, secret(), ana());
    change(&mut options);
    test_auth(&options).expect("the login runs")
}

#[track_caller]
fn check_accepted(change: impl FnOnce(&mut AuthOptions)) {
    let report = log_in(|_| Treatment::Answer, change);
    assert!(report.is_accepted(), "{report}");
    assert_eq!(report.code.as_deref(), Some("Access-Accept"));
    assert_eq!(report.verification, Verification::Verified);
    let shown = report.to_string();
    for line in [
        "reply verified",
        "Framed-IP-Address = 10.20.30.40",
        "Session-Timeout = 3600",
        "Mikrotik-Rate-Limit = \"25M/50M\"",
    ] {
        assert!(shown.contains(line), "no '{line}' in: {shown}");
    }
}

#[track_caller]
fn check_fault(treat: fn(u64) -> Treatment, method: Method, expected: ReplyFault) {
    let report = log_in(treat, |options| {
        options.method = method;
        options.schedule = hasty();
    });
    assert_eq!(report.outcome, AuthOutcome::Untrusted, "{report}");
    assert_eq!(report.verification, Verification::Failed(expected));
    assert_eq!(report.discarded, [expected; 3]);
    assert_eq!((report.transmissions, report.latency_us), (3, None));
}

#[test]
fn every_method_logs_in() {
    for method in Method::ALL {
        check_accepted(|options| options.method = method);
    }
}

#[test]
fn hotspot_and_unsigned_logins_work() {
    check_accepted(|options| options.service = Service::Hotspot);
    check_accepted(|options| options.signing = Signing::Unsigned);
}

#[test]
fn login_works_over_ipv6_and_from_a_given_address() {
    let responder = Responder::start_on(Ipv6Addr::LOCALHOST.into(), |_| Treatment::Answer);
    let options = AuthOptions::new(responder.auth, secret(), ana());
    assert!(test_auth(&options).unwrap().is_accepted());
    check_accepted(|options| options.source = Some(Ipv4Addr::new(127, 0, 0, 9).into()));
}

#[test]
fn wrong_password_is_rejected_by_every_method() {
    for method in Method::ALL {
        let report = log_in(
            |_| Treatment::Answer,
            |options| {
                options.method = method;
                options.user = Credentials::new("ana", "rosaura").unwrap();
            },
        );
        assert_eq!(report.outcome, AuthOutcome::Rejected, "{report}");
        assert!(report.to_string().contains("wrong password"), "{report}");
    }
}

#[test]
fn forged_replies_are_refused() {
    let pap = Method::Pap;
    check_fault(|_| Treatment::Forge, pap, ReplyFault::ResponseAuthenticator);
    check_fault(|_| Treatment::WrongCode, pap, ReplyFault::Code);
    check_fault(|_| Treatment::Garbage, pap, ReplyFault::Malformed);
    check_fault(
        |_| Treatment::OmitMessageAuthenticator,
        pap,
        ReplyFault::MessageAuthenticatorAbsent,
    );
    check_fault(
        |_| Treatment::MessageAuthenticatorLast,
        pap,
        ReplyFault::MessageAuthenticatorNotFirst,
    );
    check_fault(
        |_| Treatment::SpoilProof,
        Method::MsChapV2,
        ReplyFault::MsChapSuccessWrong,
    );
}

#[test]
fn policy_decides_about_the_message_authenticator() {
    let report = log_in(
        |_| Treatment::MessageAuthenticatorLast,
        |options| options.reply_policy = ReplyPolicy::MessageAuthenticatorRequired,
    );
    assert!(report.is_accepted(), "{report}");
    let report = log_in(
        |_| Treatment::OmitMessageAuthenticator,
        |options| options.reply_policy = ReplyPolicy::MessageAuthenticatorOptional,
    );
    assert!(report.is_accepted(), "{report}");
}

#[test]
fn forged_reply_does_not_stop_the_right_one() {
    let report = log_in(|_| Treatment::ForgeAndAnswer, |_| {});
    assert!(report.is_accepted(), "{report}");
    assert_eq!(report.discarded, [ReplyFault::ResponseAuthenticator]);
}

#[test]
fn wrong_secret_gets_no_answer() {
    let report = log_in(
        |_| Treatment::Answer,
        |options| {
            options.secret = Secret::from("other");
            options.schedule = hasty();
        },
    );
    assert_eq!(report.outcome, AuthOutcome::Unanswered);
    assert!(
        report.to_string().contains("is the secret right?"),
        "{report}"
    );
}

#[test]
fn lost_request_is_sent_again() {
    let report = log_in(
        |count| {
            if count < 2 {
                Treatment::Ignore
            } else {
                Treatment::Answer
            }
        },
        |options| options.schedule = persistent(),
    );
    assert!(report.is_accepted(), "{report}");
    assert!(3 <= report.transmissions, "{report}");
}

#[test]
fn closed_port_ends_with_the_schedule() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = socket.local_addr().unwrap();
    drop(socket);
    let options = AuthOptions {
        schedule: hasty(),
        ..AuthOptions::new(server, secret(), ana())
    };
    let report = test_auth(&options).unwrap();
    assert_eq!(
        (report.outcome, report.transmissions),
        (AuthOutcome::Unanswered, 3)
    );
}

#[test]
fn report_serializes_with_stable_names() {
    let report = log_in(
        |_| Treatment::Forge,
        |options| {
            options.method = Method::MsChapV2;
            options.schedule = hasty();
        },
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["outcome"], "untrusted");
    assert_eq!(json["method"], "mschapv2");
    assert_eq!(
        json["verification"],
        serde_json::json!({"state": "failed", "fault": "response_authenticator"})
    );
    assert_eq!(json["code"], serde_json::Value::Null);
}

#[track_caller]
fn check_probe(treat: fn(u64) -> Treatment, schedule: Schedule, is_alive: bool, shown: &str) {
    let responder = Responder::start(treat);
    for server in [responder.auth, responder.acct] {
        let report: ProbeReport =
            probe::status_with(server, &secret(), schedule, None).expect("the probe runs");
        assert_eq!(report.is_alive, is_alive, "{report}");
        assert!(report.to_string().contains(shown), "{report}");
    }
}

#[test]
fn probe_tells_life_silence_and_forgery_apart() {
    let answer = |_| Treatment::Answer;
    check_probe(answer, persistent(), true, "is alive: Access-Accept in");
    check_probe(|_| Treatment::Ignore, hasty(), false, "does not answer");
    check_probe(|_| Treatment::Forge, hasty(), false, "cannot be believed");
}
