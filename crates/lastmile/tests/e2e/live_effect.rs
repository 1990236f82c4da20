//! Rights that change while their session is open, and what the router is told of it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use domain::time::Timestamp;
use lab::credentials::Credentials;
use testkit::database::DatabaseKind;

use crate::rows::{BOB, write};
use crate::session_commands::{PATIENCE, Place};
use crate::site::{ANA, SAM, Site, on_both_databases};

on_both_databases!(
    who_is_shut_out_is_put_off_line,
    a_new_speed_of_a_plan_reaches_its_sessions,
    a_change_that_was_scheduled_reaches_sessions_at_its_time,
    another_password_ends_the_session_of_the_old_one,
    a_walled_garden_is_entered_by_a_new_session,
    rows_that_others_change_reach_their_sessions,
);

/// How long a router that answers may keep somebody who has no right to be there.
const AT_ONCE: Duration = Duration::from_secs(5);

fn who_is_shut_out_is_put_off_line(kind: DatabaseKind) {
    let place = Place::new(kind);
    for (user, command) in [
        ("ana", "subscriber suspend ana --hard"),
        ("sam", "subscriber disable sam"),
    ] {
        let begun = Instant::now();
        place.site.command(command);
        place.until("the session has ended", || !place.is_online(user));
        assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
        place.until("it is confirmed", || {
            place.commands(user)[0]["verdict"] == "ended"
        });
        assert_eq!(place.commands(user).len(), 1, "it is asked once");
    }
    // The router said when they ended, and why.
    for session in place.site.sessions_in("closed") {
        assert_eq!(session["terminate_cause"], "Admin-Reset", "{session}");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the server goes by the clock of the machine"
)]
fn a_change_that_was_scheduled_reaches_sessions_at_its_time(kind: DatabaseKind) {
    let place = Place::new(kind);
    let all_have = |rate: &str| {
        let sessions = place.router.sessions();
        sessions.iter().all(|one| one.rate.as_deref() == Some(rate))
    };
    place.until("they have what was granted", || all_have("25M/50M"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("the clock is set").as_micros();
    let now = Timestamp::from_micros(i64::try_from(now).expect("before the year 292277"));
    let at = now.plus_seconds(2);
    place
        .site
        .command(&format!("plan schedule home --at {at} --rate 10M/20M"));
    place.until("they have the new speed", || all_have("10M/20M"));
    let change = &place.site.program.json(&["plan", "scheduled", "home"])[0];
    assert_eq!(change["state"], "applied", "{change}");
    let settled: Timestamp =
        serde_json::from_value(change["settled_at"].clone()).expect("it was made at an instant");
    let late = settled.as_micros() - at.as_micros();
    assert!((0..1_000_000).contains(&late), "{late} us late");
}

fn a_new_speed_of_a_plan_reaches_its_sessions(kind: DatabaseKind) {
    let place = Place::new(kind);
    let all_have = |rate: &str| {
        let sessions = place.router.sessions();
        sessions.iter().all(|one| one.rate.as_deref() == Some(rate))
    };
    place.until("they have what was granted", || all_have("25M/50M"));
    // Nothing of this concerns a session that is open.
    place.site.command("plan set home --interim 10m");
    place.site.command("plan set home --rate 10M/20M");
    place.until("they have the new speed", || all_have("10M/20M"));
    place.until("both have their verdict or wait for a report", || {
        [ANA.0, SAM.0]
            .iter()
            .all(|user| place.commands(user)[0]["acknowledged_at"].is_string())
    });
    // Back again: what is in force now is the new speed, and not that of the login.
    place.site.command("plan set home --rate 25M/50M");
    place.until("they have the old speed", || all_have("25M/50M"));
    let asked = place.router.commands();
    assert_eq!((asked.changed, asked.disconnected), (4, 0), "{asked:?}");
    assert!(place.is_online(ANA.0) && place.is_online(SAM.0));
}

fn another_password_ends_the_session_of_the_old_one(kind: DatabaseKind) {
    let place = Place::new(kind);
    place
        .site
        .command("subscriber set ana --password quite-another-one");
    place.until("the session has ended", || !place.is_online(ANA.0));
    let command = &place.commands(ANA.0)[0];
    let shown = command.to_string();
    assert!(shown.contains("the password was changed"), "{shown}");
    assert!(place.is_online(SAM.0));
}

fn a_walled_garden_is_entered_by_a_new_session(kind: DatabaseKind) {
    let place = Place::new(kind);
    place
        .site
        .command("garden add unpaid --address-list unpaid --rate 1M/1M");
    place.site.command("garden default unpaid");
    place.site.command("subscriber suspend sam --walled");
    place.until("the session has ended", || !place.is_online(SAM.0));
    assert!(place.is_online(ANA.0));
}

fn rows_that_others_change_reach_their_sessions(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    write(&site, BOB);
    let bob = Credentials::new("Bob", "bob-pass-word-1").expect("valid");
    let place = Place::with(site, vec![bob]);
    let rate = || place.router.sessions()[0].rate.clone();
    assert_eq!(rate().as_deref(), Some("10M/20M"));
    write(
        &place.site,
        "UPDATE radgroupreply SET value = '5M/6M' WHERE groupname = 'gold'",
    );
    place.until("Bob has the new speed", || {
        rate().as_deref() == Some("5M/6M")
    });
    assert_eq!(place.router.commands().disconnected, 0);
    write(
        &place.site,
        "INSERT INTO radcheck (username, attribute, op, value) \
         VALUES ('Bob', 'Auth-Type', ':=', 'Reject')",
    );
    let begun = Instant::now();
    place.until("Bob is off line", || {
        place.site.sessions_in("open").is_empty()
    });
    assert!(
        begun.elapsed() < PATIENCE.min(AT_ONCE),
        "{:?}",
        begun.elapsed()
    );
}
