//! A server that cannot start says why in one line that names the remedy.

use std::fs;
use std::net::UdpSocket;

use testkit::database::DatabaseKind;
use testkit::process::Outcome;
use testkit::server::Program;

use crate::site::{Site, block_on, on_both_databases};

on_both_databases!(
    a_port_in_use_is_named,
    a_second_server_on_the_same_ports_is_refused,
    a_newer_schema_is_left_alone,
    a_database_that_is_gone_is_named_without_its_password,
);

fn a_port_in_use_is_named(kind: DatabaseKind) {
    let mut site = Site::empty(kind);
    let taken = UdpSocket::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = taken.local_addr().expect("it is bound").to_string();
    site.set("LASTMILE_RADIUS__AUTH", &address);
    check(
        &site.program.serve_to_end(),
        &[&address, "radius.auth", "port"],
    );
}

fn a_second_server_on_the_same_ports_is_refused(kind: DatabaseKind) {
    let mut site = Site::furnished(kind);
    let server = site.program.serve();
    site.set("LASTMILE_RADIUS__ACCT", &server.acct.to_string());
    check(
        &site.program.serve_to_end(),
        &[&server.acct.to_string(), "radius.acct", "port"],
    );
}

fn a_newer_schema_is_left_alone(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let newer = "INSERT INTO schema_version (version, name, applied_at) VALUES (9999, 'later', 1)";
    block_on(site.database.execute(newer));
    check(&site.program.serve_to_end(), &["9999", "newer"]);
    let outcome = site.program.cli(&["nas", "list"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("9999"), "{outcome:?}");
    let outcome = site.program.cli(&["migrate"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
}

fn a_database_that_is_gone_is_named_without_its_password(kind: DatabaseKind) {
    let mut site = Site::empty(kind);
    let (url, needles) = match kind {
        DatabaseKind::Sqlite => ("sqlite:/proc/nowhere/lastmile.db", vec!["/proc/nowhere"]),
        // Port 9 is discard: nobody listens there.
        DatabaseKind::Postgres => (
            "postgres://lastmile:gone-pass-word@127.0.0.1:9/lastmile",
            vec!["127.0.0.1:9", "reached"],
        ),
    };
    site.set("LASTMILE_DATABASE__URL", url);
    let outcome = site.program.serve_to_end();
    check(&outcome, &needles);
    assert!(
        !format!("{outcome:?}").contains("gone-pass-word"),
        "{outcome:?}"
    );
}

#[test]
fn a_database_url_of_another_kind_is_refused() {
    let mut site = Site::empty(DatabaseKind::Sqlite);
    site.set(
        "LASTMILE_DATABASE__URL",
        "mysql://lastmile:planted-pass@db/lastmile",
    );
    let outcome = site.program.serve_to_end();
    check(&outcome, &["database.url", "postgres://"]);
    assert!(
        !format!("{outcome:?}").contains("planted-pass"),
        "{outcome:?}"
    );
}

#[test]
fn a_data_directory_that_cannot_be_made_is_named() {
    let site = Site::empty(DatabaseKind::Sqlite);
    let file = site.write("occupied", "not a directory");
    let below = file.join("data").display().to_string();
    let file = file.display().to_string();
    for place in [file.as_str(), below.as_str(), "/proc/lastmile-data"] {
        let program = Program::new(env!("CARGO_BIN_EXE_lastmile"), place);
        check(&program.serve_to_end(), &[place]);
        let outcome = program.cli(&["nas", "add", "pop", "--address", "127.0.0.1"]);
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert!(outcome.stderr.contains(place), "{outcome:?}");
    }
}

#[test]
fn a_key_ring_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::furnished(DatabaseKind::Sqlite);
    let path = site.program.data_dir().join("keyring");
    for (name, expected) in [("keyring", 0o600), ("lastmile.db", 0o600)] {
        let path = site.program.data_dir().join(name);
        let mode = fs::metadata(&path)
            .expect("the file is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, expected, "{name}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it is ours");
    check(&site.program.serve_to_end(), &["keyring", "chmod"]);
}

/// Exit code 1, and among the log exactly one line that is an error, with every needle in it.
#[track_caller]
fn check(outcome: &Outcome, needles: &[&str]) {
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let is_news = |line: &&str| line.contains("\"level\":\"INFO\"");
    let lines: Vec<&str> = outcome
        .stderr
        .lines()
        .filter(|line| !is_news(line))
        .collect();
    assert_eq!(lines.len(), 1, "one line: {outcome:?}");
    for needle in needles {
        assert!(lines[0].contains(needle), "{needle} in: {}", lines[0]);
    }
    assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
}
