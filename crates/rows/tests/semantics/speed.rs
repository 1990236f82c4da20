//! What a request costs: no allocation when nothing is expanded or matched.

use radius::packet::Packet;
use rows::access::Authorization;
use rows::row::Mode;

use crate::world::{COMPILER, MESSAGE, PASSWORD, World, packet, request, user_rows};

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

/// A million users are to fit in a few hundred megabytes.
#[test]
fn a_user_takes_a_few_hundred_octets() {
    const USERS: u64 = 10_000;
    const OCTETS_MAX: u64 = 450;
    let mut programs = Vec::with_capacity(10_000);
    let info = allocation_counter::measure(|| {
        for user in 0..USERS {
            let (password, address) = (
                format!("password{user}"),
                format!("100.64.{}.{}", user / 250, user % 250),
            );
            let check = [
                ("Cleartext-Password", ":=", password.as_str()),
                ("Simultaneous-Use", ":=", "1"),
            ];
            let reply = [
                ("Framed-IP-Address", ":=", address.as_str()),
                ("Mikrotik-Rate-Limit", "=", "10M/10M"),
            ];
            programs.push(COMPILER.user(&user_rows(&check, &reply, &["home-50"])));
        }
    });
    let octets = u64::try_from(info.bytes_current).expect("programs are kept") / USERS;
    let of_its_own = u64::try_from(size_of_val(&programs[0])).expect("a small program");
    assert!(
        octets + of_its_own <= OCTETS_MAX,
        "{octets} octets beside {of_its_own}"
    );
}
