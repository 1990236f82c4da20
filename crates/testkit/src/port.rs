//! Ports that stay free while a server is restarted on them.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;

/// Below what Linux hands out by itself (`ip_local_port_range`), and above what is well known.
const QUIET: Range<u16> = 12_000..32_000;
const ATTEMPTS: u32 = 100;

/// A loopback port that nobody has, and that the system gives to nobody who asks for any.
pub fn quiet_port() -> u16 {
    for _ in 0..ATTEMPTS {
        let address = (Ipv4Addr::LOCALHOST, rand::random_range(QUIET));
        if UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok() {
            return address.1;
        }
    }
    panic!("no port of {QUIET:?} is free after {ATTEMPTS} attempts");
}
