//! Everybody is answered as before: FreeRADIUS over the old database, and ours after the import.

use radius::dictionary::Dictionary;
use testkit::database::DatabaseKind;
use testkit::foreign::ForeignKind;
use testkit::freeradius::{self, FreeRadius, Limits};
use testkit::oracle::ask::{Asked, Reply};

use crate::population::{self, ROUTERS};
use crate::site::Site;

const USERS: u64 = 640;

/// What a plan says beside the rows, as the preview tells; and it says no pool beside an address.
const ADDED: [&str; 4] = [
    "Acct-Interim-Interval = 300",
    "Port-Limit = 2",
    "Service-Type = Framed-User",
    "Framed-Protocol = PPP",
];

fn without_additions(reply: Reply) -> Reply {
    match reply {
        Reply::Accept(attributes) => {
            let is_static = attributes
                .iter()
                .any(|one| one.starts_with("Framed-IP-Address"));
            let is_kept = |one: &String| {
                let is_pool = is_static && one.starts_with("Framed-Pool");
                !is_pool && !ADDED.contains(&one.as_str())
            };
            Reply::Accept(attributes.into_iter().filter(is_kept).collect())
        }
        Reply::Reject | Reply::Other(_) | Reply::Silence => reply,
    }
}

async fn everybody_is_answered_as_before(kind: ForeignKind, ours: DatabaseKind) {
    let site = Site::new(kind, ours).await;
    let users: Vec<_> = (0..USERS).map(population::user).collect();
    site.populate(&[population::groups()]).await;
    site.populate(&users).await;
    site.foreign.execute(ROUTERS).await;
    let reference = FreeRadius::over_place(&site.foreign.sql_place(), Limits::Enforced);
    let dictionary = Dictionary::builtin();
    let asked = |server| Asked {
        server,
        secret: freeradius::SECRET,
        dictionary: &dictionary,
    };
    let before = asked(reference.auth()).ask(&users);
    let told = site.import(&[]);
    assert_eq!(told.count("done", "subscribers"), USERS / 16 * 7);
    let server = site.program.serve();
    let after = asked(server.auth).ask(&users);
    let mut accepted = 0;
    for ((case, before), after) in users.iter().zip(before).zip(after) {
        for ((question, before), after) in case.questions.iter().zip(before).zip(after) {
            accepted += u64::from(matches!(before, Reply::Accept(_)));
            assert_eq!(
                without_additions(after),
                without_additions(before),
                "{} asked with {:?} {:?}",
                case.text("u§"),
                question.method,
                question.attributes
            );
        }
    }
    assert!(USERS < accepted, "{accepted} of {} are accepted", USERS * 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_mariadb_to_sqlite() {
    everybody_is_answered_as_before(ForeignKind::MariaDb, DatabaseKind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_postgres_to_postgres() {
    everybody_is_answered_as_before(ForeignKind::Postgres, DatabaseKind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_sqlite_to_postgres() {
    everybody_is_answered_as_before(ForeignKind::Sqlite, DatabaseKind::Postgres).await;
}
