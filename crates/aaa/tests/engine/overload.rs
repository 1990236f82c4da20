//! What is done with requests that have waited for too long.

use std::time::Duration;

use aaa::engine::Role;
use aaa::metrics::Drop;
use radius::attribute::kind;
use radius::code::Code;

use crate::registry::PASSWORD;
use crate::request::Request;
use crate::script::{STRICT, Script};

#[test]
fn a_late_login_is_passed_over_and_its_retransmission_is_new() {
    let mut script = Script::new();
    let login = Request::access("ana").pap(PASSWORD);
    let octets = login.octets();
    let late = Duration::from_secs(1);
    script.send_late(STRICT, Role::Authentication, &octets, late);
    assert!(script.outbox().is_empty());
    assert_eq!(script.drops(Drop::TooLate), 1);
    script.send_late(STRICT, Role::Authentication, &octets, Duration::ZERO);
    assert_eq!(script.outbox().len(), 1);
}

#[test]
fn a_login_that_goes_on_waits_for_longer() {
    let mut script = Script::new();
    let login = Request::access("ana").pap(PASSWORD).with(kind::STATE, b"7");
    let late = Duration::from_secs(2);
    script.send_late(STRICT, Role::Authentication, &login.octets(), late);
    assert_eq!(script.outbox().len(), 1);
}

#[test]
fn a_router_that_asks_whether_the_server_lives_is_answered_at_any_time() {
    let mut script = Script::new();
    let late = Duration::from_secs(60);
    let status = Request::new(Code::StatusServer, Role::Authentication);
    script.send_late(STRICT, Role::Authentication, &status.octets(), late);
    assert_eq!(script.outbox().len(), 1);
    assert_eq!(script.drops(Drop::TooLate), 0);
}
