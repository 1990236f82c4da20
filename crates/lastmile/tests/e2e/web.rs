//! Health, readiness and metrics over HTTP.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use radius::code::Code;
use testkit::database::DatabaseKind;

use crate::site::{ANA, Site, on_both_databases};
use crate::wire::{Request, Router};

on_both_databases!(
    health_readiness_and_metrics_are_served,
    a_web_port_in_use_does_not_keep_routers_waiting,
);

const PATIENCE: Duration = Duration::from_secs(60);

/// More than are served at a time.
const IDLERS: usize = 500;

fn health_readiness_and_metrics_are_served(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let server = site.program.serve();
    assert_eq!(server.http("/healthz").status, 200);
    let ready = server.http("/readyz");
    assert_eq!(ready.status, 200, "{}", ready.body);
    assert_eq!(server.http("/nothing").status, 404);
    let router = Router::new();
    router.reply(server.auth, &Request::pap(1, ANA.0, ANA.1));
    router.reply(server.auth, &Request::pap(2, ANA.0, "wrong"));
    let metrics = server.metrics();
    let expected = [
        ("lastmile_radius_access_requests_total", 2),
        ("lastmile_radius_access_accepts_total", 1),
        ("lastmile_radius_access_rejects_total", 1),
        ("lastmile_directory_subscribers", 3),
        ("lastmile_directory_nas", 1),
        ("lastmile_directory_plans", 1),
        ("lastmile_sessions_open", 0),
    ];
    for (name, value) in expected {
        assert_eq!(metrics.get(name), Some(&value), "{name} in {metrics:#?}");
    }
}

fn a_web_port_in_use_does_not_keep_routers_waiting(kind: DatabaseKind) {
    let mut site = Site::furnished(kind);
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = taken.local_addr().expect("it is bound").to_string();
    site.set("LASTMILE_HTTP__LISTEN", &address);
    let server = site.program.serve();
    let reply = Router::new().reply(server.auth, &Request::pap(1, ANA.0, ANA.1));
    assert_eq!(reply.code, Code::AccessAccept);
    let log = server.terminate().log;
    let complaints = log
        .iter()
        .filter(|line| line.contains("http.listen") && line.contains("ERROR"));
    let complaints: Vec<_> = complaints.collect();
    assert_eq!(complaints.len(), 1, "{log:#?}");
    assert!(complaints[0].contains(&address), "{complaints:?}");
}

#[test]
fn idle_web_connections_cost_nobody_but_themselves() {
    let mut site = Site::furnished(DatabaseKind::Sqlite);
    site.set("LASTMILE_HTTP__CONNECTIONS_MAX", "64");
    let server = site.program.serve();
    let http = server.http.expect("it serves HTTP");
    let mut idlers: Vec<TcpStream> = (0..IDLERS)
        .map(|_| TcpStream::connect_timeout(&http, PATIENCE).expect("the port is open"))
        .collect();
    let slow = idlers.first_mut().expect("there are some");
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: a")
        .expect("it is one of those that are served");
    let router = Router::new();
    for identifier in 0..100 {
        let reply = router.reply(server.auth, &Request::pap(identifier, ANA.0, ANA.1));
        assert_eq!(reply.code, Code::AccessAccept);
    }
    // Those that say nothing, or not enough, are let go, and others are served again.
    for idler in &mut idlers {
        idler
            .set_read_timeout(Some(PATIENCE))
            .expect("a time above zero");
        // A connection that is reset has been let go, too.
        drop(idler.read_to_end(&mut Vec::new()));
    }
    let deadline = Instant::now() + PATIENCE;
    while !is_served(http) {
        assert!(Instant::now() < deadline, "nobody is served any more");
    }
    let refused = server.metric("lastmile_http_connections_refused_total");
    assert!(400 < refused, "{refused} were refused");
    assert_eq!(
        server.metric("lastmile_task_restarts_total{task=\"http\"}"),
        0
    );
}

fn is_served(http: SocketAddr) -> bool {
    let mut answer = Vec::new();
    let served = TcpStream::connect_timeout(&http, PATIENCE).and_then(|mut stream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
        stream.read_to_end(&mut answer)
    });
    served.is_ok() && answer.starts_with(b"HTTP/1.1 200")
}
