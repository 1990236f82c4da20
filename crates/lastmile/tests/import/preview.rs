//! What a preview says, and that it changes nothing; what an import does, and that it does it once.

use testkit::database::DatabaseKind;
use testkit::foreign::ForeignKind;
use testkit::mariadb::READER;

use crate::population::{self, ROUTERS};
use crate::site::{Site, Told};

const USERS: u64 = 320;

async fn populated(kind: ForeignKind, ours: DatabaseKind) -> Site {
    let site = Site::new(kind, ours).await;
    let users: Vec<_> = (0..USERS).map(population::user).collect();
    site.populate(&[population::groups()]).await;
    site.populate(&users).await;
    site.foreign.execute(ROUTERS).await;
    site
}

#[track_caller]
fn check_told(told: &Told) {
    assert_eq!(told.count("found", "users"), USERS, "{told:?}");
    assert_eq!(told.count("found", "groups"), 5);
    assert_eq!(told.count("found", "routers"), 6);
    assert_eq!(told.count("left_out", "userinfo"), 2);
    assert_eq!(told.count("left_out", "router_extras"), 1);
    assert!(
        told.detail("source", "schema")
            .starts_with("FreeRADIUS 3.2, daloRADIUS")
    );
    // Seven of sixteen kinds are subscribers: 0, 1, 2, 4, 7, 8; and 5, who is disabled.
    assert_eq!(told.count("becomes", "subscribers_active"), USERS / 16 * 6);
    assert_eq!(told.count("becomes", "subscribers_disabled"), USERS / 16);
    assert_eq!(told.count("becomes", "users_with_rows"), USERS / 16 * 9);
    assert_eq!(told.sum("stays_rows", ""), USERS / 16 * 9);
    assert_eq!(told.count("stays_rows", "user_password"), USERS / 16);
    assert_eq!(told.count("stays_rows", "auth_type"), USERS / 16);
    assert_eq!(told.sum("stays_rows", "reply_attribute"), USERS / 16 * 2);
    // gold, silver, and silver with a Session-Timeout.
    assert_eq!(told.count("becomes", "plans"), 3);
    assert_eq!(told.count("becomes", "routers_mikrotik"), 3);
    assert_eq!(told.count("left_out", "router_refused"), 3);
    assert!(told.sum("lint", "") > 0);
}

async fn a_preview_changes_nothing_and_an_import_happens_once(
    kind: ForeignKind,
    ours: DatabaseKind,
) {
    let site = populated(kind, ours).await;
    let preview = site.import(&["--dry-run"]);
    check_told(&preview);
    // There is nothing: no installation was made for it.
    assert!(!site.program.cli(&["subscriber", "list"]).is_success());

    let told = site.import(&[]);
    check_told(&told);
    assert_eq!(told.count("done", "subscribers"), USERS / 16 * 7);
    assert_eq!(told.count("done", "users_with_rows"), USERS / 16 * 9);
    assert_eq!(told.count("done", "routers"), 3);
    let listed = site.program.json(&["subscriber", "list"]);
    assert_eq!(listed.as_array().unwrap().len() as u64, USERS / 16 * 7);
    let plans = site.program.json(&["plan", "list"]);
    let names: Vec<_> = plans
        .as_array()
        .unwrap()
        .iter()
        .map(|plan| plan["name"].clone())
        .collect();
    assert_eq!(names, ["gold", "silver", "silver 5M/20M 3600 s"]);
    let routers = site.program.json(&["nas", "list"]);
    let names: Vec<_> = routers
        .as_array()
        .unwrap()
        .iter()
        .map(|nas| nas["name"].clone())
        .collect();
    assert_eq!(names, ["192.0.2.0/24", "pop", "six"]);
    let settings = site.program.json(&["config", "check"]);
    let rows = settings
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["key"] == "aaa.rows")
        .unwrap();
    assert_eq!(rows["value"], "compatible");
    assert_eq!(rows["source"], "the database, since an import");

    let again = site.import(&[]);
    for what in [
        "routers",
        "plans",
        "subscribers",
        "groups_with_rows",
        "users_with_rows",
    ] {
        assert_eq!(again.count("done", what), 0, "{what}");
    }
    assert_eq!(again.count("here", "subscribers"), USERS / 16 * 7);
    assert_eq!(again.count("here", "users_with_rows"), USERS / 16 * 9);
    site.populate(&[population::user(16_000)]).await;
    assert_eq!(site.import(&[]).count("done", "subscribers"), 1);
    let dump = site.database.dump();
    let password = "pw-16000";
    let is_there = dump
        .windows(password.len())
        .any(|part| part == password.as_bytes());
    assert!(!is_there, "a password is stored unsealed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_file_is_imported() {
    let (kind, ours) = (ForeignKind::Sqlite, DatabaseKind::Postgres);
    a_preview_changes_nothing_and_an_import_happens_once(kind, ours).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_is_imported() {
    let (kind, ours) = (ForeignKind::Postgres, DatabaseKind::Sqlite);
    a_preview_changes_nothing_and_an_import_happens_once(kind, ours).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_is_imported() {
    let (kind, ours) = (ForeignKind::MariaDb, DatabaseKind::Sqlite);
    a_preview_changes_nothing_and_an_import_happens_once(kind, ours).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panel_keeps_its_rows() {
    let site = populated(ForeignKind::Sqlite, DatabaseKind::Sqlite).await;
    let told = site.import(&["--keep-rows"]);
    assert_eq!(told.count("done", "users_with_rows"), USERS);
    assert_eq!(told.count("done", "groups_with_rows"), 5);
    assert_eq!(told.count("done", "subscribers"), 0);
    assert_eq!(told.count("done", "plans"), 0);
    assert!(told.count("remark", "unsealed_passwords") > 0);
    let show = site.program.json(&["rows", "show", "u4"]);
    let shown: Vec<String> = show
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["table"] == "radusergroup")
        .map(|row| row["priority"].to_string())
        .collect();
    assert_eq!(shown, ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_in_two_cases_stay_two_users() {
    let site = Site::new(ForeignKind::Sqlite, DatabaseKind::Sqlite).await;
    site.foreign
        .execute(
            "INSERT INTO radcheck (username, attribute, op, value) VALUES \
             ('ana', 'Cleartext-Password', ':=', 'one'), \
             ('ANA', 'Cleartext-Password', ':=', 'two'), \
             ('ben', 'Cleartext-Password', ':=', 'three')",
        )
        .await;
    let told = site.import(&[]);
    assert_eq!(told.count("stays_rows", "name_case"), 2, "{told:?}");
    assert_eq!(told.count("done", "users_with_rows"), 2);
    assert_eq!(told.count("done", "subscribers"), 1);
    assert_eq!(told.count("remark", "no_routers"), 1);
}

/// On MariaDB: names in two cases are one user, and Latin-1 columns hold what was written.
#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_is_read_as_its_freeradius_reads_it() {
    let site = Site::new(ForeignKind::MariaDb, DatabaseKind::Sqlite).await;
    site.foreign
        .execute(
            "ALTER TABLE radcheck CONVERT TO CHARACTER SET latin1 COLLATE latin1_swedish_ci; \
             INSERT INTO radcheck (username, attribute, op, value) VALUES \
             ('Ana', 'Cleartext-Password', ':=', 'pw-ana'), \
             ('zoe', 'Cleartext-Password', ':=', CONVERT(X'7A6FEB' USING latin1)), \
             ('ute', 'Cleartext-Password', ':=', CONVERT(X'C3BC' USING latin1)); \
             INSERT INTO radusergroup (username, groupname) VALUES ('ana', 'GOLD'); \
             INSERT INTO radgroupreply (groupname, attribute, op, value) VALUES \
             ('gold', 'Framed-Pool', '=', 'pppoe')",
        )
        .await;
    let told = site.import(&[]);
    assert_eq!(told.count("found", "users"), 3, "{told:?}");
    assert_eq!(told.count("done", "subscribers"), 3);
    assert_eq!(told.count("remark", "utf8_in_latin1"), 1);
    assert_eq!(told.count("remark", "case_ignored"), 1);
    let ana = site.program.json(&["subscriber", "show", "ana"]);
    assert_eq!(ana["plan"], "gold");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_freeradius_says_so_and_tells_no_password() {
    let site = Site::new(ForeignKind::MariaDb, DatabaseKind::Sqlite).await;
    let outcome = |url: &str| {
        let words = ["import", "freeradius", "--database", url, "--dry-run"];
        let outcome = site.program.cli(&words);
        let told = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(!told.contains(READER.1), "{told}");
        (outcome.code, told)
    };
    let url = site.foreign.url();
    let (code, told) = outcome(&url.replace("/radius", "/mysql"));
    assert_eq!(code, Some(1), "{told}");
    let (code, told) = outcome(&url.replace("reader:", "nobody:"));
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("cannot be reached"), "{told}");
    let (code, told) = outcome(&url.replace("mysql:", "oracle:"));
    assert_eq!(code, Some(2), "{told}");
    site.foreign.execute("DROP TABLE radgroupreply").await;
    let (code, told) = outcome(&url);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("no table 'radgroupreply'"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_ours_is_not_imported() {
    let site = Site::new(ForeignKind::Sqlite, DatabaseKind::Sqlite).await;
    site.program.done(&["plan", "add", "home"]);
    let ours = site.database.data_dir().join("lastmile.db");
    let url = format!("sqlite:{}", ours.display());
    let outcome = site
        .program
        .cli(&["import", "freeradius", "--database", &url]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.contains("is a database of lastmile"),
        "{outcome:?}"
    );
}
