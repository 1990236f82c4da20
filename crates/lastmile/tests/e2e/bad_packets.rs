//! What arrives broken, forged or strange gets the right answer or silence, and is counted once.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use radius::attribute::kind;
use radius::code::Code;
use testkit::server::Server;

use crate::site::{ANA, Site, on_both_databases};
use crate::wire::{Request, Router};
use testkit::database::DatabaseKind;

on_both_databases!(
    every_bad_packet_gets_its_due,
    a_flood_of_bad_packets_does_not_flood_the_log
);

/// Which port a packet goes to.
#[derive(Clone, Copy, Debug)]
enum Port {
    Auth,
    Acct,
}

/// What a packet deserves.
#[derive(Clone, Debug)]
enum Due {
    Silence(&'static str),
    Answer(Code),
}

struct Row {
    name: &'static str,
    port: Port,
    request: Request,
    due: Due,
}

fn every_bad_packet_gets_its_due(kind: DatabaseKind) {
    let mut site = Site::furnished(kind);
    site.set("LASTMILE_RADIUS__WORKERS", "1");
    let server = site.program.serve();
    let router = Router::new();
    let rows = [
        headers(),
        attributes(),
        forgeries(),
        strange(),
        names(),
        credentials(),
        accounting(),
    ];
    for row in rows.into_iter().flatten() {
        check(&server, &router, &row);
    }
    check_unknown_nas(&site, &server);
    check_proxy_state(&server, &router);
    let reply = router.reply(server.auth, &Request::pap(1, ANA.0, ANA.1));
    assert_eq!(reply.code, Code::AccessAccept, "the server is as it was");
    let ending = server.terminate();
    let panics: Vec<_> = ending
        .log
        .iter()
        .filter(|line| line.contains("panic"))
        .collect();
    assert!(panics.is_empty(), "{panics:?}");
    assert_eq!(ending.code, Some(0));
}

fn a_flood_of_bad_packets_does_not_flood_the_log(kind: DatabaseKind) {
    const ROUNDS: usize = 200;
    const LINES_MAX: usize = 12;
    let mut site = Site::furnished(kind);
    site.set("LASTMILE_RADIUS__WORKERS", "1");
    let server = site.program.serve();
    let router = Router::new();
    let stranger = Router::at(IpAddr::from(Ipv4Addr::new(127, 0, 0, 2)));
    let lines_before = server.log().len();
    let mut sent = 0;
    for round in 0..ROUNDS {
        let rows = [headers(), attributes(), forgeries(), accounting()];
        for row in rows.into_iter().flatten() {
            if matches!(row.due, Due::Silence(_)) {
                router.send(target(&server, row.port), &row.request);
                sent += 1;
            }
        }
        stranger.send(server.auth, &Request::pap(1, ANA.0, ANA.1));
        sent += 1;
        // The answer says that everything before it has been read: nothing is lost in a buffer.
        let identifier = u8::try_from(round % 200).expect("it is small");
        for port in [server.auth, server.acct] {
            router.reply(port, &Request::status(identifier));
        }
    }
    assert_eq!(drops(&server).values().sum::<u64>(), sent);
    let log = server.log();
    assert!(
        log.len() - lines_before <= LINES_MAX,
        "{} lines: {:#?}",
        log.len() - lines_before,
        &log[lines_before..log.len().min(lines_before + 40)]
    );
}

#[track_caller]
fn check(server: &Server, router: &Router, row: &Row) {
    let name = row.name;
    let before = drops(server);
    let replies = router.replies_before_status(target(server, row.port), &row.request);
    let codes: Vec<Code> = replies.iter().map(|reply| reply.code).collect();
    let counted = counted_since(server, &before);
    match &row.due {
        Due::Silence(reason) => {
            assert_eq!(codes, [], "{name}: silence");
            assert_eq!(counted, [((*reason).to_owned(), 1)], "{name}: counted");
        }
        Due::Answer(code) => {
            // Accounting is answered after its commit, which a status does not wait for.
            let codes = match (codes.is_empty(), row.port) {
                (true, Port::Acct) => vec![router.late_reply(&row.request).code],
                _ => codes,
            };
            assert_eq!(codes, [*code], "{name}: answer");
            assert_eq!(counted, [], "{name}: nothing is dropped");
        }
    }
}

fn check_unknown_nas(site: &Site, server: &Server) {
    let before = drops(server);
    let stranger = Router::at(IpAddr::from(Ipv4Addr::new(127, 0, 0, 2)));
    stranger.send(server.auth, &Request::pap(1, ANA.0, ANA.1));
    let router = Router::new();
    router.reply(server.auth, &Request::status(9));
    assert_eq!(
        counted_since(server, &before),
        [("unknown_nas".to_owned(), 1)]
    );
    // It is listed for the operator, a moment later.
    let tries_max = 200;
    let is_listed = (0..tries_max).any(|_| {
        let knocking = site.program.json(&["nas", "knocking"]);
        let rows = knocking.as_array().into_iter().flatten();
        rows.into_iter().any(|row| row["address"] == "127.0.0.2")
    });
    assert!(is_listed, "127.0.0.2 is not listed as knocking");
}

/// Proxy-State comes back whole and in order (RFC 2865 §5.33), as long as it fits.
fn check_proxy_state(server: &Server, router: &Router) {
    let states: Vec<Vec<u8>> = (0..9_u8).map(|number| vec![number; 200]).collect();
    let mut attributes: Vec<(u8, &[u8])> = states
        .iter()
        .map(|state| (kind::PROXY_STATE, state.as_slice()))
        .collect();
    let filling = [0x5a; 253];
    let base = Request::pap_and(1, ANA.0, ANA.1, &attributes).octets.len();
    let mut left = 4_096 - base;
    while 3 <= left {
        let take = match left - 2 {
            1..=252 => left - 2,
            // What remains must be room for another attribute.
            253..=255 => 250,
            _ => 253,
        };
        attributes.push((UNASSIGNED, &filling[..take]));
        left -= take + 2;
    }
    let request = Request::pap_and(31, ANA.0, ANA.1, &attributes);
    assert_eq!(request.octets.len(), 4_096);
    let reply = router.reply(server.auth, &request);
    assert_eq!(reply.code, Code::AccessAccept);
    let returned: Vec<&Vec<u8>> = reply
        .attributes
        .iter()
        .filter(|(kind, _)| *kind == kind::PROXY_STATE)
        .map(|(_, value)| value)
        .collect();
    assert_eq!(returned, states.iter().collect::<Vec<_>>());
    let full = vec![(kind::PROXY_STATE, &filling[..250]); 16];
    let request = Request::pap_and(32, ANA.0, ANA.1, &full);
    assert!(4_080 < request.octets.len(), "{}", request.octets.len());
    let name = "Proxy-State that leaves no room for the reply";
    check(
        server,
        router,
        &auth(name, request, Due::Silence("reply_too_large")),
    );
}

/// A type that no RFC assigns (RFC 3575 §2.1: 192 to 223 are for experiments).
const UNASSIGNED: u8 = 200;

fn headers() -> Vec<Row> {
    let good = Request::pap(2, ANA.0, ANA.1).octets;
    let with_length = |length: u16, size: usize| {
        let mut octets = good.clone();
        octets.resize(size, 0);
        octets[2..4].copy_from_slice(&length.to_be_bytes());
        octets
    };
    let actual = u16::try_from(good.len()).expect("it is short");
    let malformed = |name, octets| auth(name, Request::raw(octets), Due::Silence("malformed"));
    vec![
        malformed("an empty datagram", Vec::new()),
        malformed("a single octet", vec![1]),
        malformed("a header of 19 octets", good[..19].to_vec()),
        malformed(
            "a packet cut in the middle",
            good[..good.len() - 5].to_vec(),
        ),
        malformed("a length of 19", with_length(19, good.len())),
        malformed("a length of 0", with_length(0, good.len())),
        malformed(
            "a length beyond the datagram",
            with_length(actual + 1, good.len()),
        ),
        malformed("a length of 65,535", with_length(u16::MAX, good.len())),
        malformed(
            "a length of 5,000 in 5,000 octets",
            with_length(5_000, 5_000),
        ),
        malformed(
            "a code that is not assigned",
            Request::unsigned(99, 3, &[]).octets,
        ),
        auth(
            "5,000 octets of which most are padding",
            Request::raw(padded(Request::pap(4, ANA.0, ANA.1).octets)),
            Due::Answer(Code::AccessAccept),
        ),
        auth(
            "an Access-Accept",
            Request::unsigned(2, 5, &[]),
            Due::Silence("unexpected_code"),
        ),
        auth(
            "accounting at the authentication port",
            Request::accounting(6, &START),
            Due::Silence("unexpected_code"),
        ),
        acct(
            "a login at the accounting port",
            Request::pap(7, ANA.0, ANA.1),
            Due::Silence("unexpected_code"),
        ),
    ]
}

fn padded(mut octets: Vec<u8>) -> Vec<u8> {
    octets.resize(5_000, 0);
    octets
}

fn attributes() -> Vec<Row> {
    let malformed = |name, identifier, attributes: &[u8]| {
        let request = Request::unsigned(Code::AccessRequest.as_u8(), identifier, attributes);
        auth(name, request, Due::Silence("malformed"))
    };
    vec![
        malformed("an attribute longer than the packet", 10, &[1, 200, b'a']),
        malformed(
            "an attribute of length 0",
            11,
            &[1, 5, b'a', b'n', b'a', 2, 0],
        ),
        malformed(
            "an attribute of length 1",
            12,
            &[1, 5, b'a', b'n', b'a', 2, 1],
        ),
        malformed("an attribute without length", 13, &[1]),
        malformed(
            "two thousand attributes",
            14,
            &[UNASSIGNED, 2].repeat(2_000),
        ),
    ]
}

fn forgeries() -> Vec<Row> {
    const WRONG: &str = "not-the-shared-secret";
    let unsigned = [
        &[kind::USER_NAME, 5, b'a', b'n', b'a'][..],
        &[kind::USER_PASSWORD, 18],
        &[7; 16],
    ]
    .concat();
    let signed_twice = [&[kind::MESSAGE_AUTHENTICATOR, 18][..], &[0; 16]]
        .concat()
        .repeat(2);
    let access = Code::AccessRequest.as_u8();
    let status = Code::StatusServer.as_u8();
    vec![
        auth(
            "a login signed with another secret",
            Request::pap_with(WRONG, 20, ANA.0, ANA.1, &[]),
            Due::Silence("message_authenticator_invalid"),
        ),
        auth(
            "a login that is not signed",
            Request::unsigned(access, 21, &unsigned),
            Due::Silence("message_authenticator_missing"),
        ),
        auth(
            "a login signed twice",
            Request::unsigned(access, 22, &signed_twice),
            Due::Silence("message_authenticator_invalid"),
        ),
        auth(
            "a signature that is too short",
            Request::unsigned(access, 23, &[kind::MESSAGE_AUTHENTICATOR, 6, 1, 2, 3, 4]),
            Due::Silence("message_authenticator_invalid"),
        ),
        auth(
            "a status that is not signed",
            Request::unsigned(status, 24, &[]),
            Due::Silence("message_authenticator_missing"),
        ),
        acct(
            "accounting signed with another secret",
            Request::accounting_with(WRONG, 25, &START),
            Due::Silence("request_authenticator_invalid"),
        ),
    ]
}

fn strange() -> Vec<Row> {
    let vendor = |octets: &[u8]| [&[0, 0, 0x3a, 0x8c][..], octets].concat();
    let overrun = vendor(&[8, 200, b'x']);
    let empty = vendor(&[]);
    let unknown = [&[0, 1, 2, 3][..], &[1, 4, 9, 9]].concat();
    let accept = |name, identifier, more: &[(u8, &[u8])]| {
        let request = Request::pap_and(identifier, ANA.0, ANA.1, more);
        auth(name, request, Due::Answer(Code::AccessAccept))
    };
    vec![
        accept(
            "attributes nobody knows",
            40,
            &[(UNASSIGNED, b"x"), (255, b""), (17, b"old")],
        ),
        accept(
            "extended attributes nobody knows",
            41,
            &[(241, &[250, 1]), (245, &[1, 0x80, 7])],
        ),
        accept(
            "attributes of a vendor nobody knows",
            42,
            &[(kind::VENDOR_SPECIFIC, &unknown)],
        ),
        accept(
            "a vendor attribute that overruns",
            43,
            &[(kind::VENDOR_SPECIFIC, &overrun)],
        ),
        accept(
            "a vendor attribute without content",
            44,
            &[(kind::VENDOR_SPECIFIC, &empty)],
        ),
        accept(
            "a vendor attribute without vendor",
            45,
            &[(kind::VENDOR_SPECIFIC, &[1])],
        ),
        accept(
            "numbers and addresses of the wrong size",
            46,
            &[
                (kind::NAS_PORT, &[1, 2, 3]),
                (kind::SERVICE_TYPE, &[2]),
                (kind::FRAMED_PROTOCOL, &[0; 8]),
                (kind::NAS_IP_ADDRESS, &[127, 0, 0, 0, 1]),
                (kind::FRAMED_IPV6_PREFIX, &[0, 200, 1]),
            ],
        ),
        accept(
            "station ids that are not text",
            47,
            &[
                (kind::CALLING_STATION_ID, &[0xff, 0, 0xfe]),
                (kind::CALLED_STATION_ID, b"\n\t"),
            ],
        ),
    ]
}

fn names() -> Vec<Row> {
    vec![
        auth(
            "a user name that is not UTF-8",
            Request::access(48, &[(kind::USER_NAME, &[0xff, 0xfe, 0x00]), (2, &[1; 16])]),
            Due::Answer(Code::AccessReject),
        ),
        auth(
            "a user name of 253 octets",
            Request::access(49, &[(kind::USER_NAME, &[b'a'; 253]), (2, &[1; 16])]),
            Due::Answer(Code::AccessReject),
        ),
        auth(
            "no user name",
            Request::access(50, &[(kind::USER_PASSWORD, &[1; 16])]),
            Due::Answer(Code::AccessReject),
        ),
        auth(
            "an empty user name",
            Request::access(
                51,
                &[(kind::USER_NAME, b""), (kind::USER_PASSWORD, &[1; 16])],
            ),
            Due::Answer(Code::AccessReject),
        ),
    ]
}

fn credentials() -> Vec<Row> {
    const MICROSOFT: [u8; 4] = [0, 0, 1, 55];
    let user = (kind::USER_NAME, ANA.0.as_bytes());
    let short_response = [&MICROSOFT[..], &[25, 10, 1, 2, 3, 4, 5, 6, 7, 8]].concat();
    let response_alone = [&MICROSOFT[..], &[25, 52], &[9; 50]].concat();
    let challenge = [&MICROSOFT[..], &[11, 18], &[7; 16]].concat();
    let reject = |name, identifier, attributes: &[(u8, &[u8])]| {
        let request = Request::access(identifier, attributes);
        auth(name, request, Due::Answer(Code::AccessReject))
    };
    let vendor = kind::VENDOR_SPECIFIC;
    vec![
        reject("no credential", 60, &[user]),
        reject(
            "a password of 15 octets",
            61,
            &[user, (kind::USER_PASSWORD, &[1; 15])],
        ),
        reject(
            "a password of 144 octets",
            62,
            &[user, (kind::USER_PASSWORD, &[1; 144])],
        ),
        reject("an empty password", 63, &[user, (kind::USER_PASSWORD, &[])]),
        reject(
            "a CHAP response of 5 octets",
            64,
            &[user, (kind::CHAP_PASSWORD, &[1; 5])],
        ),
        reject(
            "MS-CHAPv2 that is too short",
            65,
            &[user, (vendor, &challenge), (vendor, &short_response)],
        ),
        reject(
            "MS-CHAPv2 without challenge",
            66,
            &[user, (vendor, &response_alone)],
        ),
        reject(
            "EAP without a type",
            67,
            &[user, (kind::EAP_MESSAGE, &[2, 1, 0, 4])],
        ),
        auth(
            "two credentials of which one is right",
            Request::pap_and(68, ANA.0, ANA.1, &[(kind::CHAP_PASSWORD, &[1; 17])]),
            Due::Answer(Code::AccessReject),
        ),
    ]
}

const START: [(u8, &[u8]); 3] = [
    (kind::ACCT_STATUS_TYPE, &[0, 0, 0, 1]),
    (kind::ACCT_SESSION_ID, b"bad-0001"),
    (kind::USER_NAME, b"ana"),
];

fn accounting() -> Vec<Row> {
    let [status, session, user] = START;
    let incomplete = Due::Silence("accounting_incomplete");
    let response = Due::Answer(Code::AccountingResponse);
    vec![
        acct(
            "accounting without session",
            Request::accounting(80, &[status, user]),
            incomplete.clone(),
        ),
        acct(
            "accounting without status",
            Request::accounting(81, &[session, user]),
            incomplete.clone(),
        ),
        acct(
            "accounting whose status is too short",
            Request::accounting(82, &[(kind::ACCT_STATUS_TYPE, &[1]), session, user]),
            incomplete,
        ),
        acct(
            "accounting of a tunnel",
            Request::accounting(
                83,
                &[(kind::ACCT_STATUS_TYPE, &[0, 0, 0, 9]), session, user],
            ),
            Due::Silence("accounting_unsupported"),
        ),
        acct(
            "accounting of a name that is not UTF-8",
            Request::accounting(
                84,
                &[status, session, (kind::USER_NAME, &[0xff, 0x1b, b'a'])],
            ),
            response.clone(),
        ),
        acct(
            "accounting with counters of the wrong size",
            Request::accounting(
                85,
                &[status, session, user, (kind::ACCT_INPUT_OCTETS, &[1])],
            ),
            response,
        ),
    ]
}

fn auth(name: &'static str, request: Request, due: Due) -> Row {
    Row {
        name,
        port: Port::Auth,
        request,
        due,
    }
}

fn acct(name: &'static str, request: Request, due: Due) -> Row {
    Row {
        port: Port::Acct,
        ..auth(name, request, due)
    }
}

fn target(server: &Server, port: Port) -> SocketAddr {
    match port {
        Port::Auth => server.auth,
        Port::Acct => server.acct,
    }
}

/// The counters of dropped datagrams by reason.
fn drops(server: &Server) -> BTreeMap<String, u64> {
    let metrics = server.metrics().into_iter();
    let reasons = metrics.filter_map(|(name, value)| {
        let reason = name.strip_prefix("lastmile_radius_dropped_total{reason=\"")?;
        Some((reason.strip_suffix("\"}")?.to_owned(), value))
    });
    let drops: BTreeMap<_, _> = reasons.collect();
    assert!(!drops.is_empty(), "the server counts what it drops");
    drops
}

fn counted_since(server: &Server, before: &BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let now = drops(server).into_iter();
    let deltas = now.map(|(reason, value)| {
        let old = before.get(&reason).copied().unwrap_or(0);
        (reason, value - old)
    });
    deltas.filter(|(_, delta)| *delta != 0).collect()
}
