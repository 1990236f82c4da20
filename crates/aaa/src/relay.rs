//! Takes Disconnect and CoA requests of local tools, which know a subscriber but no router, and hands
//! them to the routers that hold the sessions that are meant.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::secret::Secret;
use domain::session::Session;
use domain::session_command::NotAsked;
use ipnet::IpNet;
use radius::dictionary::Dictionary;
use radius::dynamic_authorization::{Action, Answer, ErrorCause, Request};
use radius::packet::LENGTH_MAX;
use radius::secret::PreparedSecret;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::dynamic_authorization::{Forwarded, Sender};
use crate::metrics::{Count, Metrics};
use crate::port::{Clock, SessionBoard};
use answered::{Answered, Known, RequestKey};
use request::Wanted;

mod answered;
mod request;

/// Sessions that one request may mean.
pub const SESSIONS_MAX: usize = 64;

/// Requests that are worked on at a time; tools repeat what comes on top.
const REQUESTS_MAX: usize = 256;

/// Requests for which sessions are looked for at a time.
const SEARCHES_MAX: usize = 2;

/// Wait before the address is tried again when it cannot be had.
const BIND_RETRY: Duration = Duration::from_secs(5);

/// What an operator chooses.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    pub address: SocketAddr,
    /// Whose requests are read at all.
    pub clients: Vec<IpNet>,
    /// What the tools sign with.
    pub secret: Secret,
}

/// The task that listens.
pub struct Relay<B> {
    address: SocketAddr,
    socket: Option<UdpSocket>,
    desk: Arc<Desk<B>>,
    is_unheard: bool,
}

/// What all requests share.
struct Desk<B> {
    board: Arc<B>,
    sender: Sender,
    clients: Vec<IpNet>,
    secret: PreparedSecret,
    dictionary: Dictionary,
    answered: Mutex<Answered>,
    searches: Semaphore,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

/// A request that is worked on.
struct Job {
    key: RequestKey,
    datagram: Box<[u8]>,
}

impl<B: SessionBoard> Relay<B> {
    /// Opens the socket if it can be had now.
    pub(crate) fn open(
        options: &RelayOptions,
        board: Arc<B>,
        sender: Sender,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            address: options.address,
            socket: bind(options.address).ok(),
            desk: Arc::new(Desk {
                board,
                sender,
                clients: options.clients.clone(),
                secret: PreparedSecret::new(options.secret.expose()),
                dictionary: Dictionary::builtin(),
                answered: Mutex::default(),
                searches: Semaphore::new(SEARCHES_MAX),
                clock,
                metrics,
            }),
            is_unheard: false,
        }
    }

    /// Where it listens, if it does.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.socket.as_ref()?.local_addr().ok()
    }

    /// Never ends. After a panic it may be called again.
    pub(crate) async fn run(&mut self) {
        let mut jobs = JoinSet::new();
        let mut buffer = vec![0; LENGTH_MAX];
        loop {
            let Some(socket) = &self.socket else {
                self.bind_again().await;
                continue;
            };
            tokio::select! {
                received = socket.recv_from(&mut buffer) => match received {
                    Ok((length, from)) => {
                        let datagram = &buffer[..length];
                        self.desk.take(socket, datagram, from, &mut jobs).await;
                    }
                    Err(_) => self.desk.metrics.count(Count::ReceiveFailed),
                },
                Some(done) = jobs.join_next(), if !jobs.is_empty() => {
                    // What panicked is repeated by its tool under another identifier.
                    if let Ok((to, reply)) = done {
                        self.desk.send(socket, &reply, to).await;
                    }
                }
            }
        }
    }

    async fn bind_again(&mut self) {
        let address = self.address;
        match bind(address) {
            Ok(socket) => {
                self.socket = Some(socket);
                if std::mem::take(&mut self.is_unheard) {
                    info!("Tools are heard on {address} again");
                }
            }
            Err(problem) => {
                if !std::mem::replace(&mut self.is_unheard, true) {
                    warn!(
                        error = &problem as &dyn std::error::Error,
                        "The relay cannot listen on {address}, and tries again; set radius.relay to another address or to off"
                    );
                }
                sleep(BIND_RETRY).await;
            }
        }
    }
}

impl<B: SessionBoard> Desk<B> {
    /// Takes a datagram: begins to work on it, answers it again, or passes it over.
    async fn take(
        self: &Arc<Self>,
        socket: &UdpSocket,
        datagram: &[u8],
        from: SocketAddr,
        jobs: &mut JoinSet<(SocketAddr, Arc<[u8]>)>,
    ) {
        let now = self.clock.timestamp().as_seconds();
        let address = from.ip().to_canonical();
        let is_trusted = self.clients.iter().any(|net| net.contains(&address));
        let request = match is_trusted {
            true => Request::read(datagram, &self.secret, now).ok(),
            false => None,
        };
        let Some(request) = request else {
            self.metrics.count(Count::RelayIgnored);
            return;
        };
        let key = RequestKey {
            from,
            identifier: request.packet.identifier(),
            authenticator: *request.packet.authenticator(),
        };
        if REQUESTS_MAX <= jobs.len() {
            self.metrics.count(Count::RelayBusy);
            return;
        }
        let known = self.answered().admit(key, self.clock.instant());
        match known {
            Known::UnderWay => {}
            Known::Answered(reply) => self.send(socket, &reply, from).await,
            Known::New => {
                self.metrics.count(Count::RelayRequest);
                let desk = Arc::clone(self);
                let job = Job {
                    key,
                    datagram: datagram.into(),
                };
                jobs.spawn(async move { desk.work(job).await });
            }
        }
    }

    async fn work(self: Arc<Self>, job: Job) -> (SocketAddr, Arc<[u8]>) {
        let now = self.clock.timestamp().as_seconds();
        let request = Request::read(&job.datagram, &self.secret, now);
        let reply = match request {
            Ok(request) => self.reply(&request).await,
            Err(_) => Arc::default(),
        };
        self.answered().answer(job.key, &reply);
        (job.key.from, reply)
    }

    async fn reply(&self, request: &Request<'_>) -> Arc<[u8]> {
        let answer = match request::read(request, &self.dictionary) {
            Ok(wanted) => self.carry_out(request.action, &wanted).await,
            Err(cause) => Answer::Refused(Some(cause)),
        };
        let mut buffer = Vec::new();
        match request.write_reply(&mut buffer, answer, &self.secret) {
            Ok(()) => buffer.into(),
            // What came back would not fit; then there is no answer.
            Err(_) => Arc::default(),
        }
    }

    async fn carry_out(&self, action: Action, wanted: &Wanted) -> Answer {
        let sessions = match self.find(wanted).await {
            Ok(sessions) => sessions,
            Err(cause) => return Answer::Refused(Some(cause)),
        };
        let mut asked = JoinSet::new();
        for session in sessions {
            let (sender, attributes) = (self.sender.clone(), wanted.attributes.clone());
            asked.spawn(async move { sender.forward(&session, action, &attributes).await });
        }
        let mut answers = Vec::new();
        while let Some(forwarded) = asked.join_next().await {
            let forwarded = forwarded.unwrap_or(Forwarded::Silent);
            answers.push(answer_of(forwarded));
        }
        together(&answers)
    }

    /// The sessions that are meant: at least one.
    async fn find(&self, wanted: &Wanted) -> Result<Vec<Session>, ErrorCause> {
        let unavailable = ErrorCause::RESOURCES_UNAVAILABLE;
        let limit = u32::try_from(SESSIONS_MAX + 1).map_err(|_| unavailable)?;
        let _turn = self.searches.acquire().await.map_err(|_| unavailable)?;
        let found = self.board.session_match(&wanted.sessions, limit).await;
        let mut sessions = found.map_err(|problem| {
            warn!(
                error = &problem as &dyn std::error::Error,
                "The relay could not look for a session"
            );
            unavailable
        })?;
        if sessions.is_empty() {
            return Err(ErrorCause::SESSION_CONTEXT_NOT_FOUND);
        }
        if SESSIONS_MAX < sessions.len() {
            return Err(ErrorCause::MULTIPLE_SESSION_SELECTION_UNSUPPORTED);
        }
        sessions.retain(|session| match self.sender.find_nas(session.nas) {
            Some(nas) => wanted.router.is_met(&nas.nas, session),
            None => true,
        });
        match sessions.is_empty() {
            true => Err(ErrorCause::NAS_IDENTIFICATION_MISMATCH),
            false => Ok(sessions),
        }
    }

    async fn send(&self, socket: &UdpSocket, reply: &[u8], to: SocketAddr) {
        if !reply.is_empty() && socket.send_to(reply, to).await.is_err() {
            self.metrics.count(Count::SendFailed);
        }
    }

    fn answered(&self) -> std::sync::MutexGuard<'_, Answered> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a tool is told of one session.
const fn answer_of(forwarded: Forwarded) -> Answer {
    Answer::Refused(Some(match forwarded {
        Forwarded::Answered(answer) => return answer,
        Forwarded::Silent => ErrorCause::PROXY_PROCESSING_ERROR,
        Forwarded::NotAsked(why) => match why {
            NotAsked::NasRemoved | NotAsked::NoAddress => ErrorCause::REQUEST_NOT_ROUTABLE,
            NotAsked::Busy => ErrorCause::RESOURCES_UNAVAILABLE,
            NotAsked::NothingToChange
            | NotAsked::HasToEnd(_)
            | NotAsked::CannotChange
            | NotAsked::Ambiguous => ErrorCause::INVALID_REQUEST,
        },
    }))
}

/// What it is told of all of them: yes, when no router has a session any more that it should not.
fn together(answers: &[Answer]) -> Answer {
    let gone = Answer::Refused(Some(ErrorCause::SESSION_CONTEXT_NOT_FOUND));
    let mut refused = answers
        .iter()
        .filter(|answer| **answer != Answer::Acknowledged && **answer != gone);
    match refused.next() {
        Some(refused) => *refused,
        None if answers.contains(&Answer::Acknowledged) => Answer::Acknowledged,
        None => gone,
    }
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}
