//! Certificates of our own and of others, and plain HTTP where nobody can read along.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::place::{Answer, Place, Signer, count, until};

/// Reached from everywhere.
const PUBLIC: (&str, &str) = ("listen", "0.0.0.0:0");

#[test]
fn what_others_reach_is_behind_a_certificate_that_is_made_once() {
    let place = Place::new().with(&[PUBLIC, ("names", "aaa.example.net")]);
    let certificate = place.path("data/tls/self-signed.crt");
    let server = place.program().serve();
    for name in ["aaa.example.net", "localhost", "127.0.0.1"] {
        let answer = Answer::over_tls(&server, name, "/healthz", &certificate);
        answer.check_status(200);
        assert_eq!(answer.header("strict-transport-security"), None);
    }
    let stranger = Answer::over_tls(&server, "b.example", "/healthz", &certificate);
    assert_eq!(stranger.code, Some(60), "{}", stranger.text);
    for name in ["self-signed.crt", "self-signed.key"] {
        let path = place.path("data/tls").join(name);
        let mode = fs::metadata(path).expect("it is kept").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let (status, found) = place.doctor(&server, "http certificate");
    assert_eq!(status, "ok", "{found}");
    let fingerprint = found
        .rsplit(' ')
        .next()
        .expect("it ends with the fingerprint");
    assert_eq!(count(&server, fingerprint), 1, "the log says it once");
    let (status, found) = place.doctor(&server, "http port");
    assert_eq!(status, "ok", "{found}");
    drop(server);
    let server = place.program().serve();
    assert_eq!(count(&server, fingerprint), 1, "it is the same one");
}

#[test]
fn plain_http_on_the_port_of_https_leads_there() {
    let place = Place::new().with(&[PUBLIC]);
    let server = place.program().serve();
    let port = server.http.expect("it serves HTTP").port();
    let answer = Answer::of(&[&format!("http://127.0.0.1:{port}/api/v1/plans?limit=2")]);
    answer.check_status(308);
    let expected = format!("https://127.0.0.1:{port}/api/v1/plans?limit=2");
    assert_eq!(answer.header("location"), Some(expected.as_str()));
}

#[test]
fn plain_http_in_public_is_refused_unless_it_is_asked_for() {
    let place = Place::new().with(&[PUBLIC, ("tls", "off")]);
    let refused = place.program().serve_to_end();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let told = refused.stdout + &refused.stderr;
    assert!(told.contains("http.plain = true"), "{told}");
    let place = place.with(&[("plain", "true")]);
    let server = place.program().serve();
    assert_eq!(count(&server, "can be read along"), 1);
    let port = server.http.expect("it serves HTTP").port();
    let answer = Answer::of(&[&format!("http://127.0.0.1:{port}/healthz")]);
    answer.check_status(200);
    assert_eq!(place.doctor(&server, "http certificate").0, "warn");
}

#[test]
fn files_are_taken_while_the_server_runs_and_broken_ones_are_not() {
    let signer = Signer::new();
    let place = Place::new();
    let root = place.path("root.pem");
    place.write("root.pem", &signer.pem);
    let (certificate, key) = signer.sign("one.example");
    let certificate = place.write("certificate.pem", &certificate);
    let key = place.write("key.pem", &key);
    let place = place.with(&[
        ("tls", "files"),
        ("certificate", &certificate),
        ("key", &key),
    ]);
    let server = place.program().serve();
    let is_shown = |name| Answer::over_tls(&server, name, "/readyz", &root);
    let answer = is_shown("one.example");
    answer.check_status(200);
    assert_eq!(
        answer.header("strict-transport-security"),
        Some("max-age=31536000")
    );
    let (fresh, fresh_key) = signer.sign("two.example");
    place.write("certificate.pem", &fresh);
    place.write("key.pem", &fresh_key);
    until("the new certificate is shown", || {
        is_shown("two.example").code == Some(0)
    });
    assert_ne!(is_shown("one.example").code, Some(0));
    place.write("certificate.pem", "no certificate at all");
    until("the broken one is told", || {
        count(&server, "there is no certificate in PEM") == 1
    });
    let answer = is_shown("two.example");
    answer.check_status(200);
    assert!(
        answer.text.contains("the one before is shown"),
        "{}",
        answer.text
    );
    assert_eq!(place.doctor(&server, "http certificate").0, "fail");
    place.check_radius(&server);
    let (fresh, fresh_key) = signer.sign("three.example");
    place.write("certificate.pem", &fresh);
    place.write("key.pem", &fresh_key);
    until("the good one is shown", || {
        let answer = is_shown("three.example");
        answer.code == Some(0) && answer.text.contains("\"web\":\"ok\"")
    });
    let (status, found) = place.doctor(&server, "http certificate");
    assert_eq!(status, "warn", "{found}");
    assert!(found.contains("can read its key"), "{found}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let (status, found) = place.doctor(&server, "http certificate");
    assert_eq!(status, "ok", "{found}");
}

#[test]
fn a_server_without_its_files_answers_routers_and_shows_a_certificate_of_its_own() {
    let place = Place::new();
    let missing = place.path("missing.pem").display().to_string();
    let place = place.with(&[PUBLIC, ("certificate", &missing), ("key", &missing)]);
    let server = place.program().serve();
    place.check_radius(&server);
    let own = place.path("data/tls/self-signed.crt");
    let answer = Answer::over_tls(&server, "localhost", "/readyz", &own);
    answer.check_status(200);
    assert!(
        answer.text.contains("a self-signed one is shown"),
        "{}",
        answer.text
    );
    assert_eq!(answer.header("strict-transport-security"), None);
    assert_eq!(count(&server, "cannot be used"), 1);
}

#[test]
fn every_answer_has_the_headers_that_browsers_go_by() {
    let place = Place::new();
    let server = place.program().serve();
    let http = server.http.expect("it serves HTTP");
    for (path, status) in [
        ("/healthz", 200),
        ("/api/openapi.json", 200),
        ("/api/v1/nothing", 404),
        ("/nothing", 404),
    ] {
        let answer = Answer::of(&[&format!("http://{http}{path}")]);
        answer.check_status(status);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}: {name}");
        }
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        let is_api = path.starts_with("/api/");
        assert_eq!(answer.header("cache-control").is_some(), is_api, "{path}");
        assert_eq!(answer.header("strict-transport-security"), None);
    }
}

#[test]
fn old_protocols_are_refused() {
    let place = Place::new().with(&[PUBLIC]);
    let server = place.program().serve();
    let port = server.http.expect("it serves HTTP").port();
    let url = format!("https://127.0.0.1:{port}/healthz");
    for (version, is_spoken) in [("1.1", false), ("1.2", true), ("1.3", true)] {
        let lowest = format!("--tlsv{version}");
        // The system's own policy refuses old protocols, too, and is not what is tried here.
        let old = ["--ciphers", "DEFAULT:@SECLEVEL=0"];
        let mut arguments = vec!["--insecure", &lowest, "--tls-max", version, &url];
        if !is_spoken {
            arguments.extend(old);
        }
        let answer = Answer::of(&arguments);
        assert_eq!(
            answer.code == Some(0),
            is_spoken,
            "{version}: {}",
            answer.text
        );
    }
}
