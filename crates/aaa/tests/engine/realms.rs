//! User names with a realm: whose subscriber they mean, and where.

use domain::access::RejectReason;
use domain::auth_log::AuthOutcome;
use domain::id::TenantId;
use domain::nas::NasSharing;
use domain::realm::{Realm, RealmHandling};
use domain::subscriber::Subscriber;
use domain::tenant::TenantPolicy;
use radius::attribute::kind;

use crate::eap::{hello, question};
use crate::ms_chap::v2;
use crate::registry::{NOW, PASSWORD, subscriber};
use crate::request::Request;
use crate::script::{AUTO, STRICT, Script};

fn other() -> TenantId {
    TenantId::new(NOW, [7; 10])
}

fn policy(tenant: TenantId, realms: &[(&str, RealmHandling)]) -> TenantPolicy {
    let realm = |(name, handling): &(&str, RealmHandling)| Realm {
        tenant,
        name: name.parse().expect("a valid name"),
        handling: *handling,
    };
    TenantPolicy {
        realms: realms.iter().map(realm).collect(),
        ..TenantPolicy::new(tenant)
    }
}

/// The second router is shared with another tenant, which has subscribers of its own.
fn script(policies: Vec<TenantPolicy>) -> Script {
    let script = Script::new();
    let mut all = script.registry.nas.lock().expect("nobody panicked");
    all[1].settings.sharing = NasSharing::Shared;
    drop(all);
    *script.registry.policies.lock().expect("nobody panicked") = policies;
    script.registry.put(subscriber(50, "kim@old.example"));
    script.registry.put(Subscriber {
        tenant: other(),
        ..subscriber(51, "lee")
    });
    script.reload();
    script
}

fn policies() -> Vec<TenantPolicy> {
    let ours = [
        ("isp.example", RealmHandling::Strip),
        ("keep.example", RealmHandling::Keep),
    ];
    vec![
        policy(TenantId::DEFAULT, &ours),
        policy(other(), &[("far.example", RealmHandling::Strip)]),
    ]
}

/// Which subscriber a name means at a router, or why it is refused.
#[track_caller]
fn check(script: &mut Script, source: &str, name: &str, expected: Result<u8, RejectReason>) {
    let identifier = u8::try_from(script.log.len()).expect("few logins");
    let request = Request::access(name).identifier(identifier).pap(PASSWORD);
    let shown = script.ask(source, &request);
    let entry = script.log.last().expect("it is logged");
    match expected {
        Ok(number) => {
            assert_eq!(
                shown.first().map(String::as_str),
                Some("Access-Accept"),
                "{name}"
            );
            assert_eq!(entry.subscriber, Some(subscriber(number, "x").id), "{name}");
        }
        Err(reason) => assert_eq!(entry.outcome, AuthOutcome::Rejected(reason), "{name}"),
    }
}

#[test]
fn a_realm_is_stripped_in_every_notation() {
    let mut script = script(policies());
    for name in [
        "ana",
        "ana@ISP.example",
        "isp.example/ana",
        r"isp.example\ana",
    ] {
        check(&mut script, STRICT, name, Ok(1));
    }
    let unknown = Err(RejectReason::UnknownUser);
    check(&mut script, STRICT, "nobody@isp.example", unknown);
}

#[test]
fn a_realm_that_is_kept_is_part_of_the_name() {
    let mut script = script(policies());
    let unknown = Err(RejectReason::UnknownUser);
    check(&mut script, STRICT, "ana@keep.example", unknown);
    // A name that is registered whole needs no realm.
    check(&mut script, STRICT, "kim@old.example", Ok(50));
}

#[test]
fn a_realm_that_nobody_has_is_refused_where_there_are_realms() {
    let mut script = script(policies());
    let unknown_realm = Err(RejectReason::UnknownRealm);
    check(&mut script, STRICT, "ana@nowhere.example", unknown_realm);
    let mut without = self::script(Vec::new());
    let unknown = Err(RejectReason::UnknownUser);
    check(&mut without, STRICT, "ana@nowhere.example", unknown);
}

#[test]
fn subscribers_of_others_come_in_by_shared_routers_alone() {
    let mut script = script(policies());
    check(&mut script, AUTO, "lee@far.example", Ok(51));
    let elsewhere = Err(RejectReason::RealmElsewhere);
    check(&mut script, STRICT, "lee@far.example", elsewhere);
    let unknown = Err(RejectReason::UnknownUser);
    check(&mut script, AUTO, "lee", unknown);
}

#[test]
fn ms_chap_goes_by_the_name_that_the_peer_sent() {
    let mut script = script(policies());
    let request = v2("ana@isp.example", PASSWORD);
    let shown = script.ask(STRICT, &request);
    assert_eq!(
        shown.first().map(String::as_str),
        Some("Access-Accept"),
        "{shown:?}"
    );
}

#[test]
fn accounting_is_of_the_same_subscriber_as_the_login() {
    let mut script = script(policies());
    let mut account_of = |source, name: &str, number| {
        let request = Request::accounting(1, "81000001")
            .identifier(number)
            .with(kind::USER_NAME, name.as_bytes());
        script.send(source, &request);
        let (record, _) = script.take_store();
        let domain::accounting::AccountingRecord::Session(session) = record else {
            panic!("expected a session, found {record:?}");
        };
        let sent = session.place.user_name.map(|name| name.to_string());
        let username = session.username.to_string();
        (session.subscriber, session.tenant, username, sent)
    };
    let home = subscriber(1, "ana");
    let sent = |name: &str| Some(name.to_owned());
    for (number, name) in [(1, "isp.example/ana"), (2, "ANA")] {
        let expected = (Some(home.id), home.tenant, "ana".to_owned(), sent(name));
        assert_eq!(account_of(STRICT, name, number), expected);
    }
    let expected = (Some(home.id), home.tenant, "ana".to_owned(), None);
    assert_eq!(account_of(STRICT, "ana", 3), expected);
    // Whoever is nobody stays what they say, at the router's tenant.
    let nobody = "ana@nowhere.example".to_owned();
    let expected = (None, home.tenant, nobody.clone(), None);
    assert_eq!(account_of(STRICT, &nobody, 4), expected);
    // What one of others uses at a shared router is theirs.
    let (owner, tenant, username, _) = account_of(AUTO, "lee@far.example", 5);
    let far = subscriber(51, "lee").id;
    assert_eq!((owner, username.as_str()), (Some(far), "lee"));
    assert_ne!(tenant, home.tenant);
}

#[test]
fn a_realm_of_an_identity_is_that_of_the_user_name() {
    let mut script = script(policies());
    let asked = question(&mut script, &hello("ana@isp.example"));
    let shown = script.ask(STRICT, &asked.right("ana@isp.example"));
    assert_eq!(shown.first().map(String::as_str), Some("Access-Accept"));
    let entry = script.log.last().expect("it is logged");
    assert_eq!(entry.subscriber, Some(subscriber(1, "ana").id));
}
