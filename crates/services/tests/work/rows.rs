//! What one row does, and how each fails.

use domain::operation::RowOutcome::{self, Changed, Created, Failed, Removed, Unchanged, Undone};
use services::bulk::SubscriberAction::{self, Activate, Change, Delete, Disable, Put, Restore};
use services::bulk::{self, Target};
use services::subscriber_row::Column;
use storage::listing::ListQuery;
use testkit::database::Database;

use crate::site::{TENANT, at_once, create, furnished, row, subscribers, told};

testkit::test_on_both_databases!(
    each_row_does_what_it_says,
    rows_are_refused_with_the_field_that_is_wrong,
    a_status_is_reached_step_by_step,
    all_rows_or_none,
    a_rehearsal_leaves_nothing,
    routers_and_plans_are_removed,
    a_filter_means_names_in_their_order,
);

fn about(action: SubscriberAction, username: &str) -> Target {
    row(action, &[(Column::Username, username)])
}

#[track_caller]
fn check(results: &[domain::operation::RowResult], expected: &[(RowOutcome, Option<&str>)]) {
    let found: Vec<(RowOutcome, Option<&str>)> = told(results)
        .into_iter()
        .map(|(_, outcome, code)| (outcome, code))
        .collect();
    assert_eq!(found, expected, "{results:?}");
}

#[expect(clippy::too_many_lines, reason = "one row after the other")]
async fn each_row_does_what_it_says(database: Database) {
    let store = furnished(&database).await;
    let results = at_once(
        &store,
        false,
        [
            create("ana"),
            create("ben"),
            create("ANA"),
            about(SubscriberAction::SuspendWalled, "zoe"),
        ],
    )
    .await;
    check(
        &results,
        &[
            (Created, None),
            (Created, None),
            (Failed, Some("taken")),
            (Failed, Some("not_found")),
        ],
    );
    let results = at_once(
        &store,
        false,
        [
            about(SubscriberAction::SuspendHard, "ana"),
            about(Disable, "ben"),
            row(
                Put,
                &[
                    (Column::Username, "ana"),
                    (Column::StaticIpv4, "100.64.0.7"),
                ],
            ),
            about(Activate, "zoe"),
            about(Change, "ana"),
            about(Delete, "zoe"),
        ],
    )
    .await;
    check(
        &results,
        &[
            (Changed, None),
            (Changed, None),
            (Changed, None),
            (Failed, Some("not_found")),
            (Failed, Some("invalid")),
            (Failed, Some("not_found")),
        ],
    );
    let results = at_once(
        &store,
        false,
        [
            about(SubscriberAction::SuspendHard, "ana"),
            about(Restore, "ana"),
            about(SubscriberAction::Enable, "ben"),
            about(Delete, "ben"),
        ],
    )
    .await;
    let expected = [
        (Unchanged, None),
        (Changed, None),
        (Changed, None),
        (Removed, None),
    ];
    check(&results, &expected);
    assert_eq!(subscribers(&database).await, 1);
}

async fn rows_are_refused_with_the_field_that_is_wrong(database: Database) {
    let store = furnished(&database).await;
    let good = [
        (Column::Username, "ana"),
        (Column::Password, "a"),
        (Column::Plan, "home"),
    ];
    for (column, text) in [
        (Column::Username, "a b"),
        (Column::Password, ""),
        (Column::PasswordHash, "md5"),
        (Column::Plan, "gold"),
        (Column::StaticIpv4, "10.0.0"),
        (Column::Ipv6Prefix, "2001:db8::1/64"),
        (Column::ExpiresAt, "soon"),
        (Column::Status, "gone"),
    ] {
        let mut texts = good.to_vec();
        texts.retain(|(known, _)| *known != column);
        texts.push((column, text));
        let results = at_once(&store, false, [row(SubscriberAction::Create, &texts)]).await;
        let problem = results[0].problem.as_ref().unwrap();
        assert_eq!(
            problem.field.as_deref(),
            Some(column.as_str()),
            "{problem:?}"
        );
    }
    assert_eq!(subscribers(&database).await, 0);
}

async fn a_status_is_reached_step_by_step(database: Database) {
    let store = furnished(&database).await;
    at_once(&store, false, [create("ana")]).await;
    let put = |status| row(Put, &[(Column::Username, "ana"), (Column::Status, status)]);
    for (status, expected) in [
        ("active", (Unchanged, None)),
        ("suspended_walled", (Changed, None)),
        ("active", (Changed, None)),
        ("disabled", (Changed, None)),
        ("active", (Changed, None)),
        ("pending", (Failed, Some("invalid"))),
    ] {
        let results = at_once(&store, false, [put(status)]).await;
        check(&results, &[expected]);
    }
}

async fn all_rows_or_none(database: Database) {
    let store = furnished(&database).await;
    let results = at_once(&store, true, [create("ana"), create("b b"), create("cay")]).await;
    let expected = [(Undone, None), (Failed, Some("invalid")), (Undone, None)];
    check(&results, &expected);
    assert_eq!(subscribers(&database).await, 0);
    let results = at_once(&store, true, [create("ana"), create("cay")]).await;
    check(&results, &[(Created, None), (Created, None)]);
    assert_eq!(subscribers(&database).await, 2);
}

async fn a_rehearsal_leaves_nothing(database: Database) {
    let store = furnished(&database).await;
    let results = at_once(&store.rehearsal(), false, [create("ana"), create("ana")]).await;
    check(&results, &[(Created, None), (Failed, Some("taken"))]);
    assert_eq!(subscribers(&database).await, 0);
}

async fn routers_and_plans_are_removed(database: Database) {
    let store = furnished(&database).await;
    at_once(&store, false, [create("ana")]).await;
    let results = at_once(
        &store,
        false,
        [
            Target::RemovePlan("home".to_owned()),
            Target::RemoveNas("pop-1".to_owned()),
            Target::RemovePlan(String::new()),
            Target::RemoveCustomer("C-77".to_owned()),
            Target::RemoveCustomer("a b".to_owned()),
        ],
    )
    .await;
    let expected = [
        (Failed, Some("in_use")),
        (Failed, Some("not_found")),
        (Failed, Some("invalid")),
        (Failed, Some("not_found")),
        (Failed, Some("invalid")),
    ];
    check(&results, &expected);
    at_once(&store, false, [about(Delete, "ana")]).await;
    let removal = [Target::RemovePlan("HOME".to_owned())];
    check(&at_once(&store, false, removal).await, &[(Removed, None)]);
}

async fn a_filter_means_names_in_their_order(database: Database) {
    let store = furnished(&database).await;
    let names = ["cay", "ana", "ben"];
    at_once(&store, false, names.map(create)).await;
    let filter = ListQuery::first(1);
    let found = bulk::select(&store, TENANT, &filter).await.unwrap();
    let found: Vec<&str> = found.iter().map(|name| name.as_str()).collect();
    assert_eq!(found, ["ana", "ben", "cay"]);
}
