//! Status-Server: whether a RADIUS server is alive (RFC 5997).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use domain::secret::Secret;
use radius::client::Schedule;
use radius::packet::Packet;
use serde::Serialize;

use crate::auth::{Milliseconds, microseconds};
use crate::exchange::{Exchange, SCHEDULE_INTERACTIVE};
use crate::fault::Faults;
use crate::line::{Line, LineError};
use crate::random;
use crate::reply::{ReplyFault, ReplyPolicy};
use crate::request::write_status;

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProbeReport {
    /// The port that was asked.
    pub server: SocketAddr,
    /// Whether a believed answer came.
    pub is_alive: bool,
    /// Its code.
    pub code: Option<String>,
    /// From the first transmission to the answer, in microseconds.
    pub latency_us: Option<u64>,
    /// How often the request was sent.
    pub transmissions: u32,
    /// Why replies were not believed, the first 16 of them.
    pub discarded: Vec<ReplyFault>,
}

/// Asks an authentication or accounting port whether it is alive, three times in seven seconds.
pub fn status(server: SocketAddr, secret: &Secret) -> Result<ProbeReport, LineError> {
    status_with(server, secret, SCHEDULE_INTERACTIVE, None)
}

/// Asks on a schedule of one's own, from an address of one's own.
pub fn status_with(
    server: SocketAddr,
    secret: &Secret,
    schedule: Schedule,
    source: Option<IpAddr>,
) -> Result<ProbeReport, LineError> {
    let mut random = random::generator(None);
    let [identifier] = random::octets(&mut random);
    let authenticator = random::octets(&mut random);
    let mut request = Vec::new();
    write_status(&mut request, identifier, &authenticator, secret.expose())?;
    let policy = ReplyPolicy::MessageAuthenticatorOptional;
    let mut exchange = Exchange::new(&request, secret.expose(), policy, schedule);
    let mut line = Line::open(server, source, Faults::default(), None)?;
    let answer = line.run(&mut exchange, &mut |_| {})?;
    let code = answer.as_ref().map(|answer| {
        let reply = Packet::parse(&answer.datagram).expect("the exchange believed this reply");
        reply.code().to_string()
    });
    Ok(ProbeReport {
        server,
        is_alive: answer.is_some(),
        code,
        latency_us: answer.map(|answer| microseconds(answer.latency)),
        transmissions: exchange.transmissions(),
        discarded: exchange.into_discarded(),
    })
}

impl fmt::Display for ProbeReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = self.server;
        match (&self.code, self.latency_us, self.discarded.last()) {
            (Some(code), Some(latency_us), _) => {
                let latency = Milliseconds(latency_us);
                write!(formatter, "{server} is alive: {code} in {latency}")
            }
            (_, _, Some(fault)) => {
                write!(
                    formatter,
                    "{server} answers, but cannot be believed: {fault}"
                )
            }
            (_, _, None) => write!(formatter, "{server} does not answer"),
        }
    }
}
