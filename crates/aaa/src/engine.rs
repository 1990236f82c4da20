//! The protocol of one worker as a value: datagrams and completions in, replies and effects out.
//!
//! It opens no socket and reads no clock. Feed it datagrams, completions and deadlines, then take
//! what it wants sent and done.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use domain::access::{
    self, AccessProfile, AccessRequest, Decision, Method, NasIdentifierCheck, Presence, Proof,
    RejectReason, Verdict,
};
use domain::accounting::AccountingRecord;
use domain::auth_log::{AuthOutcome, Knock};
use domain::id::AuthId;
use domain::name::Username;
use domain::nas::MessageAuthenticatorPolicy;
use domain::secret::Secret;
use domain::time::Timestamp;
use radius::authenticator::MessageAuthenticatorCheck;
use radius::code::Code;
use radius::packet::Packet;
use radius::signer::Unsigned;
use radius::verifier::{Authenticity, SIDE_BY_SIDE, Verifiable, Verifier};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tracing::warn;

use crate::accounting::{self, Unrecordable};
use crate::arrivals::Arrivals;
use crate::auth_log::fold::{self, Conclusion, Fold};
use crate::directory::{Directory, SubscriberEntry};
use crate::duplicate::{DuplicateCache, ENTRIES_MAX, Fingerprint, Key, Lookup, Ticket};
use crate::inbox::Completion;
use crate::journal::is_repeated_by_its_next;
use crate::knock::KnockList;
use crate::metrics::{Count, Drop, Metrics};
use crate::nas_table::{NasEntry, NasTable};
use crate::outbox::Outbox;
use crate::overload;
use crate::proof::{self, Checked, MsChapAnswer};
use crate::reply::{self, Accept};
use crate::request::{self, AccessFacts};
use crate::session_table::{Device, SessionTable};
use crate::signing::{Purpose, Signing};
use crate::tally::Tally;

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
    Verify {
        entry: Arc<SubscriberEntry>,
        password: Secret,
        ticket: Ticket,
    },
}

/// What the engine shares with the rest of the node, and its settings.
#[derive(Clone, Debug)]
pub struct Context {
    pub directory: Arc<Directory>,
    pub sessions: Arc<SessionTable>,
    pub metrics: Arc<Metrics>,
    /// How long an Access-Reject is held back.
    pub reject_delay: Duration,
}

/// A packet of a router that is known.
struct Request<'a> {
    received: Received<'a>,
    now: Moment,
    nas: &'a Arc<NasEntry>,
    packet: Packet<'a>,
}

/// A request that waits for the verifier, kept so that it can be read again.
#[derive(Debug)]
struct Waiting {
    octets: Box<[u8]>,
    nas: Arc<NasEntry>,
    entry: Arc<SubscriberEntry>,
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
    effects: VecDeque<Effect>,
    log: Fold,
    outbox: Outbox,
    knocks: KnockList,
    storing: usize,
    tally: Tally,
    signing: Signing,
    scratch: Vec<u8>,
    random: StdRng,
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
            effects: VecDeque::new(),
            log: Fold::new(fold::entries_max(1)),
            outbox: Outbox::default(),
            knocks: KnockList::default(),
            storing: 0,
            signing: Signing::default(),
            scratch: Vec::new(),
            random: StdRng::from_seed(seed),
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

    fn handle_access(
        &mut self,
        received: &Received<'_>,
        packet: &Packet<'_>,
        nas: &Arc<NasEntry>,
        authenticity: Authenticity,
        now: Moment,
    ) {
        let facts = AccessFacts::read(packet);
        if !self.is_authentic(authenticity.message_authenticator, &facts, nas, now) {
            return;
        }
        self.tally.count(Count::AccessRequest);
        let Some(ticket) = self.admit(received, packet, now) else {
            return;
        };
        self.count_misfits(packet);
        let Some(username) = read_username(&facts) else {
            let decision = access::refuse(RejectReason::MalformedUserName);
            return self.conclude(ticket, packet, &facts, nas, None, &decision, None, now);
        };
        let Some(entry) = self.find_subscriber(nas, &username) else {
            return self.refuse_unknown(ticket, packet, &facts, nas, now);
        };
        match proof::check(packet, &facts, nas.nas.secret.expose(), &entry) {
            Checked::Done(proof) => {
                self.decide(ticket, packet, &facts, nas, &entry, proof, None, now);
            }
            Checked::MsChap(answer) => {
                let proof = Proof::Verified {
                    method: answer.method(),
                };
                self.decide(
                    ticket,
                    packet,
                    &facts,
                    nas,
                    &entry,
                    proof,
                    Some(&answer),
                    now,
                );
            }
            Checked::Slow(password) => {
                let password = Secret::new(password.expose());
                let waiting = Waiting {
                    octets: packet.as_bytes().into(),
                    nas: Arc::clone(nas),
                    entry: Arc::clone(&entry),
                };
                self.waiting.insert(ticket, waiting);
                self.effects.push_back(Effect::Verify {
                    entry,
                    password,
                    ticket,
                });
            }
        }
    }

    fn handle_verified(&mut self, ticket: Ticket, is_right: bool, now: Moment) {
        let Some(waiting) = self.waiting.remove(&ticket) else {
            return;
        };
        let Ok(packet) = Packet::parse(&waiting.octets) else {
            return;
        };
        let facts = AccessFacts::read(&packet);
        let Waiting { nas, entry, .. } = &waiting;
        // The subscriber may have been changed while the hash was compared.
        let Some(current) = self.find_subscriber(nas, &entry.subscriber.username) else {
            return self.refuse_unknown(ticket, &packet, &facts, nas, now);
        };
        if current.subscriber.credential != entry.subscriber.credential {
            return self.abandon(ticket, Drop::CredentialChanged);
        }
        let method = Method::Pap;
        let proof = if is_right {
            Proof::Verified { method }
        } else {
            Proof::Mismatch { method }
        };
        self.decide(ticket, &packet, &facts, nas, &current, proof, None, now);
    }

    fn refuse_unknown(
        &mut self,
        ticket: Ticket,
        packet: &Packet<'_>,
        facts: &AccessFacts<'_>,
        nas: &Arc<NasEntry>,
        now: Moment,
    ) {
        let request = access_request(nas, facts, proof::unchecked(facts));
        let decision = access::decide(None, request, Presence::default(), now.timestamp);
        self.conclude(ticket, packet, facts, nas, None, &decision, None, now);
    }

    fn handle_accounting(
        &mut self,
        received: &Received<'_>,
        packet: &Packet<'_>,
        nas: &Arc<NasEntry>,
        authenticity: Authenticity,
        now: Moment,
    ) {
        if !authenticity.is_authenticator_right
            || authenticity.message_authenticator == MessageAuthenticatorCheck::Invalid
        {
            self.drop(Drop::RequestAuthenticatorInvalid);
            return complain(
                nas,
                now,
                "Accounting-Request with a wrong authenticator: the shared secrets differ",
            );
        }
        self.tally.count(Count::AccountingRequest);
        let Some(ticket) = self.admit(received, packet, now) else {
            return;
        };
        self.count_misfits(packet);
        let directory = &self.context.directory;
        let find = |username: &str| {
            let entry = directory.find_subscriber(nas.nas.tenant, username);
            entry.map(|entry| entry.subscriber.id)
        };
        let source = received.peer.ip().to_canonical();
        let record = accounting::read_record(packet, &nas.nas, source, now.timestamp, find);
        let record = match record {
            Ok(record) => record,
            Err(Unrecordable::Incomplete) => {
                return self.abandon(ticket, Drop::AccountingIncomplete);
            }
            Err(Unrecordable::Unsupported) => {
                return self.abandon(ticket, Drop::AccountingUnsupported);
            }
        };
        let reply = self.signing.buffer_mut();
        let Ok(unsigned) = reply::write_accounting_response(reply, packet) else {
            return self.abandon(ticket, Drop::ReplyTooLarge);
        };
        self.sign_later(ticket, Purpose::Keep, unsigned, nas);
        self.storing += 1;
        self.effects.push_back(Effect::Store { record, ticket });
    }

    /// Whether an Access-Request may be believed (RFC 3579 §3.2, CVE-2024-3596).
    fn is_authentic(
        &mut self,
        check: MessageAuthenticatorCheck,
        facts: &AccessFacts<'_>,
        nas: &NasEntry,
        now: Moment,
    ) -> bool {
        match check {
            MessageAuthenticatorCheck::Valid => {
                // EAP always carries it, so it says nothing about the router's other requests.
                if facts.eap_message.is_none() {
                    nas.learn_message_authenticator();
                }
                return true;
            }
            MessageAuthenticatorCheck::Invalid => {
                self.complain_of_secret(nas, now);
                return false;
            }
            MessageAuthenticatorCheck::Absent => {}
        }
        if nas.requires_message_authenticator() || facts.eap_message.is_some() {
            self.drop(Drop::MessageAuthenticatorMissing);
            complain(
                nas,
                now,
                "Access-Request without Message-Authenticator: switch it on in the router, or set --message-authenticator auto",
            );
            return false;
        }
        let is_auto = nas.nas.settings.message_authenticator == MessageAuthenticatorPolicy::Auto;
        if is_auto && facts.has_proxy_state {
            self.drop(Drop::ProxyStateUnprotected);
            complain(
                nas,
                now,
                "Access-Request with Proxy-State and without Message-Authenticator: it may be forged",
            );
            return false;
        }
        true
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

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one request, which borrow from different owners"
    )]
    fn decide(
        &mut self,
        ticket: Ticket,
        packet: &Packet<'_>,
        facts: &AccessFacts<'_>,
        nas: &Arc<NasEntry>,
        entry: &SubscriberEntry,
        proof: Proof,
        ms_chap: Option<&MsChapAnswer>,
        now: Moment,
    ) {
        let subscriber = Some(entry);
        let plan = entry.plan.load();
        let Some(plan) = &*plan else {
            let decision = access::refuse(RejectReason::PlanMissing);
            return self.conclude(ticket, packet, facts, nas, subscriber, &decision, None, now);
        };
        let profile = AccessProfile {
            subscriber: &entry.subscriber,
            plan,
        };
        let presence = match plan.terms.session_limit {
            Some(_) => {
                let device = facts.calling_station.map(Device::from_calling_station);
                let sessions = &self.context.sessions;
                sessions.presence(entry.subscriber.id, device.as_ref())
            }
            None => Presence::default(),
        };
        let request = access_request(nas, facts, proof);
        let decision = access::decide(Some(profile), request, presence, now.timestamp);
        self.conclude(
            ticket, packet, facts, nas, subscriber, &decision, ms_chap, now,
        );
    }

    /// Writes the reply to a decision and the log entry, and sends it or holds it back.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one request, which borrow from different owners"
    )]
    fn conclude(
        &mut self,
        ticket: Ticket,
        packet: &Packet<'_>,
        facts: &AccessFacts<'_>,
        nas: &Arc<NasEntry>,
        entry: Option<&SubscriberEntry>,
        decision: &Decision<'_>,
        ms_chap: Option<&MsChapAnswer>,
        now: Moment,
    ) {
        let auth = AuthId::new(now.timestamp, self.draw());
        let written = match &decision.verdict {
            Verdict::Accept(grants) => {
                let salts = self.draw_salts();
                let accept = Accept {
                    grants,
                    auth,
                    ms_chap,
                    salts,
                };
                reply::write_accept(self.signing.buffer_mut(), packet, nas, facts, &accept)
            }
            Verdict::Reject(reason) => {
                let challenge = self.draw();
                let Self {
                    signing, scratch, ..
                } = self;
                let reply = signing.buffer_mut();
                reply::write_reject(reply, scratch, packet, facts, *reason, challenge)
            }
        };
        let Ok(unsigned) = written else {
            return self.abandon(ticket, Drop::ReplyTooLarge);
        };
        let outcome = match decision.verdict {
            Verdict::Accept(_) => {
                self.tally.count(Count::AccessAccept);
                self.sign_later(ticket, Purpose::Send, unsigned, nas);
                AuthOutcome::Accepted
            }
            Verdict::Reject(reason) => {
                self.tally.count(Count::AccessReject);
                let purpose = Purpose::HoldBack(now.instant);
                self.sign_later(ticket, purpose, unsigned, nas);
                AuthOutcome::Rejected(reason)
            }
        };
        self.log.note(&Conclusion {
            id: auth,
            at: now.timestamp,
            tenant: nas.nas.tenant,
            nas: nas.nas.id,
            subscriber: entry.map(|entry| entry.subscriber.id),
            user_name: facts.user_name.unwrap_or_default(),
            method: facts.method().unwrap_or(Method::None),
            outcome,
            trace: &decision.trace,
            calling_station: facts.calling_station,
            called_station: facts.called_station,
        });
    }

    /// Leaves the signature for when several replies are written, or nothing else is to be done.
    fn sign_later(
        &mut self,
        ticket: Ticket,
        purpose: Purpose,
        unsigned: Unsigned,
        nas: &Arc<NasEntry>,
    ) {
        self.signing.push(ticket, purpose, unsigned, nas);
        if self.signing.is_full() {
            self.sign();
        }
    }

    /// Signs what is written, and sends it, holds it back or keeps it.
    fn sign(&mut self) {
        if self.signing.is_empty() {
            return;
        }
        self.signing.sign();
        let mut place = 0;
        while let Some((ticket, purpose, reply)) = self.signing.find(place) {
            self.cache.prepare(ticket, reply);
            match purpose {
                Purpose::Send => self.send_prepared(ticket),
                Purpose::HoldBack(since) => self.hold_back(ticket, since),
                Purpose::Keep => {}
            }
            place += 1;
        }
        self.signing.clear();
    }

    fn hold_back(&mut self, ticket: Ticket, since: Instant) {
        if self.context.reject_delay.is_zero() {
            return self.send_prepared(ticket);
        }
        if ENTRIES_MAX <= self.delayed.len()
            && let Some((_, oldest)) = self.delayed.pop_front()
        {
            self.send_prepared(oldest);
        }
        self.delayed
            .push_back((since + self.context.reject_delay, ticket));
    }

    fn send_prepared(&mut self, ticket: Ticket) {
        if let Some((key, reply)) = self.cache.answer(ticket) {
            self.outbox.push(key, reply);
        }
    }

    fn abandon_store(&mut self, ticket: Ticket, why: Drop) {
        self.count_stored(ticket);
        self.abandon(ticket, why);
    }

    fn count_stored(&mut self, ticket: Ticket) {
        if self.cache.has_issued(ticket) {
            self.storing = self.storing.saturating_sub(1);
        }
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

    fn find_subscriber(&self, nas: &NasEntry, username: &Username) -> Option<Arc<SubscriberEntry>> {
        let directory = &self.context.directory;
        directory.find_subscriber(nas.nas.tenant, username.as_str())
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

    fn draw<const COUNT: usize>(&mut self) -> [u8; COUNT] {
        let mut octets = [0; COUNT];
        self.random.fill_bytes(&mut octets);
        octets
    }

    /// Two salts that differ (RFC 2548 §2.4.2).
    fn draw_salts(&mut self) -> [[u8; 2]; 2] {
        let [high, low] = self.draw();
        [[high, low], [high, low ^ 1]]
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

fn read_username(facts: &AccessFacts<'_>) -> Option<Username> {
    Username::from_wire(facts.user_name?).ok()
}

fn access_request(nas: &NasEntry, facts: &AccessFacts<'_>, proof: Proof) -> AccessRequest {
    let nas_identifier = match (&nas.nas.settings.identifier, facts.nas_identifier) {
        (None, _) => NasIdentifierCheck::NotRequired,
        (Some(expected), Some(sent)) if expected.as_bytes() == sent => NasIdentifierCheck::Matches,
        (Some(_), _) => NasIdentifierCheck::Differs,
    };
    AccessRequest {
        proof,
        nas_identifier,
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
