//! How much a NAS is trusted: Message-Authenticator, NAS-Identifier, and its address.

use radius::attribute::kind;
use radius::code::Code;
use testkit::database::DatabaseKind;
use testkit::server::Server;

use crate::site::{ANA, Site, on_both_databases};
use crate::wire::{Request, Router};

on_both_databases!(
    an_unsigned_login_is_judged_by_the_policy_of_its_nas,
    a_nas_that_calls_itself_otherwise_is_refused,
);

const PROXIED: [(u8, &[u8]); 1] = [(kind::PROXY_STATE, b"forged")];

fn an_unsigned_login_is_judged_by_the_policy_of_its_nas(database: DatabaseKind) {
    let (server, _site) = serve_with(database, &["--message-authenticator", "off"]);
    assert_eq!(answer(&server, &unsigned(1, &[])), Some(Code::AccessAccept));
    assert_eq!(
        answer(&server, &unsigned(2, &PROXIED)),
        Some(Code::AccessAccept)
    );

    let (server, _site) = serve_with(database, &["--message-authenticator", "required"]);
    assert_eq!(answer(&server, &unsigned(1, &[])), None);
    assert_eq!(dropped(&server, "message_authenticator_missing"), 1);

    let (server, _site) = serve_with(database, &["--message-authenticator", "auto"]);
    assert_eq!(answer(&server, &unsigned(1, &[])), Some(Code::AccessAccept));
    assert_eq!(answer(&server, &unsigned(2, &PROXIED)), None);
    assert_eq!(dropped(&server, "proxy_state_unprotected"), 1);
    // Whoever has signed once must sign for ever.
    assert_eq!(
        answer(&server, &Request::pap(3, ANA.0, ANA.1)),
        Some(Code::AccessAccept)
    );
    assert_eq!(answer(&server, &unsigned(4, &[])), None);
    assert_eq!(dropped(&server, "message_authenticator_missing"), 1);
}

fn a_nas_that_calls_itself_otherwise_is_refused(database: DatabaseKind) {
    let (server, _site) = serve_with(database, &["--identifier", "edge-1"]);
    let named = |identifier, name: &[u8]| {
        let more = [(kind::NAS_IDENTIFIER, name)];
        answer(&server, &Request::pap_and(identifier, ANA.0, ANA.1, &more))
    };
    assert_eq!(named(1, b"edge-1"), Some(Code::AccessAccept));
    assert_eq!(named(2, b"edge-2"), Some(Code::AccessReject));
    assert_eq!(
        answer(&server, &Request::pap(3, ANA.0, ANA.1)),
        Some(Code::AccessReject)
    );
}

fn serve_with(database: DatabaseKind, settings: &[&str]) -> (Server, Site) {
    let mut site = Site::furnished(database);
    site.set("LASTMILE_RADIUS__WORKERS", "1");
    site.program
        .done(&[&["nas", "set", "pop"], settings].concat());
    (site.program.serve(), site)
}

fn answer(server: &Server, request: &Request) -> Option<Code> {
    let router = Router::new();
    let replies = router.replies_before_status(server.auth, request);
    replies.first().map(|reply| reply.code)
}

fn dropped(server: &Server, reason: &str) -> u64 {
    server.metric(&format!(
        "lastmile_radius_dropped_total{{reason=\"{reason}\"}}"
    ))
}

/// A login with User-Password and without Message-Authenticator.
fn unsigned(identifier: u8, more: &[(u8, &[u8])]) -> Request {
    Request::unsigned_pap(identifier, ANA.0, ANA.1, more)
}
