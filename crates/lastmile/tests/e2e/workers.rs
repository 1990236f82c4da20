//! Several workers share the ports, and nothing falls between them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use domain::secret::Secret;
use lab::credentials::Credentials;
use lab::load::options::{Limit, LoadOptions};
use radius::code::Code;
use testkit::database::DatabaseKind;

use crate::site::{ANA, SAM, SECRET, Site, on_both_databases};
use crate::wire::{Request, Router};

on_both_databases!(
    every_source_port_is_answered_by_some_worker,
    a_mixed_load_loses_nothing,
    replies_come_from_the_address_that_was_asked,
);

fn every_source_port_is_answered_by_some_worker(kind: DatabaseKind) {
    let mut site = Site::furnished(kind);
    site.set("LASTMILE_RADIUS__WORKERS", "4");
    let server = site.program.serve();
    let routers: Vec<Router> = (0..200).map(|_| Router::new()).collect();
    for router in &routers {
        router.send(server.auth, &Request::status(77));
    }
    for router in &routers {
        let request = Request::pap(1, ANA.0, ANA.1);
        assert_eq!(router.reply(server.auth, &request).code, Code::AccessAccept);
        assert_eq!(
            router.reply(server.acct, &Request::status(2)).code,
            Code::AccountingResponse
        );
    }
    assert_eq!(server.metric("lastmile_radius_status_replies_total"), 400);
    assert_eq!(server.metric("lastmile_radius_worker_restarts_total"), 0);
}

fn a_mixed_load_loses_nothing(kind: DatabaseKind) {
    let mut site = Site::furnished(kind);
    site.set("LASTMILE_RADIUS__WORKERS", "4");
    let server = site.program.serve();
    let users =
        [ANA, SAM].map(|(user, password)| Credentials::new(user, password).expect("a valid login"));
    let secret = Secret::from(SECRET);
    let mut options = LoadOptions::new(server.auth, server.acct, secret, users.to_vec());
    options.mix = "mixed".parse().expect("a valid mix");
    options.limit = Limit::Requests(4_000);
    options.outstanding = 64;
    options.ports = 32;
    options.timeout = Duration::from_secs(5);
    let report = lab::load::run(&options).expect("the load runs");
    let counts = &report.counts;
    assert_eq!(counts.requests, 4_000, "{report}");
    assert_eq!(counts.answers, 4_000, "{report}");
    let troubles = [
        counts.rejects,
        counts.bad_authenticators,
        counts.malformed,
        counts.unexpected,
        counts.lost,
    ];
    assert_eq!(troubles, [0; 5], "{report}");
}

fn replies_come_from_the_address_that_was_asked(kind: DatabaseKind) {
    let mut site = Site::furnished(kind);
    site.program
        .done(&["nas", "add", "pop6", "--address", "::1", "--secret", SECRET]);
    let rows = [
        ("0.0.0.0:0", &["127.0.0.1", "127.0.0.77"][..]),
        ("[::]:0", &["127.0.0.1", "127.0.0.77", "::1"]),
    ];
    for (listen, asked) in rows {
        site.set("LASTMILE_RADIUS__AUTH", listen);
        site.set("LASTMILE_RADIUS__ACCT", listen);
        let server = site.program.serve();
        for address in asked {
            let address: IpAddr = address.parse().expect("an address");
            for port in [server.auth.port(), server.acct.port()] {
                let server = SocketAddr::new(address, port);
                let router = Router::connected_to(server);
                router.reply(server, &Request::status(1));
            }
            let server = SocketAddr::new(address, server.auth.port());
            let router = Router::connected_to(server);
            let reply = router.reply(server, &Request::pap(2, ANA.0, ANA.1));
            assert_eq!(reply.code, Code::AccessAccept, "{listen} {address}");
        }
    }
}
