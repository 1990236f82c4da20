//! Planted secrets, looked for in everything that the commands print and store.

use crate::place::Place;

const PLANTED: [&str; 6] = [
    "kookaburra-nas-secret",
    "kookaburra-password",
    "kookaburra-second",
    "kookaburra-imported",
    "kookaburra-of-an-operator",
    "kookaburra-once-more",
];

#[test]
fn secrets_are_in_no_output_and_not_in_the_database() {
    let place = Place::new();
    place.write(
        "more.csv",
        "username,password,plan\nben,kookaburra-imported,home\n",
    );
    place.write(
        "wrong.csv",
        "username,plan,password\ncay,kookaburra-imported\ndan,gold,kookaburra-imported\n\"eve,home,kookaburra-imported\n",
    );
    place.write("headless.csv", "kookaburra-imported,ben,home\n");
    let lines = [
        "nas add pop-1 --address 10.0.0.1 --secret kookaburra-nas-secret",
        "nas add pop-2 --address 10.0.0.1 --secret kookaburra-nas-secret",
        "nas add pop-3 --address nowhere --secret kookaburra-nas-secret",
        "nas set pop-1 --secret kookaburra-nas-secret --vendor cisco",
        "nas set pop-1 --secret kookaburra-nas-secret --frobnicate",
        "nas show pop-1",
        "nas list",
        "plan add home",
        "subscriber add ana --password kookaburra-password --plan home",
        "subscriber add ana --password kookaburra-password --plan home",
        "subscriber add ana --password kookaburra-password --plan home --dry-run",
        "subscriber add zoe --password kookaburra-password --plan gold",
        "subscriber add zoe --password kookaburra-password",
        "subscriber set ana --password kookaburra-second",
        "subscriber set ana --password-hash kookaburra-second",
        "subscriber import wrong.csv",
        "subscriber import headless.csv",
        "subscriber import more.csv",
        "subscriber show ana",
        "subscriber list",
        "test-auth ana kookaburra-second --server 127.0.0.1:9",
        "lab nas --user ana --password kookaburra-second --auth 127.0.0.1:9 --acct 127.0.0.1:9 --interims 0",
        "operator add eve --role support --password kookaburra-of-an-operator",
        "operator add eve --role support --password kookaburra-of-an-operator --dry-run",
        "operator reset-password eve --password kookaburra-once-more",
        "operator show eve",
        "operator list",
        "audit list",
        "doctor --set radius.auth=127.0.0.1:0 --set radius.acct=127.0.0.1:0 --set http.listen=127.0.0.1:0",
        "config check --set database.url=postgres://u:kookaburra-password@h/d",
    ];
    for line in lines {
        for format in ["table", "json", "csv"] {
            let outcome = place.run(&format!("{line} --output {format} --log-level trace"));
            assert_clean(&format!("{line}: stdout"), outcome.stdout.as_bytes());
            assert_clean(&format!("{line}: stderr"), outcome.stderr.as_bytes());
        }
    }
    for name in ["data/lastmile.db", "data/lastmile.db-wal", "data/keyring"] {
        if let Ok(octets) = std::fs::read(place.path(name)) {
            assert_clean(name, &octets);
        }
    }
}

#[track_caller]
fn assert_clean(what: &str, octets: &[u8]) {
    for secret in PLANTED {
        let is_there = octets
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!is_there, "{what} shows {secret}");
    }
}
