//! Logins of those whom FreeRADIUS' tables know.

use std::sync::Arc;

use ::rows::request::Request;
use domain::access::rows::{self, RowProfile};
use domain::access::{Method, Presence, Proof, RejectReason, RequestingDevice};
use domain::auth_log::AuthOutcome;
use domain::id::AuthId;
use domain::secret::Secret;
use radius::signer::Unsigned;
use radius::writer::WriteError;

use super::access::{Concluded, access_request};
use super::guarding::{attempted, claimed_by_rows};
use super::login::{LoginRequest, Proven};
use super::{Effect, Engine, Waiting, Whose};
use crate::encode::rows::RowReply;
use crate::metrics::Drop;
use crate::nas_table::NasEntry;
use crate::proof::{self, PapPassword};
use crate::reply::{self, Accept, Terms};
use crate::row_login::{self, RowLogin, RowProof};
use crate::row_table::{RowUser, TENANT, id_of};
use crate::verifier::{Question, RowQuestion};

impl Engine {
    /// Whoever has rows under the name of a request.
    pub(super) fn find_row_user(&self, nas: &NasEntry, user_name: &[u8]) -> Option<Arc<RowUser>> {
        let rows = self.context.directory.rows();
        if nas.nas.tenant != TENANT || rows.is_empty() {
            return None;
        }
        rows.find_sent(user_name)
    }

    pub(super) fn handle_rows(&mut self, request: LoginRequest<'_>, user: &Arc<RowUser>) {
        let LoginRequest { packet, facts, .. } = request;
        let login = self.run_rows(&request, user);
        let directory = &self.context.directory;
        let digest = |known: &[u8], password: &[u8]| directory.digest([known, &[0], password]);
        let proof = row_login::prove(
            &login,
            packet,
            facts,
            password_of(&request),
            |known, sent| user.was_verified(&digest(known.expose(), sent.expose())),
        );
        match proof {
            RowProof::Done(proof) => self.decide_rows(&request, user, &login, Proven::by(proof)),
            RowProof::MsChap(answer) => {
                let method = answer.method();
                let proven = Proven {
                    proof: Proof::Verified { method },
                    ms_chap: Some(&answer),
                };
                self.decide_rows(&request, user, &login, proven);
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

    fn verify_rows(&mut self, request: &LoginRequest<'_>, question: Arc<RowQuestion>) {
        let ticket = request.ticket;
        let waiting = Waiting {
            login: request.keep(),
            whose: Whose::Rows(Arc::clone(&question)),
        };
        self.waiting.insert(ticket, waiting);
        let question = Question::Rows(question);
        self.effects.push_back(Effect::Verify { question, ticket });
    }

    /// A slow hash was compared. The rows may have changed meanwhile.
    pub(super) fn handle_rows_verified(
        &mut self,
        request: LoginRequest<'_>,
        question: &RowQuestion,
        is_right: bool,
    ) {
        let Some(user) = self.find_row_user(request.nas, request.user_name()) else {
            return self.refuse_unknown(request);
        };
        let login = self.run_rows(&request, &user);
        if login
            .pap_password()
            .is_none_or(|known| *known != question.known)
        {
            return self.abandon(request.ticket, Drop::CredentialChanged);
        }
        let proven = Proven::by(proof::outcome(is_right, Method::Pap));
        self.decide_rows(&request, &user, &login, proven);
    }

    fn run_rows(&self, request: &LoginRequest<'_>, user: &RowUser) -> RowLogin {
        let password = password_of(request);
        let asked = Request {
            packet: request.packet,
            user_name: request.user_name(),
            password: password.as_ref().map(PapPassword::expose),
            source: request.source,
            now: request.now.timestamp,
            gaps: None,
        };
        let method = request.facts.method().unwrap_or(Method::None);
        row_login::run(self.context.directory.rows(), user, &asked, method)
    }

    fn decide_rows(
        &mut self,
        request: &LoginRequest<'_>,
        user: &RowUser,
        login: &RowLogin,
        proven: Proven<'_>,
    ) {
        let Proven { proof, ms_chap } = proven;
        let LoginRequest {
            packet,
            facts,
            nas,
            now,
            ..
        } = *request;
        let user_name = request.user_name();
        if let Some(attempted) = attempted(proof) {
            let claimed = claimed_by_rows(user_name, user);
            self.note_attempt(request, Some(claimed), attempted);
        }
        let asked = access_request(request, proof, RequestingDevice::new(None));
        let profile = RowProfile {
            steps: &login.steps,
            outcome: login.outcome,
        };
        let decision = match login.session_limit() {
            Some(_) => {
                let admission = self.admission(request, id_of(user_name));
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
                    mark: login.mark(),
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
                self.reject_rows(request, reason),
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
        self.finish(request, &concluded);
    }

    /// Refuses in the words of the provider, as far as rows say how an account stands.
    fn reject_rows(
        &mut self,
        request: &LoginRequest<'_>,
        reason: RejectReason,
    ) -> Result<Unsigned, WriteError> {
        let message = self.row_message(request.facts, reason);
        let message = message.as_ref().map(|text| text.as_str());
        self.write_reject(request, reason, message)
    }
}

/// User-Password in clear.
fn password_of(request: &LoginRequest<'_>) -> Option<PapPassword> {
    let LoginRequest {
        packet, facts, nas, ..
    } = *request;
    facts.user_password?;
    proof::decrypt_pap(packet, facts, nas.nas.secret.expose())
}
