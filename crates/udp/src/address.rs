//! Addresses as the standard library has them and as the kernel has them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::libc;
use nix::sys::socket::SockaddrStorage;

pub(crate) fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::from((v4.ip(), v4.port())));
    }
    let v6 = address.as_sockaddr_in6()?;
    Some(SocketAddr::V6((*v6).into()))
}

pub(crate) fn of_v4_info(info: &libc::in_pktinfo) -> IpAddr {
    IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes())
}

pub(crate) fn of_v6_info(info: &libc::in6_pktinfo) -> IpAddr {
    IpAddr::from(Ipv6Addr::from(info.ipi6_addr.s6_addr))
}

/// Says to send from this address.
pub(crate) fn v4_info(local: Ipv4Addr) -> libc::in_pktinfo {
    libc::in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: libc::in_addr {
            s_addr: u32::from_ne_bytes(local.octets()),
        },
        ipi_addr: libc::in_addr { s_addr: 0 },
    }
}

/// Says to send from this address.
pub(crate) fn v6_info(local: Ipv6Addr) -> libc::in6_pktinfo {
    libc::in6_pktinfo {
        ipi6_addr: libc::in6_addr {
            s6_addr: local.octets(),
        },
        ipi6_ifindex: 0,
    }
}
