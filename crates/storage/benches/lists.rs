//! A million customers and a million subscribers, and every list of them that is offered: how long a
//! page takes in the middle and at worst. Fails when a page takes longer than it may.
//!
//! `cargo bench --bench lists -- [ROWS]`, on SQLite and on a PostgreSQL that it starts.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench shows what it sees"
)]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use domain::id::TenantId;
use domain::plan::PlanTerms;
use storage::listing::{
    Direction, Filter, FilterKind, ListCondition, ListError, ListFailure, ListQuery, Operator, Sort,
};
use storage::plan::NewPlan;
use storage::search::hit::HitKind;
use storage::store::Store;
use storage::{customer, subscriber};
use testkit::database::{Database, DatabaseKind};

const TENANT: TenantId = TenantId::DEFAULT;
const ROWS: u32 = 1_000_000;
const PAGE_MAX: Duration = Duration::from_millis(100);
/// Times that each page is asked for.
const TIMES: usize = 5;

const WORDS: &str = "
WITH first (i, word) AS (VALUES (0, 'maria'), (1, 'jose'), (2, 'anna'), (3, 'peter'), (4, 'mwangi'),
        (5, 'achieng'), (6, 'ibrahim'), (7, 'chen'), (8, 'olga'), (9, 'kamau')),
    last (i, word) AS (VALUES (0, 'otieno'), (1, 'silva'), (2, 'novak'), (3, 'kowalski'), (4, 'diaz'),
        (5, 'haddad'), (6, 'nguyen'), (7, 'mueller'), (8, 'rossi'), (9, 'abdi'), (10, 'wanjiru'))";

const CUSTOMERS: &str = "INSERT INTO customer (id, tenant, number, name, name_key, state, emails,
    phones, addresses, fields, tags, created_at, updated_at)
    {words} SELECT {id}, {tenant}, 'C-' || n, first.word || ' ' || last.word,
    first.word || ' ' || last.word || ' ' || n,
    CASE WHEN n % 100 = 0 THEN 'lead' WHEN n % 1000 = 1 THEN 'closed' ELSE 'active' END,
    '[]', '[]', '[]', '{}', '[]', {at}, {at} FROM {numbers}
    JOIN first ON first.i = n % 10 JOIN last ON last.i = n % 11";

const REST: [&str; 3] = [
    "INSERT INTO customer_tag (customer, tag, tenant, state, name_key, created_at)
        SELECT id, 'tag' || LENGTH(number) , tenant, state, name_key, created_at FROM customer",
    "INSERT INTO subscriber (id, tenant, username, credential_kind, credential, plan, status,
        expires_at, created_at, updated_at)
        SELECT {id}, {tenant}, 'user-' || n, 'cleartext', {bytes},
        (SELECT id FROM plan ORDER BY name_key LIMIT 1 OFFSET 0),
        CASE WHEN n % 100 = 0 THEN 'disabled' WHEN n % 5000 = 1 THEN 'pending'
            WHEN n % 50 = 2 THEN 'suspended_walled' ELSE 'active' END,
        CASE WHEN n % 3 = 0 THEN NULL ELSE {at} + (n % 60 - 30) * 86400000000 END, {at}, {at}
        FROM {numbers}",
    "UPDATE subscriber SET plan = (SELECT id FROM plan ORDER BY name_key LIMIT 1 OFFSET 1)
        WHERE username LIKE '%7'",
];

const ENTRIES: &str = "INSERT INTO search_entry (tenant, kind, object, content)
    SELECT tenant, 'customer', id, name || '\n' || LOWER(number) || '\n' || '2547' ||
        SUBSTR('00000000' || SUBSTR(number, 3), LENGTH('00000000' || SUBSTR(number, 3)) - 7)
        FROM customer
    UNION ALL SELECT tenant, 'subscriber', id, username FROM subscriber";

const PIECES: &str = "INSERT INTO search_piece (rowid, pieces)
    SELECT e.number, (WITH RECURSIVE piece (at) AS (
        SELECT 1 UNION ALL SELECT at + 1 FROM piece WHERE at < length(e.content) - 2)
        SELECT group_concat(lower(hex(e.tenant)) || substr(e.kind, 1, 1) ||
            substr(e.content, at, 3), ' ') FROM piece)
    FROM search_entry e";

/// What one page took.
struct Row {
    what: String,
    middle: Duration,
    worst: Duration,
}

#[tokio::main]
async fn main() {
    let rows = std::env::args().find_map(|argument| argument.parse().ok());
    let rows = rows.unwrap_or(ROWS);
    let mut is_slow = false;
    for kind in [DatabaseKind::Sqlite, DatabaseKind::Postgres] {
        let database = Database::migrated(kind).await;
        let store = database.store().await;
        let begin = Instant::now();
        populate(&database, &store, rows).await;
        println!(
            "{kind:?}: {rows} customers and subscribers in {:.0?}",
            begin.elapsed()
        );
        let mut measured = lists(&store).await;
        measured.extend(searches(&store).await);
        measured.sort_by_key(|row| std::cmp::Reverse(row.worst));
        let mut middle: Vec<Duration> = measured.iter().map(|row| row.middle).collect();
        middle.sort_unstable();
        let Some(worst) = measured.first() else {
            continue;
        };
        println!(
            "{kind:?}: {} lists, p50 {:.1?}, worst {:.1?}",
            measured.len(),
            middle[middle.len() / 2],
            worst.worst
        );
        for row in measured.iter().take(12) {
            println!("  {:>9.1?} {:>9.1?}  {}", row.middle, row.worst, row.what);
        }
        is_slow |= PAGE_MAX < worst.worst;
    }
    if is_slow {
        panic!("a page takes longer than {PAGE_MAX:?}");
    }
}

async fn populate(database: &Database, store: &Store, rows: u32) {
    for (name, days) in [("Home", 0), ("Late", 7)] {
        let mut terms = PlanTerms::default();
        terms.access.grace_days = domain::plan::access::GraceDays::new(days).unwrap();
        let plan = NewPlan {
            tenant: TENANT,
            name: name.parse().unwrap(),
            terms,
        };
        store.plan_insert(plan).await.unwrap();
    }
    let (numbers, id, tenant, bytes) = match database.kind() {
        DatabaseKind::Sqlite => (
            format!(
                "(WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t \
                 WHERE n < {rows}) SELECT n FROM t) AS numbers"
            ),
            "randomblob(16)",
            format!("X'{}'", TENANT.as_uuid().simple()),
            "X'00'",
        ),
        DatabaseKind::Postgres => (
            format!("generate_series(1, {rows}) AS n"),
            "gen_random_uuid()",
            format!("'{TENANT}'::UUID"),
            "'\\x00'::BYTEA",
        ),
    };
    let filled = |sql: &str| {
        sql.replace("{words}", WORDS)
            .replace("{numbers}", &numbers)
            .replace("{id}", id)
            .replace("{tenant}", &tenant)
            .replace("{bytes}", bytes)
            .replace("{at}", "(1800000000000000 + CAST(n AS BIGINT) * 1000000)")
    };
    for sql in [CUSTOMERS].into_iter().chain(REST).chain([ENTRIES]) {
        database.execute(&filled(sql)).await;
    }
    if database.kind() == DatabaseKind::Sqlite {
        database.execute(PIECES).await;
    } else {
        database.execute("VACUUM ANALYZE").await;
    }
    database.clock().advance_seconds(i64::from(rows) / 2);
}

/// Every list with up to two conditions, in every order, from the beginning and further on.
async fn lists(store: &Store) -> Vec<Row> {
    let mut rows = Vec::new();
    let customers = queries(&customer::list::filters(), &customer::list::sorts());
    for query in customers {
        let list = async |query: &ListQuery| {
            let page = store.customer_list(TENANT, query).await;
            page.map(|page| page.next)
        };
        rows.extend(measure("customers", &query, list).await);
        let total =
            async |query: &ListQuery| store.customer_total(TENANT, query).await.map(|_| None);
        rows.extend(measure("total of customers", &query, total).await);
    }
    let subscribers = queries(&subscriber::list::filters(), &subscriber::list::sorts());
    for query in subscribers {
        let list = async |query: &ListQuery| {
            let page = store.subscriber_list(TENANT, query).await;
            page.map(|page| page.next)
        };
        rows.extend(measure("subscribers", &query, list).await);
        let total =
            async |query: &ListQuery| store.subscriber_total(TENANT, query).await.map(|_| None);
        rows.extend(measure("total of subscribers", &query, total).await);
    }
    rows
}

fn queries(filters: &[Filter], sorts: &[&str]) -> Vec<ListQuery> {
    let conditions = || {
        filters
            .iter()
            .filter(|filter| filter.field != "customer")
            .map(condition)
    };
    let mut sets: Vec<Vec<ListCondition>> = vec![Vec::new()];
    sets.extend(conditions().map(|one| vec![one]));
    for one in conditions() {
        for other in conditions().filter(|other| one.field < other.field) {
            sets.push(vec![one.clone(), other]);
        }
    }
    let mut queries = Vec::new();
    for conditions in sets {
        for search in [None, Some("kama".to_owned())] {
            for field in sorts {
                for direction in [Direction::Ascending, Direction::Descending] {
                    queries.push(ListQuery {
                        conditions: conditions.clone(),
                        search: search.clone(),
                        sort: Some(Sort {
                            field: (*field).to_owned(),
                            direction,
                        }),
                        ..ListQuery::first(if conditions.is_empty() { 1_000 } else { 100 })
                    });
                }
            }
        }
    }
    queries
}

/// A value in the middle, or one that few rows have.
fn condition(filter: &Filter) -> ListCondition {
    let value = match (filter.kind, filter.operator) {
        (_, Operator::IsNull) => "true",
        (FilterKind::Choice(all), Operator::In) => &all[1..].join(","),
        (FilterKind::Choice(all), _) => all[2],
        (FilterKind::Instant, _) => "2027-01-20T00:00:00Z",
        (FilterKind::Reference, Operator::In) => "Home,Late",
        (FilterKind::Reference, _) => "Late",
        (FilterKind::Text, Operator::In) => "tag8,tag9",
        (FilterKind::Text, _) => match filter.field {
            "tag" => "tag6",
            "number" => "C-5",
            "name" => "kamau",
            _ => "user-5",
        },
    };
    ListCondition {
        field: filter.field.to_owned(),
        operator: filter.operator,
        value: value.to_owned(),
    }
}

/// The first page and the next, as often as it takes to know; nothing for a list that is refused.
async fn measure(
    what: &str,
    query: &ListQuery,
    list: impl AsyncFn(&ListQuery) -> Result<Option<String>, ListFailure>,
) -> Option<Row> {
    let mut query = query.clone();
    let mut took = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let begin = Instant::now();
        match list(&query).await {
            Ok(next) => {
                took.push(begin.elapsed());
                query.after = next;
            }
            Err(ListFailure::Query(
                ListError::Sort { .. } | ListError::Together { .. } | ListError::Ranges { .. },
            )) => return None,
            Err(error) => panic!("{query:?}: {error}"),
        }
    }
    Some(row(format!("{what} {}", described(&query)), took))
}

fn row(what: String, mut took: Vec<Duration>) -> Row {
    took.sort_unstable();
    Row {
        what,
        middle: took[took.len() / 2],
        worst: took[took.len() - 1],
    }
}

fn described(query: &ListQuery) -> String {
    let mut text = String::new();
    for condition in &query.conditions {
        write!(text, "{}={} ", condition.parameter(), condition.value).unwrap();
    }
    if let Some(search) = &query.search {
        write!(text, "q={search} ").unwrap();
    }
    if let Some(sort) = &query.sort {
        write!(text, "by {} {:?} ", sort.field, sort.direction).unwrap();
    }
    write!(text, "({})", query.limit).unwrap();
    text
}

async fn searches(store: &Store) -> Vec<Row> {
    let kinds = [
        HitKind::Customer,
        HitKind::Subscriber,
        HitKind::Nas,
        HitKind::Session,
    ];
    let mut rows = Vec::new();
    for text in [
        "kamau",
        "maria otieno",
        "user",
        "mar",
        "254",
        "c-77",
        "user-123456",
        "0700123456",
        "123456",
        "nobody",
        "zzz",
        "kamau zzz",
        "100.64.0.7",
        "2001:db8::1",
        "aa:bb:cc:dd:ee:ff",
    ] {
        let mut took = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            let begin = Instant::now();
            store.search(TENANT, text, &kinds, 20).await.unwrap();
            took.push(begin.elapsed());
        }
        rows.push(row(format!("search {text}"), took));
    }
    rows
}
