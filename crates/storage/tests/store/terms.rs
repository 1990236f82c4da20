//! On which terms sessions go on, and what they must not outlive.

use domain::access::Claim;
use domain::accounting::{
    AccountingRecord, SessionEvent, SessionKey, SessionPlace, SessionRecord, TerminateCause,
};
use domain::credential::Credential;
use domain::id::{AuthId, NasId, SubscriberId};
use domain::mac::Mac;
use domain::plan::access::DeviceLimit;
use domain::secret::Secret;
use domain::subscriber::SubscriberInstants;
use domain::terms::{RowMark, Term, TermsMark};
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use storage::store::Store;
use storage::subscriber::SubscriberPatch;
use testkit::database::{Database, TestClock};

use crate::fixture::{TENANT, new_plan, new_subscriber, username};

testkit::test_on_both_databases!(
    an_open_session_keeps_the_terms_of_its_login,
    an_open_session_keeps_the_name_that_its_router_knows,
    a_changed_password_and_a_forgotten_device_are_remembered,
);

const START: Timestamp = TestClock::START;
const KEY: SessionKey = SessionKey([7; 16]);

fn mark(rate: &str) -> TermsMark {
    let mut mark = RowMark::new();
    mark.add(Term::Rate, "Mikrotik-Rate-Limit", None, rate.as_bytes());
    mark.finish()
}

fn record(event: SessionEvent, seconds: u64) -> SessionRecord {
    SessionRecord {
        event,
        tenant: TENANT,
        nas: NasId::new(START, [1; 10]),
        key: KEY,
        auth: None,
        terms: None,
        subscriber: Some(SubscriberId::new(START, [2; 10])),
        username: "ana".into(),
        at: START.plus_seconds(seconds.cast_signed()),
        total: UsageAmount {
            session_seconds: seconds,
            ..UsageAmount::default()
        },
        terminate_cause: (event == SessionEvent::Stop).then_some(TerminateCause::Reported(1)),
        place: SessionPlace {
            acct_session_id: "81000001".into(),
            ..SessionPlace::default()
        },
    }
}

fn told(record: SessionRecord, login: u8, rate: &str) -> SessionRecord {
    SessionRecord {
        auth: Some(AuthId::new(START, [login; 10])),
        terms: Some(mark(rate)),
        ..record
    }
}

async fn terms_after(store: &Store, records: impl Into<Vec<SessionRecord>>) -> Option<TermsMark> {
    let records: Vec<_> = records.into();
    let records: Vec<_> = records.into_iter().map(AccountingRecord::Session).collect();
    store.accounting_commit(&records).await.unwrap();
    let open = store.session_open_many(&[KEY]).await.unwrap();
    let listed = store.session_open_list_all(None, 10).await.unwrap();
    assert_eq!(open, listed);
    open.first().and_then(|live| live.session.terms)
}

async fn an_open_session_keeps_the_terms_of_its_login(database: Database) {
    let store = database.store().await;
    let interim = |seconds| record(SessionEvent::Interim, seconds);
    // The Start of this router has no Class.
    let start = record(SessionEvent::Start, 0);
    assert_eq!(terms_after(&store, [start]).await, None);
    let first = told(interim(300), 1, "1M/1M");
    assert_eq!(terms_after(&store, [first]).await, Some(mark("1M/1M")));
    // Whoever repeats the Class of a login says nothing new: it may have been changed since.
    let again = told(interim(600), 1, "2M/2M");
    assert_eq!(terms_after(&store, [again]).await, Some(mark("1M/1M")));
    assert_eq!(
        terms_after(&store, [interim(900)]).await,
        Some(mark("1M/1M"))
    );
    // Somebody who logs in again without a new session is told anew.
    let anew = told(interim(1_200), 2, "3M/3M");
    assert_eq!(terms_after(&store, [anew]).await, Some(mark("3M/3M")));
    let stop = record(SessionEvent::Stop, 1_500);
    assert_eq!(terms_after(&store, [stop]).await, None);
    let next = told(record(SessionEvent::Start, 9_000), 3, "4M/4M");
    assert_eq!(terms_after(&store, [next]).await, Some(mark("4M/4M")));
}

async fn an_open_session_keeps_the_name_that_its_router_knows(database: Database) {
    let store = database.store().await;
    let named = |seconds, name: Option<&str>| {
        let mut record = record(SessionEvent::Interim, seconds);
        record.place.user_name = name.map(Into::into);
        AccountingRecord::Session(record)
    };
    for (seconds, sent, known) in [
        (0, Some("Ana@isp.example"), "Ana@isp.example"),
        (300, None, "Ana@isp.example"),
        (600, Some("ana@isp.example"), "ana@isp.example"),
    ] {
        let stored = store.accounting_commit(&[named(seconds, sent)]).await;
        stored.unwrap();
        let open = store.session_open_many(&[KEY]).await.unwrap();
        assert_eq!(open[0].session.sent_user_name(), known, "after {seconds} s");
        assert_eq!(open[0].session.username, "ana");
    }
}

async fn instants(store: &Store) -> SubscriberInstants {
    let page = store.directory_subscriber_page(None, 10).await.unwrap();
    page[0].changed.clone()
}

async fn a_changed_password_and_a_forgotten_device_are_remembered(database: Database) {
    let store = database.store().await;
    let mut plan = new_plan("Phone");
    plan.terms.access.device_limit = DeviceLimit::new(2);
    let plan = store.plan_insert(plan).await.unwrap().id;
    let ana = new_subscriber("ana", plan);
    let ana = store.subscriber_insert(ana).await.unwrap().id;
    assert_eq!(instants(&store).await, SubscriberInstants::default());
    let patch = SubscriberPatch {
        expires_at: Some(Some(START)),
        ..SubscriberPatch::default()
    };
    let name = username("ana");
    let update = |patch| store.subscriber_update(TENANT, &name, patch);
    update(patch).await.unwrap();
    assert_eq!(instants(&store).await, SubscriberInstants::default());
    let patch = SubscriberPatch {
        credential: Some(Credential::Cleartext(Secret::from("another"))),
        ..SubscriberPatch::default()
    };
    let changed = update(patch).await.unwrap();
    let expected = SubscriberInstants::new(Some(changed.updated_at), None);
    assert_eq!(instants(&store).await, expected);
    let mac = Mac::from_bytes([0, 0, 0x5e, 0, 0x53, 1]);
    let claimed = store.device_claim(ana, mac, "login at pop-1").await;
    assert_eq!(claimed.unwrap(), Claim::Bound);
    let forget = async |mac| store.device_forget(TENANT, &name, mac, "operator").await;
    assert_eq!(forget(Some(mac)).await.unwrap().len(), 1);
    let forgotten = instants(&store).await;
    assert!(forgotten.device_forgotten_at().is_some());
    assert_eq!(forgotten.credential_set_at(), expected.credential_set_at());
    // Nothing was forgotten that there was not.
    assert_eq!(forget(None).await.unwrap(), []);
    assert_eq!(instants(&store).await, forgotten);
}
