//! One line, the field and the remedy; and the exit code that scripts rely on.

use std::net::UdpSocket;

use crate::place::Place;

#[test]
fn a_bad_plan_or_router_is_told_by_its_option() {
    let place = Place::with_subscriber();
    let rows = [
        (
            "plan add gold --rate 50X/20M",
            "--rate: upload rate '50X': expected a whole number of bit/s with an optional suffix k, M or G, at most 10000G (for example 25M/50M: upload, then download)",
        ),
        (
            "plan add gold --session-timeout soon",
            "--session-timeout: 'soon' is not a duration: write seconds (3600) or units d, h, m, s (1h, 30m, 1h30m)",
        ),
        (
            "plan add gold --interim 5s",
            "--interim: 5 s is outside 60 to 86400 s: routers that report more often overload themselves and us",
        ),
        (
            "plan add gold --session-limit many",
            "--session-limit: 'many' is not a number of sessions: write 1 to 1000",
        ),
        (
            "nas add pop-1 --address 10.0.0.1 --coa-port many",
            "--coa-port: 'many' is not a whole number",
        ),
        (
            "nas add pop-1 --address 10.0.0.1 --coa-identity User-Name",
            "--coa-identity: 'User-Name' would mean every session of a user or of a router: add Acct-Session-Id, Framed-IP-Address, Framed-IPv6-Prefix or Calling-Station-Id",
        ),
        (
            "relay show --set radius.relay=nowhere",
            "radius.relay in --set: 'nowhere' is not an address with a port: write 127.0.0.1:3799, or off",
        ),
        (
            "relay show --set radius.relay_clients=0.0.0.0/0",
            "radius.relay_clients in --set: '0.0.0.0/0' would take packets from everywhere: name the router's address or prefix",
        ),
        (
            "test-auth ana x --server localhost",
            "--server: 'localhost' is not an address with a port: write 127.0.0.1:1812 or [::1]:1812",
        ),
        (
            "nas add pop-1 --address router",
            "--address: 'router' is not an address: write an IPv4 or IPv6 address (10.0.0.1) or a prefix (10.8.0.0/16)",
        ),
        (
            "nas add pop-1 --address 10.0.0.1 --vendor tiktok",
            "--vendor: 'tiktok' is not one of: mikrotik, cisco, wispr, coova, generic",
        ),
        (
            "nas add pop-1 --address 10.0.0.1 --secret ",
            "--secret: the secret is empty: write 1 to 128 characters, better 16 or more",
        ),
        (
            "nas add pop-1 --address 10.0.0.1 --secret-file nowhere",
            "--secret-file: could not read nowhere: No such file or directory (os error 2)",
        ),
    ];
    for (line, expected) in rows {
        place.check_refused(line, 2, expected);
    }
}

#[test]
fn a_bad_subscriber_or_setting_is_told_by_its_option() {
    let place = Place::with_subscriber();
    let rows = [
        (
            "subscriber add ben --plan home",
            "--password: give --password PASSWORD (or - to read it), or --password-hash HASH",
        ),
        (
            "subscriber add ben --plan home --password ",
            "--password: the password is empty: write 1 to 128 octets",
        ),
        (
            "subscriber add josé --plan home --password x",
            "USERNAME: a user name has a space, a control character or a letter outside ASCII at octet 3: use printable ASCII without spaces",
        ),
        (
            "subscriber add ben --plan home --password x --ipv4 127.0.0.1",
            "--ipv4: 127.0.0.1 cannot be a subscriber's address: routers read 0.0.0.0, 127.0.0.0/8, 224.0.0.0/3 as 'choose one yourself'",
        ),
        (
            "subscriber add ben --plan home --password x --expires soon",
            "--expires: 'soon' is not a time: write a date (2026-12-31) or a date and time with zone (2026-12-31T18:00:00Z)",
        ),
        (
            "usage ana --from 2026-02-01 --to 2026-01-01",
            "--to: the end is not after --from",
        ),
        (
            "nas list --set radius.auht=1",
            "unknown key 'radius.auht' in --set: the nearest known key is 'radius.auth'",
        ),
        (
            "nas list --set radius.auth",
            "--set: write KEY=VALUE, for example radius.auth=0.0.0.0:1812",
        ),
    ];
    for (line, expected) in rows {
        place.check_refused(line, 2, expected);
    }
}

#[test]
fn a_command_that_does_not_exist_is_a_usage_error() {
    let place = Place::new();
    for line in [
        "router list",
        "nas add",
        "nas list --frobnicate",
        "plan set x --pool a --clear-pool",
    ] {
        let outcome = place.run(line);
        assert_eq!(outcome.code, Some(2), "{line}: {outcome:?}");
        assert!(
            outcome.stderr.contains("Usage: lastmile"),
            "{line}: {outcome:?}"
        );
    }
}

#[test]
fn what_is_not_there_is_told_with_where_to_look() {
    let place = Place::with_subscriber();
    let rows = [
        (
            "nas show pop-9",
            "there is no NAS 'pop-9': `lastmile nas list` shows them",
        ),
        (
            "nas remove pop-9",
            "there is no NAS 'pop-9': `lastmile nas list` shows them",
        ),
        (
            "plan set gold --rate 1M",
            "there is no plan 'gold': `lastmile plan list` shows them",
        ),
        (
            "subscriber disable zoe",
            "there is no subscriber 'zoe': `lastmile subscriber list --search TEXT` looks for one",
        ),
        (
            "subscriber add ben --password x --plan gold",
            "there is no plan 'gold': `lastmile plan list` shows them, `lastmile plan add` adds one",
        ),
        (
            "session show 0123",
            "there is no session '0123': `lastmile session list --state all` shows them",
        ),
        (
            "session list --plan gold",
            "there is no plan 'gold': `lastmile plan list` shows all plans",
        ),
        (
            "session kick zoe",
            "there is no session 'zoe': nobody of this name is online as asked for; `lastmile session list` shows who is",
        ),
        (
            "session kick --session 0123",
            "there is no session '0123': `lastmile session list` shows those that are open",
        ),
        (
            "usage zoe",
            "there is no subscriber 'zoe': `lastmile subscriber list --search TEXT` looks for one",
        ),
    ];
    for (line, expected) in rows {
        place.check_refused(line, 3, expected);
    }
}

#[test]
fn what_cannot_be_done_now_fails() {
    let place = Place::with_subscriber();
    place.done("nas add pop-1 --address 10.0.0.1 --secret 0123456789abcdef");
    let rows = [
        (
            "nas add POP-1 --address 10.0.0.2 --secret 0123456789abcdef",
            "NAME: another NAS has this name: choose another, or change that one with `set`",
        ),
        (
            "nas add pop-2 --address 10.0.0.1 --secret 0123456789abcdef",
            "--address: another NAS has this address: choose another, or change that one with `set`",
        ),
        (
            "subscriber add ANA --password x --plan home",
            "USERNAME: another subscriber has this username: choose another, or change that one with `set`",
        ),
        (
            "plan remove home",
            "plan 'home' is still used, subscribers: 1; move them first",
        ),
        (
            "test-auth ana x --server 127.0.0.1:1812",
            "no NAS covers 127.0.0.1, which test requests come from: add one with `lastmile nas add loopback --address 127.0.0.1`",
        ),
    ];
    for (line, expected) in rows {
        place.check_refused(line, 1, expected);
    }
}

#[test]
fn reading_where_nothing_is_says_how_to_begin() {
    let place = Place::new();
    for line in ["nas list", "session list --output json", "usage ana"] {
        place.check_refused(
            line,
            1,
            "nothing here yet: run `lastmile serve --data-dir data` or add something first",
        );
    }
    assert!(!place.path("data").exists(), "reading makes nothing");
}

#[test]
fn a_data_directory_that_cannot_be_one_is_told() {
    let place = Place::new();
    place.write("data", "a file");
    place.check_refused(
        "serve",
        1,
        "the data directory data cannot be made: choose another with --data-dir: not a directory",
    );
}

#[test]
fn a_wrong_database_is_one_line_without_the_password() {
    let place = Place::new();
    place.check_refused(
        "migrate --set database.url=mysql://root:kookaburra@h/d",
        2,
        "database.url in --set: this is not a database URL: write sqlite:, sqlite:PATH or postgres://user:password@host/database",
    );
    let outcome = place.run(
        "nas add a --address 10.0.0.1 --set database.url=postgres://u:kookaburra@localhost:port/d",
    );
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
    assert!(
        outcome.stderr.starts_with("error: database.url"),
        "{outcome:?}"
    );
    assert!(!outcome.stderr.contains("kookaburra"), "{outcome:?}");
}

#[test]
fn a_database_without_its_key_ring_is_refused() {
    let place = Place::with_subscriber();
    std::fs::remove_file(place.path("data/keyring")).expect("it is there");
    for line in [
        "nas list",
        "subscriber add ben --password x --plan home",
        "serve",
    ] {
        place.check_refused(
            line,
            1,
            "there is no key ring data/keyring: restore it from the backup of this database",
        );
    }
}

#[test]
fn a_port_in_use_ends_the_server_with_one_error() {
    let place = Place::with_subscriber();
    let taken = UdpSocket::bind("127.0.0.1:0").expect("the system has a port");
    let address = taken.local_addr().expect("it is bound");
    let outcome = place.run(&format!(
        "serve --set radius.auth={address} --set radius.acct=127.0.0.1:0 --set http.listen=127.0.0.1:0 --log-level error"
    ));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
    assert!(outcome.stderr.starts_with("error: "), "{outcome:?}");
    assert!(outcome.stderr.contains(&address.to_string()), "{outcome:?}");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let place = Place::with_subscriber();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_lastmile"))
        .env_clear()
        .current_dir(place.path(""))
        .args(["--data-dir", "data", "completions", "bash"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program was built for this test");
    drop(child.stdout.take());
    let outcome = child.wait_with_output().expect("it is our child");
    assert!(outcome.status.success(), "{outcome:?}");
    assert!(outcome.stderr.is_empty(), "{outcome:?}");
}

#[test]
fn a_bad_question_is_told_by_its_option() {
    let place = Place::with_subscriber();
    place.done("nas add wide --address 10.0.0.0/16 --secret 0123456789abcdef");
    place.done("nas add narrow --address 10.0.0.0/24 --secret 0123456789abcdef");
    let explain = |rest: &str| format!("explain --user ana {rest}");
    place.check_refused(
        &explain("--nas nowhere"),
        3,
        "there is no NAS 'nowhere': `lastmile nas list` shows them; an address may be given too",
    );
    place.check_refused(
        &explain("--nas 192.0.2.9"),
        3,
        "no NAS covers 192.0.2.9: requests from there are not answered",
    );
    place.check_refused(
        &explain("--nas wide"),
        2,
        "--nas: another NAS has the first address of this prefix: give the address of the router",
    );
    place.check_refused(
        &explain("--nas narrow --attr Bogus=1"),
        2,
        "--attr: unknown attribute `Bogus`: use a name of the dictionary, or Attr- and its number, such as Attr-26.14988.8",
    );
    place.check_refused(
        &explain("--nas narrow --attr User-Name=eva"),
        2,
        "--attr: User-Name is what --user says: leave it out here",
    );
    place.check_refused(
        &explain("--nas narrow --password x --attr CHAP-Password=0x00"),
        2,
        "--password: --attr has a credential already: give one of them",
    );
    let outcome = place.run(&explain("--nas 10.0.7.1 --at tomorrow"));
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    let asked = place.json(&explain("--nas 10.0.7.1 --attr Called-Station-Id=x"));
    assert_eq!(
        (&asked["nas"], &asked["outcome"]),
        (&"wide".into(), &"accepted".into())
    );
}

#[test]
fn why_answers_also_where_there_is_no_router_yet() {
    let place = Place::with_subscriber();
    let why = place.json("why ana");
    assert_eq!(
        (&why["known"], &why["verdict"]),
        (&"subscriber".into(), &serde_json::Value::Null)
    );
    assert_eq!(why["causes"][0]["code"], "no_attempt");
    let flag = place.done("why ana --json");
    assert!(flag.starts_with("{\n"), "{flag}");
    place.check_refused(
        "why ana --at yesterday",
        2,
        "--at: 'yesterday' is not a time: write a date (2026-12-31) or a date and time with zone (2026-12-31T18:00:00Z)",
    );
}
