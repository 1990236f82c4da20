//! How accounts stand and where they may be used, asked with FreeRADIUS' client while the server
//! runs.

use std::time::{Duration, Instant};

use testkit::database::DatabaseKind;
use testkit::peer::Answer;
use testkit::peer::radclient::{self, Kind};
use testkit::server::Server;

use crate::site::{ANA, SECRET, Site, on_both_databases};

on_both_databases!(
    a_suspended_subscriber_is_walled_in_or_shut_out_and_restored,
    an_expired_subscriber_has_grace_and_then_the_garden,
    a_bound_subscriber_is_let_in_by_their_router_alone,
    a_realm_is_in_force_while_the_server_runs,
);

/// When a change is given up.
const PATIENCE: Duration = Duration::from_secs(15);

#[track_caller]
fn ask(server: &Server, user: (&str, &str)) -> Answer {
    let name = format!("\"{}\"", user.0);
    let password = format!("\"{}\"", user.1);
    let attributes = [
        ("User-Name", name.as_str()),
        ("User-Password", password.as_str()),
        ("Service-Type", "Framed-User"),
        ("Calling-Station-Id", "\"00:00:5e:00:53:01\""),
    ];
    let answer = radclient::ask(server.auth, SECRET, Kind::Access, &attributes);
    answer.expect("the server answers")
}

/// Asks until the answer is as expected: a change is in force almost at once.
#[track_caller]
fn until(server: &Server, user: (&str, &str), is_expected: impl Fn(&Answer) -> bool) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = ask(server, user);
        if is_expected(&answer) {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "{answer:?}");
    }
}

fn message_is(text: &'static str) -> impl Fn(&Answer) -> bool {
    move |answer| answer.find("Reply-Message") == Some(text)
}

fn is_ordinary(answer: &Answer) -> bool {
    answer.code == "Access-Accept" && answer.find("Mikrotik-Rate-Limit") == Some("25M/50M")
}

fn a_suspended_subscriber_is_walled_in_or_shut_out_and_restored(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    site.command("subscriber suspend ana --walled");
    // There is no garden, and nothing takes its place.
    until(&server, ANA, message_is("Your account is suspended"));
    let garden = "garden add unpaid --pool walled --address-list unpaid --rate 512k/1M --redirect https://pay.example.net/ana --session-timeout 90";
    site.command(garden);
    let walled = until(&server, ANA, |answer| answer.code == "Access-Accept");
    for (name, value) in [
        ("Framed-Pool", "walled"),
        ("Session-Timeout", "90"),
        ("Mikrotik-Rate-Limit", "512k/1M"),
        ("Mikrotik-Address-List", "unpaid"),
        ("WISPr-Redirection-URL", "https://pay.example.net/ana"),
        ("Reply-Message", "Your account is suspended"),
    ] {
        assert_eq!(walled.find(name), Some(value), "{walled:?}");
    }
    let wrong = ask(&server, (ANA.0, "guess"));
    assert_eq!(wrong.find("Reply-Message"), Some("Access denied"));
    site.command("subscriber suspend ana --hard");
    site.program
        .done(&["message", "set", "suspended_hard", "{username}, call us"]);
    let refused = until(&server, ANA, message_is("ana, call us"));
    assert_eq!(refused.code, "Access-Reject");
    site.command("subscriber restore ana");
    until(&server, ANA, is_ordinary);
    for reason in ["\"no_garden\"", "\"suspended\""] {
        site.until_logged(reason);
    }
}

fn an_expired_subscriber_has_grace_and_then_the_garden(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    site.command("garden add unpaid --address-list unpaid");
    site.command("plan set home --grace-days 365 --after-expiry walled");
    let server = site.program.serve();
    until(&server, ANA, is_ordinary);
    let yesterday = now_plus_days(-1);
    site.command(&format!("subscriber set ana --expires {yesterday}"));
    let gracious = until(&server, ANA, |answer| {
        answer.find("Session-Timeout").is_some()
    });
    assert!(is_ordinary(&gracious), "{gracious:?}");
    let left: u32 = gracious
        .find("Session-Timeout")
        .and_then(|seconds| seconds.parse().ok())
        .expect("a number");
    let expected = 364 * 86_400;
    assert!(expected - 90_000 < left && left <= expected, "{left}");
    assert_eq!(site.state("ana"), "grace");
    site.command("plan set home --grace-days 0");
    let walled = until(&server, ANA, |answer| {
        answer.find("Mikrotik-Address-List") == Some("unpaid")
    });
    assert_eq!(walled.find("Session-Timeout"), Some("300"));
    assert_eq!(
        walled.find("Reply-Message"),
        Some("Your account has expired")
    );
    assert_eq!(site.state("ana"), "expired");
    site.command("plan set home --after-expiry hard");
    let refused = until(&server, ANA, |answer| answer.code == "Access-Reject");
    assert_eq!(
        refused.find("Reply-Message"),
        Some("Your account has expired")
    );
    let tomorrow = now_plus_days(1);
    site.command(&format!("subscriber set ana --expires {tomorrow}"));
    until(&server, ANA, is_ordinary);
}

fn a_bound_subscriber_is_let_in_by_their_router_alone(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    site.command("nas add far --address 192.0.2.1 --secret e2e-shared-secret-0009");
    site.command("nas group create north");
    site.command("subscriber binding set ana --nas far --nas-group north");
    let server = site.program.serve();
    let refused = until(&server, ANA, |answer| answer.code == "Access-Reject");
    let elsewhere = "Your account cannot be used here";
    assert_eq!(refused.find("Reply-Message"), Some(elsewhere));
    site.command("nas group add north pop");
    until(&server, ANA, is_ordinary);
    site.command("nas group take north pop");
    until(&server, ANA, message_is("Your account cannot be used here"));
    site.command("subscriber binding set ana --nas pop");
    until(&server, ANA, is_ordinary);
    site.until_logged("may not use this NAS, nor any group that it is in");
}

fn a_realm_is_in_force_while_the_server_runs(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    let user = ("ana@isp.example", ANA.1);
    assert_eq!(ask(&server, user).code, "Access-Reject");
    site.command("realm add isp.example");
    until(&server, user, is_ordinary);
    until(&server, ("isp.example/ana", ANA.1), is_ordinary);
    assert_eq!(
        ask(&server, ("ana@far.example", ANA.1)).code,
        "Access-Reject"
    );
    site.until_logged("unknown_realm");
    site.command("realm remove isp.example");
    until(&server, user, |answer| answer.code == "Access-Reject");
}

/// A date so many days from today.
#[expect(
    clippy::disallowed_methods,
    reason = "the server goes by the clock of the machine"
)]
fn now_plus_days(days: i64) -> String {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH);
    let seconds = since.expect("it is after 1970").as_secs().cast_signed();
    let at = domain::time::Timestamp::from_seconds(seconds + days * 86_400).day_start();
    at.to_string()
}
