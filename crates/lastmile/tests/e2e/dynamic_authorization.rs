//! Open sessions on a simulated router that are ended and changed, by their terms and through the relay.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use domain::secret::Secret;
use domain::time::Timestamp;
use lab::concentrator::{Concentrator, ConcentratorOptions, Conduct, Octets, SessionView, State};
use lab::credentials::Credentials;
use radius::dynamic_authorization::{Action, Answer, encode_attributes, read_reply, write_request};
use radius::packet::Packet;
use testkit::database::DatabaseKind;
use testkit::peer::radclient::{self, Kind};
use testkit::port::quiet_port;
use testkit::server::Server;

use crate::site::{ANA, SAM, SAM_ADDRESS, SECRET, Site, on_both_databases};

on_both_databases!(
    a_plan_that_ends_is_stopped_by_its_session_timeout_to_the_second,
    a_volume_beyond_4_gib_is_stopped_at_the_octet,
    a_tool_ends_a_session_by_its_user_name,
    a_tool_names_a_session_by_whatever_it_knows,
    a_tool_changes_the_speed_of_a_session,
    a_tool_is_told_why_not,
    a_tool_that_repeats_itself_is_answered_once,
);

/// When what should happen at once is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A Stop by Session-Timeout, by an operator, and by the router (RFC 2866 §5.10).
const SESSION_TIMEOUT: u32 = 5;
const ADMIN_RESET: u32 = 6;
const NAS_REQUEST: u32 = 10;

/// A furnished site with a server, and a router on which these users have sessions.
struct Place {
    site: Site,
    server: Server,
    router: Concentrator,
}

impl Place {
    fn new(
        kind: DatabaseKind,
        users: &[(&str, &str)],
        set: impl Fn(&mut ConcentratorOptions),
    ) -> Self {
        Self::on(Site::furnished(kind), users, set)
    }

    #[track_caller]
    fn on(site: Site, users: &[(&str, &str)], set: impl Fn(&mut ConcentratorOptions)) -> Self {
        let (server, port) = serve(&site);
        Self::serving(site, server, port, users, set)
    }

    #[track_caller]
    fn serving(
        site: Site,
        server: Server,
        port: u16,
        users: &[(&str, &str)],
        set: impl Fn(&mut ConcentratorOptions),
    ) -> Self {
        let users = users.iter();
        let users = users.map(|(name, password)| Credentials::new(name, password).expect("valid"));
        let mut options = ConcentratorOptions::new(
            server.auth,
            server.acct,
            SocketAddr::from(([127, 0, 0, 1], port)),
            Secret::from(SECRET),
            users.collect(),
            now(),
        );
        set(&mut options);
        let router = Concentrator::start(options).expect("loopback has ports");
        let place = Self {
            site,
            server,
            router,
        };
        place.until(|sessions| {
            let mut sessions = sessions.iter();
            sessions.all(|session| session.state != State::LoggingIn && session.is_reported)
        });
        place
    }

    /// Waits until the router's sessions are so, and gives them.
    #[track_caller]
    fn until(&self, is_so: impl Fn(&[SessionView]) -> bool) -> Vec<SessionView> {
        let begun = Instant::now();
        loop {
            let sessions = self.router.sessions();
            if is_so(&sessions) {
                return sessions;
            }
            assert!(begun.elapsed() < PATIENCE, "{sessions:?}");
            std::thread::yield_now();
        }
    }

    /// Waits until the router has reported the end of its only session.
    #[track_caller]
    fn until_ended(&self) -> SessionView {
        let is_over =
            |session: &SessionView| matches!(session.state, State::Ended(_)) && session.is_reported;
        let mut sessions = self.until(|sessions| sessions.iter().all(is_over));
        sessions.remove(0)
    }

    fn relay(&self) -> SocketAddr {
        self.server.relay.expect("tools are heard")
    }

    fn secret(&self) -> String {
        self.site.command("relay secret").trim().to_owned()
    }

    /// What radclient is answered: the code, and the Error-Cause.
    #[track_caller]
    fn ask(&self, kind: Kind, attributes: &[(&str, &str)]) -> (String, Option<String>) {
        let answer = radclient::ask(self.relay(), &self.secret(), kind, attributes);
        let answer = answer.expect("the relay answers");
        let cause = answer.find("Error-Cause").map(str::to_owned);
        (answer.code, cause)
    }

    #[track_caller]
    fn check(&self, kind: Kind, attributes: &[(&str, &str)], cause: Option<&str>) {
        let (code, found) = self.ask(kind, attributes);
        let expected = match (kind, cause) {
            (Kind::Disconnect, None) => "Disconnect-ACK",
            (Kind::Disconnect, Some(_)) => "Disconnect-NAK",
            (Kind::Coa, None) => "CoA-ACK",
            (Kind::Coa, Some(_)) => "CoA-NAK",
            (Kind::Access | Kind::Accounting | Kind::Status, _) => panic!("not of the relay"),
        };
        assert_eq!(
            (code.as_str(), found.as_deref()),
            (expected, cause),
            "{attributes:?}"
        );
    }
}

/// Starts a server that knows on which port the router hears it.
#[track_caller]
fn serve(site: &Site) -> (Server, u16) {
    let port = quiet_port();
    site.command(&format!("nas set pop --coa-port {port}"));
    (site.program.serve(), port)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the router and the server share the clock of the system"
)]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let micros = since.expect("it is after 1970").as_micros();
    Timestamp::from_micros(i64::try_from(micros).expect("it is before 292277"))
}

fn a_plan_that_ends_is_stopped_by_its_session_timeout_to_the_second(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    let (server, port) = serve(&site);
    let ends_at = Timestamp::from_seconds(now().as_seconds() + 5);
    site.command(&format!(
        "subscriber add lena --password lena-pass-word-7 --plan home --expires {ends_at}"
    ));
    // The server hears of her a moment later.
    let login = [
        ("User-Name", "\"lena\""),
        ("User-Password", "\"lena-pass-word-7\""),
    ];
    let begun = Instant::now();
    while radclient::ask(server.auth, SECRET, Kind::Access, &login)
        .is_none_or(|answer| answer.code != "Access-Accept")
    {
        assert!(begun.elapsed() < PATIENCE, "she is not let in");
    }
    let before = now();
    let place = Place::serving(
        site,
        server,
        port,
        &[("lena", "lena-pass-word-7")],
        |options| {
            options.offered = Octets {
                input: 1_000,
                output: 2_000,
            };
        },
    );
    let after = now();
    let ended = place.until_ended();
    assert_eq!(ended.state, State::Ended(SESSION_TIMEOUT));
    // It was told what was left when it asked, in seconds, and lasted for exactly so long.
    assert_eq!(ended.lasted_ms % 1_000, 0);
    let seconds = ended.lasted_ms / 1_000;
    let left = ends_at.seconds_since(after)..=ends_at.seconds_since(before);
    let lasted = i64::try_from(seconds).expect("it is short");
    assert!(left.contains(&lasted), "{lasted} s, of {left:?}");
    assert!(ends_at <= now().plus_seconds(1), "it ended before its time");
    let booked = &place.site.sessions_in("closed")[0];
    assert_eq!(booked["session_seconds"], seconds);
    assert_eq!(booked["terminate_cause"], "Session-Timeout");
    assert_eq!(booked["upload_bytes"], 1_000 * seconds);
    assert_eq!(booked["download_bytes"], 2_000 * seconds);
}

fn a_volume_beyond_4_gib_is_stopped_at_the_octet(kind: DatabaseKind) {
    let site = Site::furnished(kind);
    site.command("plan add fair --quota download:5G/month");
    site.command("subscriber add lena --password lena-pass-word-7 --plan fair");
    let place = Place::on(site, &[("lena", "lena-pass-word-7")], |options| {
        options.offered = Octets {
            input: 0,
            output: 3_000_000_000,
        };
    });
    let ended = place.until_ended();
    assert_eq!(ended.state, State::Ended(NAS_REQUEST));
    assert_eq!(ended.output_octets, 5_000_000_000);
    let booked = &place.site.sessions_in("closed")[0];
    assert_eq!(booked["download_bytes"], 5_000_000_000_u64);
}

fn a_tool_ends_a_session_by_its_user_name(kind: DatabaseKind) {
    let place = Place::new(kind, &[ANA], |_| {});
    let begun = Instant::now();
    place.check(Kind::Disconnect, &[("User-Name", "\"ana\"")], None);
    let ended = place.until_ended();
    assert_eq!(ended.state, State::Ended(ADMIN_RESET));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    let booked = &place.site.sessions_in("closed")[0];
    assert_eq!(booked["terminate_cause"], "Admin-Reset");
    // It is gone, for the router and for the books.
    let gone = Some("Session-Context-Not-Found");
    place.check(Kind::Disconnect, &[("User-Name", "\"ana\"")], gone);
    assert_eq!(place.router.commands().disconnected, 1);
    assert_eq!(
        place
            .server
            .metric("lastmile_radius_coa_acknowledged_total"),
        1
    );
}

fn a_tool_names_a_session_by_whatever_it_knows(kind: DatabaseKind) {
    let place = Place::new(kind, &[SAM], |_| {});
    let session = place.router.sessions().remove(0);
    let station = place.site.sessions()[0]["calling_station"].clone();
    let station = station.as_str().expect("it is reported").to_owned();
    let quoted = |text: &str| format!("\"{text}\"");
    let rate = ("Mikrotik-Rate-Limit", "\"1M/1M\"");
    let dashed = station.replace(':', "-").to_lowercase();
    let ways: [(&str, String); 6] = [
        ("User-Name", quoted("SAM")),
        ("Acct-Session-Id", quoted(&session.session_id)),
        ("Framed-IP-Address", SAM_ADDRESS.to_owned()),
        ("Calling-Station-Id", quoted(&dashed)),
        ("Calling-Station-Id", quoted(&dashed.replace('-', ""))),
        ("Called-Station-Id", quoted("service1")),
    ];
    for (name, value) in &ways {
        place.check(Kind::Coa, &[(name, value), rate], None);
        let on_it = [
            (*name, value.as_str()),
            ("NAS-IP-Address", "127.0.0.1"),
            rate,
        ];
        place.check(Kind::Coa, &on_it, None);
    }
    assert_eq!(place.router.commands().changed, 12);
    let other = ("User-Name", "\"ana\"");
    let gone = Some("Session-Context-Not-Found");
    place.check(Kind::Coa, &[(ways[1].0, &ways[1].1), other, rate], gone);
}

fn a_tool_changes_the_speed_of_a_session(kind: DatabaseKind) {
    let place = Place::new(kind, &[ANA, SAM], |_| {});
    let rates = |place: &Place| {
        let sessions = place.router.sessions().into_iter();
        sessions
            .map(|session| session.rate.unwrap_or_default())
            .collect::<Vec<_>>()
    };
    assert_eq!(rates(&place), ["25M/50M", "25M/50M"]);
    let wanted = [
        ("User-Name", "\"sam\""),
        ("Mikrotik-Rate-Limit", "\"2M/4M\""),
    ];
    place.check(Kind::Coa, &wanted, None);
    assert_eq!(rates(&place), ["25M/50M", "2M/4M"]);
    // Two sessions at once, by the router that they are on.
    let both = [
        ("Called-Station-Id", "\"service1\""),
        ("Mikrotik-Rate-Limit", "\"3M\""),
    ];
    place.check(Kind::Coa, &both, None);
    assert_eq!(rates(&place), ["3M/3M", "3M/3M"]);
}

fn a_tool_is_told_why_not(kind: DatabaseKind) {
    let place = Place::new(kind, &[ANA], |_| {});
    let ana = ("User-Name", "\"ana\"");
    let check =
        |kind, attributes: &[(&str, &str)], cause| place.check(kind, attributes, Some(cause));
    let eva = ("User-Name", "\"eva\"");
    check(Kind::Disconnect, &[eva], "Session-Context-Not-Found");
    check(
        Kind::Disconnect,
        &[ana, ("Class", "0x01")],
        "Unsupported-Attribute",
    );
    check(
        Kind::Disconnect,
        &[("NAS-IP-Address", "127.0.0.1")],
        "Missing-Attribute",
    );
    check(Kind::Coa, &[ana], "Missing-Attribute");
    check(Kind::Disconnect, &[ana, eva], "Invalid-Request");
    let elsewhere = ("NAS-IP-Address", "192.0.2.9");
    check(
        Kind::Disconnect,
        &[ana, elsewhere],
        "NAS-Identification-Mismatch",
    );
    let hidden = ("Tunnel-Password", "\"hidden\"");
    check(Kind::Coa, &[ana, hidden], "Unsupported-Attribute");
    let only = ("Service-Type", "Authorize-Only");
    check(Kind::Coa, &[ana, only], "Unsupported-Service");
    // What the router says comes back: it changes no addresses.
    let pool = ("Framed-Pool", "\"other\"");
    check(Kind::Coa, &[ana, pool], "Unsupported-Attribute");
    place.router.behave(Conduct::Refuse(Some(506)));
    check(Kind::Disconnect, &[ana], "Resources-Unavailable");
    place
        .router
        .behave(Conduct::Late(Duration::from_millis(1_500)));
    place.check(Kind::Disconnect, &[ana], None);
    // Another secret is not answered at all.
    let answer = radclient::ask(place.relay(), "another secret", Kind::Disconnect, &[ana]);
    assert!(answer.is_none(), "{answer:?}");
    assert!(0 < place.server.metric("lastmile_radius_relay_ignored_total"));
}

fn a_tool_that_repeats_itself_is_answered_once(kind: DatabaseKind) {
    let place = Place::new(kind, &[ANA], |_| {});
    let attributes = encode_attributes(|writer| writer.push_text(1, "ana")).expect("it fits");
    let mut request = Vec::new();
    let secret = place.secret();
    let seconds = u32::try_from(now().as_seconds()).expect("before 2106");
    let (action, secret) = (Action::Disconnect, secret.as_bytes());
    write_request(&mut request, action, 9, seconds, &attributes, secret).expect("it fits");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
    socket
        .set_read_timeout(Some(PATIENCE))
        .expect("a time above zero");
    let mut replies = Vec::new();
    for _ in 0..3 {
        socket.send_to(&request, place.relay()).expect("it is sent");
        let mut buffer = [0; 4_096];
        let length = socket.recv(&mut buffer).expect("it is answered");
        replies.push(buffer[..length].to_vec());
    }
    assert_eq!(replies[0], replies[1]);
    assert_eq!(replies[0], replies[2]);
    let sent = Packet::parse(&request).expect("our own");
    let answer = read_reply(&replies[0], action, 9, sent.authenticator(), secret);
    assert_eq!(answer, Ok(Answer::Acknowledged));
    assert_eq!(place.router.commands().disconnected, 1);
    assert_eq!(
        place.server.metric("lastmile_radius_relay_requests_total"),
        1
    );
}
