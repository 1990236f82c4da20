//! What the counter asks: what a router would be told, and why somebody cannot get on. Compared with
//! what FreeRADIUS' client is told, and with the tables before and after.

use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::database::DatabaseKind;
use testkit::peer::radclient::{self, Kind};
use testkit::peer::{Answer, sqlite3};
use testkit::server::Server;

use crate::rows::{BOB, write};
use crate::site::{ANA, FAY, SAM, SECRET, Site, on_both_databases};

on_both_databases!(
    what_is_explained_is_what_a_router_is_told,
    nothing_is_changed_by_asking,
    the_counter_is_told_why,
    a_lock_is_told_with_what_helps,
    what_the_log_forgot_is_still_told,
);

/// When something that should be seen is given up.
const PATIENCE: Duration = Duration::from_secs(20);

const HOME: &str = "02-00-00-00-00-01";
/// Is on the plan that has everything.
const LENA: (&str, &str) = ("lena", "lena-pass-word-7");
const PHONE: &str = "02-00-00-00-00-02";

/// Attributes that are different in every reply.
const DRAWN: [&str; 2] = ["Message-Authenticator", "Class"];

#[track_caller]
fn ask(server: &Server, user: (&str, &str), station: &str) -> Answer {
    let [name, password, station] = [user.0, user.1, station].map(|text| format!("\"{text}\""));
    let attributes = [
        ("User-Name", name.as_str()),
        ("User-Password", password.as_str()),
        ("Service-Type", "Framed-User"),
        ("Framed-Protocol", "PPP"),
        ("Calling-Station-Id", station.as_str()),
    ];
    let answer = radclient::ask(server.auth, SECRET, Kind::Access, &attributes);
    answer.expect("the server answers")
}

#[track_caller]
fn explain(site: &Site, user: &str, station: &str) -> Value {
    let station = format!("Calling-Station-Id={station}");
    site.program.json(&[
        "explain",
        "--user",
        user,
        "--nas",
        "pop",
        "--attr",
        "Service-Type=Framed-User",
        "--attr",
        "Framed-Protocol=PPP",
        "--attr",
        &station,
    ])
}

/// The reply that an explanation shows, as the client shows its own.
fn explained(explanation: &Value) -> Answer {
    let reply = &explanation["reply"];
    let attributes = reply["attributes"].as_array().expect("a list");
    let text = |value: &Value| {
        value
            .as_str()
            .unwrap_or_default()
            .trim_matches('"')
            .to_owned()
    };
    Answer {
        code: text(&reply["code"]),
        attributes: attributes
            .iter()
            .map(|one| (text(&one["name"]), text(&one["value"])))
            .collect(),
    }
}

fn without_drawn(mut answer: Answer) -> Answer {
    answer
        .attributes
        .retain(|(name, _)| !DRAWN.contains(&name.as_str()));
    answer
}

#[track_caller]
fn why(site: &Site, user: &str) -> Value {
    site.program.json(&["why", user])
}

fn codes(why: &Value) -> Vec<&str> {
    let causes = why["causes"].as_array().expect("a list");
    let codes = causes.iter().map(|cause| cause["code"].as_str());
    codes.map(Option::unwrap_or_default).collect()
}

/// Asks why until the first cause is the expected one: the log is written a moment later.
#[track_caller]
fn until_first(site: &Site, user: &str, code: &str) -> Value {
    let begun = Instant::now();
    loop {
        let why = why(site, user);
        if codes(&why).first() == Some(&code) {
            return why;
        }
        assert!(begun.elapsed() < PATIENCE, "no {code}: {why:#}");
    }
}

/// Somebody of each kind, with a plan that has everything.
fn furnish(site: &Site) {
    for line in [
        "garden add unpaid --pool walled --address-list unpaid --rate 512k/1M --session-timeout 90",
        "plan add full --rate 10M/20M --quota 10G/month --session-limit 2 --pool home --idle-timeout 10m --device-limit 1",
        "plan add office --rate 5M/5M --window Wk0800-1000",
        "subscriber add lena --password lena-pass-word-7 --plan full",
        "subscriber add walter --password walter-pass-word-8 --plan full",
        "subscriber suspend walter --walled",
        "subscriber add otto --password otto-pass-word-9 --plan office",
    ] {
        site.command(line);
    }
    write(site, BOB);
}

fn what_is_explained_is_what_a_router_is_told(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    furnish(&site);
    let server = site.program.serve();
    for user in [
        ANA,
        SAM,
        FAY,
        ("ANA", ANA.1),
        LENA,
        ("walter", "walter-pass-word-8"),
        ("Bob", "bob-pass-word-1"),
        ("nobody", "at-all"),
    ] {
        let explanation = explain(&site, user.0, HOME);
        assert_eq!(explanation["password"], "taken_as_given");
        let told = without_drawn(ask(&server, user, HOME));
        assert_eq!(
            without_drawn(explained(&explanation)),
            told,
            "{explanation:#}"
        );
    }
    // The login of a moment ago has bound the device, and another one finds no room.
    let begun = Instant::now();
    while ask(&server, LENA, PHONE).code != "Access-Reject" {
        assert!(begun.elapsed() < PATIENCE, "the device is not bound");
    }
    let other = explain(&site, "lena", PHONE);
    assert_eq!(other["reason"], "device_limit", "{other:#}");
    assert_eq!(explain(&site, "lena", HOME)["binds_device"], Value::Null);
    let wrong = site.program.json(&[
        "explain",
        "--user",
        ANA.0,
        "--nas",
        "127.0.0.1",
        "--password",
        "guess",
    ]);
    assert_eq!(wrong["reason"], "wrong_password");
    assert_eq!(wrong["password"], "compared");
}

/// Every row of every table.
fn rows(site: &Site) -> Vec<String> {
    let dump = match site.database.kind() {
        DatabaseKind::Sqlite => {
            sqlite3::run(&site.program.data_dir().join("lastmile.db"), ".dump\n")
        }
        DatabaseKind::Postgres => String::from_utf8_lossy(&site.database.dump()).into_owned(),
    };
    let rows = dump.lines().filter(|line| line.starts_with("INSERT"));
    rows.map(str::to_owned).collect()
}

fn nothing_is_changed_by_asking(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    furnish(&site);
    let before = rows(&site);
    let accepted = explain(&site, "lena", HOME);
    assert_eq!(accepted["outcome"], "accepted", "{accepted:#}");
    assert_eq!(accepted["binds_device"], "020000000001");
    assert_eq!(accepted["grants"]["session_limit"], 2);
    for user in [ANA.0, FAY.0, "walter", "Bob", "nobody"] {
        explain(&site, user, HOME);
        why(&site, user);
    }
    site.command("explain --user ana --nas pop --password guess");
    assert_eq!(rows(&site), before);
    assert!(20 < before.len(), "{before:?}");
}

fn report(server: &Server, user: &str, status: &str, octets: &str) {
    let attributes = [
        ("User-Name", user),
        ("Acct-Session-Id", "\"81000077\""),
        ("Acct-Status-Type", status),
        ("Acct-Session-Time", "60"),
        ("Acct-Input-Octets", octets),
        ("Acct-Input-Gigawords", "2"),
        ("Acct-Output-Octets", "0"),
        ("Acct-Terminate-Cause", "Lost-Carrier"),
        ("Calling-Station-Id", "\"02-00-00-00-00-01\""),
    ];
    let answer = radclient::ask(server.acct, SECRET, Kind::Accounting, &attributes);
    assert_eq!(answer.expect("an answer").code, "Accounting-Response");
}

fn the_counter_is_told_why(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    furnish(&site);
    site.command("tenant set --time-zone Africa/Nairobi");
    let server = site.program.serve();
    check_refusals(&site, &server);
    check_quota(&site, &server);
    check_accounts(&site);
    check_names(&site, &server);
    let text = site.command("why lena");
    for part in [
        "lena, ",
        "(Africa/Nairobi)",
        "What helps: ",
        "Last logins:",
        "Last sessions:",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

/// A wrong password, and a device that finds no room.
fn check_refusals(site: &Site, server: &Server) {
    assert_eq!(codes(&why(site, "sam")), ["no_attempt"]);
    for _ in 0..2 {
        ask(server, (ANA.0, "guess"), HOME);
    }
    let wrong = until_first(site, "ana", "wrong_password");
    assert_eq!(wrong["causes"][0]["weight"], "likely");
    assert_eq!(wrong["verdict"]["outcome"], "accepted");
    assert_eq!(wrong["decisions"][0]["reason"], "wrong_password");

    ask(server, LENA, HOME);
    until_logged_for(site, "lena", 1);
    ask(server, LENA, PHONE);
    let bound = until_first(site, "lena", "device_limit");
    assert_eq!(bound["causes"][0]["weight"], "refuses");
}

/// A quota that blocks, one that throttles, and a session that ends.
fn check_quota(site: &Site, server: &Server) {
    ask(server, LENA, HOME);
    until_logged_for(site, "lena", 3);
    report(server, "lena", "Start", "0");
    report(server, "lena", "Interim-Update", "3000000000");
    let used_up = until_first(site, "lena", "quota_used_up");
    let cause = &used_up["causes"][0];
    assert!(
        cause["since"].is_string() && cause["until"].is_string(),
        "{cause:#}"
    );
    let sentence = cause["sentence"].as_str().unwrap_or_default();
    for part in [
        "the data quota for a month of 10GB used up in the hour from ",
        "EAT; resets 1 ",
    ] {
        assert!(sentence.contains(part), "{sentence}");
    }
    assert!(codes(&used_up).contains(&"online"), "{used_up:#}");
    site.command("plan set full --at-limit throttle:1M/1M");
    let slow = until_first(site, "lena", "throttled");
    assert_eq!(slow["verdict"]["grants"]["rate"], "1M/1M");
    report(server, "lena", "Stop", "3000000000");
    let cut = until_first(site, "lena", "session_ended");
    let sentence = cut["causes"][0]["sentence"].as_str().unwrap_or_default();
    assert!(sentence.contains("the line was lost"), "{sentence}");
}

/// How accounts stand, hours, and another time.
fn check_accounts(site: &Site) {
    let walled = why(site, "walter");
    assert_eq!(codes(&walled), ["walled", "no_attempt"]);
    assert_eq!(walled["verdict"]["grants"]["garden"], "unpaid");
    let disabled = why(site, "fay");
    assert_eq!(codes(&disabled)[0], "disabled");
    let closed = site
        .program
        .json(&["why", "otto", "--at", "2027-01-04T12:00:00Z"]);
    assert_eq!(codes(&closed)[0], "outside_hours");
    assert_eq!(closed["causes"][0]["until"], "2027-01-05T05:00:00Z");
    let past = site.program.json(&["why", "ana", "--at", "2020-01-01"]);
    assert_eq!(
        (codes(&past), &past["verdict"]),
        (vec!["no_attempt"], &Value::Null)
    );
}

/// Names that nobody has, and users of FreeRADIUS' tables.
fn check_names(site: &Site, server: &Server) {
    let unknown = why(site, "anna");
    assert_eq!(
        (&unknown["known"], codes(&unknown)),
        (&Value::from("nobody"), vec!["unknown_user", "near_name"])
    );
    assert!(codes(&why(site, "ana ")).contains(&"near_name"));
    let case = why(site, "bob");
    assert!(case.to_string().contains("'Bob' has rows"), "{case:#}");
    ask(server, ("Bob", "guess"), HOME);
    let of_rows = until_first(site, "Bob", "wrong_password");
    assert_eq!(of_rows["known"], "rows");
    assert_eq!(codes(&why(site, "bob")), ["unknown_user", "near_name"]);
    write(
        site,
        "INSERT INTO radcheck (username, attribute, op, value) VALUES ('ana', 'Cleartext-Password', ':=', 'x');",
    );
    assert!(codes(&why(site, "ana")).contains(&"rows_hidden"));
}

/// Waits until so many logins of somebody are in the log.
#[track_caller]
fn until_logged_for(site: &Site, user: &str, count: usize) {
    let begun = Instant::now();
    loop {
        let list = site.program.json(&["log", "auth", "--user", user]);
        if count <= list.as_array().map_or(0, Vec::len) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{list:#}");
    }
}

fn a_lock_is_told_with_what_helps(kind: DatabaseKind) {
    let mut site = Site::furnished(kind);
    site.set("LASTMILE_AAA__GUARD__USER_FAILURES", "3");
    let server = site.program.serve();
    let begun = Instant::now();
    let locked = loop {
        ask(&server, (ANA.0, "guess"), HOME);
        let why = why(&site, "ana");
        if codes(&why).contains(&"guard_lock") {
            break why;
        }
        assert!(begun.elapsed() < PATIENCE, "{why:#}");
    };
    assert_eq!(codes(&locked)[0], "too_many_attempts", "{locked:#}");
    let causes = locked["causes"].as_array().expect("a list");
    let lock = causes.iter().find(|cause| cause["code"] == "guard_lock");
    let remedy = lock.expect("it is there")["remedy"]
        .as_str()
        .unwrap_or_default();
    assert!(
        remedy.contains("guard clear --subject user --name ana"),
        "{remedy}"
    );
}

fn what_the_log_forgot_is_still_told(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    ask(&server, ANA, HOME);
    ask(&server, (ANA.0, "guess"), HOME);
    ask(&server, ("stranger", "guess"), HOME);
    until_logged_for(&site, "stranger", 1);
    until_logged_for(&site, "ana", 2);
    server.terminate();
    // Retention goes by the ids, which say when they were made: here a few years ago.
    let log = site.program.json(&["log", "auth"]);
    for entry in log.as_array().expect("a list") {
        let id = entry["id"].as_str().unwrap_or_default();
        let older = format!("0160{}", &id[4..]);
        let [older, id] = [older.as_str(), id].map(|id| match kind {
            DatabaseKind::Sqlite => format!("X'{}'", id.replace('-', "")),
            DatabaseKind::Postgres => format!("'{id}'"),
        });
        write(
            &site,
            &format!("UPDATE auth_log SET id = {older} WHERE id = {id};"),
        );
    }
    site.command("retention run");
    assert_eq!(site.command("log auth --output jsonl"), "");
    let told = why(&site, "ana");
    let decisions = told["decisions"].as_array().expect("a list");
    let outcomes: Vec<_> = decisions.iter().map(|one| one["outcome"].clone()).collect();
    assert_eq!(outcomes, ["rejected", "accepted"], "{told:#}");
    assert_eq!(codes(&told)[0], "wrong_password");
    assert_eq!(
        why(&site, "stranger")["decisions"],
        Value::Array(Vec::new())
    );
}
