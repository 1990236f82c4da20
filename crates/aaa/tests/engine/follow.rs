//! The directory follows changes: renames, swaps, deletions, plans.

use domain::change::Change;
use domain::id::SubscriberId;
use domain::plan::PlanTerms;
use domain::subscriber::Subscriber;

use crate::registry::{NOW, PASSWORD, plan, plan_id, subscriber};
use crate::request::Request;
use crate::script::{STRICT, Script};

fn id(number: u8) -> SubscriberId {
    SubscriberId::new(NOW, [number; 10])
}

/// Applies changes as the follower does.
fn apply(script: &Script, changes: &[Change]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let apply = script.context.directory.apply(&script.registry, changes);
    let applied = runtime.expect("a runtime without drivers").block_on(apply);
    assert_eq!(applied.expect("memory does not fail"), changes.len());
}

fn owner(script: &Script, username: &str) -> Option<SubscriberId> {
    let tenant = domain::id::TenantId::DEFAULT;
    let entry = script.context.directory.find_subscriber(tenant, username);
    entry.map(|entry| entry.subscriber.id)
}

/// Both orders of these changes lead to these owners.
#[track_caller]
fn check(subscribers: &[Subscriber], gone: &[u8], expected: &[(&str, Option<u8>)]) {
    let mut changes: Vec<_> = subscribers
        .iter()
        .map(|subscriber| Change::Subscriber(subscriber.id))
        .chain(gone.iter().map(|number| Change::Subscriber(id(*number))))
        .collect();
    for _ in 0..2 {
        let script = Script::new();
        {
            let mut all = script.registry.subscribers.lock().expect("nobody panicked");
            all.retain(|known| !gone.iter().any(|number| known.id == id(*number)));
        }
        for subscriber in subscribers {
            script.registry.put(subscriber.clone());
        }
        apply(&script, &changes);
        for (username, number) in expected {
            assert_eq!(owner(&script, username), number.map(id), "{username}");
        }
        changes.reverse();
    }
}

#[test]
fn a_renamed_subscriber_is_found_under_the_new_name_only() {
    check(
        &[subscriber(1, "anna")],
        &[],
        &[("anna", Some(1)), ("ana", None)],
    );
}

#[test]
fn two_subscribers_can_swap_their_names() {
    let swapped = [subscriber(1, "solo"), subscriber(4, "ana")];
    check(&swapped, &[], &[("solo", Some(1)), ("ana", Some(4))]);
}

#[test]
fn a_name_can_pass_from_a_deleted_subscriber_to_a_new_one() {
    check(&[subscriber(20, "ana")], &[1], &[("ana", Some(20))]);
    check(&[], &[1, 99], &[("ana", None), ("solo", Some(4))]);
}

#[test]
fn a_plan_reaches_its_subscribers_at_once() {
    let mut script = Script::new();
    let rate = |script: &mut Script, seed: u8| {
        let request = Request::access("ana").authenticator(seed).pap(PASSWORD);
        let shown = script.ask(STRICT, &request);
        shown.get(3).cloned().unwrap_or_default()
    };
    assert_eq!(rate(&mut script, 1), "Mikrotik-Rate-Limit = \"25M/50M\"");
    let set_plans = |script: &Script, plans| {
        *script.registry.plans.lock().expect("nobody panicked") = plans;
        apply(script, &[Change::Plan(plan_id(1))]);
    };
    set_plans(&script, vec![plan(1, "1M/1M", PlanTerms::default())]);
    assert_eq!(rate(&mut script, 2), "Mikrotik-Rate-Limit = \"1M/1M\"");
    set_plans(&script, Vec::new());
    assert_eq!(rate(&mut script, 3), "");
    set_plans(&script, vec![plan(1, "2M/2M", PlanTerms::default())]);
    assert_eq!(rate(&mut script, 4), "Mikrotik-Rate-Limit = \"2M/2M\"");
}

#[test]
fn everything_means_everything() {
    let mut script = Script::new();
    script.registry.put(subscriber(30, "new"));
    let gone = id(1);
    script
        .registry
        .subscribers
        .lock()
        .expect("nobody panicked")
        .retain(|known| known.id != gone);
    apply(&script, &[Change::Everything]);
    assert_eq!(
        (owner(&script, "new"), owner(&script, "ana")),
        (Some(id(30)), None)
    );
    let shown = script.ask(STRICT, &Request::access("new").pap(PASSWORD));
    assert_eq!(shown.first().map(String::as_str), Some("Access-Accept"));
}
