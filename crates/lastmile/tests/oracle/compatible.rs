//! With `aaa.rows = compatible` both servers give the same answers.

use std::fmt::Write as _;
use std::slice;
use std::time::Instant;

use radius::dictionary::Dictionary;
use testkit::database::Database;
use testkit::oracle::classics::classics;
use testkit::oracle::contest::Round;
use testkit::oracle::generate::Generator;
use testkit::oracle::names::names;
use testkit::oracle::settings;

use crate::site::{ROUND_USERS, Site};

/// Differences that are made small and shown.
const SHOWN_MAX: usize = 10;
/// If fewer questions than one in so many are accepted, little is compared.
const ACCEPTED_ONE_IN: usize = 4;
/// FreeRADIUS may crash over rows and leave some questions, but no more than one in so many.
const UNANSWERED_ONE_IN: usize = 2;

testkit::test_on_both_databases!(
    users_by_hand_are_answered_alike,
    every_attribute_is_answered_alike,
    users_at_random_are_answered_alike,
);

async fn users_by_hand_are_answered_alike(database: Database) {
    let site = Site::new(database);
    let reference = site.reference();
    let ours = site.serve("compatible");
    let contest = site.contest(&reference, &ours);
    let round = contest.play(slice::from_ref(&classics())).await;
    check(&round, 2);
}

async fn every_attribute_is_answered_alike(database: Database) {
    let site = Site::new(database);
    let reference = site.reference();
    let ours = site.serve("compatible");
    let contest = site.contest(&reference, &ours);
    let round = contest.play(&names(&Dictionary::builtin())).await;
    check(&round, 1);
}

#[track_caller]
fn check(round: &Round, accepted_one_in: usize) {
    let differences = round.differences.iter().take(SHOWN_MAX);
    let shown: String = differences.map(ToString::to_string).collect();
    let count = round.differences.len();
    assert_eq!(count, 0, "{count} users are answered differently:\n{shown}");
    let (accepted, questions) = (round.accepted, round.questions);
    assert!(
        questions <= accepted_one_in * accepted,
        "only {accepted} of {questions} questions are accepted"
    );
}

async fn users_at_random_are_answered_alike(database: Database) {
    let (seed, users) = (settings::seed(), settings::users());
    let repeat = format!("LASTMILE_ORACLE_SEED={seed} LASTMILE_ORACLE_USERS={users}");
    let site = Site::new(database);
    let mut reference = site.reference();
    let ours = site.serve("compatible");
    let mut contest = site.contest(&reference, &ours);
    let mut generator = Generator::new(seed).with_limits();
    let (mut found, mut questions, mut accepted, mut unanswered) = (Vec::new(), 0, 0, 0);
    let begun = Instant::now();
    while questions < users * 3 {
        let left = users - questions / 3;
        let round = contest.play(&generator.cases(left.min(ROUND_USERS))).await;
        questions += round.questions;
        accepted += round.accepted;
        unanswered += round.unanswered;
        if !reference.is_running() {
            reference = site.reference();
            contest.reference.server = reference.auth();
        }
        found.extend(round.differences);
    }
    let summary = format!(
        "{repeat}: {questions} questions, {accepted} accepted, {unanswered} unanswered, {} users differ, {:?}",
        found.len(),
        begun.elapsed()
    );
    let mut report = String::new();
    for difference in found.iter().take(SHOWN_MAX).cloned() {
        let smallest = contest.shrink(difference).await;
        writeln!(report, "{smallest}").expect("a String takes everything");
    }
    assert!(
        found.is_empty(),
        "{summary}\n{report}\n{}",
        reference.log_tail()
    );
    assert!(questions < ACCEPTED_ONE_IN * accepted, "{summary}");
    assert!(UNANSWERED_ONE_IN * unanswered < questions, "{summary}");
    print(&summary);
}

/// What a run that passes says when somebody looks at it.
#[expect(
    clippy::print_stdout,
    reason = "the seed of a run is for whoever repeats it"
)]
fn print(summary: &str) {
    println!("{summary}");
}
