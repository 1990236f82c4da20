//! Every list that is offered is answered by an index, on both databases: each combination of what
//! lists are narrowed and sorted by is asked for, and how the database would go about it.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::id::TenantId;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, Value};
use testkit::database::{Database, DatabaseKind};
use uuid::Uuid;

use super::condition::Narrowed;
use super::cursor::Place;
use super::route::Route;
use super::sql::{Text, Window};
use super::*;
use crate::dialect::Dialect;
use crate::key_ring::KeyRing;
use crate::migration::migrate;
use crate::search::EntryKind;
use crate::store::{Store, StoreOptions};
use crate::{customer, subscriber};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const TENANT: TenantId = TenantId::DEFAULT;

const SCHEMAS: [&Schema; 2] = [&customer::list::SCHEMA, &subscriber::list::SCHEMA];

/// Rows by which a planner sees that scanning does not pay.
const ROWS: &str = "
INSERT INTO plan (id, tenant, name, name_key, interim_seconds, created_at, updated_at)
    VALUES ({plan}, {tenant}, 'a', 'a', 300, 0, 0);
INSERT INTO subscriber (id, tenant, username, credential_kind, credential, plan, status, expires_at,
    created_at, updated_at)
    SELECT {id}, {tenant}, 'user-' || n, 'cleartext', {bytes}, {plan},
        CASE n % 5 WHEN 0 THEN 'disabled' WHEN 1 THEN 'pending' WHEN 2 THEN 'suspended_hard'
            WHEN 3 THEN 'suspended_walled' ELSE 'active' END,
        CASE WHEN n % 3 = 0 THEN NULL ELSE n END, n, n FROM {numbers};
INSERT INTO customer (id, tenant, number, name, name_key, state, emails, phones, addresses, fields,
    tags, created_at, updated_at)
    SELECT {id}, {tenant}, 'C-' || n, 'Name ' || n, 'name ' || n,
        CASE n % 3 WHEN 0 THEN 'lead' WHEN 1 THEN 'active' ELSE 'closed' END,
        '[]', '[]', '[]', '{}', '[]', n, n FROM {numbers};
INSERT INTO customer_tag (customer, tag, tenant, state, name_key, created_at)
    SELECT id, 'vip', tenant, state, name_key, created_at FROM customer;
INSERT INTO search_entry (tenant, kind, object, content)
    SELECT tenant, 'subscriber', id, username FROM subscriber;
ANALYZE;
";

struct World {
    _database: Database,
    store: Store,
}

async fn place(kind: DatabaseKind) -> World {
    let database = Database::empty(kind).await;
    let keys = KeyRing::load_or_create(&database.data_dir().join("keyring"), NOW).unwrap();
    let options = StoreOptions {
        url: database.url().to_owned(),
        data_dir: database.data_dir().to_owned(),
        clock: Arc::new(|| NOW),
        keys,
    };
    migrate(&options.database()).await.unwrap();
    let (numbers, id, bytes) = match kind {
        DatabaseKind::Sqlite => (
            "(WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3000) \
             SELECT n FROM t) AS numbers",
            "randomblob(16)",
            "X'00'",
        ),
        DatabaseKind::Postgres => (
            "generate_series(1, 3000) AS n",
            "gen_random_uuid()",
            "'\\x00'",
        ),
    };
    let dialect = match kind {
        DatabaseKind::Sqlite => Dialect::Sqlite,
        DatabaseKind::Postgres => Dialect::Postgres,
    };
    let sql = ROWS
        .replace("{tenant}", &dialect.id_literal(TENANT.as_uuid()))
        .replace("{plan}", &dialect.id_literal(Uuid::from_u128(7)))
        .replace("{numbers}", numbers)
        .replace("{id}", id)
        .replace("{bytes}", bytes);
    database.execute(&sql).await;
    World {
        _database: database,
        store: Store::open(options).await.unwrap(),
    }
}

/// What the database says of how it would answer, and that it uses one index for it.
async fn check(place: &World, text: Text, index: &str) {
    let explain = match text.dialect {
        Dialect::Sqlite => "EXPLAIN QUERY PLAN",
        // What a table of millions says by itself.
        Dialect::Postgres => "EXPLAIN",
    };
    let sql = format!("{explain} {}", text.sql);
    let column = match text.dialect {
        Dialect::Sqlite => "detail",
        Dialect::Postgres => "QUERY PLAN",
    };
    let statement = text.dialect.statement(sql, text.values);
    let rows = place.store.reader().query_all_raw(statement).await.unwrap();
    let steps = rows
        .iter()
        .map(|row| row.try_get::<String>("", column).unwrap());
    let steps = steps.collect::<Vec<_>>().join("\n");
    assert!(steps.contains(index), "{index} in {}\n{steps}", text.sql);
    for (scan, what) in [
        ("Seq Scan", "a scan"),
        ("Bitmap", "rows without order"),
        ("SCAN subscriber", "a scan"),
        ("SCAN customer", "a scan"),
        ("TEMP B-TREE", "a sort"),
    ] {
        assert!(!steps.contains(scan), "{what} in {}\n{steps}", text.sql);
    }
    let is_sorted = steps.contains("Sort Key");
    assert!(!is_sorted, "a sort in {}\n{steps}", text.sql);
}

/// A value that a condition on a field may have.
fn example(field: &Field, operator: Operator) -> String {
    match (field.kind, operator) {
        (_, Operator::IsNull) => "false".to_owned(),
        (FieldKind::Instant { .. }, _) => NOW.to_string(),
        (FieldKind::Choice(all), Operator::In) => all[..2].join(","),
        (FieldKind::Choice(all), _) => all[0].to_owned(),
        (FieldKind::Id, _) => Uuid::from_u128(7).to_string(),
        (FieldKind::Text(_) | FieldKind::Word(_), _) => "vip".to_owned(),
    }
}

/// Every set of up to three conditions on different fields, with every operator.
fn condition_sets(schema: &Schema) -> Vec<Vec<ListCondition>> {
    let mut sets: Vec<Vec<ListCondition>> = vec![Vec::new()];
    for field in schema.fields {
        let mut longer = Vec::new();
        for operator in Operator::ALL {
            let condition = ListCondition {
                field: field.name.to_owned(),
                operator,
                value: example(field, operator),
            };
            if Narrowed::read(schema, &[&condition]).is_err() {
                continue;
            }
            for set in sets.iter().filter(|set| set.len() < 3) {
                let mut set = set.clone();
                set.push(condition.clone());
                longer.push(set);
            }
        }
        sets.extend(longer);
    }
    sets
}

async fn check_every_list(kind: DatabaseKind) {
    let place = place(kind).await;
    let after = |order: &Field| Place {
        key: match order.kind {
            FieldKind::Instant { .. } => Key::Number(5),
            FieldKind::Text(_) | FieldKind::Choice(_) | FieldKind::Id | FieldKind::Word(_) => {
                Key::Text("n".to_owned())
            }
        },
        id: Uuid::from_u128(9),
    };
    for schema in SCHEMAS {
        let mut used = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for set in condition_sets(schema) {
            let conditions: Vec<&ListCondition> = set.iter().collect();
            let narrowed = Narrowed::read(schema, &conditions);
            let Ok(narrowed) = narrowed else { continue };
            for order in schema.orders() {
                for direction in [Direction::Ascending, Direction::Descending] {
                    let sort = Sort {
                        field: order.to_owned(),
                        direction,
                    };
                    let Ok(route) = Route::find(schema, &narrowed, None, Some(&sort)) else {
                        continue;
                    };
                    let place_after = after(route.order);
                    for after in [None, Some(&place_after)] {
                        // One of the ranges is like the others.
                        let Some(span) = route.spans.first() else {
                            continue;
                        };
                        let window = Window {
                            tenant: TENANT.as_uuid(),
                            order: route.order,
                            direction,
                            after,
                            limit: 101,
                        };
                        let mut text = Text::new(place.store.dialect());
                        text.push_span(span, window);
                        used.insert(span.index.name);
                        if seen.insert(text.sql.clone()) {
                            check(&place, text, span.index.name).await;
                        }
                    }
                }
            }
        }
        let declared: BTreeSet<&str> = schema.indexes.iter().map(|index| index.name).collect();
        assert_eq!(
            used, declared,
            "an index that no list uses, or the other way round"
        );
        assert!(100 < seen.len(), "{}", seen.len());
    }
}

#[tokio::test]
async fn every_list_is_answered_by_an_index_on_sqlite() {
    check_every_list(DatabaseKind::Sqlite).await;
}

#[tokio::test]
async fn every_list_is_answered_by_an_index_on_postgres() {
    check_every_list(DatabaseKind::Postgres).await;
}

async fn explained(place: &World, query: crate::query::Query) -> String {
    let explained = query.explained();
    let rows = explained.all(place.store.reader()).await.unwrap();
    let column = match place.store.dialect() {
        Dialect::Sqlite => "detail",
        Dialect::Postgres => "QUERY PLAN",
    };
    let steps = rows
        .iter()
        .map(|row| row.try_get::<String>("", column).unwrap());
    steps.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_search_asks_the_index_of_pieces() {
    for (kind, index) in [
        (DatabaseKind::Sqlite, "SCAN search_piece VIRTUAL TABLE"),
        (DatabaseKind::Postgres, "search_entry_by_pieces"),
    ] {
        let place = place(kind).await;
        let words = ["2999".to_owned(), "user".to_owned()];
        let query = place
            .store
            .search_query(TENANT, EntryKind::Subscriber, &words, 200);
        let steps = explained(&place, query).await;
        assert!(steps.contains(index), "{steps}");
        assert!(!steps.contains("Seq Scan"), "{steps}");
        assert!(!steps.contains("SCAN e"), "{steps}");
    }
}

#[track_caller]
fn refuse(schema: &Schema, conditions: &[(&str, Operator, &str)], sort: &str, expected: &str) {
    let conditions: Vec<ListCondition> = conditions
        .iter()
        .map(|(field, operator, value)| ListCondition {
            field: (*field).to_owned(),
            operator: *operator,
            value: (*value).to_owned(),
        })
        .collect();
    let conditions: Vec<&ListCondition> = conditions.iter().collect();
    let sort = (!sort.is_empty()).then(|| Sort {
        field: sort.to_owned(),
        direction: Direction::Ascending,
    });
    let told = Narrowed::read(schema, &conditions)
        .and_then(|narrowed| Route::find(schema, &narrowed, None, sort.as_ref()))
        .map(|_| String::new())
        .unwrap_or_else(|error| error.to_string());
    assert!(told.contains(expected), "{told:?} has no {expected:?}");
}

#[test]
fn what_no_index_answers_is_refused_with_what_is_allowed() {
    let schema = &subscriber::list::SCHEMA;
    let plan = Uuid::from_u128(7).to_string();
    refuse(
        schema,
        &[("plan", Operator::Eq, &plan)],
        "created_at",
        "sort it by username or expires_at",
    );
    refuse(
        schema,
        &[("status", Operator::Eq, "active")],
        "updated_at",
        "sort it by username or created_at or expires_at",
    );
    refuse(
        schema,
        &[
            ("plan", Operator::Eq, &plan),
            ("created_at", Operator::Lt, "2027-01-01"),
        ],
        "",
        "plan, created_at together",
    );
    refuse(
        schema,
        &[
            ("expires_at", Operator::Lt, "2027-01-01"),
            ("username", Operator::Prefix, "a"),
        ],
        "",
        "do not go together",
    );
    refuse(schema, &[], "password", "can be by username");
    refuse(
        schema,
        &[("password", Operator::Eq, "x")],
        "",
        "it knows username",
    );
    refuse(
        schema,
        &[("status", Operator::Lt, "active")],
        "",
        "eq, ne and in",
    );
    refuse(
        schema,
        &[("status", Operator::Eq, "gone")],
        "",
        "is not one of: active",
    );
    refuse(
        schema,
        &[("expires_at", Operator::Lt, "soon")],
        "",
        "is not a time",
    );
    refuse(schema, &[("username", Operator::Eq, "a\0b")], "", "no NUL");
}

#[test]
fn ranges_narrow_each_other() {
    let schema = &subscriber::list::SCHEMA;
    let condition = |operator, value: &str| ListCondition {
        field: "username".to_owned(),
        operator,
        value: value.to_owned(),
    };
    let conditions = [
        condition(Operator::Gte, "b"),
        condition(Operator::Gt, "b"),
        condition(Operator::Lte, "d"),
        condition(Operator::Lt, "d"),
        condition(Operator::Lt, "e"),
    ];
    let conditions: Vec<&ListCondition> = conditions.iter().collect();
    let narrowed = Narrowed::read(schema, &conditions).unwrap();
    let (_, range) = narrowed.range.unwrap();
    let end = |text: &str| Some((Key::Text(text.to_owned()), false));
    assert_eq!((range.from, range.to), (end("b"), end("d")));
}

#[test]
fn choices_narrow_each_other() {
    let schema = &subscriber::list::SCHEMA;
    let condition = |operator, value: &str| ListCondition {
        field: "status".to_owned(),
        operator,
        value: value.to_owned(),
    };
    let conditions = [
        condition(Operator::In, "active,pending,disabled"),
        condition(Operator::Ne, "pending"),
    ];
    let conditions: Vec<&ListCondition> = conditions.iter().collect();
    let narrowed = Narrowed::read(schema, &conditions).unwrap();
    let (_, values) = &narrowed.choices[0];
    assert_eq!(*values, [Value::from("active"), Value::from("disabled")]);
}

#[test]
fn a_page_is_not_that_of_another_list() {
    let query = ListQuery::first(10);
    let list = cursor::fingerprint(&query, ("username", Direction::Ascending));
    let other = cursor::fingerprint(&query, ("username", Direction::Descending));
    for key in [Key::Number(-5), Key::Text("ana".to_owned())] {
        let place = Place {
            key,
            id: Uuid::from_u128(3),
        };
        let token = place.to_token(list);
        assert_eq!(Place::from_token(&token, list), Ok(place));
        assert_eq!(Place::from_token(&token, other), Err(ListError::Cursor));
    }
    for wrong in ["", "x", "!!", "AAAA"] {
        assert_eq!(Place::from_token(wrong, list), Err(ListError::Cursor));
    }
}
