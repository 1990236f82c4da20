//! Reads datagrams as Disconnect and CoA requests and replies, and signed ones with any attributes, which must be answered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use radius::dynamic_authorization::{Action, Answer, Request, read_reply, write_request};

const SECRET: &[u8] = b"xyzzy5461";

fuzz_target!(|input: (bool, i64, &[u8])| {
    let (is_change, now, octets) = input;
    let action = if is_change { Action::Change } else { Action::Disconnect };
    let _ = Request::read(octets, SECRET, now);
    let _ = read_reply(octets, action, 1, &[0; 16], SECRET);

    let mut buffer = Vec::new();
    let seconds = u32::try_from(now.unsigned_abs() >> 32).unwrap_or(0);
    if write_request(&mut buffer, action, 1, seconds, octets, SECRET).is_err() {
        return;
    }
    let Ok(request) = Request::read(&buffer, SECRET, seconds.into()) else {
        return;
    };
    let mut reply = Vec::new();
    if request.write_reply(&mut reply, Answer::Refused(None), SECRET).is_ok() {
        let authenticator = request.packet.authenticator();
        let read = read_reply(&reply, action, 1, authenticator, SECRET);
        assert_eq!(read, Ok(Answer::Refused(None)));
    }
});
