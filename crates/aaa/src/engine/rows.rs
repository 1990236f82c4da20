//! Logins of those whom FreeRADIUS' tables know.

use std::net::IpAddr;
use std::sync::Arc;

use ::rows::request::Request;
use domain::access::rows::{self, RowProfile};
use domain::access::{Method, Presence, Proof, RejectReason, RequestingDevice};
use domain::auth_log::AuthOutcome;
use domain::id::AuthId;
use domain::secret::Secret;
use radius::packet::Packet;
use radius::signer::Unsigned;
use radius::writer::WriteError;

use super::access::{Concluded, access_request};
use super::guarding::{attempted, claimed_by_rows};
use super::{Effect, Engine, Moment, Waiting, Whose};
use crate::duplicate::Ticket;
use crate::encode::rows::RowReply;
use crate::metrics::Drop;
use crate::nas_table::NasEntry;
use crate::proof::{self, MsChapAnswer, PapPassword};
use crate::reply::{self, Accept, Terms};
use crate::request::AccessFacts;
use crate::row_login::{self, RowLogin, RowProof};
use crate::row_table::{RowUser, TENANT, id_of};
use crate::session_table::{Device, Login};
use crate::verifier::{Question, RowQuestion};

/// A login that the tables decide.
#[derive(Clone, Copy)]
pub(super) struct RowRequest<'a> {
    pub(super) ticket: Ticket,
    pub(super) packet: &'a Packet<'a>,
    pub(super) facts: &'a AccessFacts<'a>,
    pub(super) nas: &'a Arc<NasEntry>,
    pub(super) source: IpAddr,
    pub(super) now: Moment,
}

impl RowRequest<'_> {
    /// User-Password in clear.
    fn password(&self) -> Option<PapPassword> {
        self.facts.user_password?;
        proof::decrypt_pap(self.packet, self.facts, self.nas.nas.secret.expose())
    }
}

impl Engine {
    /// Whoever has rows under the name of a request.
    pub(super) fn find_row_user(&self, nas: &NasEntry, user_name: &[u8]) -> Option<Arc<RowUser>> {
        let rows = self.context.directory.rows();
        if nas.nas.tenant != TENANT || rows.is_empty() {
            return None;
        }
        rows.find_sent(user_name)
    }

    pub(super) fn handle_rows(&mut self, request: RowRequest<'_>, user: &Arc<RowUser>) {
        let RowRequest { packet, facts, .. } = request;
        let login = self.run_rows(&request, user);
        let directory = &self.context.directory;
        let digest = |known: &[u8], password: &[u8]| directory.digest([known, &[0], password]);
        let proof = row_login::prove(&login, packet, facts, request.password(), |known, sent| {
            user.was_verified(&digest(known.expose(), sent.expose()))
        });
        match proof {
            RowProof::Done(proof) => self.decide_rows(&request, user, &login, proof, None),
            RowProof::MsChap(answer) => {
                let method = answer.method();
                let proof = Proof::Verified { method };
                self.decide_rows(&request, user, &login, proof, Some(&answer));
            }
            RowProof::Slow { known, password } => {
                let question = Arc::new(RowQuestion {
                    user: Arc::clone(user),
                    digest: digest(known.expose(), password.expose()),
                    known,
                    password: Secret::new(password.expose()),
                });
                self.verify_rows(&request, question);
            }
        }
    }

    fn verify_rows(&mut self, request: &RowRequest<'_>, question: Arc<RowQuestion>) {
        let ticket = request.ticket;
        let waiting = Waiting {
            octets: request.packet.as_bytes().into(),
            nas: Arc::clone(request.nas),
            whose: Whose::Rows {
                source: request.source,
                question: Arc::clone(&question),
            },
        };
        self.waiting.insert(ticket, waiting);
        let question = Question::Rows(question);
        self.effects.push_back(Effect::Verify { question, ticket });
    }

    /// A slow hash was compared. The rows may have changed meanwhile.
    pub(super) fn handle_rows_verified(
        &mut self,
        request: RowRequest<'_>,
        question: &RowQuestion,
        is_right: bool,
    ) {
        let RowRequest { facts, nas, .. } = request;
        let user_name = facts.user_name.unwrap_or_default();
        let Some(user) = self.find_row_user(nas, user_name) else {
            return self.refuse_unknown(request.ticket, request.packet, facts, nas, request.now);
        };
        let login = self.run_rows(&request, &user);
        if login
            .pap_password()
            .is_none_or(|known| *known != question.known)
        {
            return self.abandon(request.ticket, Drop::CredentialChanged);
        }
        let method = Method::Pap;
        let proof = proof::outcome(is_right, method);
        self.decide_rows(&request, &user, &login, proof, None);
    }

    fn run_rows(&self, request: &RowRequest<'_>, user: &RowUser) -> RowLogin {
        let password = request.password();
        let asked = Request {
            packet: request.packet,
            user_name: request.facts.user_name.unwrap_or_default(),
            password: password.as_ref().map(PapPassword::expose),
            source: request.source,
            now: request.now.timestamp,
        };
        let method = request.facts.method().unwrap_or(Method::None);
        row_login::run(self.context.directory.rows(), user, &asked, method)
    }

    fn decide_rows(
        &mut self,
        request: &RowRequest<'_>,
        user: &RowUser,
        login: &RowLogin,
        proof: Proof,
        ms_chap: Option<&MsChapAnswer>,
    ) {
        let RowRequest {
            ticket,
            packet,
            facts,
            nas,
            now,
            ..
        } = *request;
        let user_name = facts.user_name.unwrap_or_default();
        if let Some(attempted) = attempted(proof) {
            let claimed = claimed_by_rows(user_name, user);
            self.note_attempt(facts, nas, Some(claimed), attempted, now);
        }
        let asked = access_request(nas, facts, proof, RequestingDevice::new(None));
        let profile = RowProfile {
            steps: &login.steps,
            outcome: login.outcome,
        };
        let decision = match login.session_limit() {
            Some(_) => {
                let admission = self.context.sessions.admit(
                    Login {
                        subscriber: id_of(user_name),
                        nas: nas.nas.id,
                        device: facts.calling_station.map(Device::from_calling_station),
                    },
                    now,
                );
                let decision = rows::decide(&profile, asked, admission.presence(), now.timestamp);
                if decision.verdict.is_ok() {
                    admission.accept(0, &self.context.metrics);
                }
                decision
            }
            None => rows::decide(&profile, asked, Presence::default(), now.timestamp),
        };
        let auth = AuthId::new(now.timestamp, self.draw());
        let (written, outcome) = match decision.verdict {
            Ok(grants) => {
                let salts = self.draw_salts();
                let reply = RowReply {
                    access: login.access.as_ref(),
                    seconds_left: grants.seconds_left,
                };
                let accept = Accept {
                    terms: Terms::Rows(reply),
                    auth,
                    ms_chap,
                    salts,
                    message: None,
                };
                let buffer = self.signing.buffer_mut();
                let written = reply::write_accept(buffer, packet, nas, facts, &accept);
                (written, AuthOutcome::Accepted)
            }
            Err(reason) => (
                self.reject_rows(packet, facts, reason),
                AuthOutcome::Rejected(reason),
            ),
        };
        let concluded = Concluded {
            auth,
            written,
            outcome,
            subscriber: None,
            trace: &decision.trace,
        };
        self.finish(ticket, facts, nas, &concluded, now);
    }

    /// Refuses in the words of the provider, as far as rows say how an account stands.
    fn reject_rows(
        &mut self,
        packet: &Packet<'_>,
        facts: &AccessFacts<'_>,
        reason: RejectReason,
    ) -> Result<Unsigned, WriteError> {
        let message = self.row_message(facts, reason);
        let message = message.as_ref().map(|text| text.as_str());
        let message = message.unwrap_or_else(|| reason.reply_message());
        self.write_reject(packet, facts, reason, message)
    }
}
