//! Reads arbitrary attributes as an accounting record and as an Access-Request: what comes of them fits the database.
#![no_main]

#[path = "../../tests/support/registry.rs"]
#[expect(dead_code, reason = "the rest is for the tests")]
mod registry;

use std::sync::LazyLock;

use aaa::accounting::read_record;
use aaa::request::{AccessFacts, count_misfits};
use domain::accounting::AccountingRecord;
use domain::nas::{Nas, NasSettings};
use libfuzzer_sys::fuzz_target;
use radius::packet::Packet;

static NAS: LazyLock<Nas> =
    LazyLock::new(|| registry::nas(1, "192.0.2.0/24", NasSettings::default()));

/// The most that one attribute holds.
const TEXT_OCTETS_MAX: usize = 253;

fuzz_target!(|attributes: &[u8]| {
    let Ok(length) = u16::try_from(attributes.len() + 20).map(u16::to_be_bytes) else {
        return;
    };
    let datagram = [&[4, 1, length[0], length[1]][..], &[0; 16], attributes].concat();
    let Ok(packet) = Packet::parse(&datagram) else {
        return;
    };
    let facts = AccessFacts::read(&packet);
    let _ = facts.method();
    assert!(count_misfits(&packet) <= attributes.len() as u64);
    let source = [192, 0, 2, 1].into();
    let record = read_record(&packet, &NAS, source, registry::NOW, |_| None);
    let Ok(AccountingRecord::Session(record)) = record else {
        return;
    };
    assert!(
        record.at <= registry::NOW,
        "nothing happens later than it is heard of"
    );
    for text in [
        Some(&record.username),
        Some(&record.place.acct_session_id),
        record.place.calling_station.as_ref(),
        record.place.called_station.as_ref(),
    ]
    .into_iter()
    .flatten()
    {
        assert!(text.len() <= TEXT_OCTETS_MAX, "{text:?}");
        assert!(!text.contains(char::is_control), "{text:?}");
    }
});
