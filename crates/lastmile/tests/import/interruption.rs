//! An import of ten thousand users that is killed in the middle, and goes on.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testkit::database::DatabaseKind;
use testkit::foreign::ForeignKind;

use crate::population;
use crate::site::Site;

const USERS: u64 = 10_000;
/// How long the first users may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn count(site: &Site) -> u64 {
    let count = site.database.number("SELECT COUNT(*) FROM subscriber");
    count.await.unsigned_abs()
}

async fn an_import_that_was_killed_goes_on(ours: DatabaseKind) {
    let site = Site::new(ForeignKind::Sqlite, ours).await;
    site.populate(&[population::groups()]).await;
    site.foreign.execute(&population::thousands(0, USERS)).await;
    site.program.done(&["migrate"]);
    let mut killed = Command::new(env!("CARGO_BIN_EXE_lastmile"))
        .env("LASTMILE_DATABASE__URL", site.database.url())
        .arg("--data-dir")
        .arg(site.database.data_dir())
        .args(["import", "freeradius", "--database", &site.foreign.url()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while count(&site).await == 0 {
        assert!(begun.elapsed() < PATIENCE, "nothing is imported");
        assert!(
            killed.try_wait().unwrap().is_none(),
            "it ended before it was killed"
        );
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let before = count(&site).await;
    let told = site.import(&[]);
    // The database may have finished a transaction whose client was gone.
    let here = told.count("here", "subscribers");
    assert!(before <= here && here < USERS, "{before} and then {here}");
    assert_eq!(told.count("done", "subscribers"), USERS - here);
    assert_eq!(count(&site).await, USERS);
    assert_eq!(site.import(&[]).count("done", "subscribers"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    an_import_that_was_killed_goes_on(DatabaseKind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    an_import_that_was_killed_goes_on(DatabaseKind::Postgres).await;
}
