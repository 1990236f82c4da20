//! How accounts stand, and where they may be used: what routers are told.

use domain::access::RejectReason;
use domain::auth_log::AuthOutcome;
use domain::garden::{Garden, GardenTerms};
use domain::id::{GardenId, NasGroupId, TenantId};
use domain::message::StateMessage;
use domain::plan::access::{AfterExpiry, GraceDays, PlanAccess};
use domain::plan::{PlanTerms, TimeoutSeconds};
use domain::subscriber::binding::{Bindings, NasBinding};
use domain::subscriber::state::AccessState;
use domain::subscriber::{StaticAddresses, Subscriber, SubscriberStatus};
use domain::tenant::TenantPolicy;

use crate::ms_chap::v2;
use crate::registry::{NOW, PASSWORD, plan, plan_id, subscriber};
use crate::request::Request;
use crate::script::{AUTO, GENERIC, STRICT, Script, check};

const REJECT: &str = "Access-Reject";
const SIGNED: &str = "Message-Authenticator";

fn login(username: &str) -> Request {
    Request::access(username).pap(PASSWORD)
}

fn in_status(number: u8, username: &str, status: SubscriberStatus) -> Subscriber {
    Subscriber {
        status,
        ..subscriber(number, username)
    }
}

fn policy() -> TenantPolicy {
    let garden = Garden {
        id: GardenId::new(NOW, [1; 10]),
        tenant: TenantId::DEFAULT,
        name: "unpaid".parse().expect("a valid name"),
        terms: GardenTerms {
            pool: "walled".parse().ok(),
            address_list: "unpaid".parse().ok(),
            rate: "512k/1M".parse().ok(),
            redirect: "https://pay.example.net/".parse().ok(),
            session_timeout_seconds: TimeoutSeconds::new(120).expect("in range"),
        },
    };
    TenantPolicy {
        garden: Some(garden.id),
        gardens: vec![garden],
        messages: vec![StateMessage {
            state: AccessState::SuspendedHard,
            language: "en".parse().expect("a valid tag"),
            template: "{username}: pay for {plan}"
                .parse()
                .expect("a good template"),
        }],
        ..TenantPolicy::new(TenantId::DEFAULT)
    }
}

/// Subscribers in every state that is not ordinary; those on plan 3 end in the walled garden.
fn script(policies: Vec<TenantPolicy>) -> Script {
    let script = Script::new();
    let access = PlanAccess {
        grace_days: GraceDays::new(1).expect("in range"),
        after_expiry: AfterExpiry::Walled,
        ..PlanAccess::default()
    };
    let ending = PlanTerms {
        access,
        ..PlanTerms::default()
    };
    let mut plans = script.registry.plans.lock().expect("nobody panicked");
    plans.push(plan(3, "25M/50M", ending));
    drop(plans);
    *script.registry.policies.lock().expect("nobody panicked") = policies;
    let on_plan = |number, username, expired_for: i64| Subscriber {
        plan: plan_id(3),
        expires_at: Some(NOW.plus_seconds(-expired_for)),
        addresses: StaticAddresses {
            ipv4: Some([10, 0, 0, number].into()),
            ..StaticAddresses::default()
        },
        ..subscriber(number, username)
    };
    for one in [
        in_status(20, "pending", SubscriberStatus::Pending),
        in_status(21, "hard", SubscriberStatus::SuspendedHard),
        in_status(22, "walled", SubscriberStatus::SuspendedWalled),
        on_plan(23, "gracious", 60),
        on_plan(24, "ended", 86_400),
    ] {
        script.registry.put(one);
    }
    script.reload();
    script
}

#[test]
fn who_is_shut_out_is_told_why_in_the_words_of_the_provider() {
    let mut script = script(vec![policy()]);
    for (username, message) in [
        ("pending", "Your account is not active yet"),
        ("hard", "hard: pay for plan-1"),
        ("disabled", "Your account is disabled"),
        ("expired", "Your account has expired"),
    ] {
        let message = format!("Reply-Message = \"{message}\"");
        check(
            &mut script,
            STRICT,
            &login(username),
            &[REJECT, SIGNED, &message],
        );
    }
}

#[test]
fn nobody_is_told_without_the_password() {
    let mut script = script(vec![policy()]);
    for username in ["pending", "hard", "walled", "gracious", "ended"] {
        let wrong = Request::access(username).pap("guess");
        let denied = "Reply-Message = \"Access denied\"";
        check(&mut script, STRICT, &wrong, &[REJECT, SIGNED, denied]);
    }
}

#[test]
fn who_is_walled_gets_the_garden_in_the_words_of_each_vendor() {
    let mut script = script(vec![policy()]);
    let suspended = "Reply-Message = \"Your account is suspended\"";
    check(
        &mut script,
        STRICT,
        &login("walled"),
        &[
            "Access-Accept",
            SIGNED,
            "Framed-Pool = \"walled\"",
            "Session-Timeout = 120",
            "Acct-Interim-Interval = 300",
            "Mikrotik-Rate-Limit = \"512k/1M\"",
            "Mikrotik-Address-List = \"unpaid\"",
            "WISPr-Redirection-URL = \"https://pay.example.net/\"",
            suspended,
            "Class",
        ],
    );
    check(
        &mut script,
        GENERIC,
        &login("ended"),
        &[
            "Access-Accept",
            SIGNED,
            "Framed-Pool = \"walled\"",
            "Filter-Id = \"unpaid\"",
            "Session-Timeout = 120",
            "Acct-Interim-Interval = 300",
            "Reply-Message = \"Your account has expired\"",
            "Class",
        ],
    );
}

#[test]
fn without_a_garden_nobody_is_let_into_it() {
    let mut script = script(Vec::new());
    let suspended = "Reply-Message = \"Your account is suspended\"";
    let refused = [REJECT, SIGNED, suspended];
    check(&mut script, STRICT, &login("walled"), &refused);
    let outcome = script.log.last().map(|entry| entry.outcome);
    let state = AccessState::SuspendedWalled;
    let reason = RejectReason::NoGarden { state };
    assert_eq!(outcome, Some(AuthOutcome::Rejected(reason)));
}

#[test]
fn grace_has_everything_and_says_when_it_ends() {
    let mut script = script(vec![policy()]);
    check(
        &mut script,
        STRICT,
        &login("gracious"),
        &[
            "Access-Accept",
            SIGNED,
            "Framed-IP-Address = 10.0.0.23",
            "Session-Timeout = 86340",
            "Acct-Interim-Interval = 300",
            "Mikrotik-Rate-Limit = \"25M/50M\"",
            "Reply-Message = \"Your account has expired; access ends on 2027-01-16T07:59:00Z\"",
            "Class",
        ],
    );
}

#[test]
fn a_long_message_fits_into_the_error_of_ms_chap() {
    let mut policy = policy();
    policy.messages[0].template = "é".repeat(126).parse().expect("it is 252 octets");
    let mut script = script(vec![policy]);
    let request = v2("hard", PASSWORD);
    let shown = script.ask(STRICT, &request);
    assert_eq!(shown.first().map(String::as_str), Some(REJECT));
    let error = shown.iter().find(|line| line.starts_with("MS-CHAP-Error"));
    assert!(error.is_some(), "{shown:?}");
}

#[test]
fn a_binding_is_to_the_router_that_was_proven() {
    let script = script(Vec::new());
    let group = NasGroupId::new(NOW, [9; 10]);
    let mut all = script.registry.nas.lock().expect("nobody panicked");
    all[1].groups.push(group);
    let strict = all[0].id;
    drop(all);
    let bound = |number, username, binding| Subscriber {
        bindings: Bindings {
            nas: Some(Box::new(binding)),
            ..Bindings::default()
        },
        ..subscriber(number, username)
    };
    let to_router = NasBinding {
        nas: vec![strict],
        groups: Vec::new(),
    };
    let to_group = NasBinding {
        nas: Vec::new(),
        groups: vec![group],
    };
    script.registry.put(bound(30, "one", to_router));
    script.registry.put(bound(31, "group", to_group));
    script.reload();
    let mut script = script;
    for (username, source, expected) in [
        ("one", STRICT, "Access-Accept"),
        ("one", AUTO, REJECT),
        ("group", AUTO, "Access-Accept"),
        ("group", STRICT, REJECT),
    ] {
        let shown = script.ask(source, &login(username));
        let code = shown.first().map(String::as_str);
        assert_eq!(code, Some(expected), "{username} at {source}");
    }
    let elsewhere = "Reply-Message = \"Your account cannot be used here\"";
    let refused = [REJECT, SIGNED, elsewhere];
    check(&mut script, STRICT, &login("group"), &refused);
}
