//! The protocol of one worker as a value: datagrams and completions in, replies and effects out.
//!
//! It opens no socket and reads no clock. Feed it datagrams, completions and deadlines, then take
//! what it wants sent and done.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::access::{
    self, AccessProfile, AccessRequest, Decision, Method, NasIdentifierCheck, Presence, Proof,
    RejectReason, Verdict,
};
use domain::accounting::AccountingRecord;
use domain::auth_log::{AuthLogEntry, AuthOutcome, Knock};
use domain::id::AuthId;
use domain::name::Username;
use domain::nas::MessageAuthenticatorPolicy;
use domain::secret::Secret;
use domain::time::Timestamp;
use radius::authenticator::{
    MessageAuthenticatorCheck, verify_message_authenticator, verify_request_authenticator,
};
use radius::code::Code;
use radius::packet::Packet;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tracing::warn;

use crate::accounting::{self, Unrecordable};
use crate::directory::{Directory, SubscriberEntry};
use crate::duplicate::{DuplicateCache, ENTRIES_MAX, Fingerprint, Key, Lookup, Ticket};
use crate::inbox::Completion;
use crate::journal::is_repeated_by_its_next;
use crate::knock::KnockList;
use crate::metrics::{Count, Drop, Metrics};
use crate::nas_table::NasEntry;
use crate::outbox::Outbox;
use crate::proof::{self, Checked, MsChapAnswer};
use crate::reply::{self, Accept};
use crate::request::{self, AccessFacts};
use crate::session_table::{Device, SessionTable};

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

/// What has to be done outside.
#[derive(Debug)]
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
    Log(AuthLogEntry),
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
    cache: DuplicateCache,
    /// Rejects that are held back, in the order of their deadlines.
    delayed: VecDeque<(Instant, Ticket)>,
    waiting: HashMap<Ticket, Waiting>,
    effects: VecDeque<Effect>,
    outbox: Outbox,
    knocks: KnockList,
    storing: usize,
    reply: Vec<u8>,
    scratch: Vec<u8>,
    random: StdRng,
}

impl Engine {
    /// A new engine; `seed` is random and different for each, `epoch` counts its restarts.
    pub fn new(context: Context, seed: [u8; 32], epoch: u32) -> Self {
        Self {
            context,
            cache: DuplicateCache::new(ENTRIES_MAX, epoch),
            delayed: VecDeque::new(),
            waiting: HashMap::new(),
            effects: VecDeque::new(),
            outbox: Outbox::default(),
            knocks: KnockList::default(),
            storing: 0,
            reply: Vec::new(),
            scratch: Vec::new(),
            random: StdRng::from_seed(seed),
        }
    }

    /// Takes one datagram from a socket.
    pub fn handle_datagram(&mut self, received: &Received<'_>, now: Moment) {
        let Some(nas) = self.context.directory.find_nas(received.peer.ip()) else {
            return self.note_knock(received.peer.ip(), now);
        };
        let Ok(packet) = Packet::parse(received.octets) else {
            return self.drop(Drop::Malformed);
        };
        match (received.role, packet.code()) {
            (_, Code::StatusServer) => self.handle_status(received, &packet, &nas, now),
            (Role::Authentication, Code::AccessRequest) => {
                self.handle_access(received, &packet, nas, now);
            }
            (Role::Accounting, Code::AccountingRequest) => {
                self.handle_accounting(received, &packet, &nas, now);
            }
            _ => self.drop(Drop::UnexpectedCode),
        }
    }

    /// Takes the news that something outside is done.
    pub fn handle_completion(&mut self, completion: Completion, now: Moment) {
        match completion {
            Completion::Stored(ticket) => {
                self.count_stored(ticket);
                if self.cache.find_key(ticket).is_some() {
                    self.context.metrics.count(Count::AccountingResponse);
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
            Effect::Log(_) => self.context.metrics.count(Count::AuthLogLost),
        }
    }

    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Unknown senders, when it is time to report them.
    pub fn poll_knocks(&mut self, now: Instant) -> Option<Vec<Knock>> {
        self.knocks.poll(now)
    }

    /// What waits to be sent, in order. Hand it back to [`Engine::recycle`] when it is sent.
    pub fn take_outbox(&mut self) -> Vec<Outgoing> {
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

    fn handle_status(
        &mut self,
        received: &Received<'_>,
        packet: &Packet<'_>,
        nas: &NasEntry,
        now: Moment,
    ) {
        match verify_message_authenticator(packet, nas.nas.secret.expose()) {
            MessageAuthenticatorCheck::Valid => {}
            MessageAuthenticatorCheck::Absent => {
                return self.drop(Drop::MessageAuthenticatorMissing);
            }
            MessageAuthenticatorCheck::Invalid => return self.complain_of_secret(nas, now),
        }
        self.context.metrics.count(Count::StatusServer);
        // RFC 5997 §4.2: what answers depends on the port.
        let code = match received.role {
            Role::Authentication => Code::AccessAccept,
            Role::Accounting => Code::AccountingResponse,
        };
        if reply::write_status(&mut self.reply, packet, &nas.nas, code).is_err() {
            return self.drop(Drop::ReplyTooLarge);
        }
        self.context.metrics.count(Count::StatusReply);
        self.outbox.push(key_of(received, packet), &self.reply);
    }

    fn handle_access(
        &mut self,
        received: &Received<'_>,
        packet: &Packet<'_>,
        nas: Arc<NasEntry>,
        now: Moment,
    ) {
        let facts = AccessFacts::read(packet);
        if !self.is_authentic(packet, &facts, &nas, now) {
            return;
        }
        self.context.metrics.count(Count::AccessRequest);
        let Some(ticket) = self.admit(received, packet, now) else {
            return;
        };
        self.count_misfits(packet);
        let Some(username) = read_username(&facts) else {
            let decision = access::refuse(RejectReason::MalformedUserName);
            return self.conclude(ticket, packet, &facts, &nas, None, &decision, None, now);
        };
        let Some(entry) = self.find_subscriber(&nas, &username) else {
            return self.refuse_unknown(ticket, packet, &facts, &nas, now);
        };
        match proof::check(packet, &facts, nas.nas.secret.expose(), &entry) {
            Checked::Done(proof) => {
                self.decide(ticket, packet, &facts, &nas, &entry, proof, None, now);
            }
            Checked::MsChap(answer) => {
                let proof = Proof::Verified {
                    method: answer.method(),
                };
                self.decide(
                    ticket,
                    packet,
                    &facts,
                    &nas,
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
                    nas,
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
        nas: &NasEntry,
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
        nas: &NasEntry,
        now: Moment,
    ) {
        let secret = nas.nas.secret.expose();
        let check = verify_message_authenticator(packet, secret);
        if !verify_request_authenticator(packet, secret)
            || check == MessageAuthenticatorCheck::Invalid
        {
            self.drop(Drop::RequestAuthenticatorInvalid);
            return complain(
                nas,
                now,
                "Accounting-Request with a wrong authenticator: the shared secrets differ",
            );
        }
        self.context.metrics.count(Count::AccountingRequest);
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
        if reply::write_accounting_response(&mut self.reply, packet, &nas.nas).is_err() {
            return self.abandon(ticket, Drop::ReplyTooLarge);
        }
        self.cache.prepare(ticket, &self.reply);
        self.storing += 1;
        self.effects.push_back(Effect::Store { record, ticket });
    }

    /// Whether an Access-Request may be believed (RFC 3579 §3.2, CVE-2024-3596).
    fn is_authentic(
        &mut self,
        packet: &Packet<'_>,
        facts: &AccessFacts<'_>,
        nas: &NasEntry,
        now: Moment,
    ) -> bool {
        match verify_message_authenticator(packet, nas.nas.secret.expose()) {
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
            Lookup::InProgress => self.context.metrics.count_drop(Drop::DuplicateInProgress),
            Lookup::Full => self.context.metrics.count_drop(Drop::CacheFull),
            Lookup::Answered(reply) => {
                self.context.metrics.count(Count::DuplicateAnswered);
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
        nas: &NasEntry,
        entry: &SubscriberEntry,
        proof: Proof,
        ms_chap: Option<&MsChapAnswer>,
        now: Moment,
    ) {
        let subscriber = Some(entry);
        let Some(plan) = entry.plan.load() else {
            let decision = access::refuse(RejectReason::PlanMissing);
            return self.conclude(ticket, packet, facts, nas, subscriber, &decision, None, now);
        };
        let profile = AccessProfile {
            subscriber: &entry.subscriber,
            plan: &plan,
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
        nas: &NasEntry,
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
                reply::write_accept(&mut self.reply, packet, &nas.nas, facts, &accept)
            }
            Verdict::Reject(reason) => {
                let challenge = self.draw();
                let Self { reply, scratch, .. } = self;
                reply::write_reject(reply, scratch, packet, &nas.nas, facts, *reason, challenge)
            }
        };
        if written.is_err() {
            return self.abandon(ticket, Drop::ReplyTooLarge);
        }
        self.cache.prepare(ticket, &self.reply);
        let outcome = match decision.verdict {
            Verdict::Accept(_) => {
                self.context.metrics.count(Count::AccessAccept);
                self.send_prepared(ticket);
                AuthOutcome::Accepted
            }
            Verdict::Reject(reason) => {
                self.context.metrics.count(Count::AccessReject);
                self.hold_back(ticket, now);
                AuthOutcome::Rejected(reason)
            }
        };
        self.effects.push_back(Effect::Log(AuthLogEntry {
            id: auth,
            at: now.timestamp,
            tenant: nas.nas.tenant,
            nas: nas.nas.id,
            subscriber: entry.map(|entry| entry.subscriber.id),
            username: accounting::printable(facts.user_name.unwrap_or_default()),
            method: facts.method().unwrap_or(Method::None),
            outcome,
            trace: decision.trace.clone(),
            calling_station: facts.calling_station.map(Into::into),
            called_station: facts.called_station.map(Into::into),
        }));
    }

    fn hold_back(&mut self, ticket: Ticket, now: Moment) {
        if self.context.reject_delay.is_zero() {
            return self.send_prepared(ticket);
        }
        if ENTRIES_MAX <= self.delayed.len()
            && let Some((_, oldest)) = self.delayed.pop_front()
        {
            self.send_prepared(oldest);
        }
        self.delayed
            .push_back((now.instant + self.context.reject_delay, ticket));
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
            self.context.metrics.count(Count::KnockLost);
        }
    }

    fn complain_of_secret(&self, nas: &NasEntry, now: Moment) {
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

    fn count_misfits(&self, packet: &Packet<'_>) {
        let count = request::count_misfits(packet);
        if 0 < count {
            self.context.metrics.add(Count::AttributeIgnored, count);
        }
    }

    fn drop(&self, why: Drop) {
        self.context.metrics.count_drop(why);
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
