//! A file of subscribers: all of it or nothing.

use serde_json::json;

use crate::place::Place;

fn names(place: &Place) -> Vec<String> {
    let rows = place.json("subscriber list");
    let rows = rows.as_array().expect("a list").clone();
    rows.iter()
        .map(|row| row["username"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn a_good_file_is_stored_whole() {
    let place = Place::with_subscriber();
    place.write(
        "more.csv",
        "username,password,plan\nBen,b,home\ncay,c,HOME\n",
    );
    let outcome = place.run("subscriber import more.csv");
    assert!(outcome.is_success(), "{outcome:?}");
    assert_eq!(outcome.stderr, "Subscribers imported: 2\n");
    assert_eq!(names(&place), ["ana", "ben", "cay"]);
}

#[test]
fn standard_input_is_a_file_too() {
    let place = Place::with_subscriber();
    let words = ["subscriber", "import", "-", "--output", "json"];
    let outcome = place.run_with("username,password,plan\nben,b,home\n", &words);
    assert!(outcome.is_success(), "{outcome:?}");
    let imported: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("it is JSON");
    assert_eq!(imported, json!({"subscribers": 1, "is_dry_run": false}));
    assert_eq!(names(&place), ["ana", "ben"]);
}

#[test]
fn one_wrong_line_keeps_the_whole_file_out() {
    let place = Place::with_subscriber();
    place.write(
        "more.csv",
        "username,password,plan\nben,b,home\ncay,,home\ndan,d,gold\n",
    );
    for line in [
        "subscriber import more.csv",
        "subscriber import more.csv --dry-run",
    ] {
        let outcome = place.run(line);
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert_eq!(
            outcome.stderr,
            "line 3: password: the password is empty: write 1 to 128 octets\n\
             line 4: plan: there is no plan 'gold': `lastmile plan list` shows them\n\
             error: wrong lines: 2; nothing was imported\n"
        );
    }
    assert_eq!(names(&place), ["ana"]);
}

#[test]
fn a_name_or_address_that_is_taken_keeps_the_whole_file_out() {
    let place = Place::with_subscriber();
    place.done("subscriber set ana --ipv4 100.64.0.7");
    place.write(
        "names.csv",
        "username,password,plan\nben,b,home\nANA,a,home\n",
    );
    place.write(
        "addresses.csv",
        "username,password,plan,static_ipv4\nben,b,home,\ncay,c,home,100.64.0.7\n",
    );
    for (line, expected) in [
        ("names.csv", "username of 'ana'"),
        ("names.csv --dry-run", "username of 'ana'"),
        ("addresses.csv", "static_ipv4 of 'cay'"),
        ("addresses.csv --dry-run", "static_ipv4 of 'cay'"),
    ] {
        let outcome = place.run(&format!("subscriber import {line}"));
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert_eq!(
            outcome.stderr,
            format!(
                "line 3: {expected}: another subscriber has it\n\
                 error: wrong lines: 1; nothing was imported\n"
            )
        );
    }
    assert_eq!(names(&place), ["ana"]);
}

#[test]
fn a_dry_run_of_a_good_file_stores_nothing() {
    let place = Place::with_subscriber();
    place.write("more.csv", "username,password,plan\nben,b,home\n");
    let outcome = place.run("subscriber import more.csv --dry-run");
    assert!(outcome.is_success(), "{outcome:?}");
    assert_eq!(
        outcome.stderr,
        "Dry run: subscribers that would be imported: 1. Nothing is changed.\n"
    );
    assert_eq!(names(&place), ["ana"]);
}

#[test]
fn a_file_that_is_none_is_told() {
    let place = Place::with_subscriber();
    place.write("odd.csv", "username,password,plan,mac\n");
    place.check_refused(
        "subscriber import odd.csv",
        1,
        "line 1: unknown column 'mac': known are username, password, password_hash, plan, static_ipv4, ipv6_prefix, ipv6_delegated, starts_at, expires_at, status",
    );
    place.check_refused(
        "subscriber import nowhere.csv",
        1,
        "could not read nowhere.csv: No such file or directory (os error 2)",
    );
}
