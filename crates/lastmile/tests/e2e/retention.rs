//! Old history goes by itself and by command, and nothing else goes with it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::database::DatabaseKind;

use crate::site::{Site, block_on, on_both_databases};

on_both_databases!(
    history_is_shown_and_removed_by_command,
    the_server_removes_old_history,
);

const PATIENCE: Duration = Duration::from_secs(30);
/// 2020-09-13 and 2100-01-01, in microseconds.
const OLD: &str = "1600000000000000";
const FUTURE: &str = "4102444800000000";

/// Four hours of usage, three of them old.
fn fill(site: &Site) {
    let tenant = match site.database.kind() {
        DatabaseKind::Sqlite => "X'00000000000070008000000000000001'",
        DatabaseKind::Postgres => "'00000000-0000-7000-8000-000000000001'",
    };
    let rows = [("ana", OLD), ("fay", OLD), ("sam", OLD), ("ana", FUTURE)];
    for (user, starts_at) in rows {
        block_on(site.database.execute(&format!(
            "INSERT INTO usage_hourly (tenant, username, starts_at, upload_bytes, \
             download_bytes, session_seconds) VALUES ({tenant}, '{user}', {starts_at}, 1, 2, 3)"
        )));
    }
}

/// Rows of usage by the hour that `retention show` counts. On PostgreSQL an exact number until the
/// server has analysed the table.
fn rows_shown(site: &Site) -> u64 {
    let shown = site.program.json(&["retention", "show"]);
    let extents = shown.as_array().expect("a list is an array");
    let of_usage = |extent: &&Value| extent["history"] == "usage_hourly";
    let rows = extents.iter().filter(of_usage);
    rows.map(|extent| extent["rows"].as_u64().expect("a number"))
        .sum()
}

fn removed(list: &Value) -> Vec<(&str, u64)> {
    let records = list.as_array().expect("a list is an array");
    let read = |record: &Value| record["rows"].as_u64();
    records
        .iter()
        .map(|record| (record["history"].as_str(), read(record)))
        .map(|(history, rows)| (history.expect("a name"), rows.expect("a number")))
        .collect()
}

fn history_is_shown_and_removed_by_command(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    fill(&site);
    assert_eq!(rows_shown(&site), 4);
    let expected = vec![("auth_log", 0), ("usage_hourly", 3), ("events", 0)];
    let list = site.program.json(&["retention", "run", "--dry-run"]);
    assert_eq!(removed(&list), expected);
    assert_eq!(rows_shown(&site), 4);
    let list = site.program.json(&["retention", "run"]);
    assert_eq!(removed(&list), expected);
    assert_eq!(rows_shown(&site), 1);
    let for_ever = [
        "--set=retention.auth_log_days=0",
        "--set=retention.usage_hourly_days=0",
        "--set=retention.events_days=0",
        "retention",
        "run",
    ];
    assert_eq!(site.program.json(&for_ever), json!([]));
    let sessions = ["--set=retention.sessions_days=90", "retention", "show"];
    let shown = site.program.json(&sessions);
    assert_eq!(shown[0]["history"], "sessions");
    assert_eq!(shown[0]["keep_days"], 90);
}

/// Everything that is done again and again has been done once, and can be asked for.
fn check_schedules(site: &Site, deadline: Instant) {
    let states = || -> Vec<(String, Value)> {
        let listed = site.program.json(&["schedule", "list"]);
        let listed = listed.as_array().expect("a list is an array").clone();
        let state = |one: &Value| {
            let name = one["name"].as_str().expect("a name");
            (name.to_owned(), one["last_state"].clone())
        };
        listed.iter().map(state).collect()
    };
    loop {
        let found = states();
        if found.iter().all(|(_, state)| state == "succeeded") {
            assert!(found.iter().any(|(name, _)| name == "retention_usage"));
            break;
        }
        assert!(Instant::now() < deadline, "{found:?}");
    }
    site.program.json(&["schedule", "run", "audit_check"]);
    loop {
        let runs = site.program.json(&["schedule", "runs", "audit_check"]);
        if runs[0]["trigger"] == "asked" && runs[0]["state"] == "succeeded" {
            return;
        }
        assert!(Instant::now() < deadline, "{runs}");
    }
}

/// What converges says how it stands.
fn check_reconcilers(site: &Site, deadline: Instant) {
    let expected = [
        "directory",
        "session_commands",
        "session_rights",
        "stale_sessions",
    ];
    loop {
        let listed = site.program.json(&["reconciler", "list"]);
        let listed = listed.as_array().expect("a list is an array").clone();
        let good = listed.iter().filter(|one| one["error"].is_null());
        let names: Vec<_> = good.map(|one| one["name"].clone()).collect();
        if names == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{listed:?}");
    }
}

fn the_server_removes_old_history(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    fill(&site);
    let server = site.program.serve();
    let removed = "lastmile_retention_removed_total{table=\"usage_hourly\"}";
    let deadline = Instant::now() + PATIENCE;
    while server.metric(removed) != 3 {
        assert!(Instant::now() < deadline, "{:#?}", server.metrics());
    }
    assert_eq!(rows_shown(&site), 1);
    assert_eq!(server.metric("lastmile_retention_failures_total"), 0);
    check_schedules(&site, deadline);
    check_reconcilers(&site, deadline);
    let log = server.terminate().log;
    let lines = log.iter().filter(|line| line.contains("usage_hourly from"));
    assert_eq!(lines.count(), 1, "{log:#?}");
}
