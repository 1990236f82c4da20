//! The ports of RADIUS: free, answered by a server, or taken by something else.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use super::super::loopback;
use super::Check;
use super::registry::Registry;
use crate::app::App;

pub(super) async fn check(app: &App, registry: &Registry, checks: &mut Vec<Check>) {
    let radius = &app.config.radius;
    for listener in &radius.auth {
        checks.push(udp("authentication port", *listener, registry).await);
    }
    for listener in &radius.acct {
        checks.push(udp("accounting port", *listener, registry).await);
    }
}

async fn udp(name: &'static str, listener: SocketAddr, registry: &Registry) -> Check {
    let Some(server) = loopback::reachable(listener) else {
        return Check::ok(name, "chosen by the system when the server starts");
    };
    match UdpSocket::bind(listener) {
        Ok(_) => Check::ok(name, format!("{listener} is free: no server runs there")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            probe(name, server, registry).await
        }
        Err(error) => refused(name, listener, &error),
    }
}

/// Asks whoever has the port with Status-Server (RFC 5997).
async fn probe(name: &'static str, server: SocketAddr, registry: &Registry) -> Check {
    let covering = loopback::source_towards(server)
        .ok()
        .and_then(|source| loopback::find_covering(&registry.routers, source));
    let Some(nas) = covering else {
        return Check::warn(
            name,
            format!("{server} is in use, by a server or by something else"),
            "register this machine, so that it can ask: lastmile nas add loopback --address 127.0.0.1",
        );
    };
    let secret = nas.secret.clone();
    let report = tokio::task::spawn_blocking(move || lab::probe::status(server, &secret)).await;
    match report {
        Ok(Ok(report)) if report.is_alive => {
            let latency = report.latency_us.unwrap_or_default();
            Check::ok(
                name,
                format!("a server answers on {server} in {latency} us"),
            )
        }
        _ => Check::fail(
            name,
            format!(
                "{server} is in use and does not answer to the secret of NAS {}",
                nas.name
            ),
            "another program or another lastmile has the port: ss -lunp shows it",
        ),
    }
}

pub(super) fn refused(name: &'static str, listener: SocketAddr, error: &io::Error) -> Check {
    let kind = error.kind();
    let remedy = if kind == io::ErrorKind::PermissionDenied {
        "ports below 1024 need the capability CAP_NET_BIND_SERVICE: choose another port, or grant it in the unit"
    } else if kind == io::ErrorKind::AddrNotAvailable {
        "this machine does not have the address: `ip address` shows the ones it has"
    } else {
        "correct the address in the configuration: `lastmile config check` shows it"
    };
    Check::fail(name, format!("{listener} cannot be used: {error}"), remedy)
}
