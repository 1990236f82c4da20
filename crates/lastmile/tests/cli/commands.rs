//! Nouns and verbs: what each changes, and what it shows.

use serde_json::json;

use crate::place::Place;

#[test]
fn a_nas_is_added_shown_changed_and_removed() {
    let place = Place::new();
    place.done(
        "nas add Pop-1 --address 127.0.0.1 --secret 0123456789abcdef --identifier edge-1 --coa-port 1700",
    );
    let shown = place.json("nas show pop-1");
    assert_eq!(shown["name"], "Pop-1");
    assert_eq!(shown["address"], "127.0.0.1");
    assert_eq!(shown["vendor"], "mikrotik");
    assert_eq!(shown["identifier"], "edge-1");
    assert_eq!(shown["coa_port"], 1_700);
    assert_eq!(shown["message_authenticator"], "required");
    assert_eq!(shown["octet_view"], "nas");
    assert_eq!(shown["coa_identity"], json!(null));
    let own = "user-name,Acct-Session-Id;Framed-IP-Address";
    place.done(&format!("nas set pop-1 --coa-identity {own}"));
    let shown = place.json("nas show pop-1");
    assert_eq!(
        shown["coa_identity"],
        "User-Name,Acct-Session-Id;Framed-IP-Address"
    );
    place.done("nas set pop-1 --clear-coa-identity");
    assert_eq!(place.json("nas show pop-1")["coa_identity"], json!(null));
    place.done("nas set pop-1 --vendor cisco --clear-identifier --rename pop-2 --message-authenticator auto");
    let listed = place.json("nas list");
    assert_eq!(listed[0]["name"], "pop-2");
    assert_eq!(listed[0]["vendor"], "cisco");
    assert_eq!(listed[0]["identifier"], json!(null));
    place.done("nas remove pop-2");
    assert_eq!(place.json("nas list"), json!([]));
    assert_eq!(place.json("nas knocking"), json!([]));
}

#[test]
fn a_secret_that_is_not_given_is_generated_and_shown_once() {
    let place = Place::new();
    let secret = place.done("nas add pop-1 --address 10.0.0.1");
    assert_eq!(secret.trim_end().len(), 24, "{secret}");
    let added = place.json("nas add pop-2 --address 10.0.0.2");
    let other = added["secret"].as_str().expect("a program gets it too");
    assert_ne!(other, secret.trim_end());
    for line in ["nas show pop-1", "nas list", "nas set pop-1 --vendor wispr"] {
        let shown = place.json(line).to_string();
        assert!(!shown.contains("secret"), "{shown}");
    }
}

#[test]
fn a_secret_may_come_from_a_file_or_from_standard_input() {
    let place = Place::new();
    place.write("secret", "from-a-file-0123456\n");
    place.done("nas add pop-1 --address 10.0.0.1 --secret-file secret");
    let words = ["nas", "set", "pop-1", "--secret", "-"];
    let outcome = place.run_with("from-a-pipe-0123456\n", &words);
    assert!(outcome.is_success(), "{outcome:?}");
    assert_eq!(outcome.stderr, "NAS pop-1 changed: secret replaced\n");
}

#[test]
fn a_plan_keeps_its_terms() {
    let place = Place::new();
    place.done(
        "plan add Hour --rate 2M/4M --session-timeout 1h --idle-timeout 600 --interim 1m --pool hotspot --session-limit 2",
    );
    let shown = place.json("plan show hour");
    assert_eq!(shown["rate"], "2M/4M");
    assert_eq!(shown["session_timeout_seconds"], 3_600);
    assert_eq!(shown["idle_timeout_seconds"], 600);
    assert_eq!(shown["interim_seconds"], 60);
    assert_eq!(shown["pool"], "hotspot");
    assert_eq!(shown["session_limit"], 2);
    place.done("plan set hour --clear-rate --clear-session-timeout --clear-idle-timeout --clear-pool --clear-session-limit");
    let shown = place.json("plan show hour");
    for key in [
        "rate",
        "session_timeout_seconds",
        "idle_timeout_seconds",
        "pool",
        "session_limit",
    ] {
        assert_eq!(shown[key], json!(null), "{key}");
    }
    place.done("plan remove hour");
    assert_eq!(place.json("plan list"), json!([]));
}

#[test]
fn a_plan_goes_back_to_a_version() {
    let place = Place::new();
    place.done("plan add hour --rate 2M/4M");
    place.done("plan set hour --rate 3M/6M --note faster");
    let outcome = place.run("plan revert hour --version 1 --dry-run");
    assert!(
        outcome.stderr.contains("rate 3M/6M -> 2M/4M"),
        "{outcome:?}"
    );
    place.done("plan revert hour --version 1");
    assert_eq!(place.json("plan show hour")["rate"], "2M/4M");
    let versions = place.json("plan versions hour");
    let seen = |field: &str| -> Vec<&serde_json::Value> {
        let versions = versions.as_array().expect("a list");
        versions.iter().map(|version| &version[field]).collect()
    };
    assert_eq!(seen("version"), [&json!(3), &json!(2), &json!(1)]);
    assert_eq!(
        seen("changed"),
        [&json!("rate"), &json!("rate"), &json!("")]
    );
    assert_eq!(
        seen("note"),
        [&json!("Back to version 1"), &json!("faster"), &json!(null)]
    );
    place.check_refused(
        "plan revert hour --version 9",
        3,
        "there is no such version of a plan",
    );
}

#[test]
fn a_plan_is_changed_later_unless_that_is_cancelled() {
    let place = Place::new();
    place.done("plan add hour --rate 2M/4M");
    place.check_refused(
        "plan schedule hour --at 2020-01-01 --rate 3M/6M",
        2,
        "--at: 2020-01-01T00:00:00Z is not in the future: change the plan now instead",
    );
    place.done("plan schedule hour --at 2030-01-01 --rate 3M/6M --dry-run");
    assert_eq!(place.json("plan scheduled"), json!([]));
    let made = place.json("plan schedule hour --at 2030-01-01 --rate 3M/6M --note later");
    assert_eq!(
        (&made["state"], &made["note"]),
        (&json!("pending"), &json!("later"))
    );
    assert_eq!(
        place.json("plan scheduled hour --state pending")[0]["id"],
        made["id"]
    );
    assert_eq!(place.json("plan scheduled --state applied"), json!([]));
    let id = made["id"].as_str().expect("an id");
    place.done(&format!("plan cancel {id}"));
    assert_eq!(place.json("plan scheduled")[0]["state"], "cancelled");
    place.check_refused(
        &format!("plan cancel {id}"),
        1,
        &format!("scheduled change '{id}' is cancelled: only one that is pending can be cancelled"),
    );
}

#[test]
fn rows_are_looked_at_before_they_are_stored() {
    let place = Place::new();
    place.done("plan add home --rate 10M/20M");
    let words = [
        "rows",
        "set",
        "--user",
        "ana",
        "--check",
        "Cleartext-Password := -",
    ];
    let outcome = place.run_with("first-pass\n", &words);
    assert!(outcome.is_success(), "{outcome:?}");
    let words = [
        "rows",
        "set",
        "--group",
        "gold",
        "--reply",
        "Mikrotik-Rate-Limit := 10M/20M",
    ];
    assert!(place.run_with("", &words).is_success());
    let shown = place.json("rows show ana");
    assert_eq!(
        (&shown[0]["attribute"], &shown[0]["value"]),
        (&json!("Cleartext-Password"), &json!("(hidden)"))
    );
    // A misspelt attribute would refuse ana.
    let words = [
        "rows",
        "set",
        "--user",
        "ana",
        "--check",
        "Clear-Password := x",
    ];
    let outcome = place.run_with("", &words);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(
        outcome.stderr.contains("error: Clear-Password"),
        "{outcome:?}"
    );
    assert_eq!(
        place.json("rows show ana")[0]["attribute"],
        "Cleartext-Password"
    );
    let words = [&words[..], &["--force"]].concat();
    assert!(place.run_with("", &words).is_success());
    place.done("rows remove --user ana");
    place.check_refused(
        "rows show ana",
        3,
        "there is no user with rows 'ana': names are compared as they are written, and \
         `lastmile rows list` shows them",
    );
}

#[test]
fn the_directory_is_counted_and_loaded_anew() {
    let place = Place::with_subscriber();
    place.done("nas add pop-1 --address 10.0.0.1");
    let expected = json!({"subscribers": 1, "plans": 1, "nas": 1, "row_users": 0, "row_groups": 0, "row_nas": 0, "open_sessions": 0});
    assert_eq!(place.json("directory show"), expected);
    assert_eq!(place.json("directory reload"), expected);
    let outcome = place.run("directory reload --dry-run");
    assert!(outcome.is_success(), "{outcome:?}");
    assert_eq!(
        outcome.stderr,
        "Dry run: The directory of every server would be marked for loading anew: \
         subscribers 1, plans 1, NAS 1. Nothing is changed.\n"
    );
}

#[test]
fn a_subscriber_is_added_shown_changed_and_removed() {
    let place = Place::with_subscriber();
    place.done("plan add work");
    let words = [
        "subscriber",
        "add",
        "Ben",
        "--password",
        "-",
        "--plan",
        "Home",
    ];
    assert!(place.run_with("from-a-pipe\n", &words).is_success());
    assert_eq!(place.json("subscriber show BEN")["credential"], "cleartext");
    place.done("subscriber set ben --plan work --ipv4 100.64.0.7 --ipv6-prefix 2001:db8:7::/64 --ipv6-delegated 2001:db8:700::/56 --expires 2030-01-01 --password-hash {NT}8846f7eaee8fb117ad06bdd830b7586c");
    let shown = place.json("subscriber show ben");
    assert_eq!(shown["plan"], "work");
    assert_eq!(shown["credential"], "nt");
    assert_eq!(shown["static_ipv4"], "100.64.0.7");
    assert_eq!(shown["ipv6_prefix"], "2001:db8:7::/64");
    assert_eq!(shown["ipv6_delegated"], "2001:db8:700::/56");
    assert_eq!(shown["expires_at"], "2030-01-01T00:00:00Z");
    place.done("subscriber set ben --clear-ipv4 --clear-ipv6-prefix --clear-ipv6-delegated --clear-expires");
    assert_eq!(
        place.json("subscriber show ben")["static_ipv4"],
        json!(null)
    );
    place.done("subscriber disable ben");
    let disabled = place.json("subscriber list --status disabled");
    assert_eq!(disabled.as_array().map(Vec::len), Some(1));
    assert_eq!(disabled[0]["username"], "ben");
    place.done("subscriber enable ben");
    assert_eq!(
        place.json("subscriber list --search BEN")[0]["status"],
        "active"
    );
    assert_eq!(
        place.json("subscriber list --plan home")[0]["username"],
        "ana"
    );
    place.done("subscriber remove ben");
    assert_eq!(
        place.json("subscriber list").as_array().map(Vec::len),
        Some(1)
    );
}

#[test]
fn a_customer_pays_for_subscribers_and_is_found() {
    let place = Place::with_subscriber();
    let added = place.json(
        "customer add Kamau --number c-7 --phone +254712345678 --email jose@example.net --city Nairobi --country ke --coordinates -1.29,36.82 --tag vip --field meter=7",
    );
    assert_eq!(added["number"], "C-7");
    assert_eq!(added["phones"], json!(["+254712345678"]));
    assert_eq!(added["fields"], json!({ "meter": 7.0 }));
    assert_eq!(added["addresses"][0]["country"], "KE");
    place.done("subscriber set ana --customer C-7");
    assert_eq!(place.json("subscriber show ana")["customer"], "C-7");
    let of_customer = place.json("subscriber list --customer C-7");
    assert_eq!(of_customer.as_array().map(Vec::len), Some(1));
    assert_eq!(
        place.json("subscriber list --search kamau")[0]["username"],
        "ana"
    );
    let found = place.json("search 0712345678");
    assert_eq!(found[0]["label"], "Kamau");
    assert_eq!(found[0]["field"], "phone");
    let refused = place.run("customer remove C-7");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("is still used, subscribers: 1"),
        "{refused:?}"
    );
    place.done("customer set C-7 --state closed --clear-emails --company Paz");
    assert_eq!(
        place.json("customer list --state closed")[0]["company"],
        "Paz"
    );
    assert_eq!(
        place.json("customer list --tag vip --state lead"),
        json!([])
    );
    place.done("customer note add C-7 called");
    let notes = place.json("customer note list C-7");
    assert_eq!(notes[0]["text"], "called");
    let id = notes[0]["id"].as_str().expect("a note has an id");
    place.done(&format!("customer note remove C-7 {id}"));
    place.done("subscriber set ana --clear-customer");
    place.done("customer remove C-7");
    let refused = place.run("customer show C-7");
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let short = place.run("search ab");
    assert_eq!(short.code, Some(2), "{short:?}");
    assert!(short.stderr.contains("3 letters or digits"), "{short:?}");
}

#[test]
fn a_dry_run_checks_everything_and_changes_nothing() {
    let place = Place::with_subscriber();
    place.done("nas add pop-1 --address 10.0.0.1 --secret 0123456789abcdef");
    place.done("plan add spare");
    let before = place.json("nas list").to_string()
        + &place.json("plan list").to_string()
        + &place.json("subscriber list").to_string();
    let lines = [
        "nas add pop-2 --address 10.0.0.2 --dry-run",
        "nas set pop-1 --vendor cisco --dry-run",
        "nas remove pop-1 --dry-run",
        "plan add work --rate 1M --dry-run",
        "plan set home --rate 1M --dry-run",
        "plan remove spare --dry-run",
        "subscriber add ben --password second-pass --plan home --dry-run",
        "subscriber set ana --clear-expires --expires 2030-01-01 --dry-run",
        "subscriber disable ana --dry-run",
        "subscriber remove ana --dry-run",
    ];
    for line in lines {
        let outcome = place.run(line);
        if line.contains("--clear-expires") {
            assert_eq!(
                outcome.code,
                Some(2),
                "a value and its absence: {outcome:?}"
            );
            continue;
        }
        assert!(outcome.is_success(), "{line}: {outcome:?}");
        assert!(outcome.stderr.contains("Dry run: "), "{line}: {outcome:?}");
        assert!(!outcome.stdout.is_empty(), "{line}");
    }
    let after = place.json("nas list").to_string()
        + &place.json("plan list").to_string()
        + &place.json("subscriber list").to_string();
    assert_eq!(after, before);
    let outcome = place.run("plan set home --rate 30M/60M --dry-run");
    assert_eq!(
        outcome.stderr,
        "Dry run: Plan home would be changed: rate 25M/50M -> 30M/60M. Nothing is changed.\n"
    );
}

#[test]
fn a_dry_run_is_refused_as_the_change_would_be() {
    let empty = Place::new();
    empty.check_refused(
        "plan add work --dry-run",
        1,
        "nothing here yet: run `lastmile serve --data-dir data` or add something first",
    );
    assert!(!empty.path("data").exists(), "a dry run makes nothing");
    let place = Place::with_subscriber();
    place.done("plan add work");
    place.done("nas add pop-1 --address 10.0.0.1 --secret 0123456789abcdef");
    let rows = [
        (
            "subscriber add ana --password second-pass --plan home",
            "USERNAME: another subscriber has this username: choose another, or change that one with `set`",
        ),
        (
            "nas add pop-2 --address 10.0.0.1 --secret 0123456789abcdef",
            "--address: another NAS has this address: choose another, or change that one with `set`",
        ),
        (
            "plan set home --rename work",
            "--rename: another plan has this name: choose another, or change that one with `set`",
        ),
        (
            "plan remove home",
            "plan 'home' is still used, subscribers: 1; move them first",
        ),
    ];
    for (line, expected) in rows {
        for line in [line.to_owned(), format!("{line} --dry-run")] {
            place.check_refused(&line, 1, expected);
        }
    }
}

#[test]
fn what_is_like_that_already_is_left_alone() {
    let place = Place::with_subscriber();
    let before = place.json("subscriber show ana")["updated_at"].clone();
    let outcome = place.run("subscriber enable ana");
    assert_eq!(outcome.stderr, "Subscriber ana left as it is\n");
    assert_eq!(place.json("subscriber show ana")["updated_at"], before);
}

#[test]
fn lists_of_the_record_are_empty_at_first() {
    let place = Place::with_subscriber();
    for line in [
        "session list",
        "session list --state closed",
        "session list --state all --user ana --nas pop-1 --since 2026-01-01",
        "usage ana",
        "usage ana --by hour --from 2026-01-01 --to 2026-02-01",
        "log auth --rejected --user ana",
    ] {
        assert_eq!(place.json(line), json!([]), "{line}");
    }
}

#[test]
fn the_data_directory_is_made_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = Place::with_subscriber();
    let mode_of = |name: &str| {
        let metadata = place.path(name).metadata().expect("it was made");
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode_of("data"), 0o700);
    assert_eq!(mode_of("data/keyring"), 0o600);
    assert_eq!(mode_of("data/lastmile.db"), 0o600);
}

#[test]
fn migrations_are_checked_and_applied() {
    let place = Place::new();
    let outcome = place.run("migrate --check --output json");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(
        outcome.stderr.starts_with("error: migrations pending: "),
        "{outcome:?}"
    );
    let migrated = place.json("migrate");
    assert_eq!(migrated["from"], 0);
    assert!(
        migrated["applied"]
            .as_array()
            .is_some_and(|names| !names.is_empty())
    );
    assert_eq!(place.json("migrate --check")["pending"], json!([]));
    assert_eq!(place.json("migrate")["applied"], json!([]));
}

#[test]
fn doctor_says_what_is_missing_and_how_to_mend_it() {
    let place = Place::new();
    let ports =
        "--set radius.auth=127.0.0.1:0 --set radius.acct=127.0.0.1:0 --set http.listen=127.0.0.1:0";
    let checks = place.json(&format!("doctor {ports}"));
    let of = |checks: &serde_json::Value, name: &str| {
        let all = checks.as_array().expect("a list");
        all.iter().find(|check| check["check"] == name).cloned()
    };
    let directory = of(&checks, "data directory").expect("it is checked");
    assert_eq!(directory["status"], "warn", "{checks}");
    place.done("nas add pop-1 --address 10.0.0.1 --secret short --message-authenticator off");
    let checks = place.json(&format!("doctor {ports}"));
    for name in ["NAS secrets", "Message-Authenticator", "registry"] {
        let check = of(&checks, name).expect("it is checked");
        assert_eq!(check["status"], "warn", "{check}");
        assert!(check["remedy"].is_string(), "{check}");
    }
    std::fs::write(place.path("data/keyring"), "nonsense").expect("it is ours");
    let outcome = place.run(&format!("doctor {ports}"));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stdout.contains("fail"), "{outcome:?}");
}

#[test]
fn the_relay_says_where_it_is_and_shows_its_secret() {
    let place = Place::new();
    let shown = place.json("relay show");
    assert_eq!(shown["clients"], "127.0.0.0/8,::1");
    let file = shown["secret_file"].as_str().expect("it is a path");
    assert!(file.ends_with("relay.secret"), "{file}");
    place.done("migrate");
    let secret = place.done("relay secret");
    assert_eq!(secret.trim_end().len(), 32, "{secret}");
    assert_eq!(place.done("relay secret"), secret);
    let off = place.json("relay show --set radius.relay=off");
    assert_eq!(off["address"], json!(null));
}
