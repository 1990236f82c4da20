//! The wall clock is set on and back, and nothing that waits or is remembered notices.

use std::time::Duration;

use aaa::inbox::Completion;
use aaa::metrics::{Count, Drop};
use radius::attribute::kind;

use crate::registry::PASSWORD;
use crate::request::Request;
use crate::script::{STRICT, Script};

const HOUR: i64 = 3_600;
const YEAR: i64 = 365 * 24 * HOUR;
const JUMPS: [i64; 4] = [HOUR, -HOUR, YEAR, -YEAR];

const DELAY: Duration = Duration::from_secs(1);

fn login() -> Request {
    Request::access("ana").pap(PASSWORD)
}

fn octets(script: &mut Script, request: &Request) -> Vec<Vec<u8>> {
    script.send(STRICT, request);
    let outbox = script.outbox();
    outbox.into_iter().map(|outgoing| outgoing.octets).collect()
}

#[test]
fn a_request_is_remembered_for_as_long_as_ever() {
    for jump in JUMPS {
        let mut script = Script::new();
        let first = octets(&mut script, &login());
        script.set_clock_by(jump);
        script.advance(Duration::from_secs(9));
        assert_eq!(octets(&mut script, &login()), first, "{jump} s");
        assert_eq!(script.context.metrics.value(Count::DuplicateAnswered), 1);
        script.advance(Duration::from_secs(1));
        assert_ne!(octets(&mut script, &login()), first, "{jump} s");
    }
}

#[test]
fn a_reject_is_held_back_for_as_long_as_ever() {
    for jump in JUMPS {
        let mut script = Script::with_reject_delay(DELAY);
        assert!(octets(&mut script, &Request::access("ana").pap("wrong")).is_empty());
        script.set_clock_by(jump);
        script.advance(DELAY / 2);
        assert!(script.outbox().is_empty(), "{jump} s");
        script.advance(DELAY / 2);
        assert_eq!(script.outbox().len(), 1, "{jump} s");
    }
}

#[test]
fn a_record_that_is_being_stored_is_acknowledged() {
    for jump in JUMPS {
        let mut script = Script::new();
        let start = Request::accounting(1, "a").with(kind::USER_NAME, b"ana");
        script.send(STRICT, &start);
        let (_, ticket) = script.take_store();
        script.set_clock_by(jump);
        script.advance(Duration::from_secs(1));
        script.send(STRICT, &start);
        assert_eq!(script.drops(Drop::DuplicateInProgress), 1, "{jump} s");
        script.complete(Completion::Stored(ticket));
        assert_eq!(script.outbox().len(), 1, "{jump} s");
        assert_eq!(script.engine.storing(), 0);
    }
}
