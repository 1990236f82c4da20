//! Every decision is in the authentication log, also when the database cannot keep up.

use std::thread;

use domain::secret::Secret;
use lab::credentials::Credentials;
use lab::load::options::{Limit, LoadOptions};
use testkit::database::DatabaseKind;

use crate::site::{ANA, FAY, SECRET, Site, block_on, on_both_databases};

on_both_databases!(decisions_that_the_database_keeps_waiting_are_counted_together);

const LOGINS: u64 = 8_000;

fn decisions_that_the_database_keeps_waiting_are_counted_together(kind: DatabaseKind) {
    let mut site = Site::furnished(kind);
    site.set("LASTMILE_RADIUS__WORKERS", "1");
    let server = site.program.serve();
    let users =
        [ANA, FAY].map(|(user, password)| Credentials::new(user, password).expect("a valid login"));
    let secret = Secret::from(SECRET);
    let mut options = LoadOptions::new(server.auth, server.acct, secret, users.into());
    options.limit = Limit::Requests(LOGINS);
    options.outstanding = 64;
    options.ports = 4;
    // The log waits for the table, or for the only writer.
    let hold = match kind {
        DatabaseKind::Postgres => "BEGIN; LOCK TABLE auth_log; SELECT pg_sleep(4); COMMIT",
        DatabaseKind::Sqlite => {
            "BEGIN IMMEDIATE; WITH RECURSIVE step(number) AS (SELECT 1 UNION ALL \
             SELECT number + 1 FROM step WHERE number < 5000000) SELECT MAX(number) FROM step; \
             COMMIT"
        }
    };
    let database = &site.database;
    let report = thread::scope(|scope| {
        scope.spawn(|| block_on(database.execute(hold)));
        lab::load::run(&options).expect("the load runs")
    });
    assert!(
        0 < report.counts.accepts && 0 < report.counts.rejects,
        "{report}"
    );
    let metric = |name: &str| server.metric(&format!("lastmile_radius_{name}_total"));
    let accepted = metric("access_accepts");
    let rejected = metric("access_rejects");
    assert!(LOGINS <= accepted + rejected);
    assert_eq!(metric("auth_log_lost"), 0);
    let ending = server.terminate();
    assert_eq!(ending.code, Some(0), "{:#?}", ending.log);
    let list = site.program.json(&["log", "auth"]);
    let rows = list.as_array().expect("a list is an array");
    let decisions = |outcome: &str| -> u64 {
        let rows = rows.iter().filter(|row| row["outcome"] == outcome);
        rows.map(|row| row["count"].as_u64().expect("a number"))
            .sum()
    };
    assert_eq!(decisions("accepted"), accepted);
    assert_eq!(decisions("rejected"), rejected);
    let shared: Vec<_> = rows.iter().filter(|row| row["count"] != 1).collect();
    assert!(!shared.is_empty(), "each of {} has a row", rows.len());
    for row in shared {
        assert!(row["at"].as_str() < row["last_at"].as_str(), "{row}");
        let user = row["user_name"].as_str();
        let expected = if row["outcome"] == "accepted" {
            ANA
        } else {
            FAY
        };
        assert_eq!(user, Some(expected.0));
    }
}
