//! Devices that log in as themselves, where a router may ask so.

use std::time::Duration;

use aaa::guard::GuardOptions;
use aaa::metrics::Count;
use domain::access::RejectReason;
use domain::auth_log::AuthOutcome;
use domain::change::Change;
use domain::guard::GuardSubject;
use domain::mac::Mac;
use domain::nas::MacAuthentication;
use domain::plan::PlanTerms;
use domain::plan::access::{DeviceLimit, PlanAccess};
use domain::subscriber::binding::Bindings;
use domain::subscriber::{Subscriber, SubscriberStatus};
use radius::attribute::kind;
use radius::password::chap;
use rows::row::{Row, UserRows};

use crate::registry::{PASSWORD, plan, plan_id, subscriber};
use crate::request::Request;
use crate::script::{AUTO, STRICT, Script};

const DEVICE: &str = "00:00:5e:00:53:01";

fn with_devices(number: u8, username: &str, devices: &[&str]) -> Subscriber {
    let mac = |raw: &&str| raw.parse::<Mac>().expect("a valid address");
    Subscriber {
        bindings: Bindings {
            devices: devices.iter().map(mac).collect(),
            ..Bindings::default()
        },
        ..subscriber(number, username)
    }
}

/// Devices may log in at the first router and not at the second.
fn script(subscribers: Vec<Subscriber>) -> Script {
    prepare(Script::new(), subscribers)
}

fn prepare(script: Script, subscribers: Vec<Subscriber>) -> Script {
    let mut all = script.registry.nas.lock().expect("nobody panicked");
    all[0].settings.mac_authentication = MacAuthentication::On;
    drop(all);
    for one in subscribers {
        script.registry.put(one);
    }
    script.reload();
    script
}

#[track_caller]
fn check(script: &mut Script, source: &str, request: &Request, expected: Result<(), RejectReason>) {
    let shown = script.ask(source, request);
    let code = shown.first().map(String::as_str);
    let outcome = script.log.last().map(|entry| entry.outcome);
    match expected {
        Ok(()) => assert_eq!(code, Some("Access-Accept"), "{outcome:?}"),
        Err(reason) => {
            assert_eq!(code, Some("Access-Reject"));
            assert_eq!(outcome, Some(AuthOutcome::Rejected(reason)));
        }
    }
}

fn chap_login(user_name: &str, password: &str) -> Request {
    let request = Request::access(user_name);
    let response = chap::respond(1, &request.authenticator, password.as_bytes());
    request.with(kind::CHAP_PASSWORD, &response)
}

#[test]
fn a_device_is_its_owner_in_every_notation_and_with_every_empty_password() {
    let mut script = script(vec![with_devices(40, "dev", &[DEVICE])]);
    let secret = "a shared secret";
    for (number, request) in (1..).zip([
        Request::access(DEVICE).pap(""),
        Request::access("00-00-5E-00-53-01").pap("00-00-5E-00-53-01"),
        Request::access("0000.5e00.5301").pap("00005e005301"),
        Request::access("00005E005301").pap(secret),
        Request::access(DEVICE),
        chap_login("00:00:5E:00:53:01", "00:00:5E:00:53:01"),
        chap_login("00:00:5E:00:53:01", "00-00-5e-00-53-01"),
        chap_login(DEVICE, ""),
        chap_login(DEVICE, secret),
    ]) {
        let request = request.identifier(number);
        check(&mut script, STRICT, &request, Ok(()));
        let entry = script.log.last().expect("it is logged");
        assert_eq!(entry.subscriber, Some(subscriber(40, "dev").id));
        assert!(entry.trace.as_str().starts_with("f m "), "{entry:?}");
    }
}

#[test]
fn a_guess_and_a_stranger_are_refused() {
    let mut script = script(vec![with_devices(40, "dev", &[DEVICE])]);
    let wrong = |method| Err(RejectReason::WrongPassword { method });
    use domain::access::Method::{Chap, Pap};
    let guess = Request::access(DEVICE).identifier(1).pap(PASSWORD);
    check(&mut script, STRICT, &guess, wrong(Pap));
    let guess = chap_login(DEVICE, PASSWORD).identifier(2);
    check(&mut script, STRICT, &guess, wrong(Chap));
    let unknown = Err(RejectReason::UnknownUser);
    let stranger = Request::access("00:00:5e:00:53:99").identifier(3).pap("");
    check(&mut script, STRICT, &stranger, unknown);
    // It is not switched on there.
    let elsewhere = Request::access(DEVICE).identifier(4).pap("");
    check(&mut script, AUTO, &elsewhere, unknown);
}

#[test]
fn a_name_that_is_not_the_station_is_somebodys_claim() {
    let mut script = script(vec![with_devices(40, "dev", &[DEVICE])]);
    let from = |identifier, station: &str| {
        let request = Request::access(DEVICE).identifier(identifier);
        let station = request.with(kind::CALLING_STATION_ID, station.as_bytes());
        station.pap("")
    };
    check(&mut script, STRICT, &from(1, "00-00-5e-00-53-01"), Ok(()));
    // What RouterOS' DHCP server sends is no MAC address.
    check(&mut script, STRICT, &from(2, "1:0:0:5e:0:53:1"), Ok(()));
    let differs = Err(RejectReason::DeviceDiffers);
    check(&mut script, STRICT, &from(3, "00-00-5e-00-53-02"), differs);
}

#[test]
fn a_device_of_several_is_nobodys() {
    let mut script = script(vec![
        with_devices(40, "dev", &[DEVICE]),
        with_devices(41, "dev2", &[DEVICE]),
    ]);
    let login = |identifier| Request::access(DEVICE).identifier(identifier).pap("");
    let several = Err(RejectReason::DeviceOfSeveral);
    check(&mut script, STRICT, &login(1), several);
    script.registry.put(with_devices(41, "dev2", &[]));
    script.reload();
    check(&mut script, STRICT, &login(2), Ok(()));
    script.registry.put(with_devices(40, "dev", &[]));
    script.reload();
    check(
        &mut script,
        STRICT,
        &login(3),
        Err(RejectReason::UnknownUser),
    );
}

#[test]
fn accounting_of_a_device_is_of_its_owner() {
    let mut script = script(vec![with_devices(40, "dev", &[DEVICE])]);
    let request = Request::accounting(1, "81000001").with(kind::USER_NAME, DEVICE.as_bytes());
    script.send(STRICT, &request);
    let (record, _) = script.take_store();
    let domain::accounting::AccountingRecord::Session(session) = record else {
        panic!("expected a session, found {record:?}");
    };
    assert_eq!(session.subscriber, Some(subscriber(40, "dev").id));
}

#[test]
fn a_subscriber_of_that_name_goes_first_with_their_password() {
    let mut script = script(vec![
        with_devices(40, "dev", &[DEVICE]),
        subscriber(41, DEVICE),
    ]);
    let login = Request::access(DEVICE).identifier(1).pap(PASSWORD);
    check(&mut script, STRICT, &login, Ok(()));
    let method = domain::access::Method::Pap;
    let empty = Request::access(DEVICE).identifier(2).pap("");
    let wrong = Err(RejectReason::WrongPassword { method });
    check(&mut script, STRICT, &empty, wrong);
}

#[test]
fn the_rules_of_the_owner_hold_for_the_device() {
    let disabled = Subscriber {
        status: SubscriberStatus::Disabled,
        ..with_devices(40, "dev", &[DEVICE])
    };
    let bound = Subscriber {
        plan: plan_id(3),
        ..with_devices(41, "dev2", &["00:00:5e:00:53:02"])
    };
    let script = script(vec![disabled, bound]);
    let one = PlanTerms {
        access: PlanAccess {
            device_limit: DeviceLimit::new(1),
            ..PlanAccess::default()
        },
        ..PlanTerms::default()
    };
    let mut plans = script.registry.plans.lock().expect("nobody panicked");
    plans.push(plan(3, "25M/50M", one));
    drop(plans);
    script.reload();
    let mut script = script;
    let login = Request::access(DEVICE).identifier(1).pap("");
    check(&mut script, STRICT, &login, Err(RejectReason::Disabled));
    // Its own address is the device that the plan binds.
    let login = Request::access("00:00:5e:00:53:02").identifier(2).pap("");
    check(&mut script, STRICT, &login, Ok(()));
}

#[test]
fn who_guesses_at_a_device_is_kept_back_and_a_hotspot_that_asks_is_not() {
    let options = GuardOptions {
        user_failures: 3,
        station_failures: 3,
        nas_failures: 0,
        lock_max: Duration::from_secs(60),
    };
    let mut script = prepare(
        Script::guarded(options),
        vec![with_devices(40, "dev", &[DEVICE])],
    );
    // Of devices that nobody has, nothing is guessed.
    for identifier in 0..9 {
        let stranger = Request::access("00:00:5e:00:53:99")
            .identifier(identifier)
            .with(kind::CALLING_STATION_ID, b"00-00-5e-00-53-99");
        let unknown = Err(RejectReason::UnknownUser);
        check(&mut script, STRICT, &stranger.pap(""), unknown);
    }
    assert_eq!(script.context.metrics.value(Count::GuardLocked), 0);
    for identifier in 10..14 {
        let guess = Request::access(DEVICE).identifier(identifier);
        script.ask(STRICT, &guess.pap(PASSWORD));
    }
    let subject = GuardSubject::Station;
    let kept_back = Err(RejectReason::TooManyAttempts { subject });
    let login = |identifier| Request::access(DEVICE).identifier(identifier).pap("");
    check(&mut script, STRICT, &login(20), kept_back);
    script.advance(Duration::from_secs(5));
    check(&mut script, STRICT, &login(21), Ok(()));
}

#[test]
fn who_guesses_a_password_does_not_keep_a_device_out_and_is_not_pardoned_by_it() {
    let options = GuardOptions {
        user_failures: 3,
        station_failures: 3,
        nas_failures: 0,
        lock_max: Duration::from_secs(60),
    };
    let mut script = prepare(
        Script::guarded(options),
        vec![with_devices(40, "dev", &[DEVICE])],
    );
    let guess = |identifier| {
        Request::access("dev")
            .identifier(identifier)
            .with(kind::CALLING_STATION_ID, b"00-00-5e-00-53-98")
            .pap("a guess")
    };
    for identifier in 0..4 {
        script.ask(STRICT, &guess(identifier));
    }
    let device = Request::access(DEVICE).identifier(10).pap("");
    check(&mut script, STRICT, &device, Ok(()));
    let subject = GuardSubject::User;
    let kept_back = Err(RejectReason::TooManyAttempts { subject });
    check(&mut script, STRICT, &guess(11), kept_back);
}

#[test]
fn rows_are_asked_about_a_device_that_no_subscriber_has() {
    let mut script = script(vec![with_devices(40, "dev", &[DEVICE])]);
    let row = Row {
        id: 1,
        attribute: "Cleartext-Password".to_owned(),
        op: ":=".to_owned(),
        value: PASSWORD.to_owned(),
    };
    for name in [DEVICE, "00:00:5e:00:53:02"] {
        let rows = UserRows {
            check: vec![row.clone()],
            reply: Vec::new(),
            groups: Vec::new(),
        };
        let mut users = script.registry.row_users.lock().expect("nobody panicked");
        users.insert(name.to_owned(), rows);
        drop(users);
        script.apply(&[Change::RowUser(name.into())]);
    }
    let login = |identifier, name| Request::access(name).identifier(identifier).pap(PASSWORD);
    check(&mut script, STRICT, &login(1, "00:00:5e:00:53:02"), Ok(()));
    // The subscriber's device goes first.
    let method = domain::access::Method::Pap;
    let wrong = Err(RejectReason::WrongPassword { method });
    check(&mut script, STRICT, &login(2, DEVICE), wrong);
}
