//! Decisions that are only tried out: what a router would be told, and nothing else.

use aaa::engine::Belief;
use aaa::explain::{DryAnswer, DryRequest, DryRun, DryRunOptions};
use aaa::guard::GuardOptions;
use aaa::metrics::Drop;
use domain::access::RejectReason;
use domain::auth_log::AuthOutcome;
use domain::guard::{GuardKey, GuardLock, GuardSubject};
use domain::limit::{LimitFact, LimitNews, Limits, PeriodCounted, ValidityStart};
use domain::mac::Mac;
use domain::plan::PlanTerms;
use domain::plan::access::{DeviceLimit, PlanAccess};
use domain::subscriber::Subscriber;
use domain::time::Timestamp;
use domain::usage::UsageAmount;
use radius::attribute::kind;
use rows::row::Mode;

use crate::registry::{MemoryRegistry, NOW, PASSWORD, plan, plan_id, subscriber};
use crate::request::Request;
use crate::script::{IDENTIFIED, STRANGER, STRICT, Script, show, source_address};

const STATION: &str = "02-00-00-00-00-07";

fn load(registry: &MemoryRegistry, at: Timestamp, locks: &[GuardLock]) -> DryRun {
    let options = DryRunOptions {
        rows: Some(Mode::Strict),
        guard: GuardOptions {
            user_failures: 3,
            station_failures: 3,
            nas_failures: 3,
            lock_max: std::time::Duration::from_secs(60),
        },
        at,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let load = DryRun::load(registry, &options, locks);
    let loaded = runtime.expect("a runtime without drivers").block_on(load);
    loaded.expect("memory does not fail")
}

fn ask(run: DryRun, source: &str, request: &Request, belief: Belief) -> Result<DryAnswer, Drop> {
    run.ask(&DryRequest {
        source: source_address(source),
        octets: &request.octets(),
        belief,
    })
}

#[track_caller]
fn try_out(registry: &MemoryRegistry, request: &Request, belief: Belief) -> DryAnswer {
    let answer = ask(load(registry, NOW, &[]), STRICT, request, belief);
    answer.expect("it is answered")
}

/// What the engine would answer, as it comes in every test beside this one.
#[track_caller]
fn check_same(source: &str, user_name: &str) {
    let mut script = Script::new();
    let request = Request::access(user_name).pap(PASSWORD);
    let expected = script.ask(source, &request);
    let run = load(&script.registry, NOW, &[]);
    let answer = ask(run, source, &request, Belief::Compared).expect("it is answered");
    assert_eq!(show(&request, &answer.reply), expected, "{user_name}");
    let logged = script.log.first().expect("the decision is logged");
    assert_eq!(answer.entry.outcome, logged.outcome);
    assert_eq!(answer.entry.trace, logged.trace);
}

#[test]
fn the_answer_is_that_of_the_engine() {
    for user_name in [
        "ana", "ANA", "solo", "fixed", "expired", "disabled", "planless", "nobody", "",
    ] {
        check_same(STRICT, user_name);
    }
    check_same(IDENTIFIED, "ana");
}

#[test]
fn a_wrong_password_counts_as_right_when_it_is_given() {
    let registry = Script::new().registry;
    for user_name in ["ana", "hashed", "nt"] {
        let request = Request::access(user_name).pap("a guess");
        let given = try_out(&registry, &request, Belief::Given);
        assert_eq!(given.entry.outcome, AuthOutcome::Accepted, "{user_name}");
        let compared = try_out(&registry, &request, Belief::Compared);
        let is_wrong = matches!(
            compared.entry.outcome,
            AuthOutcome::Rejected(RejectReason::WrongPassword { .. })
        );
        assert!(is_wrong, "{user_name}: {compared:?}");
    }
    let right = Request::access("hashed").pap("password");
    let compared = try_out(&registry, &right, Belief::Compared);
    assert_eq!(compared.entry.outcome, AuthOutcome::Accepted);
}

#[test]
fn what_is_granted_is_shown() {
    let registry = Script::new().registry;
    let request = Request::access("solo").pap(PASSWORD);
    let granted = try_out(&registry, &request, Belief::Given).granted;
    let granted = granted.expect("it is accepted");
    assert_eq!(granted.session_limit, Some(1));
    assert_eq!(granted.session_timeout_seconds, Some(3_600));
    let request = Request::access("disabled").pap(PASSWORD);
    assert_eq!(try_out(&registry, &request, Belief::Given).granted, None);
}

#[test]
fn a_device_that_would_be_bound_is_told_and_not_bound() {
    let registry = Script::new().registry;
    let terms = PlanTerms {
        access: PlanAccess {
            device_limit: DeviceLimit::new(1),
            ..PlanAccess::default()
        },
        ..PlanTerms::default()
    };
    let mut plans = registry.plans.lock().expect("nobody panicked");
    plans.push(plan(3, "25M/50M", terms));
    drop(plans);
    registry.put(Subscriber {
        plan: plan_id(3),
        ..subscriber(40, "dev")
    });
    let request = Request::access("dev").pap(PASSWORD);
    let request = request.with(kind::CALLING_STATION_ID, STATION.as_bytes());
    let answer = try_out(&registry, &request, Belief::Given);
    assert_eq!(answer.entry.outcome, AuthOutcome::Accepted);
    assert_eq!(answer.binds, Mac::from_wire(STATION.as_bytes()));
    let subscribers = registry.subscribers.lock().expect("nobody panicked");
    let dev = subscribers
        .iter()
        .find(|one| one.username.as_str() == "dev");
    assert!(dev.expect("it is there").bindings.devices.is_empty());
}

#[test]
fn locks_of_running_servers_hold() {
    let registry = Script::new().registry;
    let lock = |until: i64| GuardLock {
        key: GuardKey {
            subject: GuardSubject::User,
            name: "ana".to_owned(),
        },
        since: NOW.plus_seconds(-10),
        until: NOW.plus_seconds(until),
        strikes: 1,
    };
    let request = Request::access("ana").pap(PASSWORD);
    let request = request.with(kind::CALLING_STATION_ID, STATION.as_bytes());
    let locked = load(&registry, NOW, &[lock(30)]);
    let answer = ask(locked, STRICT, &request, Belief::Given).expect("it is answered");
    let expected = AuthOutcome::Rejected(RejectReason::TooManyAttempts {
        subject: GuardSubject::User,
    });
    assert_eq!(answer.entry.outcome, expected);
    let over = load(&registry, NOW, &[lock(0)]);
    let answer = ask(over, STRICT, &request, Belief::Given).expect("it is answered");
    assert_eq!(answer.entry.outcome, AuthOutcome::Accepted);
    // A device that was let in before is compared all the same.
    let familiar = load(&registry, NOW, &[lock(30)]);
    let nas = familiar
        .find_nas(source_address(STRICT))
        .expect("it is known");
    let ana = subscriber(1, "ana");
    familiar.remember_device(ana.id, "ana", &nas, STATION);
    let answer = ask(familiar, STRICT, &request, Belief::Given).expect("it is answered");
    assert_eq!(answer.entry.outcome, AuthOutcome::Accepted);
}

#[test]
fn what_is_not_known_of_limits_is_asked_and_counts() {
    let registry = Script::new().registry;
    let limits = Limits {
        quotas: "1G/month".parse().expect("a quota"),
        validity: domain::limit::Validity::new(86_400, ValidityStart::FirstUse).ok(),
        ..Limits::default()
    };
    let terms = PlanTerms {
        limits: Some(Box::new(limits)),
        ..PlanTerms::default()
    };
    let mut plans = registry.plans.lock().expect("nobody panicked");
    plans.push(plan(7, "25M/50M", terms));
    drop(plans);
    let lena = Subscriber {
        plan: plan_id(7),
        ..subscriber(77, "lena")
    };
    registry.put(lena.clone());
    let run = load(&registry, NOW, &[]);
    let questions = run.questions(&lena);
    let [question] = questions.as_slice() else {
        panic!("one period is counted: {questions:?}");
    };
    assert_eq!(question.meter.period, PeriodCounted::Month);
    run.learn(&[LimitNews {
        subscriber: lena.id,
        fact: LimitFact::Counted {
            period: question.meter.period,
            counter: domain::limit::Counter {
                span: question.meter.span,
                used: UsageAmount {
                    download_bytes: 1_000_000_000,
                    ..UsageAmount::default()
                },
            },
        },
    }]);
    assert_eq!(run.questions(&lena), [], "it is known now");
    let request = Request::access("lena").pap(PASSWORD);
    let answer = ask(run, STRICT, &request, Belief::Given).expect("it is answered");
    let is_used_up = matches!(
        answer.entry.outcome,
        AuthOutcome::Rejected(RejectReason::QuotaUsedUp(_))
    );
    assert!(is_used_up, "{answer:?}");
}

#[test]
fn another_time_is_another_answer() {
    let registry = Script::new().registry;
    let request = Request::access("fixed").pap(PASSWORD);
    let at = |seconds| {
        let run = load(&registry, NOW.plus_seconds(seconds), &[]);
        ask(run, STRICT, &request, Belief::Given).expect("it is answered")
    };
    assert_eq!(at(0).entry.outcome, AuthOutcome::Accepted);
    let is_over = matches!(
        at(90).entry.outcome,
        AuthOutcome::Rejected(RejectReason::Expired { .. })
    );
    assert!(is_over);
}

#[test]
fn a_request_that_gets_no_answer_says_why() {
    let registry = Script::new().registry;
    let request = Request::access("ana").pap(PASSWORD);
    let unknown = ask(load(&registry, NOW, &[]), STRANGER, &request, Belief::Given);
    assert_eq!(unknown, Err(Drop::UnknownNas));
    let bare = Request {
        is_protected: false,
        ..request
    };
    let unsigned = ask(load(&registry, NOW, &[]), STRICT, &bare, Belief::Given);
    assert_eq!(unsigned, Err(Drop::MessageAuthenticatorMissing));
}
