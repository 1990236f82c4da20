//! A bad line between routers and server: datagrams are lost, doubled and overtaken, both ways.

use std::time::Duration;

use lab::load::options::Limit;
use testkit::database::DatabaseKind;
use testkit::peer::rough_line::{RoughLine, Roughness};

use crate::books;
use crate::site::{Site, on_both_databases};
use crate::traffic::patient_load;

on_both_databases!(a_rough_line_costs_time_and_nothing_else);

const REQUESTS: u64 = 6_000;
const ROUGHNESS: Roughness = Roughness {
    lost: 10,
    doubled: 5,
    overtaken: 5,
};

#[expect(
    clippy::print_stdout,
    reason = "with the seed a failure can be looked for again"
)]
fn a_rough_line_costs_time_and_nothing_else(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    let seed: u64 = rand::random();
    println!("the seed of the line is {seed}");
    let [auth, acct] =
        [server.auth, server.acct].map(|port| RoughLine::start(port, ROUGHNESS, seed));
    let mut load = patient_load(auth.address, acct.address);
    load.mix = "accounting=80,pap=10,chap=5,mschapv2=5"
        .parse()
        .expect("a valid mix");
    load.limit = Limit::Requests(REQUESTS);
    load.timeout = Duration::from_millis(100);
    let report = lab::load::run(&load).expect("the load runs");
    let counts = &report.counts;
    assert_eq!(counts.requests, REQUESTS, "{report}");
    let troubles = [
        counts.rejects,
        counts.challenges,
        counts.bad_proofs,
        counts.malformed,
    ];
    assert_eq!(troubles, [0; 4], "{report}");
    // Nobody is spared, or the line was not rough.
    for line in [&auth, &acct] {
        let suffered = line.suffered();
        assert!(suffered.iter().all(|count| 20 < *count), "{suffered:?}");
    }
    assert!(
        0 < server.metric("lastmile_radius_duplicates_answered_total"),
        "no reply was lost"
    );
    drop(server.kill());
    books::assert_settled(&site, &report);
}
