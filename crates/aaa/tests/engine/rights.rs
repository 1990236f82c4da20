//! Every change of a right reaches the sessions that it is about, once.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use aaa::metrics::Count;
use domain::access::RejectReason;
use domain::accounting::{SessionKey, SessionRecord};
use domain::change::Change;
use domain::garden::{Garden, GardenTerms};
use domain::id::{GardenId, SubscriberId, TenantId};
use domain::limit::{AtLimit, Counter, LimitFact, LimitNews, Limits, PeriodCounted};
use domain::plan::access::{DeviceLimit, PlanAccess};
use domain::plan::{Plan, PlanTerms, TimeoutSeconds};
use domain::session_command::{EndReason, Wish};
use domain::subscriber::binding::Bindings;
use domain::subscriber::{Subscriber, SubscriberInstants, SubscriberStatus};
use domain::tenant::TenantPolicy;
use domain::terms::Term;
use domain::usage::UsageAmount;
use radius::attribute::kind;
use rows::row::{GroupRows, Membership, Row, UserRows};

use crate::registry::{NOW, PASSWORD, plan, plan_id, subscriber};
use crate::rights_play::{Play, STATION};
use crate::script::Script;

const APPLY: Wish = Wish::Apply;

fn refused(reason: RejectReason) -> Wish {
    Wish::End(EndReason::Refused(reason))
}

fn changed(term: Term) -> Wish {
    Wish::End(EndReason::TermsChanged(term))
}

fn ana() -> SubscriberId {
    subscriber(1, "ana").id
}

/// A play in which ana and solo are online, on different plans.
fn play() -> Play {
    let mut play = Play::new(Script::new());
    play.online("ana");
    play.online("solo");
    play
}

fn set_plan(play: &Play, plan: Plan) {
    let mut plans = play.script.registry.plans.lock().expect("nobody panicked");
    plans.retain(|known| known.id != plan.id);
    plans.push(plan.clone());
    drop(plans);
    play.apply(&[Change::Plan(plan.id)]);
}

fn set_ana(play: &Play, changed: impl FnOnce(Subscriber) -> Subscriber) {
    play.script.registry.put(changed(subscriber(1, "ana")));
    play.apply(&[Change::Subscriber(ana())]);
}

fn with_status(status: SubscriberStatus) -> impl FnOnce(Subscriber) -> Subscriber {
    move |ana| Subscriber { status, ..ana }
}

fn garden(list: &str, rate: &str) -> TenantPolicy {
    let garden = Garden {
        id: GardenId::new(NOW, [1; 10]),
        tenant: TenantId::DEFAULT,
        name: "pay".parse().expect("a valid name"),
        terms: GardenTerms {
            pool: None,
            address_list: list.parse().ok(),
            rate: rate.parse().ok(),
            redirect: None,
            session_timeout_seconds: TimeoutSeconds::new(300).expect("a valid timeout"),
        },
    };
    TenantPolicy {
        garden: Some(garden.id),
        gardens: vec![garden],
        ..TenantPolicy::new(TenantId::DEFAULT)
    }
}

fn set_garden(play: &Play, policy: TenantPolicy) {
    *play
        .script
        .registry
        .policies
        .lock()
        .expect("nobody panicked") = vec![policy];
    play.apply(&[Change::Tenant(TenantId::DEFAULT)]);
}

#[test]
fn nothing_is_asked_when_nothing_changed() {
    let mut play = play();
    let everything = [
        Change::Everything,
        Change::Plan(plan_id(1)),
        Change::Subscriber(ana()),
        Change::RowNas,
    ];
    play.apply(&everything);
    play.check(&[]);
    // Use and time are no change.
    play.pass(3_000);
    play.check(&[]);
    play.restart();
    play.check(&[]);
}

#[test]
fn a_plan_reaches_the_sessions_on_it() {
    let mut play = play();
    set_plan(&play, plan(1, "30M/60M", PlanTerms::default()));
    play.check(&[("ana", APPLY)]);
    // It was asked, and is not asked again.
    play.apply(&[Change::Everything]);
    play.check(&[]);
    let moved = PlanTerms {
        pool: "other".parse().ok(),
        ..PlanTerms::default()
    };
    set_plan(&play, plan(1, "30M/60M", moved));
    play.check(&[("ana", changed(Term::Address))]);
}

#[test]
fn another_plan_is_applied() {
    let mut play = play();
    set_ana(&play, |ana| Subscriber {
        plan: plan_id(2),
        ..ana
    });
    play.check(&[("ana", APPLY)]);
}

#[test]
fn how_an_account_stands_ends_sessions() {
    for (status, reason) in [
        (SubscriberStatus::Disabled, RejectReason::Disabled),
        (SubscriberStatus::SuspendedHard, RejectReason::Suspended),
        (SubscriberStatus::Pending, RejectReason::Pending),
    ] {
        let mut play = play();
        set_ana(&play, with_status(status));
        play.check(&[("ana", refused(reason))]);
    }
}

#[test]
fn a_suspended_session_goes_into_the_garden_and_a_restored_one_out_of_it() {
    let mut play = play();
    set_garden(&play, garden("walled", "25M/50M"));
    play.check(&[]);
    set_ana(&play, with_status(SubscriberStatus::SuspendedWalled));
    play.check(&[("ana", changed(Term::AddressList))]);
    let mut play = play_in_garden();
    set_ana(&play, |ana| ana);
    play.check(&[("ana", changed(Term::AddressList))]);
}

/// A play in which ana is online in a garden.
fn play_in_garden() -> Play {
    let mut play = Play::new(Script::new());
    set_garden(&play, garden("walled", "1M/1M"));
    set_ana(&play, with_status(SubscriberStatus::SuspendedWalled));
    play.online("ana");
    play.check(&[]);
    play
}

#[test]
fn a_changed_garden_reaches_those_who_are_in_it() {
    let mut play = play_in_garden();
    set_garden(&play, garden("walled", "2M/2M"));
    play.check(&[("ana", APPLY)]);
    set_garden(&play, garden("fence", "2M/2M"));
    play.check(&[("ana", changed(Term::AddressList))]);
}

#[test]
fn a_moved_expiry_is_applied_and_one_that_is_over_ends() {
    let mut play = play();
    let expires = |at| {
        move |ana| Subscriber {
            expires_at: Some(at),
            ..ana
        }
    };
    let at = NOW.plus_seconds(3_600);
    set_ana(&play, expires(at));
    play.check(&[("ana", APPLY)]);
    set_ana(&play, expires(NOW.plus_seconds(7_200)));
    play.check(&[("ana", APPLY)]);
    set_ana(&play, expires(NOW));
    play.check(&[("ana", refused(RejectReason::Expired { at: NOW }))]);
}

#[test]
fn an_expiry_that_comes_ends_a_session_whose_router_does_not() {
    let mut play = Play::new(Script::new());
    let at = NOW.plus_seconds(90);
    play.online("fixed");
    play.pass(89);
    play.check(&[]);
    play.pass(2);
    play.check(&[("fixed", refused(RejectReason::Expired { at }))]);
}

#[test]
fn a_new_password_ends_sessions_of_the_old_one() {
    let mut play = play();
    let set = |seconds| {
        move |ana| Subscriber {
            changed: SubscriberInstants::new(Some(NOW.plus_seconds(seconds)), None),
            ..ana
        }
    };
    set_ana(&play, set(-1));
    play.check(&[]);
    set_ana(&play, set(1));
    play.check(&[("ana", Wish::End(EndReason::CredentialChanged))]);
}

#[test]
fn a_device_that_is_forgotten_is_cut_off() {
    let mut play = Play::new(Script::new());
    let binding = PlanTerms {
        access: PlanAccess {
            device_limit: DeviceLimit::new(2),
            ..PlanAccess::default()
        },
        ..PlanTerms::default()
    };
    set_plan(&play, plan(1, "25M/50M", binding));
    let bound_to = |device: Option<&str>, at: Option<i64>| {
        let devices = device.iter().map(|mac| mac.parse().expect("an address"));
        let devices = devices.collect();
        move |ana| Subscriber {
            bindings: Bindings {
                devices,
                ..Bindings::default()
            },
            changed: SubscriberInstants::new(None, at.map(|seconds| NOW.plus_seconds(seconds))),
            ..ana
        }
    };
    set_ana(&play, bound_to(Some(STATION), None));
    play.online("ana");
    play.check(&[]);
    // Another device of hers was forgotten, or it was before she came.
    set_ana(&play, bound_to(Some(STATION), Some(1)));
    play.check(&[]);
    set_ana(&play, bound_to(None, Some(-1)));
    play.check(&[]);
    set_ana(&play, bound_to(None, Some(1)));
    play.check(&[("ana", Wish::End(EndReason::DeviceForgotten))]);
}

#[test]
fn who_is_removed_is_cut_off() {
    let mut play = play();
    let mut all = play
        .script
        .registry
        .subscribers
        .lock()
        .expect("nobody panicked");
    all.retain(|known| known.id != ana());
    drop(all);
    play.apply(&[Change::Subscriber(ana())]);
    play.check(&[("ana", Wish::End(EndReason::UserRemoved))]);
}

#[test]
fn sessions_at_a_router_that_is_removed_are_known() {
    let mut play = play();
    let mut all = play.script.registry.nas.lock().expect("nobody panicked");
    let removed = all.remove(0);
    drop(all);
    play.apply(&[Change::Nas(removed.id)]);
    let gone = Wish::End(EndReason::NasRemoved);
    play.check(&[("ana", gone.clone()), ("solo", gone)]);
}

/// A play in which ana is online on a plan of 1 GB a month.
fn play_with_quota(at_limit: AtLimit) -> (Play, Limits) {
    let limits = Limits {
        quotas: "1G/month".parse().expect("valid quotas"),
        at_limit,
        ..Limits::default()
    };
    let mut play = Play::new(Script::new());
    let terms = PlanTerms {
        limits: Some(Box::new(limits.clone())),
        ..PlanTerms::default()
    };
    set_plan(&play, plan(1, "25M/50M", terms));
    play.online("ana");
    play.check(&[]);
    (play, limits)
}

fn use_up(play: &Play, limits: &Limits, bytes: u64) {
    let period = PeriodCounted::Month;
    let span = limits.resets.span(period.period(), &limits.zone, NOW);
    let counter = Counter {
        span: span.expect("it is counted"),
        used: UsageAmount {
            download_bytes: bytes,
            ..UsageAmount::default()
        },
    };
    let fact = LimitFact::Counted { period, counter };
    play.script.context.limits.learn(&[LimitNews {
        subscriber: ana(),
        fact,
    }]);
}

#[test]
fn a_quota_that_is_used_up_takes_effect() {
    let slow = AtLimit::Throttle("64k".parse().expect("a valid rate"));
    let (mut play, limits) = play_with_quota(slow);
    use_up(&play, &limits, 500_000_000);
    play.pass(0);
    play.check(&[]);
    use_up(&play, &limits, 1_000_000_000);
    play.pass(0);
    play.check(&[("ana", APPLY)]);
    let (mut play, limits) = play_with_quota(AtLimit::Block);
    use_up(&play, &limits, 1_000_000_000);
    play.pass(0);
    play.keep().expect("everything is there");
    let asked = play.take_asked();
    let [command] = &asked[..] else {
        panic!("one session is over: {asked:?}");
    };
    let is_used_up = matches!(
        command.wish,
        Wish::End(EndReason::Refused(RejectReason::QuotaUsedUp(_)))
    );
    assert!(is_used_up, "{command:?}");
}

fn row(id: i64, attribute: &str, value: &str) -> Row {
    Row {
        id,
        attribute: attribute.to_owned(),
        op: ":=".to_owned(),
        value: value.to_owned(),
    }
}

fn set_rows(play: &Play, check: Vec<Row>, reply: Vec<Row>) {
    let rows = UserRows {
        check: [vec![row(1, "Cleartext-Password", PASSWORD)], check].concat(),
        reply,
        groups: vec![Membership {
            id: 1,
            group: "gold".to_owned(),
            priority: 1,
        }],
    };
    let mut users = play
        .script
        .registry
        .row_users
        .lock()
        .expect("nobody panicked");
    users.insert("bob".to_owned(), rows);
    drop(users);
    play.apply(&[Change::RowUser("bob".into())]);
}

fn set_group(play: &Play, rate: &str) {
    let rows = GroupRows {
        check: Vec::new(),
        reply: vec![row(1, "Mikrotik-Rate-Limit", rate)],
    };
    let mut groups = play
        .script
        .registry
        .row_groups
        .lock()
        .expect("nobody panicked");
    groups.insert("gold".to_owned(), rows);
    drop(groups);
    play.apply(&[Change::RowGroup("gold".into())]);
}

/// A play in which bob is online, whom FreeRADIUS' tables know.
fn play_with_rows(check: Vec<Row>) -> Play {
    let mut play = Play::new(Script::new());
    set_group(&play, "1M/1M");
    set_rows(&play, check, Vec::new());
    play.online_with("bob", |request| {
        request.with(kind::NAS_PORT_TYPE, &15_u32.to_be_bytes())
    });
    play.check(&[]);
    play
}

#[test]
fn rows_that_somebody_changes_take_effect() {
    let mut play = play_with_rows(Vec::new());
    set_group(&play, "2M/2M");
    play.check(&[("bob", APPLY)]);
    play.confirm();
    let list = vec![row(2, "Mikrotik-Address-List", "gold")];
    set_rows(&play, Vec::new(), list);
    play.check(&[("bob", changed(Term::AddressList))]);
    set_rows(&play, vec![row(2, "Auth-Type", "Reject")], Vec::new());
    play.check(&[("bob", refused(RejectReason::RowsReject))]);
    play.script
        .registry
        .row_users
        .lock()
        .expect("nobody panicked")
        .clear();
    play.apply(&[Change::RowUser("bob".into())]);
    play.check(&[("bob", Wish::End(EndReason::UserRemoved))]);
}

#[test]
fn an_expiration_that_is_set_in_rows_is_applied() {
    let mut play = play_with_rows(Vec::new());
    let tomorrow = row(2, "Expiration", "16 Jan 2027 08:00:00");
    set_rows(&play, vec![tomorrow], Vec::new());
    play.check(&[("bob", APPLY)]);
    let at = NOW.plus_seconds(-86_400);
    let yesterday = row(2, "Expiration", "14 Jan 2027 08:00:00");
    set_rows(&play, vec![yesterday], Vec::new());
    play.check(&[("bob", refused(RejectReason::Expired { at }))]);
}

/// A record of a session does not say what rows ask of a login here.
#[test]
fn what_only_a_login_says_is_not_guessed() {
    let ethernet = Row {
        op: "==".to_owned(),
        ..row(2, "NAS-Port-Type", "Ethernet")
    };
    let mut play = play_with_rows(vec![ethernet.clone()]);
    set_group(&play, "2M/2M");
    play.check(&[]);
    set_rows(&play, vec![ethernet], vec![row(3, "Idle-Timeout", "60")]);
    play.check(&[]);
}

#[test]
fn a_session_whose_router_returns_no_class_is_told_once_for_each_change() {
    let mut play = Play::new(Script::new());
    play.online_unknown("ana");
    play.pass(0);
    play.check(&[]);
    play.apply(&[Change::Everything]);
    play.check(&[]);
    let faster = || plan(1, "30M/60M", PlanTerms::default());
    set_plan(&play, faster());
    play.check(&[("ana", APPLY)]);
    play.pass(0);
    play.check(&[]);
    play.restart();
    play.check(&[]);
    // It is not hers.
    set_plan(&play, plan(2, "1M/1M", PlanTerms::default()));
    play.check(&[]);
    set_ana(&play, with_status(SubscriberStatus::Disabled));
    play.check(&[("ana", refused(RejectReason::Disabled))]);
    // Who would be refused is cut off whenever it is noticed.
    play.restart();
    play.check(&[("ana", refused(RejectReason::Disabled))]);
}

#[test]
fn what_was_missed_is_found_after_a_start_and_by_every_node() {
    let mut play = play();
    // A change that nobody told this keeper of.
    play.script.registry.put(Subscriber {
        status: SubscriberStatus::Disabled,
        ..subscriber(1, "ana")
    });
    play.script.apply(&[Change::Subscriber(ana())]);
    play.check(&[]);
    play.restart();
    play.keep().expect("everything is there");
    let first = play.take_asked();
    assert_eq!(first.len(), 1);
    // Another node asks the very same, and the desk knows it.
    play.restart();
    play.keep().expect("everything is there");
    assert_eq!(play.take_asked(), first);
}

#[test]
fn what_cannot_be_asked_is_asked_later() {
    let mut play = play();
    play.desk.is_away.store(true, Relaxed);
    play.online_unknown("fixed");
    set_ana(&play, with_status(SubscriberStatus::Disabled));
    set_plan(&play, plan(1, "30M/60M", PlanTerms::default()));
    for _ in 0..3 {
        play.keep().expect_err("nobody is there");
    }
    play.desk.is_away.store(false, Relaxed);
    let disabled = refused(RejectReason::Disabled);
    play.check(&[("ana", disabled), ("fixed", APPLY)]);
}

#[test]
fn a_change_back_is_asked_while_the_first_one_may_be_under_way() {
    let mut play = Play::new(Script::new());
    play.online("ana");
    set_plan(&play, plan(1, "30M/60M", PlanTerms::default()));
    play.check(&[("ana", APPLY)]);
    // Not acknowledged yet: as it is stored, nothing has to be done.
    set_plan(&play, plan(1, "25M/50M", PlanTerms::default()));
    play.check(&[]);
    set_plan(&play, plan(1, "30M/60M", PlanTerms::default()));
    play.check(&[("ana", APPLY)]);
    play.confirm();
    set_plan(&play, plan(1, "25M/50M", PlanTerms::default()));
    play.check(&[("ana", APPLY)]);
}

#[test]
fn a_session_that_gave_its_place_away_is_ended() {
    let mut play = play();
    let (sessions, key) = (&play.script.context.sessions, play.board.sessions.lock());
    let key = key.expect("nobody panicked")[0].session.key;
    sessions.replace(ana(), |session| session.key == key);
    play.check(&[("ana", Wish::End(EndReason::Replaced))]);
    play.check(&[]);
}

#[test]
fn a_session_that_begins_on_terms_of_before_is_noticed() {
    let mut play = Play::new(Script::new());
    let record = play.online("ana");
    let sessions = &play.script.context.sessions;
    sessions.remove(ana(), record.key);
    set_plan(&play, plan(1, "30M/60M", PlanTerms::default()));
    play.check(&[]);
    let late = SessionRecord {
        key: SessionKey([9; 16]),
        ..record
    };
    play.begin(&late);
    play.check(&[("ana", APPLY)]);
}

/// Sessions of one plan.
const MANY: u32 = 10_000;

#[test]
fn ten_thousand_sessions_of_a_plan_are_asked_for_in_batches() {
    let mut play = Play::new(Script::new());
    let record = play.online("ana");
    {
        let mut all = play
            .script
            .registry
            .subscribers
            .lock()
            .expect("nobody panicked");
        all.extend((0..MANY).map(|number| Subscriber {
            id: SubscriberId::new(NOW, random(number)),
            ..subscriber(1, &format!("user-{number}"))
        }));
        all.sort_by_key(|one| one.id);
    }
    play.script.reload();
    for number in 0..MANY {
        play.begin(&SessionRecord {
            key: SessionKey(key(number)),
            subscriber: Some(SubscriberId::new(NOW, random(number))),
            username: format!("user-{number}").into(),
            ..record.clone()
        });
    }
    set_plan(&play, plan(1, "30M/60M", PlanTerms::default()));
    let began = Instant::now();
    play.keep().expect("everything is there");
    // A bound that only something quadratic misses on a machine that is busy.
    assert!(began.elapsed() < Duration::from_secs(30));
    let asked = play.take_asked();
    assert_eq!(asked.len(), MANY as usize + 1);
    assert!(asked.iter().all(|command| command.wish == Wish::Apply));
    assert!(*play.desk.batch_most.lock().expect("nobody panicked") <= 1_024);
    let counted = play.script.context.metrics.value(Count::RightsAsked);
    assert_eq!(counted, u64::from(MANY) + 1);
}

fn random(number: u32) -> [u8; 10] {
    let [a, b, c, d] = number.to_be_bytes();
    [9, 9, 9, 9, 9, 9, a, b, c, d]
}

fn key(number: u32) -> [u8; 16] {
    let [a, b, c, d] = number.to_be_bytes();
    [a, b, c, d, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]
}
