//! What a request costs: no allocation when nothing is expanded or matched.

use radius::packet::Packet;
use rows::access::Authorization;
use rows::row::Mode;

use crate::world::{MESSAGE, PASSWORD, World, packet, request};

#[test]
fn a_user_in_a_group_is_found_without_an_allocation() {
    let world = World::default()
        .user(
            "u",
            &[PASSWORD, ("NAS-Port-Type", "==", "Ethernet")],
            &[MESSAGE, ("Session-Timeout", "=", "60")],
            &["g"],
        )
        .group(
            "g",
            &[("Simultaneous-Use", ":=", "1")],
            &[
                ("Mikrotik-Rate-Limit", "=", "10M/10M"),
                ("Filter-Id", ":=", "f"),
            ],
        );
    let bytes = packet("");
    let packet = Packet::parse(&bytes).expect("a well-formed packet");
    let request = request(&packet, b"u", Some(b"pw"));
    let mut is_found = false;
    let info = allocation_counter::measure(|| {
        let outcome = world.outcome(&request, Mode::Strict);
        if let Authorization::Found(access) = &outcome.authorization {
            is_found = access.reply().count() == 4 && access.limits().count() == 1;
        }
    });
    assert!(is_found);
    assert_eq!(info.count_total, 0);
}
