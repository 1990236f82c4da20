//! Health, readiness and metrics over HTTP.

use std::net::TcpListener;

use radius::code::Code;
use testkit::database::DatabaseKind;

use crate::site::{ANA, Site, on_both_databases};
use crate::wire::{Request, Router};

on_both_databases!(
    health_readiness_and_metrics_are_served,
    a_web_port_in_use_does_not_keep_routers_waiting,
);

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
