//! With `aaa.rows = strict` nothing is granted that FreeRADIUS refuses, and its holes are closed.

use testkit::database::Database;
use testkit::oracle::ask::Reply;
use testkit::oracle::case::{Case, Difference, Membership, Method, Question, Row, Table};
use testkit::oracle::generate::Generator;
use testkit::oracle::settings;

use crate::site::{ROUND_USERS, Site};

testkit::test_on_both_databases!(strict_grants_no_more, strict_closes_the_holes);

async fn strict_grants_no_more(database: Database) {
    let (seed, users) = (settings::seed(), settings::users());
    let site = Site::new(database);
    let reference = site.reference();
    let ours = site.serve("strict");
    let contest = site.contest(&reference, &ours);
    let mut generator = Generator::new(seed).with_limits();
    let mut left = users;
    while left > 0 {
        let count = left.min(ROUND_USERS);
        left -= count;
        let round = contest.play(&generator.cases(count)).await;
        let more: Vec<&Difference> = round
            .differences
            .iter()
            .filter(|one| grants_more(one))
            .collect();
        if let Some(first) = more.first() {
            let count = more.len();
            panic!("LASTMILE_ORACLE_SEED={seed}: strict grants more to {count} users:\n{first}");
        }
        // Strict refuses some, but not everybody.
        let refused = round.differences.len();
        assert!(
            0 < refused && refused < count / 2,
            "LASTMILE_ORACLE_SEED={seed}: strict refuses {refused} of {count} users"
        );
    }
}

async fn strict_closes_the_holes(database: Database) {
    let site = Site::new(database);
    let reference = site.reference();
    let ours = site.serve("strict");
    let contest = site.contest(&reference, &ours);
    let cases = HOLES.map(|(number, rows)| hole(number, rows));
    let round = contest.play(&cases).await;
    assert_eq!(
        round.accepted,
        cases.len(),
        "FreeRADIUS accepts each of them"
    );
    for case in &cases {
        let refused = round.differences.iter().find(|one| one.case == *case);
        let Some(refused) = refused else {
            panic!("strict accepts what it must not: {case:?}");
        };
        assert_eq!(refused.ours, [Reply::Reject], "{refused}");
    }
}

/// What FreeRADIUS accepts and nobody can have meant: a table letter (`c`heck, `g`roup check),
/// attribute, operator and value of each row.
const HOLES: [(u64, &[[&str; 4]]); 4] = [
    // The check does not match, but the group lets everybody in.
    (
        1,
        &[
            ["c", "Cleartext-Password", ":=", "pw"],
            ["c", "Calling-Station-Id", "==", "AA"],
            ["g", "Auth-Type", ":=", "Accept"],
        ],
    ),
    // The check does not match, but the group knows the password too.
    (
        2,
        &[
            ["c", "Cleartext-Password", ":=", "pw"],
            ["c", "NAS-Port", "==", "7"],
            ["g", "Cleartext-Password", ":=", "pw"],
        ],
    ),
    // The password is compared with nothing, and the group accepts.
    (
        3,
        &[
            ["c", "Cleartext-Password", "==", "other"],
            ["g", "Auth-Type", ":=", "Accept"],
        ],
    ),
    (
        4,
        &[
            ["c", "Cleartext-Password", "!=", "other"],
            ["g", "Auth-Type", ":=", "Accept"],
        ],
    ),
];

fn hole(number: u64, rows: &[[&str; 4]]) -> Case {
    let rows = rows.iter().map(|[place, attribute, op, value]| {
        let (table, owner) = match *place {
            "c" => (Table::Check, "hole-§"),
            _ => (Table::GroupCheck, "hole-group-§"),
        };
        Row {
            table,
            owner: owner.to_owned(),
            attribute: (*attribute).to_owned(),
            op: (*op).to_owned(),
            value: (*value).to_owned(),
        }
    });
    Case {
        number,
        rows: rows.collect(),
        memberships: vec![Membership {
            user: "hole-§".to_owned(),
            group: "hole-group-§".to_owned(),
            priority: 1,
        }],
        questions: vec![Question {
            user: "hole-§".to_owned(),
            method: Method::Pap,
            password: "pw".to_owned(),
            attributes: vec!["NAS-Port = 50".to_owned()],
        }],
    }
}

/// Whether something is accepted that FreeRADIUS rejects, or accepted with other attributes.
fn grants_more(difference: &Difference) -> bool {
    let pairs = difference.reference.iter().zip(&difference.ours);
    pairs
        .filter(|(reference, ours)| reference != ours)
        .any(|(_, ours)| *ours != Reply::Reject)
}
