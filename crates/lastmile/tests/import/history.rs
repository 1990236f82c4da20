//! Sessions that have ended elsewhere: each once, with the usage of their days.

use testkit::database::DatabaseKind;
use testkit::foreign::ForeignKind;

use crate::population;
use crate::site::Site;

/// Three that ended, one of more than 4 GiB; one without an end; one whose clock was ahead.
const SESSIONS: &str = "
INSERT INTO radacct (acctsessionid, acctuniqueid, username, nasipaddress, acctstarttime,
    acctupdatetime, acctstoptime, acctsessiontime, acctinputoctets, acctoutputoctets,
    acctterminatecause) VALUES
('81', 'a1', 'c1', '192.0.2.1', {2023-11-10 10:00:00}, NULL, {2023-11-10 11:00:00}, 3600, 1000, 9000000000, 'User-Request'),
('82', 'a2', 'c1', '192.0.2.1', {2023-11-10 12:00:00}, NULL, {2023-11-12 12:00:00}, 172800, 400, 800, 'Lost-Carrier'),
('83', 'a3', 'c2', '198.51.100.1', {2023-11-10 12:00:00}, NULL, {2023-11-10 12:00:01}, 1, 1, 1, ''),
('84', 'a4', 'c2', '192.0.2.1', {2023-11-10 12:00:00}, {2023-11-10 12:05:00}, NULL, 300, 5, 5, ''),
('85', 'a5', 'c2', '192.0.2.1', {2090-11-10 12:00:00}, NULL, {2090-11-10 12:05:00}, 300, 5, 5, '')
";

/// A time as FreeRADIUS' queries write it to each database.
fn sessions(kind: ForeignKind) -> String {
    let mut sql = SESSIONS.to_owned();
    while let (Some(from), Some(to)) = (sql.find('{'), sql.find('}')) {
        let shown = sql[from + 1..to].to_owned();
        let written = match kind {
            ForeignKind::Sqlite => format!("CAST(strftime('%s', '{shown}') AS INTEGER)"),
            ForeignKind::Postgres => format!("TIMESTAMP WITH TIME ZONE '{shown} UTC'"),
            ForeignKind::MariaDb => format!("'{shown}'"),
        };
        sql.replace_range(from..=to, &written);
    }
    sql
}

async fn history_is_taken_once(kind: ForeignKind, ours: DatabaseKind) {
    let site = Site::new(kind, ours).await;
    site.populate(&[population::groups()]).await;
    site.foreign.execute(&population::thousands(1, 3)).await;
    site.foreign.execute(&sessions(kind)).await;
    let preview = site.import(&["--sessions", "all", "--dry-run"]);
    assert_eq!(preview.count("history", "sessions"), 3, "{preview:?}");
    let told = site.import(&["--sessions", "all"]);
    assert_eq!(told.count("history", "sessions"), 3, "{told:?}");
    assert_eq!(told.count("left_out", "sessions_abandoned"), 1);
    assert_eq!(told.count("left_out", "sessions_ahead"), 1);
    for _ in 0..2 {
        let again = site.import(&["--sessions", "all"]);
        assert_eq!(again.count("history", "sessions"), 0);
        assert_eq!(again.count("here", "sessions"), 3);
        let usage = site.program.json(&[
            "usage",
            "c1",
            "--by",
            "day",
            "--from",
            "2023-11-01T00:00:00Z",
            "--to",
            "2023-12-01T00:00:00Z",
        ]);
        let download = usage.as_array().unwrap().iter();
        let download: Vec<u64> = download
            .map(|day| day["download_bytes"].as_u64().unwrap())
            .collect();
        assert_eq!(download.iter().sum::<u64>(), 9_000_000_800, "{usage}");
        assert_eq!(download.len(), 3, "{usage}");
    }
    let sessions = site
        .program
        .json(&["session", "list", "--state", "closed", "--user", "c1"]);
    let causes: Vec<_> = sessions
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["terminate_cause"].clone())
        .collect();
    assert_eq!(causes, ["Lost-Carrier", "User-Request"], "{sessions}");
    let old = site.import(&["--sessions", "30"]);
    assert_eq!(old.count("left_out", "sessions_too_old"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_sqlite() {
    history_is_taken_once(ForeignKind::Sqlite, DatabaseKind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_postgres() {
    history_is_taken_once(ForeignKind::Postgres, DatabaseKind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_mariadb() {
    history_is_taken_once(ForeignKind::MariaDb, DatabaseKind::Sqlite).await;
}
