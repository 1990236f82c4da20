//! The same commands on the local database and on a server elsewhere.

use std::process::Command;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use testkit::process::{self, Outcome};
use testkit::server::{Program, Server};

use crate::place::Place;

const COMMAND_TIME: Duration = Duration::from_secs(60);
const FORMATS: [&str; 4] = ["table", "json", "jsonl", "csv"];

/// What differs each time that something is made or changed.
const PASSING: [&str; 3] = ["id", "created_at", "updated_at"];

/// A database with a server on it, and a user elsewhere who has a token.
struct Distance {
    place: Place,
    server: Server,
    token: String,
}

impl Distance {
    fn new() -> Self {
        let place = Place::new();
        for name in ["pop-1", "pop-2"] {
            let address = name.replace("pop-", "192.0.2.");
            place.done(&format!(
                "nas add {name} --address {address} --secret 0123456789abcdef"
            ));
        }
        place.done("nas group create empty");
        let token = place.json("token create elsewhere --role owner");
        let token = token["token"]
            .as_str()
            .expect("it is shown once")
            .to_owned();
        let server = Program::new(env!("CARGO_BIN_EXE_lastmile"), place.path("data")).serve();
        Self {
            place,
            server,
            token,
        }
    }

    fn url(&self) -> String {
        let http = self.server.http.expect("the role api is on");
        format!("http://{http}")
    }

    /// Runs a command elsewhere, by the address of the server.
    fn there(&self, line: &str) -> Outcome {
        let line = format!("{line} --server {}", self.url());
        self.elsewhere(&[("LASTMILE_TOKEN", &self.token)], "", &line)
    }

    /// Runs a command where the database is not.
    fn elsewhere(&self, environment: &[(&str, &str)], input: &str, line: &str) -> Outcome {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
        std::fs::create_dir_all(self.place.path("elsewhere")).expect("the place is ours");
        command
            .env_clear()
            .envs(environment.iter().copied())
            .env("HOME", self.place.path("home"))
            .current_dir(self.place.path("elsewhere"))
            .args(line.split(' '));
        process::run(&mut command, input.as_bytes(), COMMAND_TIME)
    }

    /// A command that reads says the same, octet by octet.
    #[track_caller]
    fn check_read(&self, line: &str) {
        for format in FORMATS {
            let line = format!("{line} --output {format}");
            let (here, there) = (self.place.run(&line), self.there(&line));
            assert_eq!(here.code, Some(0), "{line}: {here:?}");
            assert_eq!(
                (&here.stdout, &here.stderr, here.code),
                (&there.stdout, &there.stderr, there.code),
                "{line}"
            );
        }
    }

    /// A command that changes something says the same here, and there after it was undone.
    #[track_caller]
    fn check_change(&self, line: &str, undo: &str) {
        let line = format!("{line} --output json");
        let rehearsed_there = self.there(&format!("{line} --dry-run"));
        let rehearsed_here = self.place.run(&format!("{line} --dry-run"));
        let here = self.place.run(&line);
        assert!(here.is_success(), "{line}: {here:?}");
        self.place.done(undo);
        let there = self.there(&line);
        self.place.done(undo);
        for (here, there) in [(here, there), (rehearsed_here, rehearsed_there)] {
            assert_eq!(lasting(&here), lasting(&there), "{line}");
            assert_eq!(
                (&here.stderr, here.code),
                (&there.stderr, there.code),
                "{line}"
            );
        }
    }

    /// A command that is refused says the same, and there under which name the server has it.
    #[track_caller]
    fn check_refused(&self, line: &str, code: i32) {
        let (here, there) = (self.place.run(line), self.there(line));
        assert_eq!(here.code, Some(code), "{line}: {here:?}");
        assert_eq!(there.code, Some(code), "{line}: {there:?}");
        assert_eq!(there.stdout, "", "{line}");
        let told = there
            .stderr
            .split_once(" (request ")
            .map_or_else(|| there.stderr.clone(), |(told, _)| format!("{told}\n"));
        assert_eq!(told, here.stderr, "{line}");
    }
}

/// A record without what differs each time.
fn lasting(outcome: &Outcome) -> Value {
    let mut record: Value = serde_json::from_str(&outcome.stdout).expect("it is JSON");
    if let Some(fields) = record.as_object_mut() {
        fields.retain(|name, _| !PASSING.contains(&name.as_str()));
    }
    record
}

#[test]
fn groups_are_the_same_here_and_there() {
    let distance = Distance::new();
    for line in ["nas group list", "nas group list --limit 1"] {
        distance.check_read(line);
    }
    distance.check_change("nas group create north", "nas group remove north");
    distance.place.done("nas group create north");
    distance.check_change("nas group add north pop-1", "nas group take north pop-1");
    for nas in ["pop-1", "pop-2"] {
        distance.place.done(&format!("nas group add north {nas}"));
    }
    distance.check_read("nas group list");
    distance.check_change("nas group take north pop-1", "nas group add north pop-1");
    distance.check_change("nas group remove empty", "nas group create empty");
    for (line, code) in [
        ("nas group create EMPTY", 1),
        ("nas group add south pop-1", 3),
        ("nas group add empty pop-9", 3),
        ("nas group take empty pop-9", 3),
        ("nas group remove south", 3),
        ("nas group remove south --dry-run", 3),
    ] {
        distance.check_refused(line, code);
    }
    let refused = distance.there("nas group create EMPTY");
    let request = refused.stderr.split_once(" (request ").map(|(_, id)| id);
    assert!(request.is_some_and(|id| 36 < id.len()), "{refused:?}");
}

#[test]
fn routers_are_the_same_here_and_there() {
    let distance = Distance::new();
    for line in [
        "nas list",
        "nas list --limit 1",
        "nas show POP-1",
        "nas knocking",
    ] {
        distance.check_read(line);
    }
    let secret = "--secret 0123456789abcdef";
    distance.check_change(
        &format!("nas add pop-3 --address 10.8.0.0/16 --identifier edge {secret}"),
        "nas remove pop-3",
    );
    distance.check_change(
        "nas set pop-1 --vendor cisco --identifier edge --coa-identity User-Name,Acct-Session-Id",
        "nas set pop-1 --vendor mikrotik --clear-identifier --clear-coa-identity",
    );
    distance.check_change(
        "nas set pop-1 --rename pop-9",
        "nas set pop-9 --rename pop-1",
    );
    distance.check_change(
        &format!("nas set pop-1 {secret}"),
        "nas set pop-1 --secret another-secret-0",
    );
    distance.check_change(
        "nas remove pop-2",
        &format!("nas add pop-2 --address 192.0.2.2 {secret}"),
    );
    for (line, code) in [
        (format!("nas add POP-1 --address 10.0.0.9 {secret}"), 1),
        (format!("nas add pop-9 --address 192.0.2.1 {secret}"), 1),
        ("nas add pop-9 --address 10.0.0.9 --secret ".to_owned(), 2),
        ("nas set pop-1 --rename pop-2".to_owned(), 1),
        ("nas set pop-9 --vendor cisco".to_owned(), 3),
        ("nas show pop-9".to_owned(), 3),
        ("nas remove pop-9 --dry-run".to_owned(), 3),
    ] {
        distance.check_refused(&line, code);
    }
    let made = distance.there("nas add pop-4 --address 192.0.2.4");
    assert_eq!(made.stdout.trim_end().len(), 24, "{made:?}");
}

#[test]
fn plans_are_the_same_here_and_there() {
    let distance = Distance::new();
    distance
        .place
        .done("garden add unpaid --address-list unpaid");
    distance.place.done("plan add plain");
    distance
        .place
        .done("plan add fair --rate 10M/20M --quota 50G/month,time:2h/day");
    distance
        .place
        .done("plan set fair --at-limit plan:plain --resets 15 --note why");
    distance
        .place
        .done("plan schedule fair --at 2999-01-01 --rate 1M/1M");
    for line in [
        "plan list",
        "plan show fair",
        "plan versions fair",
        "plan versions fair --limit 1",
        "plan scheduled",
        "plan scheduled fair --state applied",
    ] {
        distance.check_read(line);
    }
    distance.check_change(
        "plan add full --rate 10M/20M --quota 5G/day --at-limit throttle:1M/2M --window Wk0800-1800 --validity 30d --validity-from first-use --grace-days 3 --after-expiry walled --garden unpaid --device-limit 2 --session-timeout 1h --interim 1m --pool home --session-limit 2 --session-policy replace-oldest",
        "plan remove full",
    );
    distance.check_change(
        "plan set fair --rate 30M/60M",
        "plan set fair --rate 10M/20M",
    );
    distance.check_change(
        "plan set fair --clear-quota --clear-rate --garden unpaid",
        "plan set fair --quota 50G/month,time:2h/day --at-limit plan:plain --resets 15 --rate 10M/20M --clear-garden",
    );
    distance.check_change(
        "plan revert fair --version 1",
        "plan revert fair --version 2",
    );
    for (line, code) in [
        ("plan add PLAIN", 1),
        ("plan add new --garden none", 3),
        ("plan add new --quota 5G/day --at-limit plan:none", 3),
        ("plan add new --at-limit block", 2),
        ("plan set fair --at-limit plan:FAIR", 2),
        ("plan set fair --rename plain", 1),
        ("plan remove plain", 1),
        ("plan show none", 3),
        ("plan versions none", 3),
    ] {
        distance.check_refused(line, code);
    }
}

#[test]
fn policy_is_the_same_here_and_there() {
    let distance = Distance::new();
    distance
        .place
        .done("garden add unpaid --address-list unpaid --rate 512k/512k");
    distance.place.done("realm add isp.example");
    for line in [
        "garden list",
        "garden show unpaid",
        "realm list",
        "operation list",
    ] {
        distance.check_read(line);
    }
    distance.check_change(
        "garden add late --pool walled --rate 1M/2M",
        "garden remove late",
    );
    distance.check_change(
        "garden set unpaid --clear-rate --redirect https://pay.example.net/",
        "garden set unpaid --rate 512k/512k --clear-redirect",
    );
    distance.check_change("garden default unpaid", "garden default --none");
    distance.check_change(
        "realm add old.example --handling keep",
        "realm remove old.example",
    );
    distance.check_change("realm remove isp.example", "realm add isp.example");
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (line, code) in [
        ("garden add UNPAID --pool x".to_owned(), 1),
        ("garden show none".to_owned(), 3),
        ("garden default none".to_owned(), 3),
        ("realm add ISP.example".to_owned(), 1),
        ("realm remove none.example".to_owned(), 3),
        (format!("operation show {id}"), 3),
        (format!("operation cancel {id}"), 3),
    ] {
        distance.check_refused(&line, code);
    }
}

#[test]
fn a_request_is_told_without_the_token() {
    let distance = Distance::new();
    let told = distance.there("nas group create loud --verbose");
    assert!(told.is_success(), "{told:?}");
    let url = format!("POST {}/api/v1/nas-groups: 201 in ", distance.url());
    assert!(told.stderr.starts_with(&url), "{told:?}");
    assert!(told.stderr.contains(" ms, request "), "{told:?}");
    assert!(!told.stderr.contains(&distance.token), "{told:?}");
    let local = distance.place.run("nas group list --verbose");
    let line = "GET local:///api/v1/nas-groups?limit=1000: 200 in ";
    assert!(local.stderr.starts_with(line), "{local:?}");
}

#[test]
fn who_may_not_is_denied() {
    let distance = Distance::new();
    let line = format!("nas group list --server {}", distance.url());
    let wrong = distance.elsewhere(&[("LASTMILE_TOKEN", "kookaburra")], "", &line);
    assert_eq!(wrong.code, Some(4), "{wrong:?}");
    assert!(
        wrong.stderr.starts_with("error: the token is unknown"),
        "{wrong:?}"
    );
    assert!(!wrong.stderr.contains("kookaburra"), "{wrong:?}");
    let reader = distance.place.json("token create reader --role read_only");
    let reader = reader["token"].as_str().expect("it is shown once");
    let line = format!("nas group create north --server {}", distance.url());
    let denied = distance.elsewhere(&[("LASTMILE_TOKEN", reader)], "", &line);
    assert_eq!(denied.code, Some(4), "{denied:?}");
    let missing = distance.elsewhere(&[], "", &line);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(
        missing.stderr.starts_with("error: --token: give "),
        "{missing:?}"
    );
}

#[test]
fn a_certificate_is_believed_by_its_authority_or_its_fingerprint() {
    let place = Place::new();
    place.done("nas group create north");
    let token = place.json("token create elsewhere --role read_only");
    let token = token["token"].as_str().expect("it is shown once");
    let program = Program::new(env!("CARGO_BIN_EXE_lastmile"), place.path("data"));
    let server = program.with("LASTMILE_HTTP__LISTEN", "0.0.0.0:0").serve();
    let port = server.http.expect("the role api is on").port();
    let file = place.path("data/tls/self-signed.crt");
    let certificate = CertificateDer::from_pem_file(&file).expect("the server made it");
    let fingerprint = hex(&Sha256::digest(&certificate));
    let list = |scheme: &str, rest: &str| {
        let server = format!("{scheme}://127.0.0.1:{port}");
        let line = format!("nas group list --output csv --server {server}{rest}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
        command
            .env_clear()
            .env("LASTMILE_TOKEN", token)
            .current_dir(place.path(""))
            .args(line.split(' '));
        process::run(&mut command, b"", COMMAND_TIME)
    };
    let here = place.done("nas group list --output csv");
    let believed = [
        format!(" --fingerprint {fingerprint}"),
        format!(" --ca-file {}", file.display()),
    ];
    for believed in &believed {
        let there = list("https", believed);
        assert_eq!(there.stdout, here, "{believed}: {there:?}");
    }
    let other = format!(" --fingerprint {}", "00".repeat(32));
    for stranger in ["", &other] {
        let refused = list("https", stranger);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let remedy = "give --ca-file with its authority, or --fingerprint";
        assert!(refused.stderr.contains(remedy), "{refused:?}");
    }
    let plain = list("http", "");
    assert_eq!(plain.code, Some(1), "{plain:?}");
    let to = format!("sends its visitors to https://127.0.0.1:{port}/api/v1/nas-groups");
    assert!(plain.stderr.contains(&to), "{plain:?}");
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn contexts_name_servers_and_keep_their_tokens() {
    let distance = Distance::new();
    let run = |input: &str, line: &str| distance.elsewhere(&[], input, line);
    let done = |line: &str| {
        let outcome = run("", line);
        assert!(outcome.is_success(), "{line}: {outcome:?}");
        outcome
    };
    let token = format!("{}\n", distance.token);
    let add = format!("context add isp --token - --server {}", distance.url());
    let added = run(&token, &add);
    assert!(added.is_success(), "{added:?}");
    assert_eq!(added.stderr, "Context isp added\n");
    assert_eq!(run(&token, &add).code, Some(2), "there is one of this name");

    let there = done("nas group list --context isp --output json");
    assert!(there.stdout.contains("empty"), "{there:?}");
    assert_eq!(run("", "nas group list").code, Some(1), "nothing is here");
    done("context use isp");
    let used = done("nas group list --output json");
    assert_eq!(used.stdout, there.stdout);
    for line in [
        "context list",
        "context show",
        "context show isp --output json",
    ] {
        let shown = done(line);
        assert!(shown.stdout.contains(&distance.url()), "{shown:?}");
        assert!(!shown.stdout.contains(&distance.token), "{shown:?}");
    }
    assert_eq!(run("", "nas group list --context local").code, Some(1));
    assert_eq!(run("", "nas group list --data-dir data").code, Some(1));
    done("context remove isp");
    assert_eq!(
        run("", "nas group list").code,
        Some(1),
        "this machine again"
    );
    let unknown = run("", "nas group list --context isp");
    assert_eq!(unknown.code, Some(3), "{unknown:?}");
}

#[test]
fn what_works_on_its_machine_only_says_so() {
    let place = Place::new();
    let lines = [
        ("serve", "lastmile serve"),
        ("migrate --check", "lastmile migrate"),
        ("doctor", "lastmile doctor"),
        ("relay show", "lastmile relay show"),
        (
            "import freeradius --database sqlite:x",
            "lastmile import freeradius",
        ),
        ("session watch", "lastmile session watch"),
    ];
    for (line, name) in lines {
        let line = format!("{line} --token x --server http://127.0.0.1:9");
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
        command
            .env_clear()
            .current_dir(place.path(""))
            .args(line.split(' '));
        let outcome = process::run(&mut command, b"", COMMAND_TIME);
        assert_eq!(outcome.code, Some(2), "{line}: {outcome:?}");
        let named = outcome.stderr.contains(&format!("`{name}`"));
        assert!(named, "{line}: {outcome:?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
    }
}

#[test]
fn a_server_that_cannot_be_asked_is_told() {
    let place = Place::new();
    let rows = [
        (
            "isp.example",
            2,
            "--server: 'isp.example' is not the address of a server: write https://isp.example or http://127.0.0.1:8080",
        ),
        (
            "http://192.0.2.1",
            2,
            "--server: http://192.0.2.1/ would be shown the token unencrypted: use https://, or give --plain-http if the way there is protected",
        ),
    ];
    for (server, code, expected) in rows {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
        let line = format!("nas group list --token x --server {server}");
        command
            .env_clear()
            .current_dir(place.path(""))
            .args(line.split(' '));
        let outcome = process::run(&mut command, b"", COMMAND_TIME);
        assert_eq!(outcome.code, Some(code), "{outcome:?}");
        assert_eq!(outcome.stderr, format!("error: {expected}\n"));
    }
    let both = place.run("nas group list --token x --server https://isp.example");
    assert_eq!(both.code, Some(2), "{both:?}");
    assert_eq!(
        both.stderr,
        "error: --server: --data-dir is on this machine: give one of them\n"
    );
    let closed = testkit::port::quiet_port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
    let line = format!("nas group list --token x --server http://127.0.0.1:{closed}");
    command
        .env_clear()
        .current_dir(place.path(""))
        .args(line.split(' '));
    let outcome = process::run(&mut command, b"", COMMAND_TIME);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let told = format!("error: http://127.0.0.1:{closed} cannot be reached: ");
    assert!(outcome.stderr.starts_with(&told), "{outcome:?}");
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
}
