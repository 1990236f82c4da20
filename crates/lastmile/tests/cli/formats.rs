//! Data on stdout in four formats, help, completions, configuration.

use serde_json::{Value, json};

use crate::place::Place;

#[test]
fn a_list_is_the_same_in_every_format() {
    let place = Place::with_subscriber();
    let table = place.done("subscriber list");
    assert_eq!(
        table,
        "USERNAME  PLAN  STATUS  CREDENTIAL  EXPIRES AT  STATIC IPV4\nana       home  active  cleartext   -           -\n"
    );
    let json = place.json("subscriber list");
    assert_eq!(json[0]["username"], "ana");
    let lines = place.done("subscriber list --output jsonl");
    let line: Value = serde_json::from_str(lines.trim_end()).expect("one object a line");
    assert_eq!(line, json[0]);
    let csv = place.done("subscriber list --output csv");
    assert!(
        csv.starts_with("username,plan,status,credential,starts_at,expires_at,static_ipv4,"),
        "{csv}"
    );
    assert!(csv.contains("\nana,home,active,cleartext,,,"), "{csv}");
}

#[test]
fn every_record_has_the_fields_that_its_csv_header_names() {
    let place = Place::with_subscriber();
    place.done("nas add pop-1 --address 10.0.0.1 --secret 0123456789abcdef");
    for line in [
        "nas show pop-1",
        "plan show home",
        "subscriber show ana",
        "config check",
    ] {
        let csv = place.done(&format!("{line} --output csv"));
        let header: Vec<&str> = csv.lines().next().unwrap_or_default().split(',').collect();
        let shown = place.json(line);
        let record = shown.get(0).unwrap_or(&shown);
        let fields = record.as_object().expect("a record is an object");
        assert_eq!(fields.keys().collect::<Vec<_>>(), header, "{line}");
    }
}

#[test]
fn a_mutation_gives_its_record_to_programs_and_a_sentence_to_people() {
    let place = Place::new();
    let outcome = place.run("plan add home --rate 25M/50M");
    assert_eq!(outcome.stdout, "");
    assert_eq!(outcome.stderr, "Plan home added: 25M/50M\n");
    let added = place.json("plan add work --rate 1G");
    assert_eq!(added["name"], "work");
    assert_eq!(added["rate"], "1G/1G");
    let changed = place.json("plan set work --interim 10m");
    assert_eq!(changed["interim_seconds"], 600);
}

#[test]
fn a_limit_is_kept_in_every_format() {
    let place = Place::new();
    for name in ["a", "b", "c"] {
        place.done(&format!("plan add {name}"));
    }
    let names = |line: &str| {
        let rows = place.json(line);
        let rows = rows.as_array().expect("a list").clone();
        rows.into_iter()
            .map(|row| row["name"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("plan list --limit 2"), [json!("a"), json!("b")]);
    assert_eq!(names("plan list --limit 9").len(), 3);
    let outcome = place.run("plan list --limit 1");
    assert_eq!(outcome.stdout.lines().count(), 2, "{outcome:?}");
    assert_eq!(outcome.stderr, "");
}

#[test]
fn config_check_shows_values_with_their_sources_and_no_password() {
    let place = Place::new();
    place.write("lastmile.toml", "[radius]\nworkers = 3\n");
    let words = [
        "config",
        "check",
        "--output",
        "json",
        "--set",
        "database.url=postgres://u:kookaburra@h/d",
        "--log",
        "json",
    ];
    let outcome = place.run_with("", &words);
    assert!(outcome.is_success(), "{outcome:?}");
    let settings: Value = serde_json::from_str(&outcome.stdout).expect("it is JSON");
    let of = |key: &str| {
        let all = settings.as_array().expect("a list");
        let found = all.iter().find(|setting| setting["key"] == key);
        let setting = found.expect("the key is known");
        (setting["value"].clone(), setting["source"].clone())
    };
    assert_eq!(of("data_dir"), (json!("data"), json!("--data-dir")));
    assert_eq!(of("radius.workers"), (json!("3"), json!("lastmile.toml")));
    assert_eq!(
        of("database.url"),
        (json!("postgres://u:***@h/d"), json!("--set"))
    );
    assert_eq!(of("log.format"), (json!("json"), json!("--log")));
    assert_eq!(
        of("http.listen"),
        (json!("127.0.0.1:8080"), json!("default"))
    );
    assert_eq!(outcome.stderr, "Configuration file: lastmile.toml\n");
}

#[test]
fn help_of_the_program() {
    let place = Place::new();
    insta::assert_snapshot!(place.done("help"));
}

#[test]
fn completions_name_the_commands() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = place.done(&format!("completions {shell}"));
        assert!(script.contains("knocking"), "{shell}");
    }
    assert!(place.done("--version").starts_with("lastmile 0."));
}

#[test]
fn flags_for_everything_may_follow_the_command() {
    let place = Place::new();
    let outcome = place.run("plan add home --rate 1M --output jsonl --log json --color never");
    assert!(outcome.is_success(), "{outcome:?}");
    let record: Value = serde_json::from_str(outcome.stdout.trim_end()).expect("it is JSON");
    assert_eq!(record["name"], "home");
}
