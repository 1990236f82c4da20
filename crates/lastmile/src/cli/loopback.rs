//! Talking to our own server as a router would: which address to ask, and with which secret.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use domain::nas::Nas;

use super::context::Context;
use super::error::CliError;

/// A registered NAS that requests from this machine count as.
pub(crate) struct Loopback {
    pub(crate) nas: Nas,
}

/// Where a listener can be reached from this machine; `None` while its port is still to be chosen.
pub(crate) fn reachable(listener: SocketAddr) -> Option<SocketAddr> {
    if listener.port() == 0 {
        return None;
    }
    let address = match listener.ip() {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(_) | IpAddr::V6(_) => listener.ip(),
    };
    Some(SocketAddr::new(address, listener.port()))
}

/// The server to ask: the one given, or the first listener of the configuration.
pub(crate) fn server(
    given: Option<SocketAddr>,
    listeners: &[SocketAddr],
    what: &'static str,
) -> Result<SocketAddr, CliError> {
    given
        .or_else(|| listeners.iter().copied().find_map(reachable))
        .ok_or(CliError::NoServerPort { what })
}

/// The address that the system sends from to reach `server`.
pub(crate) fn source_towards(server: SocketAddr) -> io::Result<IpAddr> {
    let any = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    // Connecting a UDP socket sends nothing; it only chooses the route.
    let socket = UdpSocket::bind(any)?;
    socket.connect(server)?;
    Ok(socket.local_addr()?.ip())
}

/// The NAS whose source covers `address`; the longest prefix wins.
pub(crate) fn find_covering(all: &[Nas], address: IpAddr) -> Option<&Nas> {
    all.iter()
        .filter(|nas| nas.source.contains(&address))
        .max_by_key(|nas| nas.source.prefix_len())
}

impl Loopback {
    /// Looks up how this machine is registered with the server.
    pub(crate) async fn find(context: &Context, server: SocketAddr) -> Result<Self, CliError> {
        Self::find_at(context, source_towards(server)?).await
    }

    /// Looks up how one address of this machine is registered with the server.
    pub(crate) async fn find_at(
        context: &Context,
        source_address: IpAddr,
    ) -> Result<Self, CliError> {
        let store = context.app.store_read().await?;
        let all = store.directory_nas_all().await?;
        let nas = find_covering(&all, source_address)
            .ok_or(CliError::NoLoopbackNas { source_address })?;
        Ok(Self { nas: nas.clone() })
    }
}
