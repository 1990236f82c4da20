//! The protocol of one worker as a value: datagrams and completions in, replies and effects out.
//!
//! It opens no socket and reads no clock. Feed it datagrams, completions and deadlines, then take
//! what it wants sent and done.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use domain::accounting::AccountingRecord;
use domain::auth_log::Knock;
use domain::id::SubscriberId;
use domain::mac::Mac;
use domain::time::Timestamp;
use radius::authenticator::MessageAuthenticatorCheck;
use radius::code::Code;
use radius::packet::Packet;
use radius::verifier::{Authenticity, SIDE_BY_SIDE, Verifiable, Verifier};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tracing::warn;

use crate::arrivals::Arrivals;
use crate::auth_log::fold::{self, Fold};
use crate::directory::{Directory, SubscriberEntry};
use crate::duplicate::{DuplicateCache, ENTRIES_MAX, Fingerprint, Key, Lookup, Ticket};
use crate::eap::Conversations;
use crate::follow::Follow;
use crate::guard::Guard;
use crate::inbox::Completion;
use crate::journal::is_repeated_by_its_next;
use crate::knock::KnockList;
use crate::limits::LimitTable;
use crate::metrics::{Count, Drop, Metrics};
use crate::nas_table::{NasEntry, NasTable};
use crate::outbox::Outbox;
use crate::overload;
use crate::reply;
use crate::request;
use crate::session_table::SessionTable;
use crate::signing::Signing;
use crate::tally::Tally;
use crate::verifier::{Question, RowQuestion};
use claim::Claiming;
use login::KeptLogin;
use rehearsal::Rehearsal;

mod access;
mod account;
mod accounting;
mod answer;
mod claim;
mod eap;
mod guarding;
mod login;
mod mac_login;
mod message;
mod rehearsal;
mod rows;

pub use rehearsal::Belief;

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub instant: Instant,
    pub timestamp: Timestamp,
}

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Authentication,
    Accounting,
}

/// One datagram as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    pub listener: u8,
    pub role: Role,
    pub peer: SocketAddr,
    /// The address it came to, when the socket listens on several.
    pub local: Option<IpAddr>,
    /// How long it lay in the kernel; 0 when that is not known.
    pub waited: Duration,
    pub octets: &'a [u8],
}

/// One datagram to send.
#[derive(Debug)]
pub struct Outgoing {
    pub listener: u8,
    pub peer: SocketAddr,
    pub local: Option<IpAddr>,
    pub octets: Vec<u8>,
}

impl udp::send::Outgoing for Outgoing {
    fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn octets(&self) -> &[u8] {
        &self.octets
    }
}

/// What has to be done outside.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every effect is a record, and the packet path must not box each"
)]
pub enum Effect {
    /// Make the record durable, then complete the ticket.
    Store {
        record: AccountingRecord,
        ticket: Ticket,
    },
    /// Compare the password with a slow hash, then complete the ticket.
    Verify { question: Question, ticket: Ticket },
    /// Bind a new device, then complete the ticket.
    Claim {
        subscriber: SubscriberId,
        mac: Mac,
        nas: Arc<NasEntry>,
        ticket: Ticket,
    },
}

/// What the engine shares with the rest of the node, and its settings.
#[derive(Clone, Debug)]
pub struct Context {
    pub directory: Arc<Directory>,
    pub sessions: Arc<SessionTable>,
    pub limits: Arc<LimitTable>,
    pub metrics: Arc<Metrics>,
    /// How long an Access-Reject is held back.
    pub reject_delay: Duration,
    pub guard: Arc<Guard>,
    pub conversations: Arc<Conversations>,
}

impl Context {
    /// Who learns what is stored.
    pub fn follow(&self) -> Follow {
        Follow {
            directory: Arc::clone(&self.directory),
            sessions: Arc::clone(&self.sessions),
            metrics: Arc::clone(&self.metrics),
        }
    }
}

/// A packet of a router that is known.
struct Request<'a> {
    received: Received<'a>,
    now: Moment,
    nas: &'a Arc<NasEntry>,
    packet: Packet<'a>,
}

/// A login that waits for the verifier.
#[derive(Debug)]
struct Waiting {
    login: KeptLogin,
    whose: Whose,
}

/// Whose password is compared.
#[derive(Debug)]
enum Whose {
    Subscriber(Arc<SubscriberEntry>),
    /// Somebody's whom the tables of FreeRADIUS know.
    Rows(Arc<RowQuestion>),
}

/// The state of one worker.
pub struct Engine {
    context: Context,
    arrivals: Arrivals,
    verifier: Verifier,
    cache: DuplicateCache,
    /// Rejects that are held back, in the order of their deadlines.
    delayed: VecDeque<(Instant, Ticket)>,
    waiting: HashMap<Ticket, Waiting>,
    claiming: HashMap<Ticket, Claiming>,
    effects: VecDeque<Effect>,
    log: Fold,
    outbox: Outbox,
    knocks: KnockList,
    storing: usize,
    tally: Tally,
    signing: Signing,
    scratch: Vec<u8>,
    random: StdRng,
    /// Absent but for decisions that are only tried out.
    rehearsal: Option<Box<Rehearsal>>,
}

impl Engine {
    /// A new engine; `seed` is random and different for each, `epoch` counts its restarts.
    pub fn new(context: Context, seed: [u8; 32], epoch: u32) -> Self {
        Self {
            tally: Tally::new(Arc::clone(&context.metrics)),
            context,
            arrivals: Arrivals::default(),
            verifier: Verifier::default(),
            cache: DuplicateCache::new(ENTRIES_MAX, epoch),
            delayed: VecDeque::new(),
            waiting: HashMap::new(),
            claiming: HashMap::new(),
            effects: VecDeque::new(),
            log: Fold::new(fold::entries_max(1)),
            outbox: Outbox::default(),
            knocks: KnockList::default(),
            storing: 0,
            signing: Signing::default(),
            scratch: Vec::new(),
            random: StdRng::from_seed(seed),
            rehearsal: None,
        }
    }

    /// Takes one datagram from a socket. It is looked at with the next ones, or when anything else
    /// is asked of the engine.
    pub fn handle_datagram(&mut self, received: &Received<'_>, now: Moment) {
        self.arrivals.push(received, now);
        if self.arrivals.is_full() {
            self.handle_arrivals();
        }
    }

    /// Takes the news that something outside is done.
    pub fn handle_completion(&mut self, completion: Completion, now: Moment) {
        self.settle();
        match completion {
            Completion::Stored(ticket) => {
                self.count_stored(ticket);
                if self.cache.find_key(ticket).is_some() {
                    self.tally.count(Count::AccountingResponse);
                    self.send_prepared(ticket);
                }
            }
            Completion::NotStored(ticket) => self.abandon_store(ticket, Drop::JournalFailed),
            Completion::Verified { ticket, is_right } => {
                self.handle_verified(ticket, is_right, now);
            }
            Completion::Claimed { ticket, claim } => self.handle_claimed(ticket, claim, now),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.settle();
        while let Some(&(due, ticket)) = self.delayed.front() {
            if now < due {
                break;
            }
            self.delayed.pop_front();
            self.send_prepared(ticket);
        }
        self.cache.expire(now);
    }

    /// Sends at once what is held back: the worker is about to stop.
    pub fn flush_delayed(&mut self) {
        self.settle();
        while let Some((_, ticket)) = self.delayed.pop_front() {
            self.send_prepared(ticket);
        }
    }

    /// The effect was refused: nothing will complete the ticket.
    pub fn refuse(&mut self, effect: Effect) {
        match effect {
            Effect::Store { record, ticket } => {
                let reason = if is_repeated_by_its_next(&record) {
                    Drop::JournalShedInterim
                } else {
                    Drop::JournalFull
                };
                self.abandon_store(ticket, reason);
            }
            Effect::Verify { ticket, .. } => {
                self.waiting.remove(&ticket);
                self.abandon(ticket, Drop::VerifierFull);
            }
            Effect::Claim { ticket, .. } => {
                self.claiming.remove(&ticket);
                self.abandon(ticket, Drop::ClaimsFull);
            }
        }
        self.tally.publish();
    }

    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.handle_arrivals();
        let effect = self.effects.pop_front();
        if effect.is_none() {
            self.tally.publish();
        }
        effect
    }

    /// The decisions since they were last taken out.
    pub const fn log_mut(&mut self) -> &mut Fold {
        &mut self.log
    }

    /// Unknown senders, when it is time to report them.
    pub fn poll_knocks(&mut self, now: Instant) -> Option<Vec<Knock>> {
        self.knocks.poll(now)
    }

    /// What waits to be sent, in order. Hand it back to [`Engine::recycle`] when it is sent.
    pub fn take_outbox(&mut self) -> Vec<Outgoing> {
        self.settle();
        self.tally.publish();
        self.outbox.take()
    }

    /// Takes the buffers of sent datagrams back.
    pub fn recycle(&mut self, sent: Vec<Outgoing>) {
        self.outbox.recycle(sent);
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let delayed = self.delayed.front().map(|(due, _)| *due);
        let knocks = self.knocks.poll_timeout();
        [delayed, self.cache.next_deadline(), knocks]
            .into_iter()
            .flatten()
            .min()
    }

    /// Accounting records that are not durable yet.
    pub const fn storing(&self) -> usize {
        self.storing
    }

    /// Does what was left for later, so that nothing waits for another datagram.
    fn settle(&mut self) {
        self.handle_arrivals();
        self.sign();
    }

    fn handle_arrivals(&mut self) {
        if self.arrivals.is_empty() {
            return;
        }
        let mut arrivals = std::mem::take(&mut self.arrivals);
        self.handle_together(&arrivals);
        arrivals.clear();
        self.arrivals = arrivals;
    }

    fn handle_together(&mut self, arrivals: &Arrivals) {
        let routers = self.context.directory.nas_table();
        let mut requests = ArrayVec::<_, SIDE_BY_SIDE>::new();
        for (received, now) in arrivals.iter() {
            match open(&routers, received, now) {
                Ok(request) => requests.push(request),
                Err(Drop::UnknownNas) => self.note_knock(received.peer.ip(), now),
                Err(why) => self.drop(why),
            }
        }
        let signed: ArrayVec<_, SIDE_BY_SIDE> = requests.iter().map(Request::verifiable).collect();
        let found = self.verifier.verify(&signed);
        for (request, authenticity) in requests.iter().zip(found) {
            self.handle_request(request, authenticity);
        }
    }

    fn handle_request(&mut self, request: &Request<'_>, authenticity: Authenticity) {
        let Request {
            received,
            now,
            nas,
            packet,
        } = request;
        match (received.role, packet.code()) {
            (_, Code::StatusServer) => {
                self.handle_status(received, packet, nas, authenticity, *now)
            }
            (Role::Authentication, Code::AccessRequest) => {
                self.handle_access(received, packet, nas, authenticity, *now);
            }
            (Role::Accounting, Code::AccountingRequest) => {
                self.handle_accounting(received, packet, nas, authenticity, *now);
            }
            _ => self.drop(Drop::UnexpectedCode),
        }
    }

    fn handle_status(
        &mut self,
        received: &Received<'_>,
        packet: &Packet<'_>,
        nas: &NasEntry,
        authenticity: Authenticity,
        now: Moment,
    ) {
        match authenticity.message_authenticator {
            MessageAuthenticatorCheck::Valid => {}
            MessageAuthenticatorCheck::Absent => {
                return self.drop(Drop::MessageAuthenticatorMissing);
            }
            MessageAuthenticatorCheck::Invalid => return self.complain_of_secret(nas, now),
        }
        self.tally.count(Count::StatusServer);
        // RFC 5997 §4.2: what answers depends on the port.
        let code = match received.role {
            Role::Authentication => Code::AccessAccept,
            Role::Accounting => Code::AccountingResponse,
        };
        // Replies leave in the order of their requests.
        self.sign();
        let reply = self.signing.buffer_mut();
        if reply::write_status(reply, packet, nas, code).is_err() {
            return self.drop(Drop::ReplyTooLarge);
        }
        self.tally.count(Count::StatusReply);
        let key = key_of(received, packet);
        self.outbox.push(key, self.signing.buffer_mut());
    }

    /// Remembers the request, or answers a duplicate as before.
    fn admit(
        &mut self,
        received: &Received<'_>,
        packet: &Packet<'_>,
        now: Moment,
    ) -> Option<Ticket> {
        let key = key_of(received, packet);
        let fingerprint = Fingerprint {
            authenticator: *packet.authenticator(),
            length: packet.as_bytes().len(),
        };
        match self.cache.admit(key, fingerprint, now.instant) {
            Lookup::New(ticket) => return Some(ticket),
            Lookup::InProgress => self.tally.count_drop(Drop::DuplicateInProgress),
            Lookup::Full => self.tally.count_drop(Drop::CacheFull),
            Lookup::Answered(reply) => {
                self.tally.count(Count::DuplicateAnswered);
                self.outbox.push(key, reply);
            }
        }
        None
    }

    fn abandon(&mut self, ticket: Ticket, why: Drop) {
        self.cache.abandon(ticket);
        self.drop(why);
    }

    fn note_knock(&mut self, source: IpAddr, now: Moment) {
        self.drop(Drop::UnknownNas);
        if self.knocks.note(source, now).is_err() {
            self.tally.count(Count::KnockLost);
        }
    }

    fn complain_of_secret(&mut self, nas: &NasEntry, now: Moment) {
        self.drop(Drop::MessageAuthenticatorInvalid);
        complain(
            nas,
            now,
            "request with a wrong Message-Authenticator: the shared secrets differ",
        );
    }

    fn count_misfits(&mut self, packet: &Packet<'_>) {
        let count = request::count_misfits(packet);
        if 0 < count {
            self.tally.add(Count::AttributeIgnored, count);
        }
    }

    fn drop(&mut self, why: Drop) {
        self.tally.count_drop(why);
    }
}

fn open<'a>(
    routers: &'a NasTable,
    received: Received<'a>,
    now: Moment,
) -> Result<Request<'a>, Drop> {
    let nas = routers.find(received.peer.ip()).ok_or(Drop::UnknownNas)?;
    let packet = Packet::parse(received.octets).map_err(|_| Drop::Malformed)?;
    if overload::is_too_late(&packet, received.waited) {
        return Err(Drop::TooLate);
    }
    Ok(Request {
        received,
        now,
        nas,
        packet,
    })
}

impl Request<'_> {
    fn verifiable(&self) -> Verifiable<'_> {
        Verifiable {
            request: self.packet,
            secret: &self.nas.secret,
        }
    }
}

fn key_of(received: &Received<'_>, packet: &Packet<'_>) -> Key {
    Key {
        listener: received.listener,
        peer: received.peer,
        local: received.local,
        identifier: packet.identifier(),
    }
}

fn complain(nas: &NasEntry, now: Moment, what: &str) {
    if nas.may_complain(now.timestamp) {
        warn!(nas.name = %nas.nas.name, nas.id = %nas.nas.id, "NAS {}: {what}", nas.nas.name);
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Engine")
            .field("remembered", &self.cache.len())
            .field("storing", &self.storing)
            .finish_non_exhaustive()
    }
}
