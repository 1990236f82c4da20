//! Commands that talk to a running server.

use serde_json::Value;
use testkit::server::{Program, Server};

use crate::place::Place;

fn serve(place: &Place) -> Server {
    place
        .done("nas add loopback --address 127.0.0.1 --secret 0123456789abcdef --identifier edge-1");
    Program::new(env!("CARGO_BIN_EXE_lastmile"), place.path("data")).serve()
}

#[test]
fn a_login_is_tested_through_the_socket() {
    let place = Place::with_subscriber();
    let server = serve(&place);
    for method in ["pap", "chap", "mschapv1", "mschapv2"] {
        let line = format!(
            "test-auth ana first-pass --server {} --method {method}",
            server.auth
        );
        let report = place.json(&line);
        assert_eq!(report["outcome"], "accepted", "{method}: {report}");
    }
    let outcome = place.run(&format!(
        "test-auth ana other-pass --server {}",
        server.auth
    ));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stdout.contains("Access-Reject"), "{outcome:?}");
    assert_eq!(
        outcome.stderr,
        "error: ana was not accepted: the server rejected it; `lastmile log auth` says why\n"
    );
    let words = [
        "test-auth",
        "ana",
        "-",
        "--server",
        &server.auth.to_string(),
    ];
    assert!(place.run_with("first-pass\n", &words).is_success());
}

#[test]
fn doctor_hears_the_server_on_its_ports() {
    let place = Place::with_subscriber();
    let server = serve(&place);
    let http = server.http.expect("the role api is on");
    let checks = place.json(&format!(
        "doctor --set radius.auth={} --set radius.acct={} --set http.listen={http}",
        server.auth, server.acct
    ));
    for name in ["authentication port", "accounting port", "http port"] {
        let all = checks.as_array().expect("a list");
        let check = all.iter().find(|check| check["check"] == name);
        assert_eq!(
            check.map(|check| &check["status"]),
            Some(&Value::from("ok")),
            "{checks}"
        );
    }
}

#[test]
fn a_simulated_life_and_a_load_are_verified() {
    let place = Place::with_subscriber();
    let server = serve(&place);
    let ports = format!("--auth {} --acct {}", server.auth, server.acct);
    let life = place.json(&format!("lab nas --user ana --password first-pass {ports}"));
    assert_eq!(life["outcome"], "completed", "{life}");
    place.write("users.csv", "username,password\nana,first-pass\n");
    let load = place.json(&format!("lab load --users users.csv --requests 50 {ports}"));
    assert_eq!(load["counts"]["accepts"], 50, "{load}");
    assert_eq!(load["counts"]["bad_authenticators"], 0, "{load}");
    let bad_line = "--timeout-ms 100 --loss 2% --duplication 20% --reordering 20% --delay-ms 2";
    let load = place.json(&format!(
        "lab load --users users.csv --requests 50 {bad_line} {ports}"
    ));
    assert_eq!(load["counts"]["accepts"], 50, "{load}");
    let doubled = load["counts"]["line_doubled"].as_u64();
    assert!(doubled.is_some_and(|doubled| 0 < doubled), "{load}");
    let load = place.json(&format!(
        "lab load --users users.csv --requests 50 --rate 1000 {ports}"
    ));
    assert_eq!(load["counts"]["accepts"], 50, "{load}");
    place.check_refused(
        &format!("lab load --users nowhere.csv {ports}"),
        1,
        "nowhere.csv: No such file or directory (os error 2)",
    );
}

#[test]
fn a_simulated_storm_gets_everybody_in() {
    let place = Place::with_subscriber();
    let server = serve(&place);
    let ports = format!("--auth {} --acct {}", server.auth, server.acct);
    place.write("users.csv", "username,password\nana,first-pass\nbob,x\n");
    let storm = place.json(&format!(
        "lab storm --users users.csv --subscribers 1 --seconds 1 --interims 1 --stops {ports}"
    ));
    assert_eq!(storm["returned"], 1, "{storm}");
    let phases = storm["exchanges"].as_array().expect("a list");
    let phases: Vec<&Value> = phases.iter().map(|phase| &phase["exchange"]).collect();
    assert_eq!(phases, ["login", "start", "interim", "stop"], "{storm}");
    let outcome = place.run(&format!(
        "lab storm --users users.csv --seconds 1 --timeout-ms 3000 {ports}"
    ));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(
        outcome
            .stderr
            .starts_with("error: 1 of 2 subscribers are back: "),
        "{outcome:?}"
    );
}
