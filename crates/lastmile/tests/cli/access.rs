//! How accounts stand, walled gardens, messages, bindings and devices on the command line.

use serde_json::json;

use crate::place::Place;

#[test]
fn a_subscriber_goes_through_the_states() {
    let place = Place::with_subscriber();
    let state = || place.json("subscriber show ana")["status"].clone();
    place.done("subscriber suspend ana --walled");
    assert_eq!(state(), "suspended_walled");
    place.done("subscriber suspend ana --hard");
    assert_eq!(state(), "suspended_hard");
    let listed = place.json("subscriber list --status suspended_hard");
    assert_eq!(listed[0]["username"], "ana");
    assert_eq!(place.json("subscriber list --status active"), json!([]));
    place.done("subscriber restore ana");
    assert_eq!(state(), "active");
    place.done("subscriber set ana --expires 2020-01-01");
    assert_eq!(state(), "expired");
    place.done("plan set home --grace-days 365 --after-expiry walled");
    assert_eq!(state(), "expired");
    place.done("subscriber set ana --clear-expires");
    place.done("subscriber disable ana");
    assert_eq!(state(), "disabled");
    place.done("subscriber add ben --password kookaburra --plan home --pending");
    assert_eq!(place.json("subscriber show ben")["status"], "pending");
    place.done("subscriber activate ben");
    assert_eq!(place.json("subscriber show ben")["status"], "active");
}

#[test]
fn an_impossible_change_says_what_to_do() {
    let place = Place::with_subscriber();
    place.done("subscriber suspend ana --hard");
    place.check_refused(
        "subscriber enable ana",
        1,
        "subscriber 'ana': to enable is not possible from the state suspended_hard: restore it",
    );
    place.done("subscriber restore ana");
    place.done("subscriber set ana --expires 2020-01-01");
    place.check_refused(
        "subscriber restore ana",
        1,
        "subscriber 'ana': to restore is not possible from the state expired: give it a later expiry",
    );
    let outcome = place.run("subscriber suspend ana --walled --dry-run");
    assert_eq!(
        outcome.stderr,
        "Dry run: Subscriber ana would be changed: status expired -> suspended_walled. Nothing is changed.\n"
    );
    assert_eq!(place.json("subscriber show ana")["status"], "expired");
    assert!(!place.run("subscriber suspend ana").is_success());
}

#[test]
fn a_garden_is_added_changed_chosen_and_removed() {
    let place = Place::new();
    place.check_refused(
        "garden add open",
        2,
        "--address-list: a garden without a pool and without an address list restricts nothing: give --address-list LIST or --pool POOL",
    );
    place.done(
        "garden add unpaid --address-list unpaid --rate 512k/1M --redirect https://pay.example.net",
    );
    place.done("garden add closed --pool walled --session-timeout 2m");
    let shown = place.json("garden show UNPAID");
    assert_eq!(shown["is_default"], true);
    assert_eq!(shown["session_timeout_seconds"], 300);
    assert_eq!(shown["redirect"], "https://pay.example.net");
    let dry = place.json("garden default closed --dry-run");
    assert_eq!(dry["is_default"], true);
    assert_eq!(place.json("garden show closed")["is_default"], false);
    place.done("garden default closed");
    assert_eq!(place.json("garden show closed")["is_default"], true);
    place.done("garden set unpaid --clear-redirect --pool walled --rename late");
    assert_eq!(place.json("garden show late")["redirect"], json!(null));
    place.done("plan add home --garden late --device-limit 2 --private-device-limit 0");
    let plan = place.json("plan show home");
    assert_eq!(plan["garden"], "late");
    assert_eq!(plan["device_limit"], 2);
    assert_eq!(plan["private_device_limit"], 0);
    place.check_refused(
        "garden remove late",
        1,
        "walled garden 'late' is still used, plans: 1; move them first",
    );
    place.done("plan set home --clear-garden --clear-device-limit --clear-private-device-limit");
    assert_eq!(place.json("plan show home")["garden"], json!(null));
    place.done("garden remove late");
    place.done("garden default --none");
    assert_eq!(place.json("garden show closed")["is_default"], false);
    place.check_refused(
        "plan set home --garden late",
        3,
        "there is no walled garden 'late': `lastmile garden list` shows them, `lastmile garden add` adds one",
    );
}

#[test]
fn messages_are_set_by_state_and_language() {
    let place = Place::with_subscriber();
    let texts = || {
        let listed = place.json("message list");
        let rows = listed.as_array().cloned().unwrap_or_default();
        let used = rows.into_iter().filter(|row| row["is_in_use"] == true);
        let find = |row: serde_json::Value| (row["state"].clone(), row["text"].clone());
        used.map(find).collect::<Vec<_>>()
    };
    assert_eq!(texts().len(), 6);
    assert!(texts().contains(&(json!("disabled"), json!("Your account is disabled"))));
    let words = ["message", "set", "expired", "Pay for {plan}"];
    assert!(place.run_with("", &words).is_success());
    assert!(texts().contains(&(json!("expired"), json!("Pay for {plan}"))));
    place.done("message set expired Imeisha --language sw");
    place.done("message language sw");
    assert!(texts().contains(&(json!("expired"), json!("Imeisha"))));
    // What is told in the language that is in use stays.
    let left = place.json("message clear expired --language en --dry-run");
    assert_eq!(
        (&left["text"], &left["is_built_in"], &left["is_in_use"]),
        (&json!("Imeisha"), &json!(false), &json!(true))
    );
    place.done("message clear expired --language en");
    let left = place.json("message clear expired");
    assert_eq!(left["is_built_in"], true);
    assert!(texts().contains(&(json!("expired"), json!("Your account has expired"))));
    place.check_refused(
        "message set expired {password}",
        2,
        "TEXT: {password} is not known: a message may have {username}, {plan}, {expires_at}, {ends_at}; a brace itself is written twice",
    );
    place.check_refused(
        "message set active Hello",
        2,
        "STATE: who is active is told nothing: write pending, grace, suspended_walled, suspended_hard, expired or disabled",
    );
}

#[test]
fn a_subscriber_is_bound_to_routers_and_groups() {
    let place = Place::with_subscriber();
    place.done("nas add pop-1 --address 10.0.0.1 --secret 0123456789abcdef");
    place.done("nas group create north");
    place.done("nas group add north pop-1");
    assert_eq!(place.json("nas group list")[0]["members"], json!(["pop-1"]));
    place.done("subscriber binding set ana --nas pop-1 --nas-group North");
    let shown = place.json("subscriber binding show ana");
    assert_eq!(shown["nas"], json!(["pop-1"]));
    assert_eq!(shown["nas_groups"], json!(["north"]));
    place.check_refused(
        "nas group remove north",
        1,
        "NAS group 'north' is still used, subscribers: 1; move them first",
    );
    place.check_refused(
        "subscriber binding set ana --nas pop-9",
        3,
        "there is no NAS 'pop-9': `lastmile nas list` shows them",
    );
    place.done("subscriber binding clear ana");
    assert_eq!(place.json("subscriber binding show ana")["nas"], json!([]));
    place.done("nas group take north pop-1");
    place.done("nas group remove north");
    assert_eq!(place.json("nas group list"), json!([]));
}

#[test]
fn devices_are_registered_while_there_is_room_and_forgotten() {
    let place = Place::with_subscriber();
    assert_eq!(place.json("subscriber device list ana"), json!([]));
    place.check_refused(
        "subscriber device forget ana aa:bb:cc:dd:ee:ff",
        3,
        "there is no device 'aabbccddeeff': `lastmile subscriber device list USERNAME` shows them",
    );
    place.done("subscriber device add ana aa:bb:cc:dd:ee:ff");
    let listed = place.json("subscriber device list ana");
    assert_eq!(listed[0]["mac"], "aabbccddeeff");
    assert_eq!(listed[0]["is_private"], true);
    place.done("plan set home --device-limit 1");
    place.check_refused(
        "subscriber device add ana 00:00:5e:00:53:01",
        2,
        "MAC: there is no room for another device: forget one with `lastmile subscriber device forget`, or raise the limits of the plan",
    );
    place.done("subscriber device forget ana AA-BB-CC-DD-EE-FF");
    let outcome = place.run("subscriber device reset ana");
    assert_eq!(outcome.stderr, "Subscriber ana: devices forgotten: 0\n");
}

#[test]
fn realms_are_added_listed_and_removed() {
    let place = Place::new();
    place.done("realm add ISP.example");
    place.done("realm add old.example --handling keep");
    let listed = place.json("realm list");
    let expected = json!([
        {"name": "isp.example", "handling": "strip"},
        {"name": "old.example", "handling": "keep"},
    ]);
    assert_eq!(listed, expected);
    place.check_refused(
        "realm add isp.example",
        1,
        "NAME: another realm has this name: choose another, or change that one with `set`",
    );
    place.done("realm remove isp.example");
    place.check_refused(
        "realm remove isp.example",
        3,
        "there is no realm 'isp.example': `lastmile realm list` shows them",
    );
    place.check_refused(
        "realm add a@b",
        2,
        "NAME: 'a@b' is not a realm: write 1 to 128 printable ASCII characters without @, / and \\",
    );
}
