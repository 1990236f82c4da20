//! Lists: what they show is what is there, page by page, however they are narrowed and sorted.

use std::cmp::Ordering;

use domain::id::CustomerId;
use domain::plan::access::GraceDays;
use domain::subscriber::SubscriberStatus;
use domain::time::Timestamp;
use storage::customer::CustomerSummary;
use storage::listing::{
    Direction, ListCondition, ListError, ListFailure, ListQuery, Listed, Operator, Sort, TOTAL_MAX,
};
use storage::store::Store;
use storage::subscriber::SubscriberSummary;
use testkit::database::{Database, TestClock};

use crate::customers::new_customer;
use crate::fixture::{TENANT, having, name, new_plan, new_subscriber, username};

testkit::test_on_both_databases!(
    pages_of_subscribers_have_everyone_once_in_order,
    pages_of_customers_have_everyone_once_in_order,
    lists_that_no_index_answers_are_refused,
    many_plans_with_many_graces_are_one_list,
    totals_are_counted_up_to_a_bound,
);

const STATUSES: [SubscriberStatus; 5] = SubscriberStatus::ALL;

/// Sixty subscribers that differ in everything that lists know.
async fn populate(database: &Database, store: &Store) -> CustomerId {
    let mut plans = Vec::new();
    for (plan, days) in [("Home 50", 0), ("Home 100", 3), ("Home 200", 10)] {
        let mut new = new_plan(plan);
        new.terms.access.grace_days = GraceDays::new(days).unwrap();
        plans.push(store.plan_insert(new).await.unwrap().id);
    }
    let customer = store
        .customer_insert(new_customer("Ana Paz"))
        .await
        .unwrap()
        .id;
    for number in 0..60_usize {
        database
            .clock()
            .advance_seconds((number % 2).try_into().unwrap());
        let mut new = new_subscriber(
            &format!("u{:02}-{number}", number * 7 % 60),
            plans[number % 3],
        );
        new.status = STATUSES[if number % 4 == 0 { number / 4 % 5 } else { 0 }];
        let days = i64::try_from(number).unwrap() % 20 - 15;
        new.expires_at = (number % 7 != 0).then(|| TestClock::START.plus_seconds(days * 86_400));
        new.customer = (number % 9 == 0).then_some(customer);
        store.subscriber_insert(new).await.unwrap();
    }
    customer
}

/// Everything that a query finds, in pages of a few.
async fn walk<T>(
    mut query: ListQuery,
    list: impl AsyncFn(&ListQuery) -> Result<Listed<T>, ListFailure>,
) -> Result<Vec<T>, ListFailure> {
    let mut rows = Vec::new();
    query.limit = 7;
    loop {
        let page = list(&query).await?;
        assert!(page.rows.len() <= 7);
        assert!(page.next.is_none() || page.rows.len() == 7);
        rows.extend(page.rows);
        query.after = page.next;
        if query.after.is_none() {
            return Ok(rows);
        }
    }
}

fn condition(field: &str, operator: Operator, value: &str) -> ListCondition {
    ListCondition {
        field: field.to_owned(),
        operator,
        value: value.to_owned(),
    }
}

fn compare_ends(one: &SubscriberSummary, other: &SubscriberSummary) -> Ordering {
    let key = |row: &SubscriberSummary| row.expires_at.map_or(i64::MAX, Timestamp::as_micros);
    key(one).cmp(&key(other)).then(one.id.cmp(&other.id))
}

/// What a list is to have, told by a rule over all rows.
type Rule<T> = Box<dyn Fn(&T) -> bool>;
type Order<T> = fn(&T, &T) -> Ordering;

/// Conditions, and what rows have for which they hold.
fn subscriber_rules(now: Timestamp) -> Vec<(Vec<ListCondition>, Rule<SubscriberSummary>)> {
    vec![
        (vec![], Box::new(|_| true)),
        (
            vec![condition("status", Operator::Eq, "pending")],
            Box::new(|row| row.status == SubscriberStatus::Pending),
        ),
        (
            vec![condition("status", Operator::Ne, "active")],
            Box::new(|row| row.status != SubscriberStatus::Active),
        ),
        (
            vec![condition("plan", Operator::Eq, "home 100")],
            Box::new(|row| row.plan == name("Home 100")),
        ),
        (
            vec![
                condition("plan", Operator::In, "Home 50,HOME 200"),
                condition("status", Operator::In, "active,disabled"),
            ],
            Box::new(|row| {
                row.plan != name("Home 100")
                    && matches!(
                        row.status,
                        SubscriberStatus::Active | SubscriberStatus::Disabled
                    )
            }),
        ),
        (
            vec![condition("customer", Operator::Eq, "1001")],
            Box::new(|row| row.customer.as_deref() == Some("1001")),
        ),
        (
            vec![condition("expires_at", Operator::Lt, &now.to_string())],
            Box::new(move |row| row.expires_at.is_some_and(|at| at < now)),
        ),
        (
            vec![condition("expires_at", Operator::IsNull, "true")],
            Box::new(|row| row.expires_at.is_none()),
        ),
        (
            vec![condition("username", Operator::Prefix, "U1")],
            Box::new(|row| row.username.as_str().starts_with("u1")),
        ),
        (
            vec![condition("state", Operator::In, "grace,expired")],
            Box::new(|row| matches!(row.state.as_str(), "grace" | "expired")),
        ),
        (
            vec![
                condition("state", Operator::Eq, "grace"),
                condition("plan", Operator::Eq, "Home 200"),
            ],
            Box::new(|row| row.state.as_str() == "grace" && row.plan == name("Home 200")),
        ),
        (
            vec![condition("state", Operator::Ne, "active")],
            Box::new(|row| row.state.as_str() != "active"),
        ),
    ]
}

async fn pages_of_subscribers_have_everyone_once_in_order(database: Database) {
    let store = database.store().await;
    populate(&database, &store).await;
    let all = ListQuery::first(100);
    let everyone = store.subscriber_list(TENANT, &all).await.unwrap().rows;
    assert_eq!(everyone.len(), 60);
    let rules = subscriber_rules(database.clock().now());
    let orders: [(&str, Order<SubscriberSummary>); 4] = [
        ("username", |one, other| one.username.cmp(&other.username)),
        ("created_at", |one, other| {
            one.created_at
                .cmp(&other.created_at)
                .then(one.id.cmp(&other.id))
        }),
        ("updated_at", |one, other| {
            one.updated_at
                .cmp(&other.updated_at)
                .then(one.id.cmp(&other.id))
        }),
        ("expires_at", compare_ends),
    ];
    let mut served = 0;
    for (conditions, rule) in &rules {
        for (field, order) in orders {
            for direction in [Direction::Ascending, Direction::Descending] {
                let query = ListQuery {
                    conditions: conditions.clone(),
                    sort: Some(Sort {
                        field: field.to_owned(),
                        direction,
                    }),
                    ..ListQuery::first(7)
                };
                let list = async |query: &ListQuery| store.subscriber_list(TENANT, query).await;
                let found = match walk(query.clone(), list).await {
                    Ok(found) => found,
                    Err(ListFailure::Query(
                        ListError::Sort { .. } | ListError::Together { .. },
                    )) => continue,
                    Err(error) => panic!("{query:?}: {error}"),
                };
                let mut expected: Vec<_> =
                    everyone.iter().filter(|row| rule(row)).cloned().collect();
                expected.sort_by(order);
                if direction == Direction::Descending {
                    expected.reverse();
                }
                assert!(!expected.is_empty(), "{query:?}");
                assert_eq!(names(&found), names(&expected), "{query:?}");
                assert_eq!(found, expected);
                let total = store.subscriber_total(TENANT, &query).await.unwrap();
                assert_eq!((total.rows, total.is_more), (expected.len() as u64, false));
                served += 1;
            }
        }
    }
    assert!(40 < served, "{served}");
}

fn names(rows: &[SubscriberSummary]) -> Vec<&str> {
    rows.iter().map(|row| row.username.as_str()).collect()
}

fn customer_rules() -> Vec<(Vec<ListCondition>, Rule<CustomerSummary>)> {
    let has_tag = |row: &CustomerSummary| row.tags.iter().any(|tag| tag.as_str() == "vip");
    vec![
        (vec![], Box::new(|_| true)),
        (
            vec![condition("state", Operator::Eq, "lead")],
            Box::new(|row| row.state.as_str() == "lead"),
        ),
        (
            vec![condition("tag", Operator::Eq, "VIP")],
            Box::new(has_tag),
        ),
        (
            vec![
                condition("tag", Operator::Eq, "vip"),
                condition("state", Operator::Ne, "closed"),
            ],
            Box::new(move |row| has_tag(row) && row.state.as_str() != "closed"),
        ),
        (
            vec![condition("name", Operator::Prefix, "CUSTOMER 3")],
            Box::new(|row| row.name.as_str() == "Customer 3"),
        ),
    ]
}

async fn pages_of_customers_have_everyone_once_in_order(database: Database) {
    let store = database.store().await;
    for number in 0..40_usize {
        database
            .clock()
            .advance_seconds((number % 2).try_into().unwrap());
        let mut new = new_customer(&format!("Customer {}", number * 7 % 10));
        new.state = ["lead", "active", "closed"][number % 3].parse().unwrap();
        if number % 4 == 0 {
            new.tags = vec!["vip".parse().unwrap(), "late".parse().unwrap()];
        }
        store.customer_insert(new).await.unwrap();
    }
    let all = ListQuery::first(100);
    let everyone = store.customer_list(TENANT, &all).await.unwrap().rows;
    assert_eq!(everyone.len(), 40);
    let rules = customer_rules();
    let orders: [(&str, Order<CustomerSummary>); 3] = [
        ("name", |one, other| {
            one.name
                .as_str()
                .cmp(other.name.as_str())
                .then(one.id.cmp(&other.id))
        }),
        ("number", |one, other| one.number.cmp(&other.number)),
        ("created_at", |one, other| {
            one.created_at
                .cmp(&other.created_at)
                .then(one.id.cmp(&other.id))
        }),
    ];
    let mut served = 0;
    for (conditions, rule) in &rules {
        for search in [None, Some("customer".to_owned())] {
            for (field, order) in orders {
                let query = ListQuery {
                    conditions: conditions.clone(),
                    search: search.clone(),
                    sort: Some(Sort {
                        field: field.to_owned(),
                        direction: Direction::Descending,
                    }),
                    ..ListQuery::first(7)
                };
                let list = async |query: &ListQuery| store.customer_list(TENANT, query).await;
                let found = match walk(query.clone(), list).await {
                    Ok(found) => found,
                    Err(ListFailure::Query(ListError::Sort { .. })) if search.is_none() => continue,
                    Err(error) => panic!("{query:?}: {error}"),
                };
                let mut expected: Vec<_> =
                    everyone.iter().filter(|row| rule(row)).cloned().collect();
                expected.sort_by(order);
                expected.reverse();
                assert!(!expected.is_empty(), "{query:?}");
                assert_eq!(found, expected, "{query:?}");
                let total = store.customer_total(TENANT, &query).await.unwrap();
                assert_eq!(total.rows, expected.len() as u64);
                served += 1;
            }
        }
    }
    assert!(20 < served, "{served}");
}

async fn lists_that_no_index_answers_are_refused(database: Database) {
    let store = database.store().await;
    populate(&database, &store).await;
    let refused = async |query: ListQuery| match store.subscriber_list(TENANT, &query).await {
        Err(ListFailure::Query(error)) => error.to_string(),
        other => panic!("{query:?}: {other:?}"),
    };
    let sorted = |query: ListQuery, field: &str| ListQuery {
        sort: Some(Sort {
            field: field.to_owned(),
            direction: Direction::Ascending,
        }),
        ..query
    };
    let told = refused(sorted(having(&[("state", "active")]), "username")).await;
    assert!(told.contains("sort it by expires_at"), "{told}");
    let told = refused(having(&[("plan", "no such plan")])).await;
    assert!(told.contains("there is no plan 'no such plan'"), "{told}");
    let stranger = uuid::Uuid::from_u128(5).to_string();
    let told = refused(having(&[("customer", &stranger)])).await;
    assert!(told.contains("there is no customer"), "{told}");
    let told = refused(having(&[("colour", "red")])).await;
    assert!(told.contains("state, customer"), "{told}");
    let mut query = ListQuery::first(5);
    query.after = store.subscriber_list(TENANT, &query).await.unwrap().next;
    assert!(query.after.is_some());
    let told = refused(sorted(query.clone(), "expires_at")).await;
    assert!(told.contains("belongs to another list"), "{told}");
    query.search = Some("ab".to_owned());
    let told = refused(query).await;
    assert!(told.contains("3 letters"), "{told}");
}

/// More plans than one statement has ranges.
async fn many_plans_with_many_graces_are_one_list(database: Database) {
    let store = database.store().await;
    let mut expected = Vec::new();
    for number in 0..150_u16 {
        let mut new = new_plan(&format!("Plan {number}"));
        new.terms.access.grace_days = GraceDays::new(number % 5).unwrap();
        let plan = store.plan_insert(new).await.unwrap().id;
        let mut new = new_subscriber(&format!("user-{number}"), plan);
        let seconds = 3 * 86_400 + i64::from(number) * 7 % 150;
        new.expires_at = Some(TestClock::START.plus_seconds(-seconds));
        if number % 5 == 4 {
            expected.push((seconds, format!("user-{number}")));
        }
        store.subscriber_insert(new).await.unwrap();
    }
    expected.sort();
    let expected: Vec<String> = expected.into_iter().rev().map(|(_, name)| name).collect();
    let list = async |query: &ListQuery| store.subscriber_list(TENANT, query).await;
    let found = walk(having(&[("state", "grace")]), list).await.unwrap();
    assert_eq!(names(&found), expected);
    let total = store
        .subscriber_total(TENANT, &having(&[("state", "expired")]))
        .await
        .unwrap();
    assert_eq!(total.rows, 150 - 30);
}

async fn totals_are_counted_up_to_a_bound(database: Database) {
    let store = database.store().await;
    let plan = store.plan_insert(new_plan("Home")).await.unwrap().id;
    let rows = (0..=TOTAL_MAX).map(|number| new_subscriber(&format!("user-{number}"), plan));
    store
        .subscriber_import(TENANT, rows.collect(), |_| ())
        .await
        .unwrap();
    let total = store
        .subscriber_total(TENANT, &ListQuery::first(1))
        .await
        .unwrap();
    assert_eq!((total.rows, total.is_more), (TOTAL_MAX, true));
    let one = username("user-77");
    let query = having(&[("username", one.as_str())]);
    let total = store.subscriber_total(TENANT, &query).await.unwrap();
    assert_eq!((total.rows, total.is_more), (1, false));
    // Among ten thousand who are called so, a search takes in a thousand.
    let mut query = ListQuery::first(1);
    query.search = Some("user".to_owned());
    let total = store.subscriber_total(TENANT, &query).await.unwrap();
    assert_eq!((total.rows, total.is_more), (1_000, true));
}
