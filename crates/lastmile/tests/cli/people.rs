//! Operators, tokens, tenants and secrets on the command line.

use std::os::unix::fs::MetadataExt as _;

use serde_json::json;

use crate::place::Place;

#[test]
fn the_first_command_makes_the_first_owner() {
    let place = Place::new();
    place.done("plan add home");
    let file = place.path("data/first-owner-password");
    let metadata = std::fs::metadata(&file).expect("it is made");
    assert_eq!(metadata.mode() & 0o777, 0o600);
    let owner = place.json("operator show owner");
    assert_eq!(
        (&owner["role"], &owner["must_change_password"]),
        (&json!("owner"), &json!(true))
    );
    let refused = "operator 'owner' is the last active owner: make another one owner first";
    place.check_refused("operator remove owner", 1, refused);
}

#[test]
fn an_operator_is_added_changed_and_removed() {
    let place = Place::new();
    let password = place.done("operator add Ana --role support");
    assert_eq!(password.trim_end().len(), 23, "{password}");
    let ben = place.json("operator add ben --scope plans:read");
    assert_eq!(ben["one_time_password"].as_str().map(str::len), Some(23));
    place.done("operator set ana --role billing --scope nas:read --disable");
    let shown = place.json("operator show ana");
    assert_eq!(
        (&shown["status"], &shown["role"], &shown["scopes"]),
        (&json!("disabled"), &json!("billing"), &json!(["nas:read"]))
    );
    place.done("operator set ana --clear-role --enable");
    assert_eq!(place.json("operator show ana")["role"], json!(null));
    let other = place.done("operator reset-password ana");
    assert_ne!(other, password);
    place.check_refused(
        "operator reset-password ana --password short",
        2,
        "--password: the password is too short: write 10 characters or more",
    );
    assert_eq!(place.json("operator sessions ana"), json!([]));
    place.done("operator remove ana");
    let outcome = place.run("operator show ana");
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
}

#[test]
fn a_token_is_shown_once_and_replaced() {
    let place = Place::new();
    let made = place.json("token create shop --scope vouchers:sync --network 192.0.2.7");
    let token = made["token"].as_str().expect("it is shown").to_owned();
    assert!(token.starts_with("lm_"), "{token}");
    assert_eq!(made["networks"], json!(["192.0.2.7/32"]));
    let owner = place.json("token create boss --role owner");
    assert!(owner["token"].is_string());
    for line in [
        "token list",
        "token show shop",
        "token set shop --clear-networks",
    ] {
        assert!(
            !place
                .done(&format!("{line} --output json"))
                .contains(&token),
            "{line}"
        );
    }
    let replaced = place.json("token rotate shop --overlap 2h");
    assert_ne!(replaced["token"], token);
    assert!(replaced["old_until"].is_string());
    place.check_refused(
        "token create late --role owner --expires 2020-01-01",
        2,
        "--expires: this is over already: name a time that is yet to come",
    );
    place.done("token revoke shop");
    let outcome = place.run("token show shop");
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
}

#[test]
fn a_tenant_is_added_and_disabled() {
    let place = Place::new();
    place.done("tenant add hills --time-zone Africa/Nairobi");
    place.done("operator add ana --role owner --tenant hills");
    let operators = place.json("operator list --tenant hills");
    assert_eq!(operators.as_array().map(Vec::len), Some(1));
    place.done("tenant set hills --disable");
    assert!(place.json("tenant show hills")["disabled_at"].is_string());
    place.check_refused(
        "tenant set --disable",
        1,
        "the tenant of this installation itself cannot be disabled",
    );
    assert_eq!(place.json("tenant list").as_array().map(Vec::len), Some(2));
    let outcome = place.run("operator list --tenant valley");
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
}

#[test]
fn a_secret_is_shown_for_a_reason() {
    let place = Place::with_subscriber();
    let words = "secret reveal subscriber-password ana --reason forgotten";
    assert_eq!(place.done(words), "first-pass\n");
    let lines = place.json("audit list --action revealed");
    assert_eq!(lines[0]["after"], json!({ "reason": "forgotten" }));
    assert_eq!(lines[0]["resource_name"], "ana");
    let outcome = place.run("secret reveal subscriber-password ana");
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
}
