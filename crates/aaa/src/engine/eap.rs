//! Logins by EAP: the device is asked for a proof of who it says it is, and its answer is decided
//! about like any other login.

use domain::access::{Method, RejectReason};
use radius::attribute::kind;
use radius::eap::md5::Challenge;
use radius::eap::{self, Message, Response, WrongTurn};

use super::Engine;
use super::login::LoginRequest;
use crate::eap::{Conversation, State};
use crate::metrics::{Count, Drop};
use crate::reply;
use crate::request::AccessFacts;
use crate::signing::Purpose;

impl Engine {
    /// Goes on with a conversation, or begins one.
    pub(super) fn handle_eap(&mut self, request: LoginRequest<'_>) {
        let mut octets = Vec::new();
        let message = match eap::collect(request.packet, &mut octets) {
            Ok(()) => Message::read(&octets),
            Err(error) => Err(error),
        };
        match message {
            Ok(Message::Start) => self.ask_identity(request),
            Ok(Message::Identity {
                identifier,
                identity,
            }) => self.ask_challenge(request, identifier, identity),
            Ok(Message::Response(response)) => self.handle_response(request, &response),
            Err(_) => self.refuse_malformed(request, Method::Eap),
        }
    }

    /// Nobody may answer it again.
    pub(super) fn end_conversation(&self, request: &LoginRequest<'_>) {
        if let Some(state) = state_of(request) {
            let nas = request.nas.nas.id;
            self.context.conversations.end(state, nas);
        }
    }

    /// The router leaves the first question to us. Nothing is kept: the answer begins.
    fn ask_identity(&mut self, request: LoginRequest<'_>) {
        let [identifier] = self.draw();
        let mut question = Vec::new();
        eap::write_identity_request(identifier, &mut question);
        self.ask(request, &question, None);
    }

    /// Asks the same of everybody, so that nobody learns who is a subscriber.
    fn ask_challenge(&mut self, request: LoginRequest<'_>, identifier: u8, identity: &[u8]) {
        let Some(user_name) = request.facts.user_name else {
            return self.refuse_login(request, None, RejectReason::MalformedUserName);
        };
        // RFC 3579 §2.1: the router copies the one from the other.
        if !user_name.eq_ignore_ascii_case(identity) {
            return self.refuse_login(request, None, RejectReason::IdentityDiffers);
        }
        let state: State = self.draw();
        let challenge = Challenge::after(identifier, self.draw());
        let mut question = Vec::new();
        challenge.write(&mut question);
        let conversation = Conversation {
            nas: request.nas.nas.id,
            identity: identity.into(),
            challenge,
        };
        let (conversations, metrics) = (&self.context.conversations, &self.context.metrics);
        conversations.begin(state, conversation, request.now.instant, metrics);
        self.ask(request, &question, Some(&state));
    }

    fn ask(&mut self, request: LoginRequest<'_>, question: &[u8], state: Option<&State>) {
        let LoginRequest {
            ticket,
            packet,
            nas,
            ..
        } = request;
        let buffer = self.signing.buffer_mut();
        match reply::write_challenge(buffer, packet, question, state) {
            Ok(unsigned) => {
                self.tally.count(Count::AccessChallenge);
                self.sign_later(ticket, Purpose::Send, unsigned, nas);
            }
            Err(_) => self.abandon(ticket, Drop::ReplyTooLarge),
        }
    }

    fn handle_response(&mut self, request: LoginRequest<'_>, response: &Response<'_>) {
        let Some(conversation) = self.find_conversation(&request) else {
            self.tally.count(Count::EapUnknown);
            return self.refuse_login(request, None, RejectReason::ConversationUnknown);
        };
        let user_name = request.user_name();
        if !user_name.eq_ignore_ascii_case(&conversation.identity) {
            return self.refuse_login(request, None, RejectReason::IdentityDiffers);
        }
        match conversation.challenge.read_answer(response) {
            Ok(answer) => {
                let facts = AccessFacts {
                    eap_md5: Some(&answer),
                    ..*request.facts
                };
                let facts = &facts;
                self.handle_login(LoginRequest { facts, ..request });
            }
            Err(WrongTurn::Refused { wanted }) => {
                self.refuse_login(request, None, RejectReason::NoCommonMethod { wanted });
            }
            Err(WrongTurn::IdentifierDiffers | WrongTurn::MethodDiffers | WrongTurn::Malformed) => {
                self.refuse_malformed(request, Method::EapMd5)
            }
        }
    }

    fn find_conversation(&self, request: &LoginRequest<'_>) -> Option<Conversation> {
        let (now, nas) = (request.now.instant, request.nas.nas.id);
        let (conversations, metrics) = (&self.context.conversations, &self.context.metrics);
        conversations.find(state_of(request)?, nas, now, metrics)
    }

    fn refuse_malformed(&mut self, request: LoginRequest<'_>, method: Method) {
        self.refuse_login(request, None, RejectReason::MalformedCredential { method });
    }
}

fn state_of<'a>(request: &LoginRequest<'a>) -> Option<&'a State> {
    request.packet.find(kind::STATE)?.try_into().ok()
}
