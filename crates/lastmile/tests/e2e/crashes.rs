//! Twenty crashes at random moments, while routers go on repeating what was not answered.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use testkit::database::DatabaseKind;

use crate::books;
use crate::site::{Site, on_both_databases};
use crate::traffic::{accounting_beside, patient_load};

on_both_databases!(twenty_crashes_lose_nothing_and_store_nothing_twice);

const ROUNDS: u32 = 20;
/// Records after which a round may end; some end at once.
const RECORDS_MAX: u64 = 1_500;
/// A round that brings fewer on a loaded machine ends all the same.
const ROUND_MAX: Duration = Duration::from_secs(2);

#[expect(
    clippy::print_stdout,
    reason = "with the seed a failure can be looked for again"
)]
fn twenty_crashes_lose_nothing_and_store_nothing_twice(kind: DatabaseKind) {
    let mut site = Site::furnished(kind);
    site.keep_ports();
    let seed: u64 = rand::random();
    println!("the seed of the moments is {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut server = site.program.serve();
    // The same routers all the time: what a crash has cut off is sent again to the next server.
    let load = patient_load(server.auth, server.acct);
    let mut last = None;
    let report = accounting_beside(&load, || {
        for _ in 0..ROUNDS {
            let records = random.random_range(0..RECORDS_MAX);
            let deadline = Instant::now() + ROUND_MAX;
            while Instant::now() < deadline
                && server.metric("lastmile_radius_journal_records_total") < records
            {}
            drop(server.kill());
            server = site.program.serve();
        }
        last = Some(server);
    });
    let server = last.expect("the load was beside the rounds");
    let open = u64::try_from(site.sessions_in("open").len()).expect("a few");
    assert_eq!(server.metric("lastmile_sessions_open"), open);
    // What was acknowledged last is as safe as everything before.
    drop(server.kill());
    books::assert_settled(&site, &report);
    let acknowledged = books::acknowledged(&report);
    assert!(
        u64::from(ROUNDS) * 100 < acknowledged,
        "only {acknowledged} records were acknowledged"
    );
    assert!(
        0 < report.counts.retransmits,
        "no crash cut anything off: {report}"
    );
}
