//! What is asked of routers about sessions: taken in once, carried out by one, seen to the end.

use domain::accounting::{
    AccountingRecord, NasRestart, SessionEvent, SessionKey, SessionPlace, SessionRecord,
};
use domain::id::NasId;
use domain::session::Session;
use domain::session_command::ladder::Next;
use domain::session_command::verdict::{CommandState, Verdict};
use domain::session_command::{EndReason, NewCommand, RouterAnswer, RouterReply, Wish};
use domain::terms::{RowMark, Term, TermsMark};
use domain::usage::UsageAmount;
use storage::job::JobKind;
use storage::page::Page;
use storage::session::SessionFilter;
use storage::session_command::{
    Asked, JobRoom, Look, SessionCommandFilter, SessionCommandRow, Step, Taken, Task,
};
use storage::store::Store;
use testkit::database::{Database, TestClock};

use crate::fixture::{TENANT, name, new_nas, username};

testkit::test_on_both_databases!(
    a_session_is_ended_when_the_books_say_so,
    a_wish_is_asked_once_and_the_stronger_one_holds,
    commands_about_one_session_are_carried_out_one_by_one,
    what_a_dead_worker_had_is_taken_again,
    what_is_let_go_is_due_at_once,
    a_router_takes_so_many_and_others_are_not_held_up,
    sessions_that_are_gone_are_not_asked_about,
    a_change_is_confirmed_by_a_report,
    a_reused_session_id_is_never_meant,
    what_cannot_be_read_is_put_aside,
    commands_are_listed_and_pruned,
    speeds_are_those_between_two_reports,
);

const END: Wish = Wish::End(EndReason::Kicked);

fn router(number: u8) -> NasId {
    NasId::new(TestClock::START, [number; 10])
}

fn record(number: u8, event: SessionEvent, database: &Database, seconds: u64) -> SessionRecord {
    SessionRecord {
        terms: None,
        event,
        tenant: TENANT,
        nas: router(number % 10),
        key: SessionKey([number; 16]),
        auth: None,
        subscriber: None,
        username: "ana".into(),
        at: database.clock().now(),
        total: UsageAmount {
            upload_bytes: seconds * 1_000,
            download_bytes: seconds * 125_000,
            session_seconds: seconds,
        },
        terminate_cause: None,
        place: SessionPlace {
            acct_session_id: format!("8100{number:04}").into(),
            ..SessionPlace::default()
        },
    }
}

async fn report(store: &Store, record: SessionRecord) {
    let records = [AccountingRecord::Session(record)];
    store.accounting_commit(&records).await.unwrap();
}

/// Opens a session and gives it as it is in the books.
async fn open(store: &Store, database: &Database, number: u8) -> Session {
    report(store, record(number, SessionEvent::Start, database, 0)).await;
    let live = store.session_open_many(&[SessionKey([number; 16])]).await;
    live.unwrap().remove(0).session
}

fn wants(session: &Session, wish: Wish) -> NewCommand {
    NewCommand {
        session: session.id,
        key: session.key,
        nas: session.nas,
        tenant: session.tenant,
        username: session.username.as_str().into(),
        subscriber: session.subscriber,
        wish,
        actor: "test".into(),
    }
}

async fn ask(store: &Store, session: &Session, wish: Wish) -> Asked {
    let asked = store.session_command_ask(&[wants(session, wish)]).await;
    asked.unwrap().remove(0)
}

fn room() -> JobRoom {
    JobRoom {
        total: 100,
        lane: 100,
        ..JobRoom::default()
    }
}

async fn take(store: &Store) -> Taken {
    store.session_command_take(&room()).await.unwrap()
}

/// The terms to which routers agree here.
fn agreed() -> TermsMark {
    let mut mark = RowMark::new();
    mark.add(Term::Rate, "Mikrotik-Rate-Limit", None, b"2M/2M");
    mark.finish()
}

/// Tells the store what a router said.
async fn answer(store: &Store, database: &Database, task: &Task, answer: RouterAnswer) -> Next {
    let terms = (answer == RouterAnswer::Acknowledged).then(agreed);
    let reply = RouterReply {
        answer,
        is_last_set: true,
        terms,
    };
    let mut progress = task.progress;
    let command = &task.command;
    let now = database.clock().now();
    let next = progress.handle_reply(&command.wish, reply, now, command.expires_at);
    let step = Step {
        id: command.id,
        progress,
        next,
        terms: terms.map(|terms| (command.session, terms)),
    };
    store.session_command_step(&[step]).await.unwrap();
    next
}

async fn shown(store: &Store, asked: Asked) -> SessionCommandRow {
    let rows = store.session_command_many(&[asked.id()]).await.unwrap();
    rows.into_iter().next().unwrap()
}

async fn a_session_is_ended_when_the_books_say_so(database: Database) {
    let store = database.store().await;
    let session = open(&store, &database, 1).await;
    let asked = ask(&store, &session, END).await;
    assert!(matches!(asked, Asked::Now(_)));
    assert_eq!(shown(&store, asked).await.state, CommandState::Asked);
    let taken = take(&store).await;
    assert_eq!(taken.tasks.len(), 1);
    let task = &taken.tasks[0];
    assert_eq!((&task.session, &task.command.wish), (&session, &END));
    let row = shown(&store, asked).await;
    assert_eq!(row.state, CommandState::Sent);
    assert_eq!(row.sent_at, Some(TestClock::START));
    // Nobody else has it meanwhile.
    assert!(take(&store).await.tasks.is_empty());

    answer(&store, &database, task, RouterAnswer::Acknowledged).await;
    let row = shown(&store, asked).await;
    assert_eq!(row.state, CommandState::Acknowledged);
    assert_eq!(row.settled_at, None, "an answer is no evidence");
    let looked = store.session_command_look(Look::Recent).await.unwrap();
    assert_eq!(looked, []);

    database.clock().advance_seconds(1);
    report(&store, record(1, SessionEvent::Stop, &database, 1)).await;
    let looked = store.session_command_look(Look::Recent).await.unwrap();
    assert_eq!(looked, [Verdict::Ended]);
    let row = shown(&store, asked).await;
    assert_eq!(row.state, CommandState::Confirmed);
    assert_eq!(row.outcome.as_deref(), Some("the session has ended"));
    assert_eq!(row.settled_at, Some(database.clock().now()));
    database.clock().advance_seconds(3_600);
    let taken = take(&store).await;
    assert_eq!((taken.tasks, taken.settled), (vec![], vec![]));
}

async fn a_wish_is_asked_once_and_the_stronger_one_holds(database: Database) {
    let store = database.store().await;
    let session = open(&store, &database, 1).await;
    let change = ask(&store, &session, Wish::Apply).await;
    let again = ask(&store, &session, Wish::Apply).await;
    assert_eq!(again, Asked::Before(change.id()));
    // The same session twice in one batch, too.
    let commands = [wants(&session, END), wants(&session, END)];
    let ends = store.session_command_ask(&commands).await.unwrap();
    assert_eq!(ends[1], Asked::Before(ends[0].id()));
    let row = shown(&store, change).await;
    assert_eq!(row.verdict.as_deref(), Some("superseded"));
    assert_eq!(row.state, CommandState::Failed);
    let later = ask(&store, &session, Wish::Apply).await;
    assert_eq!(later, Asked::Before(ends[0].id()));
    let taken = take(&store).await;
    let wishes: Vec<_> = taken.tasks.iter().map(|task| &task.command.wish).collect();
    assert_eq!(wishes, [&END]);
}

async fn commands_about_one_session_are_carried_out_one_by_one(database: Database) {
    let store = database.store().await;
    let session = open(&store, &database, 1).await;
    let change = ask(&store, &session, Wish::Apply).await;
    let first = take(&store).await;
    assert_eq!(first.tasks[0].command.id, change.id());
    // The first is under way, so its terms may be those of before; the router is heard first.
    let second = ask(&store, &session, Wish::Apply).await;
    assert!(matches!(second, Asked::Now(_)));
    let end = ask(&store, &session, END).await;
    assert!(take(&store).await.tasks.is_empty());
    answer(&store, &database, &first.tasks[0], RouterAnswer::Silent).await;
    let row = shown(&store, change).await;
    assert_eq!(row.verdict.as_deref(), Some("superseded"));
    database.clock().advance_seconds(60);
    // What is left of the first is cleared away, and then comes the end.
    take(&store).await;
    let last = take(&store).await;
    let taken: Vec<_> = last.tasks.iter().map(|task| task.command.id).collect();
    assert_eq!(taken, [end.id()]);
}

async fn what_a_dead_worker_had_is_taken_again(database: Database) {
    let (dead, alive) = (database.store().await, database.store().await);
    let session = open(&dead, &database, 1).await;
    let asked = ask(&dead, &session, END).await;
    assert_eq!(take(&dead).await.tasks.len(), 1);
    database.clock().advance_seconds(40);
    dead.job_extend(JobKind::SessionCommand).await.unwrap();
    database.clock().advance_seconds(59);
    assert!(take(&alive).await.tasks.is_empty());
    database.clock().advance_seconds(1);
    let taken = take(&alive).await;
    assert_eq!(taken.tasks[0].command.id, asked.id());
}

async fn what_is_let_go_is_due_at_once(database: Database) {
    let (first, second) = (database.store().await, database.store().await);
    let session = open(&first, &database, 1).await;
    ask(&first, &session, END).await;
    assert_eq!(take(&first).await.tasks.len(), 1);
    assert_eq!(second.job_release().await.unwrap(), 0);
    assert_eq!(first.job_release().await.unwrap(), 1);
    assert_eq!(take(&second).await.tasks.len(), 1);
}

async fn a_router_takes_so_many_and_others_are_not_held_up(database: Database) {
    let store = database.store().await;
    // Sessions 1, 11, 21 and 31 are on router 1, and 2 on router 2.
    for number in [1, 11, 21, 31, 2] {
        let session = open(&store, &database, number).await;
        ask(&store, &session, END).await;
    }
    let narrow = JobRoom { lane: 2, ..room() };
    let taken = store.session_command_take(&narrow).await.unwrap();
    let of = |taken: &Taken, nas| {
        let tasks = taken.tasks.iter();
        tasks.filter(|task| task.session.nas == nas).count()
    };
    assert_eq!((of(&taken, router(1)), of(&taken, router(2))), (2, 1));
    let full = JobRoom {
        lanes: [(router(1).as_uuid(), 0)].into(),
        ..room()
    };
    let taken = store.session_command_take(&full).await.unwrap();
    assert!(taken.tasks.is_empty());
    // With room for one in all, the routers come in turn.
    let (store, mut after) = (database.store().await, None);
    database.clock().advance_seconds(60);
    let mut served = Vec::new();
    for _ in 0..3 {
        let one = JobRoom {
            total: 1,
            after,
            ..room()
        };
        let taken = store.session_command_take(&one).await.unwrap();
        served.push(taken.tasks[0].session.nas);
        after = taken.last;
    }
    assert_eq!(served, [router(1), router(2), router(1)]);
}

async fn sessions_that_are_gone_are_not_asked_about(database: Database) {
    let store = database.store().await;
    let (ended, changed) = (
        open(&store, &database, 1).await,
        open(&store, &database, 2).await,
    );
    let end = ask(&store, &ended, END).await;
    let change = ask(&store, &changed, Wish::Apply).await;
    for nas in [router(1), router(2)] {
        let restart = AccountingRecord::NasRestart(NasRestart {
            tenant: TENANT,
            nas,
            source: None,
            at: database.clock().now(),
        });
        store.accounting_commit(&[restart]).await.unwrap();
    }
    let taken = take(&store).await;
    assert_eq!(taken.tasks, []);
    assert_eq!(taken.settled.len(), 2);
    assert_eq!(shown(&store, end).await.verdict.as_deref(), Some("ended"));
    let row = shown(&store, change).await;
    assert_eq!(row.verdict.as_deref(), Some("session_ended"));
}

async fn a_change_is_confirmed_by_a_report(database: Database) {
    let store = database.store().await;
    let session = open(&store, &database, 1).await;
    let rate = Wish::SetRate("1M/2M".parse().unwrap());
    let asked = ask(&store, &session, rate).await;
    let taken = take(&store).await;
    let next = answer(
        &store,
        &database,
        &taken.tasks[0],
        RouterAnswer::Acknowledged,
    )
    .await;
    assert_eq!(next, Next::Watch);
    // A report from before the answer proves nothing.
    assert_eq!(store.session_command_look(Look::All).await.unwrap(), []);
    database.clock().advance_seconds(300);
    report(&store, record(1, SessionEvent::Interim, &database, 300)).await;
    let looked = store.session_command_look(Look::All).await.unwrap();
    assert_eq!(looked, [Verdict::Reported]);
    assert_eq!(shown(&store, asked).await.state, CommandState::Confirmed);

    let quiet = open(&store, &database, 2).await;
    let asked = ask(&store, &quiet, Wish::Apply).await;
    let taken = take(&store).await;
    answer(
        &store,
        &database,
        &taken.tasks[0],
        RouterAnswer::Acknowledged,
    )
    .await;
    database.clock().advance_seconds(1_800);
    let looked = store.session_command_look(Look::All).await.unwrap();
    assert_eq!(looked, [Verdict::Unproven]);
    let row = shown(&store, asked).await;
    assert_eq!(
        row.state,
        CommandState::Acknowledged,
        "silence proves nothing"
    );
    assert!(row.settled_at.is_some());
}

async fn a_reused_session_id_is_never_meant(database: Database) {
    let store = database.store().await;
    let session = open(&store, &database, 1).await;
    let asked = ask(&store, &session, END).await;
    // Another session under the same Acct-Session-Id, hours later.
    database.clock().advance_seconds(7_200);
    let other = open(&store, &database, 1).await;
    assert_eq!(other.key, session.key);
    assert_ne!(other.id, session.id);
    let taken = take(&store).await;
    assert_eq!(taken.tasks, []);
    assert_eq!(shown(&store, asked).await.verdict.as_deref(), Some("ended"));
    let still_open = store.session_open_many(&[other.key]).await.unwrap();
    assert_eq!(still_open[0].session.id, other.id);
}

async fn what_cannot_be_read_is_put_aside(database: Database) {
    let store = database.store().await;
    let (odd, good) = (
        open(&store, &database, 1).await,
        open(&store, &database, 2).await,
    );
    ask(&store, &odd, END).await;
    ask(&store, &good, END).await;
    database
        .execute("UPDATE session_command SET detail = 'boredom' WHERE state = 'asked' AND id = (SELECT id FROM session_command ORDER BY id LIMIT 1)")
        .await;
    let taken = take(&store).await;
    assert_eq!((taken.buried, taken.tasks.len()), (1, 1));
    assert_eq!(taken.tasks[0].session.id, good.id);
    database.clock().advance_seconds(3_600);
    assert_eq!(take(&store).await.buried, 0);
}

async fn commands_are_listed_and_pruned(database: Database) {
    let store = database.store().await;
    store
        .nas_insert(new_nas("pop-1", "10.0.0.1"))
        .await
        .unwrap();
    let session = open(&store, &database, 1).await;
    ask(&store, &session, END).await;
    let list = async |filter: SessionCommandFilter| {
        let page = Page::first(10);
        store
            .session_command_list(TENANT, &filter, &page)
            .await
            .unwrap()
            .len()
    };
    let everything = SessionCommandFilter::default();
    assert_eq!(list(everything.clone()).await, 1);
    for (state, expected) in [(CommandState::Asked, 1), (CommandState::Failed, 0)] {
        let filter = SessionCommandFilter {
            state: Some(state),
            username: Some(username("ana")),
            nas: None,
        };
        assert_eq!(list(filter).await, expected);
    }
    let elsewhere = SessionCommandFilter {
        nas: Some(name("pop-1")),
        ..everything.clone()
    };
    assert_eq!(list(elsewhere).await, 0);
    let about = store.session_command_about(&[session.id]).await.unwrap();
    assert_eq!(about[0].wanted, "end it: an operator ends it");

    let later = database.clock().now().plus_seconds(86_400);
    assert_eq!(store.session_command_prune(later).await.unwrap(), 0);
    report(&store, record(1, SessionEvent::Stop, &database, 1)).await;
    take(&store).await;
    assert_eq!(store.session_command_prune(later).await.unwrap(), 1);
    assert_eq!(list(everything).await, 0);
}

async fn speeds_are_those_between_two_reports(database: Database) {
    let store = database.store().await;
    open(&store, &database, 1).await;
    let speeds = async || {
        let page = Page::first(1);
        let filter = SessionFilter::default();
        let rows = store.session_list(TENANT, &filter, &page).await.unwrap();
        (rows[0].upload_bps, rows[0].download_bps)
    };
    assert_eq!(speeds().await, (None, None));
    database.clock().advance_seconds(100);
    report(&store, record(1, SessionEvent::Interim, &database, 100)).await;
    assert_eq!(speeds().await, (Some(8_000), Some(1_000_000)));
    // The same report again changes nothing, and a later one without traffic does.
    report(&store, record(1, SessionEvent::Interim, &database, 100)).await;
    assert_eq!(speeds().await, (Some(8_000), Some(1_000_000)));
    database.clock().advance_seconds(100);
    report(&store, record(1, SessionEvent::Interim, &database, 100)).await;
    assert_eq!(speeds().await, (Some(0), Some(0)));
    // More than any line carries is no reason to refuse a report.
    database.clock().advance_seconds(1);
    let mut mad = record(1, SessionEvent::Interim, &database, 201);
    mad.total.download_bytes = u64::MAX;
    report(&store, mad).await;
    let (_, download) = speeds().await;
    assert!(Some(1_000_000_000_000_000) <= download);
    report(&store, record(1, SessionEvent::Stop, &database, 202)).await;
    assert_eq!(speeds().await, (None, None));
}
