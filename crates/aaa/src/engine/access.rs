//! Logins: from a request to a decision, and the reply and the log entry that it makes.

use std::sync::Arc;

use domain::access::{
    self, AccessProfile, AccessRequest, Claim, Decision, Method, NasIdentifierCheck, Presence,
    Proof, RejectReason, RequestingDevice, RequestingNas, Trace, Verdict,
};
use domain::auth_log::AuthOutcome;
use domain::guard::GuardSubject;
use domain::id::{AuthId, SubscriberId};
use domain::mac::Mac;
use domain::name::Username;
use domain::nas::MessageAuthenticatorPolicy;
use domain::secret::Secret;
use radius::authenticator::MessageAuthenticatorCheck;
use radius::packet::Packet;
use radius::signer::Unsigned;
use radius::verifier::Authenticity;
use radius::writer::WriteError;
use rand::Rng;

use super::account::Account;
use super::guarding::{Attempted, attempted, claimed, claimed_by_rows};
use super::rows::RowRequest;
use super::{Effect, Engine, Moment, Received, Waiting, Whose, complain};
use crate::auth_log::fold::Conclusion;
use crate::directory::SubscriberEntry;
use crate::duplicate::Ticket;
use crate::metrics::{Count, Drop};
use crate::nas_table::NasEntry;
use crate::proof::{self, Checked, MsChapAnswer};
use crate::reply::{self, Accept, Terms};
use crate::request::AccessFacts;
use crate::session_table::{Device, Login};
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
        let username = read_username(&facts);
        let account = username.map(|username| self.find_account(nas, username.as_str()));
        let otherwise = match account {
            Some(Account::Subscriber(entry)) => {
                return self.handle_subscriber(ticket, packet, &facts, nas, entry, now);
            }
            Some(Account::Device { mac, owners }) => {
                return self.handle_device(ticket, packet, &facts, nas, (mac, &owners), now);
            }
            Some(Account::Refused(reason)) => {
                let decision = access::refuse(reason);
                return self.conclude(ticket, packet, &facts, nas, None, &decision, None, now);
            }
            Some(Account::Stranger(reason)) => Some(reason),
            Some(Account::Unknown) => None,
            None => Some(RejectReason::MalformedUserName),
        };
        let request = RowRequest {
            ticket,
            packet,
            facts: &facts,
            nas,
            source: received.peer.ip().to_canonical(),
            now,
        };
        self.handle_stranger(request, otherwise);
    }

    /// Answers somebody who is no subscriber: the tables of FreeRADIUS are asked, and who is not in
    /// there either is refused for `otherwise`, or as unknown.
    fn handle_stranger(&mut self, request: RowRequest<'_>, otherwise: Option<RejectReason>) {
        let RowRequest {
            ticket,
            packet,
            facts,
            nas,
            now,
            ..
        } = request;
        let user_name = facts.user_name.unwrap_or_default();
        if let Some(user) = self.find_row_user(nas, user_name) {
            let claimed = claimed_by_rows(user_name, &user);
            if let Some(subject) = self.find_lock(facts, nas, claimed, now) {
                return self.refuse_guarded(ticket, packet, facts, nas, None, subject, now);
            }
            return self.handle_rows(request, &user);
        }
        let Some(reason) = otherwise else {
            return self.refuse_unknown(ticket, packet, facts, nas, now);
        };
        let decision = access::refuse(reason);
        self.conclude(ticket, packet, facts, nas, None, &decision, None, now);
    }

    fn handle_subscriber(
        &mut self,
        ticket: Ticket,
        packet: &Packet<'_>,
        facts: &AccessFacts<'_>,
        nas: &Arc<NasEntry>,
        entry: Arc<SubscriberEntry>,
        now: Moment,
    ) {
        if let Some(subject) = self.find_lock(facts, nas, claimed(&entry), now) {
            return self.refuse_guarded(ticket, packet, facts, nas, Some(&entry), subject, now);
        }
        match proof::check(packet, facts, nas.nas.secret.expose(), &entry) {
            Checked::Done(proof) => {
                let claim = Claim::NotTried;
                self.decide(ticket, packet, facts, nas, &entry, proof, None, claim, now);
            }
            Checked::MsChap(answer) => {
                let proof = Proof::Verified {
                    method: answer.method(),
                };
                self.decide(
                    ticket,
                    packet,
                    facts,
                    nas,
                    &entry,
                    proof,
                    Some(&answer),
                    Claim::NotTried,
                    now,
                );
            }
            Checked::Slow(password) => {
                let password = Secret::new(password.expose());
                let waiting = Waiting {
                    octets: packet.as_bytes().into(),
                    nas: Arc::clone(nas),
                    whose: Whose::Subscriber(Arc::clone(&entry)),
                };
                self.waiting.insert(ticket, waiting);
                self.effects.push_back(Effect::Verify {
                    question: Question::Subscriber { entry, password },
                    ticket,
                });
            }
        }
    }

    pub(super) fn handle_verified(&mut self, ticket: Ticket, is_right: bool, now: Moment) {
        let Some(waiting) = self.waiting.remove(&ticket) else {
            return;
        };
        let Ok(packet) = Packet::parse(&waiting.octets) else {
            return;
        };
        let facts = AccessFacts::read(&packet);
        let nas = &waiting.nas;
        let entry = match &waiting.whose {
            Whose::Subscriber(entry) => entry,
            Whose::Rows { source, question } => {
                let request = RowRequest {
                    ticket,
                    packet: &packet,
                    facts: &facts,
                    nas,
                    source: *source,
                    now,
                };
                return self.handle_rows_verified(request, question, is_right);
            }
        };
        // The subscriber may have been changed while the hash was compared.
        let Some(current) = self.find_again(entry) else {
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
        let claim = Claim::NotTried;
        self.decide(
            ticket, &packet, &facts, nas, &current, proof, None, claim, now,
        );
    }

    pub(super) fn refuse_unknown(
        &mut self,
        ticket: Ticket,
        packet: &Packet<'_>,
        facts: &AccessFacts<'_>,
        nas: &Arc<NasEntry>,
        now: Moment,
    ) {
        self.note_attempt(facts, nas, None, Attempted::Failed, now);
        let device = RequestingDevice::new(None);
        let request = access_request(nas, facts, proof::unchecked(facts), device);
        let decision = access::decide(None, request, Presence::default(), now.timestamp);
        self.conclude(ticket, packet, facts, nas, None, &decision, None, now);
    }

    /// Refuses an attempt that is not compared.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one request, which borrow from different owners"
    )]
    pub(super) fn refuse_guarded(
        &mut self,
        ticket: Ticket,
        packet: &Packet<'_>,
        facts: &AccessFacts<'_>,
        nas: &Arc<NasEntry>,
        entry: Option<&SubscriberEntry>,
        subject: GuardSubject,
        now: Moment,
    ) {
        self.tally.count(Count::GuardRefused);
        let decision = access::refuse(RejectReason::TooManyAttempts { subject });
        self.conclude(ticket, packet, facts, nas, entry, &decision, None, now);
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

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one request, which borrow from different owners"
    )]
    pub(super) fn decide(
        &mut self,
        ticket: Ticket,
        packet: &Packet<'_>,
        facts: &AccessFacts<'_>,
        nas: &Arc<NasEntry>,
        entry: &Arc<SubscriberEntry>,
        proof: Proof,
        ms_chap: Option<&MsChapAnswer>,
        claim: Claim,
        now: Moment,
    ) {
        let subscriber = Some(&**entry);
        if let Some(attempted) = attempted(proof) {
            self.note_attempt(facts, nas, Some(claimed(entry)), attempted, now);
        }
        let plan = entry.plan.load();
        let Some(plan) = &*plan else {
            let decision = access::refuse(RejectReason::PlanMissing);
            return self.conclude(ticket, packet, facts, nas, subscriber, &decision, None, now);
        };
        let limits = plan.terms.limits.as_deref();
        let table = &self.context.limits;
        let usage = limits.map(|limits| table.usage_at_login(entry, limits, now.timestamp));
        let plan_at_limit = limits
            .and_then(|limits| limits.at_limit.plan())
            .and_then(|other| self.context.directory.find_plan(other));
        let policies = access::may_be_walled(&entry.subscriber, plan)
            .then(|| self.context.directory.policies());
        let profile = AccessProfile {
            subscriber: &entry.subscriber,
            plan,
            usage: usage.as_ref(),
            plan_at_limit: plan_at_limit.as_deref(),
            garden: policies.as_ref().and_then(|policies| {
                let of_plan = plan.terms.access.garden;
                policies.find_garden(entry.subscriber.tenant, of_plan)
            }),
        };
        let device = RequestingDevice {
            mac: match plan.terms.access.binds_devices() {
                true => device_mac(facts, proof),
                false => None,
            },
            claim,
        };
        let request = access_request(nas, facts, proof, device);
        let decision = match profile.session_limit() {
            Some(_) => self.decide_in_turn(profile, request, facts, nas, now),
            None => access::decide(Some(profile), request, Presence::default(), now.timestamp),
        };
        if let Some(mac) = decision.claim {
            return self.claim(ticket, packet, nas, entry, proof, mac);
        }
        if let (Some(limits), Verdict::Accept(grants)) = (limits, decision.verdict)
            && grants.garden.is_none()
        {
            let table = &self.context.limits;
            table.note_use(entry.subscriber.id, limits, now.timestamp);
        }
        self.conclude(
            ticket, packet, facts, nas, subscriber, &decision, ms_chap, now,
        );
    }

    /// Decides while nobody else decides about the same subscriber, and holds a place for the
    /// session that begins.
    fn decide_in_turn<'p>(
        &self,
        profile: AccessProfile<'p>,
        request: AccessRequest<'_>,
        facts: &AccessFacts<'_>,
        nas: &NasEntry,
        now: Moment,
    ) -> Decision<'p> {
        let login = Login {
            subscriber: profile.subscriber.id,
            nas: nas.nas.id,
            device: facts.calling_station.map(Device::from_calling_station),
        };
        let admission = self.context.sessions.admit(login, now);
        let presence = admission.presence();
        let decision = access::decide(Some(profile), request, presence, now.timestamp);
        // A login that waits for its device is decided again, and takes its place then.
        if let (Verdict::Accept(grants), None) = (&decision.verdict, decision.claim) {
            admission.accept(grants.sessions_to_end, &self.context.metrics);
        }
        decision
    }

    /// Writes the reply to a decision and the log entry, and sends it or holds it back.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one request, which borrow from different owners"
    )]
    pub(super) fn conclude(
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
        let message = self.state_message(entry, decision);
        let message = message.as_ref().map(|text| text.as_str());
        let (written, outcome) = match &decision.verdict {
            Verdict::Accept(grants) => {
                let salts = self.draw_salts();
                let accept = Accept {
                    terms: Terms::Grants(grants),
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
                {
                    let message = message.unwrap_or_else(|| reason.reply_message());
                    self.write_reject(packet, facts, *reason, message)
                },
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
        self.finish(ticket, facts, nas, &concluded, now);
    }

    pub(super) fn write_reject(
        &mut self,
        packet: &Packet<'_>,
        facts: &AccessFacts<'_>,
        reason: RejectReason,
        message: &str,
    ) -> Result<Unsigned, WriteError> {
        let challenge = self.draw();
        let Self {
            signing, scratch, ..
        } = self;
        let reply = signing.buffer_mut();
        reply::write_reject(reply, scratch, packet, facts, reason, message, challenge)
    }

    /// Sends a reply that is written or holds it back, and notes the decision.
    pub(super) fn finish(
        &mut self,
        ticket: Ticket,
        facts: &AccessFacts<'_>,
        nas: &Arc<NasEntry>,
        concluded: &Concluded<'_>,
        now: Moment,
    ) {
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

    /// The subscriber as they are now, who may have been changed since they were found.
    pub(super) fn find_again(&self, entry: &SubscriberEntry) -> Option<Arc<SubscriberEntry>> {
        let known = &entry.subscriber;
        let directory = &self.context.directory;
        directory.find_subscriber(known.tenant, known.username.as_str())
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
    nas: &'n NasEntry,
    facts: &AccessFacts<'_>,
    proof: Proof,
    device: RequestingDevice,
) -> AccessRequest<'n> {
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
