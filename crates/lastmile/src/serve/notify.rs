//! Tells systemd how the service is doing (`sd_notify(3)`).

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use tracing::warn;

use crate::config::ServiceManager;

/// The way to the service manager, if there is one.
#[derive(Clone, Debug)]
pub(super) struct Notifier {
    address: Option<SocketAddr>,
    watchdog: Option<Duration>,
}

impl Notifier {
    pub(super) fn new(manager: &ServiceManager) -> Self {
        Self {
            address: manager.notify_socket.as_deref().and_then(address_of),
            watchdog: manager.watchdog,
        }
    }

    pub(super) fn ready(&self) {
        self.send("READY=1");
    }

    pub(super) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// How often the manager wants to hear from us: half of its patience.
    pub(super) fn watchdog(&self) -> Option<Duration> {
        self.watchdog.map(|patience| patience / 2)
    }

    /// Says again and again that the program lives.
    pub(super) async fn keep_alive(self, every: Duration) {
        let mut interval = tokio::time::interval(every.max(Duration::from_millis(1)));
        loop {
            interval.tick().await;
            self.send("WATCHDOG=1");
        }
    }

    fn send(&self, state: &str) {
        let Some(address) = &self.address else { return };
        let sent = UnixDatagram::unbound()
            .and_then(|socket| socket.send_to_addr(state.as_bytes(), address));
        if let Err(problem) = sent {
            warn!(%problem, "The service manager could not be told {state}");
        }
    }
}

/// A path, or an abstract name written with a leading `@`.
fn address_of(path: &Path) -> Option<SocketAddr> {
    match path.as_os_str().as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok(),
        _ => SocketAddr::from_pathname(path).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_hears_that_we_are_ready() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).expect("a new socket");
        let notifier = Notifier::new(&ServiceManager {
            notify_socket: Some(path),
            ..ServiceManager::default()
        });
        notifier.ready();
        let mut buffer = [0; 32];
        let count = manager.recv(&mut buffer).expect("one datagram");
        assert_eq!(&buffer[..count], b"READY=1");
    }
}
