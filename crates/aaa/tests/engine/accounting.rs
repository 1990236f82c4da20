//! Accounting: acknowledged when it is stored, and not a moment earlier.

use aaa::class;
use aaa::engine::{Effect, Role};
use aaa::inbox::Completion;
use aaa::metrics::{Count, Drop};
use domain::accounting::{AccountingRecord, SessionEvent, SessionRecord};
use domain::id::SubscriberId;
use domain::terms::Term;
use radius::attribute::kind;
use radius::packet::Packet;

use crate::registry::{NOW, PASSWORD};
use crate::request::Request;
use crate::script::{STRICT, Script, check, source_address};

const RESPONSE: [&str; 1] = ["Accounting-Response"];

fn start() -> Request {
    Request::accounting(1, "81000001").with(kind::USER_NAME, b"Ana")
}

fn session(record: AccountingRecord) -> SessionRecord {
    match record {
        AccountingRecord::Session(record) => record,
        AccountingRecord::NasRestart(_) => panic!("expected a session record"),
    }
}

#[test]
fn the_response_waits_for_the_commit() {
    let mut script = Script::new();
    check(&mut script, STRICT, &start(), &[]);
    assert_eq!(script.engine.storing(), 1);
    let (record, ticket) = script.take_store();
    script.complete(Completion::Stored(ticket));
    assert_eq!(script.shown(&start()), RESPONSE);
    assert_eq!(script.engine.storing(), 0);
    let record = session(record);
    assert_eq!(record.event, SessionEvent::Start);
    assert_eq!(record.subscriber, Some(SubscriberId::new(NOW, [1; 10])));
    assert_eq!(record.place.nas_address, Some(source_address(STRICT)));
    check(&mut script, STRICT, &start(), &RESPONSE);
    assert_eq!(script.context.metrics.value(Count::DuplicateAnswered), 1);
    assert!(script.effects.is_empty());
}

#[test]
fn proxy_state_comes_back_in_order() {
    let mut script = Script::new();
    let request = start()
        .with(kind::PROXY_STATE, &[2])
        .with(kind::PROXY_STATE, &[1]);
    script.send(STRICT, &request);
    let (_, ticket) = script.take_store();
    script.complete(Completion::Stored(ticket));
    let expected = [
        "Accounting-Response",
        "Proxy-State = 0x02",
        "Proxy-State = 0x01",
    ];
    assert_eq!(script.shown(&request), expected);
}

#[test]
fn what_was_not_stored_is_not_acknowledged_and_tried_again() {
    let mut script = Script::new();
    check(&mut script, STRICT, &start(), &[]);
    let (_, ticket) = script.take_store();
    script.complete(Completion::NotStored(ticket));
    assert_eq!(
        (script.drops(Drop::JournalFailed), script.engine.storing()),
        (1, 0)
    );
    check(&mut script, STRICT, &start(), &[]);
    let (_, ticket) = script.take_store();
    script.complete(Completion::Stored(ticket));
    assert_eq!(script.shown(&start()), RESPONSE);
}

#[test]
fn what_the_journal_refused_is_not_acknowledged_and_tried_again() {
    let mut script = Script::new();
    check(&mut script, STRICT, &start(), &[]);
    let (record, ticket) = script.take_store();
    script.engine.refuse(Effect::Store { record, ticket });
    assert_eq!(
        (script.drops(Drop::JournalFull), script.engine.storing()),
        (1, 0)
    );
    check(&mut script, STRICT, &start(), &[]);
    assert_eq!(script.effects.len(), 1);
}

#[test]
fn an_interim_that_the_journal_refused_is_counted_as_shed() {
    let mut script = Script::new();
    let interim = Request::accounting(3, "81000001").with(kind::USER_NAME, b"ana");
    check(&mut script, STRICT, &interim, &[]);
    let (record, ticket) = script.take_store();
    script.engine.refuse(Effect::Store { record, ticket });
    assert_eq!(script.drops(Drop::JournalShedInterim), 1);
    assert_eq!(script.drops(Drop::JournalFull), 0);
}

#[test]
fn a_commit_that_the_sender_gave_up_is_not_answered() {
    let mut script = Script::new();
    script.send(STRICT, &start());
    let (_, old) = script.take_store();
    let next = Request::accounting(3, "81000001").with(kind::USER_NAME, b"ana");
    script.send(STRICT, &next);
    script.complete(Completion::Stored(old));
    assert!(script.outbox().is_empty());
    let (_, new) = script.take_store();
    script.complete(Completion::Stored(new));
    assert_eq!(script.shown(&next), RESPONSE);
    assert_eq!(script.engine.storing(), 0);
}

#[test]
fn class_leads_from_the_session_back_to_the_login() {
    let mut script = Script::new();
    script.send(STRICT, &Request::access("ana").pap(PASSWORD));
    let outgoing = script.outbox().pop().expect("it is accepted");
    let accept = Packet::parse(&outgoing.octets).expect("it is a packet");
    let class = accept.find(kind::CLASS).expect("an accept has one");
    let id = script.log.first().expect("it is logged").id;
    let said = class::read(class).expect("it is ours");
    assert_eq!(said.auth, id);
    script.send(
        STRICT,
        &start()
            .with(kind::CLASS, b"foreign")
            .with(kind::CLASS, class),
    );
    let (record, _) = script.take_store();
    let record = session(record);
    assert_eq!((record.auth, record.terms), (Some(id), said.terms));
    assert!(
        said.terms
            .is_some_and(|terms| terms.granted().contains(Term::Rate))
    );
}

#[test]
fn an_unknown_subscriber_is_recorded_too() {
    let mut script = Script::new();
    script.send(
        STRICT,
        &Request::accounting(1, "a").with(kind::USER_NAME, &[0xff]),
    );
    let record = session(script.take_store().0);
    assert_eq!(
        (record.subscriber, record.username.as_str()),
        (None, "\u{fffd}")
    );
}

#[test]
fn what_cannot_be_recorded_is_silence_each_time() {
    let incomplete = Request::new(radius::code::Code::AccountingRequest, Role::Accounting);
    let rows = [
        (incomplete, Drop::AccountingIncomplete),
        (Request::accounting(1, ""), Drop::AccountingIncomplete),
        (Request::accounting(15, "a"), Drop::AccountingUnsupported),
    ];
    for (request, drop) in rows {
        let mut script = Script::new();
        check(&mut script, STRICT, &request, &[]);
        check(&mut script, STRICT, &request, &[]);
        assert_eq!(script.drops(drop), 2, "{drop:?}");
        assert!(script.effects.is_empty());
    }
}

#[test]
fn a_message_authenticator_is_checked_when_it_is_there() {
    let mut script = Script::new();
    script.send(STRICT, &start().protected(true));
    assert_eq!(script.effects.len(), 1);
    let forged = start().with(kind::MESSAGE_AUTHENTICATOR, &[0; 16]);
    script.send(STRICT, &forged.identifier(9));
    assert_eq!(script.effects.len(), 1);
    assert_eq!(script.drops(Drop::RequestAuthenticatorInvalid), 1);
}

#[test]
fn attributes_of_the_wrong_size_are_left_out_and_counted() {
    let mut script = Script::new();
    let request = start()
        .with(kind::ACCT_INPUT_OCTETS, &[1, 2, 3])
        .with(kind::ACCT_OUTPUT_OCTETS, &[0, 0, 0, 9])
        .with(kind::FRAMED_IP_ADDRESS, &[1; 5]);
    script.send(STRICT, &request);
    let record = session(script.take_store().0);
    assert_eq!(
        (record.total.upload_bytes, record.total.download_bytes),
        (0, 9)
    );
    assert_eq!(record.place.framed_ipv4, None);
    assert_eq!(script.context.metrics.value(Count::AttributeIgnored), 2);
}
