//! What rows see of a request.

use std::net::IpAddr;

use domain::time::Timestamp;
use radius::packet::Packet;

/// A request as rows see it: the packet, and what the server knows beside it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// The Access-Request.
    pub packet: &'r Packet<'r>,
    /// User-Name as it came.
    pub user_name: &'r [u8],
    /// User-Password in clear, when the request has one.
    pub password: Option<&'r [u8]>,
    /// Where the packet came from: NAS-IP-Address when the packet has none, and Packet-Src-IP-Address.
    pub source: IpAddr,
    /// When it came.
    pub now: Timestamp,
}
