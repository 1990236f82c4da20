//! The tables of FreeRADIUS: what is written there by anyone is read, and told at once.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::change::Change;
use domain::secret::Secret;
use storage::change_feed::ChangeFeed;
use storage::migration::{migrate, migrate_through};
use storage::rows::{AttributeRow, GroupRows, MembershipRow, UserRows};
use storage::store::Store;
use testkit::database::{Database, DatabaseKind};

use crate::fixture::{TENANT, name};

testkit::test_on_both_databases!(
    rows_are_read_by_name_and_in_pages,
    the_statements_of_a_panel_are_taken,
    every_statement_tells_whose_rows_it_changed,
    what_is_undone_is_not_told,
    a_lot_of_rows_in_one_statement_is_told_in_little,
    many_rows_in_many_statements_reach_a_reader,
    routers_of_freeradius_are_read,
    our_registry_of_routers_survives_under_its_new_name,
    odd_rows_keep_nobody_else_out,
);

/// More than any change takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

async fn next(feed: &mut ChangeFeed) -> BTreeSet<String> {
    let changes = tokio::time::timeout(PATIENCE, feed.next()).await;
    let changes = changes.expect("a change arrives").expect("the feed works");
    changes.iter().map(|change| format!("{change:?}")).collect()
}

async fn is_silent(feed: &mut ChangeFeed) -> bool {
    let patience = Duration::from_millis(50);
    tokio::time::timeout(patience, feed.next()).await.is_err()
}

fn user(name: &str) -> String {
    format!("{:?}", Change::RowUser(name.into()))
}

fn group(name: &str) -> String {
    format!("{:?}", Change::RowGroup(name.into()))
}

fn row(id: i64, attribute: &str, op: &str, value: &str) -> AttributeRow {
    AttributeRow {
        id,
        attribute: attribute.to_owned(),
        op: op.to_owned(),
        value: value.to_owned(),
    }
}

async fn all_users(store: &Store, limit: u32) -> Vec<UserRows> {
    let mut users: Vec<UserRows> = Vec::new();
    loop {
        let after = users.last().map(|user| user.name.clone());
        let page = store.row_user_page(after.as_deref(), limit).await.unwrap();
        if page.is_empty() {
            return users;
        }
        assert!(page.len() <= limit as usize);
        users.extend(page);
    }
}

async fn rows_are_read_by_name_and_in_pages(database: Database) {
    let sql = "
        INSERT INTO radcheck (username, attribute, op, value) VALUES
            ('bob', 'Cleartext-Password', ':=', 'secret'), ('Bob', 'NT-Password', ':=', 'x'),
            ('ana', 'Cleartext-Password', ':=', 'secret'), ('bob', 'NAS-Port', '==', '7');
        INSERT INTO radreply (username, attribute, value) VALUES
            ('bob', 'Session-Timeout', '60'), ('only-reply', 'Class', 'x');
        INSERT INTO radusergroup (username, groupname, priority) VALUES
            ('zoe', 'gold', 5), ('bob', 'gold', 2), ('bob', 'base', 1);
        INSERT INTO radgroupcheck (groupname, attribute, value) VALUES ('gold', 'NAS-Port', '1');
        INSERT INTO radgroupreply (groupname, attribute, value) VALUES
            ('gold', 'Idle-Timeout', '60'), ('base', 'Idle-Timeout', '30');";
    database.execute(sql).await;
    let store = database.store().await;
    let bob = UserRows {
        name: "bob".into(),
        check: vec![
            row(1, "Cleartext-Password", ":=", "secret"),
            row(4, "NAS-Port", "==", "7"),
        ],
        reply: vec![row(1, "Session-Timeout", "=", "60")],
        groups: [(2, "gold", 2), (3, "base", 1)]
            .map(|(id, group, priority)| MembershipRow {
                id,
                group: group.into(),
                priority,
            })
            .into(),
    };
    for limit in [1, 2, 3, 1_000] {
        let users = all_users(&store, limit).await;
        let names: Vec<_> = users.iter().map(|user| user.name.as_str()).collect();
        // By octet, in both databases.
        assert_eq!(names, ["Bob", "ana", "bob", "only-reply", "zoe"]);
        assert_eq!(users[2], bob);
    }
    let some = store.row_users(&["bob", "nobody"]).await.unwrap();
    assert_eq!(some, [bob]);
    let base = GroupRows {
        name: "base".into(),
        check: Vec::new(),
        reply: vec![row(2, "Idle-Timeout", "=", "30")],
    };
    let groups = store.row_group_page(None, 10).await.unwrap();
    assert_eq!(groups.len(), 2);
    assert_eq!(groups[0], base);
    assert_eq!(groups[1].check, [row(1, "NAS-Port", "==", "1")]);
    let groups = store.row_groups(&["base"]).await.unwrap();
    assert_eq!(groups, [base]);
    let extent = store.row_extent().await.unwrap();
    assert_eq!((extent.users, extent.groups, extent.nas), (5, 2, 0));
}

/// SQLite removes what a `REPLACE` replaces without the triggers for removal.
#[tokio::test(flavor = "multi_thread")]
async fn sqlite_rows_that_are_replaced_tell_whose_they_were() {
    let database = Database::migrated(DatabaseKind::Sqlite).await;
    let store = database.store().await;
    for (table, column, told) in [
        ("radcheck", "username", user as fn(&str) -> String),
        ("radreply", "username", user),
        ("radusergroup", "username", user),
        ("radgroupcheck", "groupname", group),
        ("radgroupreply", "groupname", group),
    ] {
        let values = |id: u8, name: &str| format!("(id, {column}) VALUES ({id}, '{name}')");
        let insert = format!(
            "INSERT INTO {table} {}; INSERT INTO {table} {}",
            values(1, "ana"),
            values(2, "bob")
        );
        database.execute(&insert).await;
        for (sql, names) in [
            (
                format!("REPLACE INTO {table} {}", values(1, "cy")),
                ["ana", "cy"],
            ),
            (
                format!("INSERT OR REPLACE INTO {table} {}", values(1, "dee")),
                ["cy", "dee"],
            ),
            (
                format!("UPDATE OR REPLACE {table} SET id = 1 WHERE id = 2"),
                ["bob", "dee"],
            ),
        ] {
            let mut feed = store.change_feed().await.unwrap();
            database.execute(&sql).await;
            let expected: BTreeSet<String> = names.iter().map(|name| told(name)).collect();
            assert_eq!(next(&mut feed).await, expected, "{sql}");
        }
    }
}

/// What daloRADIUS sends, with its spellings of names and its quotes around numbers.
async fn the_statements_of_a_panel_are_taken(database: Database) {
    let id = match database.kind() {
        DatabaseKind::Sqlite => "NULL",
        DatabaseKind::Postgres => "DEFAULT",
    };
    let sql = format!(
        "
        INSERT INTO radcheck (id, Username, Attribute, op, Value)
            VALUES ({id}, 'ana', 'Cleartext-Password', ':=', 'secret');
        INSERT INTO radcheck VALUES ({id}, 'ana', 'Expiration', ':=', '1 Jan 2030');
        INSERT INTO radreply (id, Username, Attribute, op, Value)
            VALUES ({id}, 'ana', 'Framed-IP-Address', '=', '10.0.0.1');
        INSERT INTO radusergroup (username, groupname, priority) VALUES ('ana', 'gold', '0');
        INSERT INTO radgroupreply (id, GroupName, Attribute, op, Value)
            VALUES ({id}, 'gold', 'Mikrotik-Rate-Limit', ':=', '10M/10M');
        INSERT INTO nas (id, nasname, shortname, type, ports, secret, server, community, description)
            VALUES ({id}, '192.0.2.1', 'pop', 'mikrotik', 0, 'testing123', '', '', 'x');
        UPDATE radcheck SET Value = 'other' WHERE Username = 'ana' AND Attribute = 'Expiration';
        DELETE FROM radreply WHERE Username = 'ana';"
    );
    database.execute(&sql).await;
    let store = database.store().await;
    let users = store.row_users(&["ana"]).await.unwrap();
    let values: Vec<_> = users[0].check.iter().map(|row| &*row.value).collect();
    assert_eq!(values, ["secret", "other"]);
    assert!(users[0].reply.is_empty());
    assert_eq!(users[0].groups[0].priority, 0);
}

/// Statements one after the other, and whom each is told of.
fn statements() -> Vec<(String, Vec<String>)> {
    let nas = format!("{:?}", Change::RowNas);
    let inserted = "(username, attribute, value) VALUES ('ana', 'Class', '1')";
    let grouped = "(groupname, attribute, value) VALUES ('gold', 'Class', '1')";
    vec![
        (
            format!("INSERT INTO radcheck {inserted}"),
            vec![user("ana")],
        ),
        (
            format!("INSERT INTO radreply {inserted}"),
            vec![user("ana")],
        ),
        ("UPDATE radcheck SET value = '2'".into(), vec![user("ana")]),
        (
            "UPDATE radreply SET username = 'bob'".into(),
            vec![user("ana"), user("bob")],
        ),
        (
            "INSERT INTO radusergroup (username, groupname) VALUES ('zoe', 'gold')".into(),
            vec![user("zoe")],
        ),
        (
            "UPDATE radusergroup SET username = 'ana', groupname = 'base'".into(),
            vec![user("ana"), user("zoe")],
        ),
        ("DELETE FROM radusergroup".into(), vec![user("ana")]),
        ("DELETE FROM radreply".into(), vec![user("bob")]),
        (
            "DELETE FROM radcheck WHERE id = 1".into(),
            vec![user("ana")],
        ),
        (
            format!("INSERT INTO radgroupcheck {grouped}"),
            vec![group("gold")],
        ),
        (
            format!("INSERT INTO radgroupreply {grouped}"),
            vec![group("gold")],
        ),
        (
            "UPDATE radgroupcheck SET groupname = 'base'".into(),
            vec![group("base"), group("gold")],
        ),
        (
            "UPDATE radgroupreply SET value = '3'".into(),
            vec![group("gold")],
        ),
        ("DELETE FROM radgroupcheck".into(), vec![group("base")]),
        ("DELETE FROM radgroupreply".into(), vec![group("gold")]),
        (
            "INSERT INTO nas (nasname, shortname, secret) VALUES ('192.0.2.1', 'pop', 'x')".into(),
            vec![nas.clone()],
        ),
        ("UPDATE nas SET secret = 'y'".into(), vec![nas.clone()]),
        ("DELETE FROM nas".into(), vec![nas]),
    ]
}

async fn every_statement_tells_whose_rows_it_changed(database: Database) {
    let store = database.store().await;
    let mut feed = store.change_feed().await.unwrap();
    for (sql, expected) in statements() {
        database.execute(&sql).await;
        assert_eq!(
            next(&mut feed).await,
            BTreeSet::from_iter(expected),
            "{sql}"
        );
    }
    if database.kind() == DatabaseKind::Postgres {
        database.execute("TRUNCATE radcheck").await;
        assert_eq!(
            next(&mut feed).await,
            [format!("{:?}", Change::Everything)].into()
        );
    }
    assert!(is_silent(&mut feed).await);
}

async fn what_is_undone_is_not_told(database: Database) {
    let store = database.store().await;
    let mut feed = store.change_feed().await.unwrap();
    let sql = "BEGIN; INSERT INTO radcheck (username, attribute, value) VALUES ('a', 'b', 'c'); \
               ROLLBACK";
    database.execute(sql).await;
    assert!(is_silent(&mut feed).await);
}

const MANY: usize = 30_000;

async fn a_lot_of_rows_in_one_statement_is_told_in_little(database: Database) {
    let store = database.store().await;
    let mut feed = store.change_feed().await.unwrap();
    let numbers = match database.kind() {
        DatabaseKind::Sqlite => format!(
            "WITH RECURSIVE numbers (n) AS \
             (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {MANY}) \
             INSERT INTO radcheck (username, attribute, op, value) \
             SELECT 'one', 'Class', '=', n FROM numbers"
        ),
        DatabaseKind::Postgres => format!(
            "INSERT INTO radcheck (username, attribute, op, value) \
             SELECT 'u' || n, 'Class', '=', n::TEXT FROM generate_series(1, {MANY}) n"
        ),
    };
    database.execute(&numbers).await;
    let told = match database.kind() {
        DatabaseKind::Sqlite => user("one"),
        DatabaseKind::Postgres => format!("{:?}", Change::Everything),
    };
    assert_eq!(next(&mut feed).await, [told].into());
    assert!(is_silent(&mut feed).await);
}

async fn many_rows_in_many_statements_reach_a_reader(database: Database) {
    let store = database.store().await;
    let mut feed = store.change_feed().await.unwrap();
    let mut expected = BTreeSet::new();
    let mut sql = String::from("BEGIN;");
    for number in 0..500 {
        let who = format!("user-{number}");
        for attribute in ["Cleartext-Password", "NAS-Port"] {
            sql.push_str(&format!(
                "INSERT INTO radcheck (username, attribute, value) VALUES ('{who}', '{attribute}', '1');"
            ));
        }
        expected.insert(user(&who));
    }
    sql.push_str("COMMIT");
    database.execute(&sql).await;
    assert_eq!(next(&mut feed).await, expected);
    // A second look at the same name is told although the last entry names it already.
    let sql = "INSERT INTO radreply (username, attribute, value) VALUES ('user-499', 'Class', '1')";
    database.execute(sql).await;
    assert_eq!(next(&mut feed).await, [user("user-499")].into());
}

async fn routers_of_freeradius_are_read(database: Database) {
    let sql = "INSERT INTO nas (nasname, shortname, type, secret) VALUES \
               ('192.0.2.1', 'pop', 'mikrotik', 'testing123'), ('pop.example', 'host', 'other', 'x')";
    database.execute(sql).await;
    let store = database.store().await;
    let all = store.row_nas_all().await.unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].nasname, "192.0.2.1");
    assert_eq!(all[0].shortname.as_deref(), Some("pop"));
    assert_eq!(all[0].kind.as_deref(), Some("mikrotik"));
    assert_eq!(all[0].secret, Secret::from("testing123"));
}

async fn our_registry_of_routers_survives_under_its_new_name(database: Database) {
    let kind = database.kind();
    let database = Database::empty(kind).await;
    let options = database.open_options();
    migrate_through(&options, 8).await.unwrap();
    let tenant = match kind {
        DatabaseKind::Sqlite => format!("X'{}'", TENANT.as_uuid().simple()),
        DatabaseKind::Postgres => format!("'{}'", TENANT.as_uuid()),
    };
    let id = match kind {
        DatabaseKind::Sqlite => "X'0190a0a0a0a070a0a0a0a0a0a0a0a0a0'",
        DatabaseKind::Postgres => "'0190a0a0-a0a0-70a0-a0a0-a0a0a0a0a0a0'",
    };
    let bytes = match kind {
        DatabaseKind::Sqlite => "X'00'",
        DatabaseKind::Postgres => "'\\x00'",
    };
    let sql = format!(
        "INSERT INTO nas (id, tenant, name, name_key, source, secret, vendor, \
         message_authenticator, octet_view, coa_port, created_at, updated_at) VALUES \
         ({id}, {tenant}, 'Pop', 'pop', '192.0.2.1/32', {bytes}, 'mikrotik', 'required', 'nas', \
         3799, 0, 0)"
    );
    database.execute(&sql).await;
    migrate(&options).await.unwrap();
    let store = database.store().await;
    let found = store.nas_find(TENANT, &name("pop")).await.unwrap();
    assert_eq!(found.unwrap().source.to_string(), "192.0.2.1/32");
    assert!(store.row_nas_all().await.unwrap().is_empty());
}

async fn odd_rows_keep_nobody_else_out(database: Database) {
    if database.kind() == DatabaseKind::Sqlite {
        // SQLite keeps what it is given: names that are no text, and octets that are no UTF-8.
        let sql = "INSERT INTO radcheck (username, attribute, value) VALUES \
                   (X'ff00', 'Class', '1'), (CAST(X'fffe' AS TEXT), 'Class', '1'), \
                   ('ana', 'Class', X'ff'), (7, 'Class', 8)";
        database.execute(sql).await;
    }
    let long = "x".repeat(300);
    let sql = format!(
        "INSERT INTO radcheck (username, attribute, op, value) VALUES \
         ('', '', '', ''), ('zoe', 'Class', '=', '{long}'), ('\u{e9}t\u{e9}', 'Class', '=', '1')"
    );
    database.execute(&sql).await;
    let store = database.store().await;
    for limit in [1, 1_000] {
        let users = all_users(&store, limit).await;
        let found = users.iter().find(|user| user.name == "zoe").unwrap();
        assert_eq!(found.check[0].value, long);
        assert!(users.iter().any(|user| user.name == "\u{e9}t\u{e9}"));
        if database.kind() == DatabaseKind::Sqlite {
            let ana = users.iter().find(|user| user.name == "ana").unwrap();
            assert_eq!(ana.check[0].value, "\u{fffd}");
            assert!(users.iter().any(|user| user.name == "7"));
        }
    }
}
