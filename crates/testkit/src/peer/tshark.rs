//! Wireshark's dissector: decodes what went over a wire and complains about what is wrong.

use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::Value;

use super::debian;
use super::relay::{Datagram, Direction};
use crate::process;

const LIMIT: Duration = Duration::from_secs(120);
/// The port under which the dissector sees the server.
const SERVER_PORT: u16 = 1_812;
const CLIENT_PORT: u16 = 50_000;
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// LINKTYPE_RAW: a packet begins with its IP header.
const LINK_TYPE_RAW: u32 = 101;
const UDP: u8 = 17;

/// A datagram as Wireshark understood it.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Which way it went.
    pub direction: Direction,
    /// The RADIUS layer.
    pub radius: Value,
    /// Every warning and error, anywhere in the packet.
    pub complaints: Vec<String>,
}

impl Decoded {
    /// The RADIUS code.
    pub fn code(&self) -> Option<u8> {
        self.radius.get("radius.code")?.as_str()?.parse().ok()
    }
}

/// Decodes datagrams, in order. Authenticators are verified with `secret`.
pub fn decode(datagrams: &[Datagram], secret: &str) -> Vec<Decoded> {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let path = dir.path().join("capture.pcap");
    fs::write(&path, capture(datagrams)).expect("the temporary directory is writable");
    let mut command = debian("tshark", "tshark");
    command
        .env("HOME", dir.path())
        .arg("-r")
        .arg(&path)
        .args(["-T", "json", "-n"]);
    command
        .arg("-d")
        .arg(format!("udp.port=={SERVER_PORT},radius"));
    command
        .arg("-o")
        .arg(format!("radius.shared_secret:{secret}"));
    command.args(["-o", "radius.validate_authenticator:TRUE"]);
    let outcome = process::run(&mut command, b"", LIMIT);
    assert!(outcome.is_success(), "tshark failed: {outcome:?}");
    let frames: Vec<Value> = serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|error| panic!("tshark wrote no JSON: {error}: {}", outcome.stdout));
    assert_eq!(frames.len(), datagrams.len(), "tshark lost packets");
    let both = frames.into_iter().zip(datagrams);
    both.map(|(frame, datagram)| decoded(&frame, datagram.direction))
        .collect()
}

fn decoded(frame: &Value, direction: Direction) -> Decoded {
    let layers = &frame["_source"]["layers"];
    let mut complaints = Vec::new();
    complain(layers, &mut complaints);
    let radius = layers["radius"].clone();
    if radius.is_null() {
        complaints.push(format!("it is not RADIUS: {layers}"));
    }
    Decoded {
        direction,
        radius,
        complaints,
    }
}

/// Collects what the dissector marks as wrong: expert information, malformed packets and
/// authenticators that another secret made.
fn complain(value: &Value, complaints: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let is_wrong = name.starts_with("_ws.expert")
                    || name.starts_with("_ws.malformed")
                    || (name == "radius.authenticator.invalid" && field != "0");
                if is_wrong {
                    complaints.push(format!("{name}: {field}"));
                } else {
                    complain(field, complaints);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| complain(item, complaints)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Writes a capture file in libpcap's format, version 2.4.
fn capture(datagrams: &[Datagram]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_le_bytes());
    file.extend(2_u16.to_le_bytes());
    file.extend(4_u16.to_le_bytes());
    file.extend([0; 8]);
    file.extend(65_535_u32.to_le_bytes());
    file.extend(LINK_TYPE_RAW.to_le_bytes());
    for (number, datagram) in (0_u32..).zip(datagrams) {
        let packet = ip_packet(datagram);
        let length = u32::try_from(packet.len()).expect("a datagram is short");
        file.extend(number.to_le_bytes());
        file.extend(0_u32.to_le_bytes());
        file.extend(length.to_le_bytes());
        file.extend(length.to_le_bytes());
        file.extend(packet);
    }
    file
}

/// A UDP datagram in IPv4, without the checksum of UDP, which is optional (RFC 768).
fn ip_packet(datagram: &Datagram) -> Vec<u8> {
    let client = (CLIENT, CLIENT_PORT);
    let server = (SERVER, SERVER_PORT);
    let (from, to) = match datagram.direction {
        Direction::Request => (client, server),
        Direction::Reply => (server, client),
    };
    let udp_length = u16::try_from(8 + datagram.octets.len()).expect("a datagram is short");
    let mut packet = vec![0x45, 0];
    packet.extend((20 + udp_length).to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, UDP, 0, 0]);
    packet.extend(from.0.octets());
    packet.extend(to.0.octets());
    let checksum = checksum(&packet);
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet.extend(from.1.to_be_bytes());
    packet.extend(to.1.to_be_bytes());
    packet.extend(udp_length.to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(&datagram.octets);
    packet
}

/// The Internet checksum (RFC 1071) of a header of even length.
fn checksum(header: &[u8]) -> u16 {
    let words = header
        .chunks_exact(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let mut sum: u32 = words.sum();
    while 0xffff < sum {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("the carry was added")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_packet_is_complained_about() {
        let broken = Datagram {
            direction: Direction::Reply,
            // Access-Accept whose only attribute is longer than the packet.
            octets: [&[2, 1, 0, 22][..], &[7; 16], &[18, 9]].concat(),
        };
        let fine = Datagram {
            direction: Direction::Reply,
            octets: [&[2, 1, 0, 20][..], &[7; 16]].concat(),
        };
        let decoded = decode(&[broken, fine], "secret");
        assert_eq!(decoded[0].code(), Some(2));
        assert_ne!(decoded[0].complaints, Vec::<String>::new());
        assert_eq!(decoded[1].code(), Some(2));
    }
}
