//! Connections that idle, dawdle, stream, become something else, or break.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::body::Bytes;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use futures_util::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::Instant;

use super::*;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Longer than a connection takes requests.
const LONG: Duration = Duration::from_secs(1_000);

/// The other end of a connection, on a clock that stands while nothing happens.
struct Client {
    stream: DuplexStream,
    seats: Arc<Seats>,
    served: JoinSet<()>,
}

impl Client {
    fn connect(router: Router) -> Self {
        let seats = Arc::new(Seats::new(1, 1, Vec::new()));
        let seat = seats.take(LOOPBACK).unwrap();
        let (ours, stream) = tokio::io::duplex(64 << 10);
        let from = Connection {
            address: LOOPBACK,
            is_encrypted: false,
        };
        let mut served = JoinSet::new();
        served.spawn(talk(Patient::new(ours, seat), router, from, Arc::default()));
        Self {
            stream,
            seats,
            served,
        }
    }

    async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until a text has come.
    async fn until(&mut self, text: &str) -> String {
        let mut octets = Vec::new();
        let mut piece = [0; 1_024];
        while !String::from_utf8_lossy(&octets).contains(text) {
            let count = self.stream.read(&mut piece).await.unwrap();
            let so_far = String::from_utf8_lossy(&octets).into_owned();
            assert!(0 < count, "the end, after {so_far}");
            octets.extend_from_slice(&piece[..count]);
        }
        String::from_utf8_lossy(&octets).into_owned()
    }

    /// Reads until the connection is closed.
    async fn until_closed(&mut self) -> String {
        let mut octets = Vec::new();
        self.stream.read_to_end(&mut octets).await.unwrap();
        String::from_utf8_lossy(&octets).into_owned()
    }
}

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/slowly", get(slowly))
        .route("/socket", get(socket))
}

/// A piece of an answer every minute.
async fn slowly() -> Body {
    let pieces = stream::unfold(0, |count| async move {
        if count == 30 {
            return None;
        }
        sleep(Duration::from_secs(60)).await;
        let piece = Bytes::from(format!("piece {count}\n"));
        Some((Ok::<_, Infallible>(piece), count + 1))
    });
    Body::from_stream(pieces)
}

async fn broken() -> &'static str {
    std::panic::resume_unwind(Box::new("on purpose"))
}

async fn socket(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket: WebSocket| while socket.recv().await.is_some() {})
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_or_dawdles_is_let_go() {
    for said in ["", "GET / HTTP/1.1\r\nHost: a"] {
        let begun = Instant::now();
        let mut client = Client::connect(router());
        client.send(said).await;
        client.until_closed().await;
        assert_eq!(begun.elapsed().as_secs(), HEAD_PATIENCE.as_secs(), "{said}");
        client.served.join_next().await.unwrap().unwrap();
        assert_eq!(client.seats.taken(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_connection_is_closed_after_its_life() {
    let begun = Instant::now();
    let mut client = Client::connect(router());
    loop {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.until("hello").await;
        sleep(Duration::from_secs(5)).await;
        if client.served.try_join_next().is_some() {
            break;
        }
        assert!(begun.elapsed() < LONG, "it goes on for ever");
    }
    assert!(CONNECTION_LIFE <= begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_has_begun_goes_on_beyond_the_life_of_its_connection() {
    let begun = Instant::now();
    let mut client = Client::connect(router());
    client.send("GET /slowly HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = client.until_closed().await;
    assert!(answer.contains("piece 29"), "{answer}");
    assert_eq!(begun.elapsed().as_secs(), 1_800);
    client.served.join_next().await.unwrap().unwrap();
    assert_eq!(client.seats.taken(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_lives_on_and_keeps_its_seat() {
    let mut client = Client::connect(router());
    client
        .send(
            "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await;
    let answer = client.until("\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    sleep(LONG).await;
    // A ping without a payload, and its pong (RFC 6455 §5.5.2).
    client
        .stream
        .write_all(&[0x89, 0x80, 1, 2, 3, 4])
        .await
        .unwrap();
    let mut pong = [0; 2];
    client.stream.read_exact(&mut pong).await.unwrap();
    assert_eq!(pong, [0x8a, 0x00]);
    assert_eq!(client.seats.taken(), 1);
    let seats = Arc::clone(&client.seats);
    drop(client);
    while 0 < seats.taken() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_only() {
    let router = router().route("/broken", get(broken));
    let seats = Arc::new(Seats::new(8, 8, Vec::new()));
    let site = Site {
        key: "http.listen",
        router,
        tls: None,
        seats: Arc::clone(&seats),
        proxies: Arc::default(),
        trouble: Arc::default(),
    };
    let listener = site.bind((LOOPBACK, 0).into()).await;
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(async move { site.accept_all(&listener).await });
    for (path, is_answered) in [("/", true), ("/broken", false), ("/", true)] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A connection that panicked may be reset.
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer.ends_with(b"hello"), is_answered, "{path}");
    }
    while 0 < seats.taken() {
        tokio::task::yield_now().await;
    }
    assert!(serving.try_join_next().is_none(), "the listener goes on");
}
