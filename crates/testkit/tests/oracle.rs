//! The oracle itself: cases repeat, FreeRADIUS agrees with itself, and a difference is found and made small.

use radius::dictionary::Dictionary;
use testkit::database::Database;
use testkit::freeradius::{FreeRadius, Limits, SECRET};
use testkit::oracle::ask::{Asked, Reply};
use testkit::oracle::case::{Case, Row};
use testkit::oracle::contest::Contest;
use testkit::oracle::generate::Generator;

const USERS: usize = 300;

testkit::test_on_both_databases!(
    freeradius_agrees_with_itself,
    difference_is_found_and_made_small,
);

#[test]
fn seed_makes_the_same_cases() {
    let cases = |seed| Generator::new(seed).cases(50);
    assert_eq!(cases(1), cases(1));
    assert_ne!(cases(1), cases(2));
}

async fn freeradius_agrees_with_itself(database: Database) {
    let server = FreeRadius::over(&database, Limits::Ignored);
    let dictionary = Dictionary::builtin();
    let asked = || asked(&server, &dictionary);
    let contest = Contest::new(&database, asked(), |_: &Case, cases: &[Case]| {
        asked().ask(cases)
    });
    let round = contest.play(&Generator::new(1).cases(USERS)).await;
    assert_eq!(round.questions, 3 * USERS);
    assert!(round.accepted > USERS, "{} accepted", round.accepted);
    assert!(round.differences.is_empty(), "{}", round.differences[0]);
}

async fn difference_is_found_and_made_small(database: Database) {
    let server = FreeRadius::over(&database, Limits::Ignored);
    let dictionary = Dictionary::builtin();
    let asked = || asked(&server, &dictionary);
    let is_guilty = |row: &Row| row.attribute == "Filter-Id";
    // Like FreeRADIUS, but it cannot stand one attribute.
    let ours = |_: &Case, cases: &[Case]| {
        let refused = |case: &Case| vec![Reply::Reject; case.questions.len()];
        let answered = asked().ask(cases).into_iter().zip(cases);
        answered
            .map(|(replies, case)| match case.rows.iter().any(is_guilty) {
                true => refused(case),
                false => replies,
            })
            .collect()
    };
    let contest = Contest::new(&database, asked(), ours);
    let mut round = contest.play(&Generator::new(1).cases(USERS)).await;
    let smallest = contest.shrink(round.differences.swap_remove(0)).await;
    let case = &smallest.case;
    assert!(case.rows.iter().any(is_guilty), "{smallest}");
    // A password and the attribute, of the user or of a group with its membership.
    assert!((2..=3).contains(&case.size()), "{smallest}");
    assert!(smallest.to_string().contains("Filter-Id"), "{smallest}");
}

fn asked<'a>(server: &FreeRadius, dictionary: &'a Dictionary) -> Asked<'a> {
    Asked {
        server: server.auth(),
        secret: SECRET,
        dictionary,
    }
}
