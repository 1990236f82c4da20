//! Logins: from a request to a decision, and the reply and the log entry that it makes.

use std::sync::Arc;

use domain::access::{
    self, AccessProfile, AccessRequest, Claim, Decision, Method, NasIdentifierCheck, Presence,
    Proof, RejectReason, RequestingDevice, RequestingNas, Trace, Verdict,
};
use domain::auth_log::AuthOutcome;
use domain::guard::GuardSubject;
use domain::id::{AuthId, SubscriberId};
use domain::limit::Limits;
use domain::mac::Mac;
use domain::name::Username;
use domain::nas::MessageAuthenticatorPolicy;
use domain::secret::Secret;
use domain::terms::TermsMark;
use radius::authenticator::MessageAuthenticatorCheck;
use radius::packet::Packet;
use radius::signer::Unsigned;
use radius::verifier::Authenticity;
use radius::writer::WriteError;
use rand::Rng;

use super::account::Account;
use super::guarding::{Attempted, attempted, claimed, claimed_by_rows};
use super::login::{LoginRequest, Proven};
use super::{Effect, Engine, Moment, Received, Waiting, Whose, complain};
use crate::auth_log::fold::Conclusion;
use crate::directory::SubscriberEntry;
use crate::duplicate::Ticket;
use crate::metrics::{Count, Drop};
use crate::nas_table::NasEntry;
use crate::profile::Gathered;
use crate::proof::{self, Checked, MsChapAnswer};
use crate::reply::{self, Accept, Terms};
use crate::request::AccessFacts;
use crate::session_table::{Admission, Device, Login};
use crate::signing::Purpose;
use crate::verifier::Question;

/// A decision whose reply is written.
pub(super) struct Concluded<'a> {
    pub(super) auth: AuthId,
    pub(super) written: Result<Unsigned, WriteError>,
    pub(super) outcome: AuthOutcome,
    pub(super) subscriber: Option<SubscriberId>,
    pub(super) trace: &'a Trace,
}

impl Engine {
    pub(super) fn handle_access(
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
        let request = LoginRequest {
            ticket,
            packet,
            facts: &facts,
            nas,
            source: received.peer.ip().to_canonical(),
            now,
        };
        let username = read_username(&facts);
        match username.map(|username| self.find_account(nas, username.as_str())) {
            Some(Account::Subscriber(entry)) => self.handle_subscriber(request, entry),
            Some(Account::Device { mac, owners }) => self.handle_device(request, mac, &owners),
            Some(Account::Refused(reason)) => self.refuse_login(request, None, reason),
            Some(Account::Stranger(reason)) => self.handle_stranger(request, Some(reason)),
            Some(Account::Unknown) => self.handle_stranger(request, None),
            None => self.handle_stranger(request, Some(RejectReason::MalformedUserName)),
        }
    }

    /// Answers somebody who is no subscriber: the tables of FreeRADIUS are asked, and who is not in
    /// there either is refused for `otherwise`, or as unknown.
    fn handle_stranger(&mut self, request: LoginRequest<'_>, otherwise: Option<RejectReason>) {
        if let Some(user) = self.find_row_user(request.nas, request.user_name()) {
            let claimed = claimed_by_rows(request.user_name(), &user);
            match self.find_lock(&request, claimed) {
                Some(subject) => self.refuse_guarded(request, None, subject),
                None => self.handle_rows(request, &user),
            }
        } else if let Some(reason) = otherwise {
            self.refuse_login(request, None, reason);
        } else {
            self.refuse_unknown(request);
        }
    }

    fn handle_subscriber(&mut self, request: LoginRequest<'_>, entry: Arc<SubscriberEntry>) {
        if let Some(subject) = self.find_lock(&request, claimed(&entry)) {
            return self.refuse_guarded(request, Some(&entry), subject);
        }
        let LoginRequest {
            packet, facts, nas, ..
        } = request;
        match proof::check(packet, facts, nas.nas.secret.expose(), &entry) {
            Checked::Done(proof) => {
                self.decide(request, &entry, Proven::by(proof), Claim::NotTried);
            }
            Checked::MsChap(answer) => {
                let proven = Proven {
                    proof: Proof::Verified {
                        method: answer.method(),
                    },
                    ms_chap: Some(&answer),
                };
                self.decide(request, &entry, proven, Claim::NotTried);
            }
            Checked::Slow(password) => {
                let password = Secret::new(password.expose());
                let waiting = Waiting {
                    login: request.keep(),
                    whose: Whose::Subscriber(Arc::clone(&entry)),
                };
                let ticket = request.ticket;
                self.waiting.insert(ticket, waiting);
                self.effects.push_back(Effect::Verify {
                    question: Question::Subscriber { entry, password },
                    ticket,
                });
            }
        }
    }

    pub(super) fn handle_verified(&mut self, ticket: Ticket, is_right: bool, now: Moment) {
        let Some(Waiting { login, whose }) = self.waiting.remove(&ticket) else {
            return;
        };
        login.read(ticket, now, |request| match &whose {
            Whose::Subscriber(entry) => {
                if let Some(current) = self.find_again(request, entry) {
                    let proven = Proven::by(proof::outcome(is_right, Method::Pap));
                    self.decide(request, &current, proven, Claim::NotTried);
                }
            }
            Whose::Rows(question) => self.handle_rows_verified(request, question, is_right),
        });
    }

    /// The subscriber as they are now, who may have been changed while the login waited. Otherwise
    /// the login is at its end.
    pub(super) fn find_again(
        &mut self,
        request: LoginRequest<'_>,
        entry: &SubscriberEntry,
    ) -> Option<Arc<SubscriberEntry>> {
        let known = &entry.subscriber;
        let directory = &self.context.directory;
        let found = directory.find_subscriber(known.tenant, known.username.as_str());
        match &found {
            None => self.refuse_unknown(request),
            Some(current) if current.subscriber.credential != known.credential => {
                self.abandon(request.ticket, Drop::CredentialChanged);
                return None;
            }
            Some(_) => {}
        }
        found
    }

    pub(super) fn refuse_unknown(&mut self, request: LoginRequest<'_>) {
        self.note_attempt(&request, None, Attempted::Failed);
        let device = RequestingDevice::new(None);
        let asked = access_request(&request, proof::unchecked(request.facts), device);
        let now = request.now.timestamp;
        let decision = access::decide(None, asked, Presence::default(), now);
        self.conclude(request, None, &decision, None, TermsMark::default());
    }

    /// Refuses an attempt that is not compared.
    pub(super) fn refuse_guarded(
        &mut self,
        request: LoginRequest<'_>,
        entry: Option<&SubscriberEntry>,
        subject: GuardSubject,
    ) {
        self.tally.count(Count::GuardRefused);
        self.refuse_login(request, entry, RejectReason::TooManyAttempts { subject });
    }

    /// Refuses a login about which there is nothing to decide.
    pub(super) fn refuse_login(
        &mut self,
        request: LoginRequest<'_>,
        entry: Option<&SubscriberEntry>,
        reason: RejectReason,
    ) {
        let refusal = access::refuse(reason);
        self.conclude(request, entry, &refusal, None, TermsMark::default());
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

    pub(super) fn decide(
        &mut self,
        request: LoginRequest<'_>,
        entry: &Arc<SubscriberEntry>,
        proven: Proven<'_>,
        claim: Claim,
    ) {
        let Proven { proof, ms_chap } = proven;
        let LoginRequest { facts, now, .. } = request;
        let subscriber = Some(&**entry);
        if let Some(attempted) = attempted(proof) {
            self.note_attempt(&request, Some(claimed(entry)), attempted);
        }
        let table = &self.context.limits;
        let usage = |limits: &Limits| table.usage_at_login(entry, limits, now.timestamp);
        let Some(gathered) = Gathered::of(&self.context.directory, entry, usage) else {
            return self.refuse_login(request, subscriber, RejectReason::PlanMissing);
        };
        let plan = gathered.plan();
        let profile = gathered.profile();
        let device = RequestingDevice {
            mac: match plan.terms.access.binds_devices() {
                true => device_mac(facts, proof),
                false => None,
            },
            claim,
        };
        let asked = access_request(&request, proof, device);
        let decision = match profile.session_limit() {
            Some(_) => self.decide_in_turn(&request, profile, asked),
            None => access::decide(Some(profile), asked, Presence::default(), now.timestamp),
        };
        if let Some(mac) = decision.claim {
            return self.claim(request, entry, proof, mac);
        }
        let mark = match &decision.verdict {
            Verdict::Accept(grants) => {
                if let Some(limits) = &plan.terms.limits
                    && grants.garden.is_none()
                {
                    let table = &self.context.limits;
                    table.note_use(entry.subscriber.id, limits, now.timestamp);
                }
                gathered.mark(grants, request.nas.nas.settings.vendor)
            }
            Verdict::Reject(_) => TermsMark::default(),
        };
        self.conclude(request, subscriber, &decision, ms_chap, mark);
    }

    /// Decides while nobody else decides about the same subscriber, and holds a place for the
    /// session that begins.
    fn decide_in_turn<'p>(
        &self,
        request: &LoginRequest<'_>,
        profile: AccessProfile<'p>,
        asked: AccessRequest<'_>,
    ) -> Decision<'p> {
        let admission = self.admission(request, profile.subscriber.id);
        let (presence, now) = (admission.presence(), request.now.timestamp);
        let decision = access::decide(Some(profile), asked, presence, now);
        // A login that waits for its device is decided again, and takes its place then.
        if let (Verdict::Accept(grants), None) = (&decision.verdict, decision.claim) {
            admission.accept(grants.sessions_to_end, &self.context.metrics);
        }
        decision
    }

    /// The sessions of a subscriber, while nobody else decides by them.
    pub(super) fn admission(
        &self,
        request: &LoginRequest<'_>,
        subscriber: SubscriberId,
    ) -> Admission<'_> {
        let station = request.facts.calling_station;
        let login = Login {
            subscriber,
            nas: request.nas.nas.id,
            device: station.map(Device::from_calling_station),
        };
        self.context.sessions.admit(login, request.now)
    }

    /// Writes the reply to a decision and the log entry, and sends it or holds it back. `mark` is
    /// what accepted terms are known by afterwards.
    pub(super) fn conclude(
        &mut self,
        request: LoginRequest<'_>,
        entry: Option<&SubscriberEntry>,
        decision: &Decision<'_>,
        ms_chap: Option<&MsChapAnswer>,
        mark: TermsMark,
    ) {
        let LoginRequest {
            packet,
            facts,
            nas,
            now,
            ..
        } = request;
        let auth = AuthId::new(now.timestamp, self.draw());
        let message = self.state_message(entry, decision);
        let message = message.as_ref().map(|text| text.as_str());
        let (written, outcome) = match &decision.verdict {
            Verdict::Accept(grants) => {
                let salts = self.draw_salts();
                let accept = Accept {
                    terms: Terms::Grants(grants),
                    mark,
                    auth,
                    ms_chap,
                    salts,
                    message,
                };
                let reply = self.signing.buffer_mut();
                let written = reply::write_accept(reply, packet, nas, facts, &accept);
                (written, AuthOutcome::Accepted)
            }
            Verdict::Reject(reason) => (
                self.write_reject(&request, *reason, message),
                AuthOutcome::Rejected(*reason),
            ),
        };
        let concluded = Concluded {
            auth,
            written,
            outcome,
            subscriber: entry.map(|entry| entry.subscriber.id),
            trace: &decision.trace,
        };
        self.finish(&request, &concluded);
    }

    /// Writes a reject with the message of the tenant, or that of the reason.
    pub(super) fn write_reject(
        &mut self,
        request: &LoginRequest<'_>,
        reason: RejectReason,
        message: Option<&str>,
    ) -> Result<Unsigned, WriteError> {
        let LoginRequest { packet, facts, .. } = *request;
        let message = message.unwrap_or_else(|| reason.reply_message());
        let challenge = self.draw();
        let Self {
            signing, scratch, ..
        } = self;
        let reply = signing.buffer_mut();
        reply::write_reject(reply, scratch, packet, facts, reason, message, challenge)
    }

    /// Sends a reply that is written or holds it back, and notes the decision.
    pub(super) fn finish(&mut self, request: &LoginRequest<'_>, concluded: &Concluded<'_>) {
        let LoginRequest {
            ticket,
            facts,
            nas,
            now,
            ..
        } = *request;
        let Ok(unsigned) = concluded.written else {
            return self.abandon(ticket, Drop::ReplyTooLarge);
        };
        match concluded.outcome {
            AuthOutcome::Accepted => {
                self.tally.count(Count::AccessAccept);
                self.sign_later(ticket, Purpose::Send, unsigned, nas);
            }
            AuthOutcome::Rejected(_) => {
                self.tally.count(Count::AccessReject);
                let purpose = Purpose::HoldBack(now.instant);
                self.sign_later(ticket, purpose, unsigned, nas);
            }
        }
        self.log.note(&Conclusion {
            id: concluded.auth,
            at: now.timestamp,
            tenant: nas.nas.tenant,
            nas: nas.nas.id,
            subscriber: concluded.subscriber,
            user_name: facts.user_name.unwrap_or_default(),
            method: facts.method().unwrap_or(Method::None),
            outcome: concluded.outcome,
            trace: concluded.trace,
            calling_station: facts.calling_station,
            called_station: facts.called_station,
        });
    }

    pub(super) fn draw<const COUNT: usize>(&mut self) -> [u8; COUNT] {
        let mut octets = [0; COUNT];
        self.random.fill_bytes(&mut octets);
        octets
    }

    /// Two salts that differ (RFC 2548 §2.4.2).
    pub(super) fn draw_salts(&mut self) -> [[u8; 2]; 2] {
        let [high, low] = self.draw();
        [[high, low], [high, low ^ 1]]
    }
}

/// A device that logs in as itself is the one of its user name.
fn device_mac(facts: &AccessFacts<'_>, proof: Proof) -> Option<Mac> {
    if matches!(proof, Proof::Device { .. }) {
        return Mac::from_wire(facts.user_name?);
    }
    facts.mac()
}

fn read_username(facts: &AccessFacts<'_>) -> Option<Username> {
    Username::from_wire(facts.user_name?).ok()
}

pub(super) fn access_request<'n>(
    request: &LoginRequest<'n>,
    proof: Proof,
    device: RequestingDevice,
) -> AccessRequest<'n> {
    let LoginRequest { nas, facts, .. } = *request;
    let nas_identifier = match (&nas.nas.settings.identifier, facts.nas_identifier) {
        (None, _) => NasIdentifierCheck::NotRequired,
        (Some(expected), Some(sent)) if expected.as_bytes() == sent => NasIdentifierCheck::Matches,
        (Some(_), _) => NasIdentifierCheck::Differs,
    };
    AccessRequest {
        proof,
        nas_identifier,
        nas: RequestingNas {
            id: nas.nas.id,
            groups: &nas.nas.groups,
        },
        device,
    }
}
