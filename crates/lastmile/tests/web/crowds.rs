//! Many clients, slow ones and silent ones beside ordinary requests.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::place::{Answer, Place, until};

const READ_TIME: Duration = Duration::from_secs(60);

/// As many as follow events on a large site, and some.
const CROWD: usize = 2_500;

/// Lets this process open as many connections as it needs.
fn allow_descriptors() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the system says");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("up to the hard limit is allowed");
}

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("the port is open");
    stream
        .set_read_timeout(Some(READ_TIME))
        .expect("a time above zero");
    stream
}

/// Whether it was closed without a word.
fn is_closed(stream: &mut TcpStream) -> bool {
    let mut octet = [0];
    // A connection that is reset is closed, too.
    !matches!(stream.read(&mut octet), Ok(count) if 0 < count)
}

#[test]
fn thousands_are_connected_beside_ordinary_requests_and_routers() {
    allow_descriptors();
    let place = Place::new();
    let server = place.program().serve();
    let http = server.http.expect("it serves HTTP");
    let crowd: Vec<_> = (0..CROWD).map(|_| connect(http)).collect();
    let url = format!("http://{http}/healthz");
    Answer::of(&[&url]).check_status(200);
    place.check_radius(&server);
    assert_eq!(server.metric("lastmile_http_connections_refused_total"), 0);
    drop(crowd);
    until("the seats are free", || {
        server.metric("lastmile_http_connections") < 10
    });
}

#[test]
fn one_more_than_the_limit_is_closed_and_counted() {
    let place = Place::new().with(&[("connections_max", "20")]);
    let server = place.program().serve();
    let http = server.http.expect("it serves HTTP");
    let mut crowd: Vec<_> = (0..20).map(|_| connect(http)).collect();
    assert!(is_closed(&mut connect(http)), "there is no seat for it");
    place.check_radius(&server);
    for stream in crowd.drain(..10) {
        drop(stream);
    }
    let url = format!("http://{http}/healthz");
    until("others are served again", || {
        Answer::of(&[&url]).code == Some(0)
    });
    let refused = server.metric("lastmile_http_connections_refused_total");
    assert!(0 < refused, "{refused}");
}

#[test]
fn who_does_not_shake_hands_holds_up_nobody() {
    let place = Place::new().with(&[("listen", "0.0.0.0:0")]);
    let server = place.program().serve();
    let port = server.http.expect("it serves HTTP").port();
    let http = SocketAddr::from(([127, 0, 0, 1], port));
    let mut silent: Vec<_> = (0..200).map(|_| connect(http)).collect();
    // The beginning of a handshake, and no more of it.
    for stream in silent.iter_mut().skip(100) {
        stream.write_all(&[22, 3, 1]).expect("it is open");
    }
    // Neither a handshake nor HTTP.
    let mut noise = connect(http);
    noise.write_all(&[0xff; 64]).expect("it is open");
    let own = place.path("data/tls/self-signed.crt");
    let answer = Answer::over_tls(&server, "localhost", "/healthz", &own);
    answer.check_status(200);
    place.check_radius(&server);
    for stream in &mut silent {
        drop(stream.read_to_end(&mut Vec::new()));
    }
    let metrics = Answer::over_tls(&server, "localhost", "/metrics", &own);
    let failed = metrics.text.lines().find_map(|line| {
        line.strip_prefix("lastmile_http_tls_handshakes_failed_total ")?
            .parse::<u64>()
            .ok()
    });
    assert_eq!(failed, Some(201), "{}", metrics.text);
    assert!(
        metrics
            .text
            .contains("\nlastmile_http_certificate_not_after_seconds ")
    );
}
