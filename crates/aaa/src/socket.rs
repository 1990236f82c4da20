//! The addresses that a node listens on, one socket a worker on each.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use udp::socket::Socket;

use crate::engine::Role;

/// An address to listen on could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({setting}): {remedy}")]
pub struct BindError {
    pub address: SocketAddr,
    /// The configuration key that names the address.
    pub setting: &'static str,
    remedy: &'static str,
    #[source]
    source: io::Error,
}

/// One socket of one worker.
#[derive(Debug)]
pub struct Listener {
    pub role: Role,
    pub socket: Socket,
}

/// Opens `workers` sockets on each address; the kernel spreads the senders over them. A port of 0
/// is chosen by the kernel once and used by all workers.
pub fn bind(address: SocketAddr, role: Role, workers: usize) -> Result<Vec<Listener>, BindError> {
    let sockets = Socket::bind_shared(address, workers)
        .map_err(|source| bind_error(address, role, source))?;
    Ok(sockets
        .into_iter()
        .map(|socket| Listener { role, socket })
        .collect())
}

fn bind_error(address: SocketAddr, role: Role, source: io::Error) -> BindError {
    BindError {
        address,
        setting: match role {
            Role::Authentication => "radius.auth",
            Role::Accounting => "radius.acct",
        },
        remedy: remedy(source.kind()),
        source,
    }
}

fn remedy(kind: io::ErrorKind) -> &'static str {
    if kind == io::ErrorKind::AddrInUse {
        "another program has this port; stop it or choose another port"
    } else if kind == io::ErrorKind::AddrNotAvailable {
        "this machine does not have this address"
    } else if kind == io::ErrorKind::PermissionDenied {
        "ports below 1024 need root or CAP_NET_BIND_SERVICE"
    } else {
        "the system refused"
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
