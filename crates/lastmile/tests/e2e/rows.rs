//! The tables of FreeRADIUS, written by others while the server runs: obeyed at once.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use testkit::database::DatabaseKind;
use testkit::peer::radclient::{self, Kind};
use testkit::peer::{Answer, sqlite3};
use testkit::server::Server;

use crate::outage::{Connections, set_connections};
use crate::site::{ANA, SECRET, Site, block_on, on_both_databases};
use crate::wire::{Request, Router};

on_both_databases!(
    a_row_user_logs_in_with_every_method,
    rows_are_obeyed_soon_after_their_commit,
    a_changed_group_reaches_its_users,
    strict_and_compatible_differ_where_a_check_does_not_match,
    a_subscriber_goes_before_rows_of_the_same_name,
    a_router_in_the_table_of_freeradius_is_answered,
    slow_hashes_of_rows_are_compared,
    the_log_says_why,
    rows_are_listed_without_their_passwords,
    rows_are_linted,
);

const ROW_SECRET: &str = "a-secret-of-the-table-nas";

/// How long a router waits before it asks again.
const RETRY: Duration = Duration::from_millis(20);

/// When a change is given up.
const PATIENCE: Duration = Duration::from_secs(15);

/// A user with a password, replies of their own and a group.
const BOB: &str = "
    INSERT INTO radcheck (username, attribute, op, value)
        VALUES ('Bob', 'Cleartext-Password', ':=', 'bob-pass-word-1');
    INSERT INTO radreply (username, attribute, op, value)
        VALUES ('Bob', 'Framed-IP-Address', '=', '10.7.0.9'), ('Bob', 'Reply-Message', '=', 'hello');
    INSERT INTO radusergroup (username, groupname, priority) VALUES ('Bob', 'gold', 1);
    INSERT INTO radgroupreply (groupname, attribute, op, value)
        VALUES ('gold', 'Mikrotik-Rate-Limit', ':=', '10M/20M');";

/// Writes to the database as another program does.
#[track_caller]
pub(crate) fn write(site: &Site, sql: &str) {
    match site.database.kind() {
        DatabaseKind::Sqlite => {
            sqlite3::run(&site.program.data_dir().join("lastmile.db"), sql);
        }
        DatabaseKind::Postgres => block_on(site.database.execute(sql)),
    }
}

#[track_caller]
fn login(server: SocketAddr, secret: &str, (user, password): (&str, &str)) -> Answer {
    login_with(server, secret, "User-Password", (user, password))
}

#[track_caller]
fn login_with(
    server: SocketAddr,
    secret: &str,
    credential: &str,
    (user, password): (&str, &str),
) -> Answer {
    let (user, password) = (format!("\"{user}\""), format!("\"{password}\""));
    let attributes = [("User-Name", user.as_str()), (credential, &password)];
    let answer = radclient::ask(server, secret, Kind::Access, &attributes);
    answer.unwrap_or_else(|| panic!("{user} {credential} is not answered"))
}

const BOB_LOGIN: (&str, &str) = ("Bob", "bob-pass-word-1");

fn a_row_user_logs_in_with_every_method(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    write(&site, BOB);
    let server = site.program.serve();
    for credential in ["User-Password", "CHAP-Password", "MS-CHAP-Password"] {
        let answer = login_with(server.auth, SECRET, credential, BOB_LOGIN);
        assert_eq!(answer.code, "Access-Accept", "{credential}");
        for (name, value) in [
            ("Framed-IP-Address", "10.7.0.9"),
            ("Reply-Message", "hello"),
            ("Mikrotik-Rate-Limit", "10M/20M"),
        ] {
            assert_eq!(answer.find(name), Some(value), "{credential}: {answer:?}");
        }
        assert!(answer.find("Class").is_some(), "{credential}: {answer:?}");
        assert_eq!(answer.names()[0], "Message-Authenticator", "{credential}");
        // Nothing of a plan: a row user has none.
        assert_eq!(answer.find("Acct-Interim-Interval"), None, "{credential}");
        let wrong = login_with(server.auth, SECRET, credential, ("Bob", "wrong"));
        assert_eq!(wrong.code, "Access-Reject", "{credential}");
        assert_eq!(wrong.find("Framed-IP-Address"), None, "{credential}");
        // FreeRADIUS compares names octet by octet.
        let other = login_with(server.auth, SECRET, credential, ("bob", "bob-pass-word-1"));
        assert_eq!(other.code, "Access-Reject", "{credential}");
    }
}

/// The design says 100 ms on PostgreSQL and 1 s on SQLite; a shared machine gets some slack.
const fn in_force_max(kind: DatabaseKind) -> Duration {
    match kind {
        DatabaseKind::Sqlite => Duration::from_secs(2),
        DatabaseKind::Postgres => Duration::from_millis(500),
    }
}

/// Waits until a login is answered as expected, and says how long that took.
#[track_caller]
fn until(
    server: &Server,
    user: (&str, &str),
    what: &str,
    is_expected: impl Fn(&crate::wire::Reply) -> bool,
) -> Duration {
    let router = Router::new();
    let begun = Instant::now();
    let mut identifier = 0_u8;
    while begun.elapsed() < PATIENCE {
        identifier = identifier.wrapping_add(1);
        let request = Request::pap(identifier, user.0, user.1);
        // Nobody answers while the secret is another one.
        let reply = router.ask_with(SECRET, server.auth, &request, RETRY);
        if reply.as_ref().is_some_and(&is_expected) {
            return begun.elapsed();
        }
    }
    panic!("{what} is not in force after {PATIENCE:?}");
}

fn is_accepted(reply: &crate::wire::Reply) -> bool {
    reply.code == radius::code::Code::AccessAccept
}

fn is_rejected(reply: &crate::wire::Reply) -> bool {
    reply.code == radius::code::Code::AccessReject
}

fn rows_are_obeyed_soon_after_their_commit(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    let check = |sql: &str, password: &str, is_expected: fn(&crate::wire::Reply) -> bool| {
        write(&site, sql);
        let elapsed = until(&server, ("Bob", password), sql, is_expected);
        assert!(elapsed < in_force_max(kind), "{sql}: {elapsed:?}");
    };
    check(BOB, BOB_LOGIN.1, is_accepted);
    let update = "UPDATE radcheck SET value = 'changed' WHERE username = 'Bob'";
    check(update, "changed", is_accepted);
    check(
        "DELETE FROM radcheck WHERE username = 'Bob'",
        "changed",
        is_rejected,
    );
    check(BOB, BOB_LOGIN.1, is_accepted);
    let failures = server.metric("lastmile_radius_change_failures_total");
    assert_eq!(failures, 0);
}

fn a_changed_group_reaches_its_users(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    write(&site, BOB);
    let server = site.program.serve();
    let rate = |expected: &'static str| {
        move |reply: &crate::wire::Reply| reply.rate().as_deref() == Some(expected)
    };
    until(&server, BOB_LOGIN, "the first rate", rate("10M/20M"));
    write(&site, "UPDATE radgroupreply SET value = '30M/60M'");
    until(&server, BOB_LOGIN, "the second rate", rate("30M/60M"));
    let check = "INSERT INTO radgroupcheck (groupname, attribute, op, value) \
                 VALUES ('gold', 'NAS-Port', '==', '77')";
    write(&site, check);
    let has_no_rate = |reply: &crate::wire::Reply| is_accepted(reply) && reply.rate().is_none();
    until(
        &server,
        BOB_LOGIN,
        "a group that does not match",
        has_no_rate,
    );
    write(
        &site,
        "DELETE FROM radgroupcheck; DELETE FROM radgroupreply",
    );
    until(&server, BOB_LOGIN, "a group without rows", has_no_rate);
}

fn strict_and_compatible_differ_where_a_check_does_not_match(kind: DatabaseKind) {
    let mut site = Site::furnished(kind);
    // The user may log in at port 1 alone, and the group lets everybody in.
    let sql = "
        INSERT INTO radcheck (username, attribute, op, value) VALUES
            ('Bob', 'Cleartext-Password', ':=', 'bob-pass-word-1'), ('Bob', 'NAS-Port', '==', '1');
        INSERT INTO radusergroup (username, groupname, priority) VALUES ('Bob', 'open', 1);
        INSERT INTO radgroupcheck (groupname, attribute, op, value)
            VALUES ('open', 'Auth-Type', ':=', 'Accept');";
    site.command("migrate");
    write(&site, sql);
    let server = site.program.serve();
    let answer = login(server.auth, SECRET, BOB_LOGIN);
    assert_eq!(answer.code, "Access-Reject", "strict is the default");
    drop(server);
    site.set("LASTMILE_AAA__ROWS", "compatible");
    let server = site.program.serve();
    let answer = login(server.auth, SECRET, ("Bob", "whatever"));
    assert_eq!(answer.code, "Access-Accept", "as FreeRADIUS answers");
}

fn a_subscriber_goes_before_rows_of_the_same_name(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let sql = "INSERT INTO radcheck (username, attribute, op, value) \
               VALUES ('ana', 'Cleartext-Password', ':=', 'of-the-rows')";
    write(&site, sql);
    let server = site.program.serve();
    assert_eq!(login(server.auth, SECRET, ANA).code, "Access-Accept");
    let answer = login(server.auth, SECRET, ("ana", "of-the-rows"));
    assert_eq!(answer.code, "Access-Reject");
    let told = server.log();
    let told = told.iter().filter(|line| line.contains("are not asked"));
    assert_eq!(told.count(), 1);
    site.command("subscriber remove ana");
    until(&server, ("ana", "of-the-rows"), "the rows", is_accepted);
}

fn a_router_in_the_table_of_freeradius_is_answered(kind: DatabaseKind) {
    let site = Site::empty(kind);
    site.command("migrate");
    let sql = format!(
        "{BOB}
        INSERT INTO nas (nasname, shortname, type, secret) VALUES
            ('pop.example.net', 'named', 'other', '{ROW_SECRET}'),
            ('192.0.2.8', 'default', 'other', 'secret'),
            ('127.0.0.1', 'local', 'other', '{ROW_SECRET}');"
    );
    write(&site, &sql);
    let server = site.program.serve();
    assert_eq!(server.metric("lastmile_directory_nas"), 1);
    let answer = login(server.auth, ROW_SECRET, BOB_LOGIN);
    assert_eq!(answer.code, "Access-Accept");
    let refused = server.log();
    let refused = refused.iter().filter(|line| line.contains("of nas:"));
    assert_eq!(refused.count(), 2);
    assert_eq!(newest(&site, "Bob")["nas"], "local");
    // Our own registry goes before the table.
    let add = format!("nas add pop --address 127.0.0.1 --secret {SECRET}");
    site.command(&add);
    until(&server, BOB_LOGIN, "our own router", is_accepted);
}

/// Of "password", made with Python's crypt module.
const SHA512: &str = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/";

fn slow_hashes_of_rows_are_compared(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let sql = format!(
        "INSERT INTO radcheck (username, attribute, op, value) \
         VALUES ('Bob', 'Crypt-Password', ':=', '{SHA512}')"
    );
    write(&site, &sql);
    let server = site.program.serve();
    for _ in 0..2 {
        let right = login(server.auth, SECRET, ("Bob", "password"));
        assert_eq!(right.code, "Access-Accept");
        let wrong = login(server.auth, SECRET, ("Bob", "passwore"));
        assert_eq!(wrong.code, "Access-Reject");
    }
}

/// The newest entry of a user in the log, which is written a moment after the answer.
#[track_caller]
fn newest(site: &Site, user: &str) -> serde_json::Value {
    let words = ["log", "auth", "--user", user, "--limit", "1"];
    let begun = Instant::now();
    loop {
        let log = site.program.json(&words);
        if let Some(entry) = log.get(0) {
            return entry.clone();
        }
        assert!(begun.elapsed() < PATIENCE, "{user} is not in the log");
    }
}

fn the_log_says_why(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    write(&site, BOB);
    write(
        &site,
        "INSERT INTO radcheck (username, attribute, op, value) VALUES
            ('Port', 'Cleartext-Password', ':=', 'x'), ('Port', 'NAS-Port', '==', '77'),
            ('Odd', 'No-Such-Name', '==', 'x')",
    );
    let server = site.program.serve();
    login(server.auth, SECRET, BOB_LOGIN);
    let accepted = newest(&site, "Bob");
    assert_eq!(accepted["outcome"], "accepted", "{accepted}");
    let trace = accepted["trace"].to_string();
    assert!(trace.contains("the rows of the user match"), "{trace}");
    assert!(trace.contains("group 1 of the user"), "{trace}");
    login(server.auth, SECRET, ("Port", "x"));
    let refused = newest(&site, "Port");
    assert_eq!(refused["reason"], "row_differs", "{refused}");
    let explanation = refused["explanation"].to_string();
    assert!(explanation.contains("of radcheck"), "{explanation}");
    login(server.auth, SECRET, ("Odd", "x"));
    assert_eq!(newest(&site, "Odd")["reason"], "row_failed");
}

fn rows_are_listed_without_their_passwords(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    write(&site, BOB);
    let list = site.program.json(&["rows", "list"]);
    assert_eq!(list[0]["user_name"], "Bob", "{list}");
    assert_eq!(list[0]["groups"], "gold", "{list}");
    let show = site.program.json(&["rows", "show", "Bob"]);
    assert_eq!(show.as_array().map(Vec::len), Some(5), "{show}");
    assert_eq!(show[0]["attribute"], "Cleartext-Password", "{show}");
    assert_eq!(show[0]["value"], "(hidden)", "{show}");
    assert_eq!(show[1]["value"], "10.7.0.9", "{show}");
    for format in ["table", "json", "jsonl", "csv"] {
        for words in [
            &["rows", "list"][..],
            &["rows", "show", "Bob"],
            &["rows", "lint"],
        ] {
            let words = [words, &["--output", format]].concat();
            let outcome = site.program.cli(&words);
            let all = format!("{}{}", outcome.stdout, outcome.stderr);
            assert!(!all.contains(BOB_LOGIN.1), "{words:?}: {all}");
        }
    }
    let outcome = site.program.cli(&["rows", "show", "nobody"]);
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
}

fn rows_are_linted(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    write(&site, BOB);
    let outcome = site.program.cli(&["rows", "lint"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    write(
        &site,
        "INSERT INTO radcheck (username, attribute, op, value) VALUES
            ('ana', 'Cleartext-Password', ':=', 'x'), ('Odd', 'No-Such-Name', '==', 'x');
        INSERT INTO nas (nasname, shortname, type, secret)
            VALUES ('pop.example.net', 'named', 'other', 'x')",
    );
    let outcome = site.program.cli(&["rows", "lint", "--output", "json"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    for expected in ["No-Such-Name", "pop.example.net", "ana"] {
        assert!(outcome.stdout.contains(expected), "{expected}: {outcome:?}");
    }
    let outcome = site.program.cli(&["rows", "lint", "--user", "Bob"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
}

#[test]
fn a_start_without_the_database_knows_the_rows() {
    let site = Site::furnished(DatabaseKind::Postgres);
    write(&site, BOB);
    let server = site.program.serve();
    assert_eq!(login(server.auth, SECRET, BOB_LOGIN).code, "Access-Accept");
    set_connections(&site, Connections::Refused);
    assert_eq!(server.terminate().code, Some(0));
    let server = site.program.serve();
    let answer = login(server.auth, SECRET, BOB_LOGIN);
    assert_eq!(answer.code, "Access-Accept");
    assert_eq!(answer.find("Mikrotik-Rate-Limit"), Some("10M/20M"));
}
