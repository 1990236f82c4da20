//! The simplest imaginable RADIUS server: what is left of a machine's rate after the cryptography.
//!
//! It verifies the Message-Authenticator, decrypts the PAP password, compares it with one from a
//! map, and signs an answer of the attributes that a PPPoE login gets from lastmile. It stores
//! nothing and must never face a real router.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::AtomicBool;

use domain::secret::Secret;
use radius::attribute::{kind, mikrotik, vendor};
use radius::authenticator::{
    MessageAuthenticatorCheck, verify_message_authenticator, verify_request_authenticator,
};
use radius::code::Code;
use radius::packet::Packet;
use radius::password::pap::{self, PASSWORD_LENGTH_MAX};
use radius::writer::{PacketWriter, WriteError};

use crate::credentials::Credentials;
use crate::echo::{self, Socket};

const SERVICE_TYPE_FRAMED: u32 = 2;
const FRAMED_PROTOCOL_PPP: u32 = 1;
const INTERIM_SECONDS: u32 = 300;
const RATE_LIMIT: &[u8] = b"25M/50M";
/// As long as a Class that leads back to a login.
const CLASS: [u8; 20] = *b"lab:0123456789abcdef";

/// A server of PAP, and of accounting that it forgets.
pub struct Responder {
    secret: Secret,
    passwords: HashMap<Box<[u8]>, Secret>,
}

impl Responder {
    /// A server that shares `secret` with everybody and lets these users in.
    #[must_use]
    pub fn new(secret: Secret, users: &[Credentials]) -> Self {
        let passwords = users
            .iter()
            .map(|user| {
                let user_name = user.user_name().as_bytes().into();
                (user_name, Secret::new(user.password()))
            })
            .collect();
        Self { secret, passwords }
    }

    /// Answers what comes in until `stop` becomes true.
    pub fn serve(&self, socket: &Socket, stop: &AtomicBool) -> io::Result<()> {
        echo::answer_until(socket, stop, |datagram, answer| {
            if self.answer(datagram, answer).is_err() {
                answer.clear();
            }
        })
    }

    /// Writes the answer to one datagram; nothing if it deserves none.
    fn answer(&self, datagram: &[u8], answer: &mut Vec<u8>) -> Result<(), WriteError> {
        let Ok(request) = Packet::parse(datagram) else {
            return Ok(());
        };
        let secret = self.secret.expose();
        if verify_message_authenticator(&request, secret) != MessageAuthenticatorCheck::Valid {
            return Ok(());
        }
        let code = match request.code() {
            Code::AccessRequest if self.knows(&request) => Code::AccessAccept,
            Code::AccessRequest => Code::AccessReject,
            Code::AccountingRequest if verify_request_authenticator(&request, secret) => {
                Code::AccountingResponse
            }
            Code::AccountingRequest
            | Code::AccessAccept
            | Code::AccessReject
            | Code::AccessChallenge
            | Code::AccountingResponse
            | Code::StatusServer
            | Code::StatusClient
            | Code::DisconnectRequest
            | Code::DisconnectAck
            | Code::DisconnectNak
            | Code::CoaRequest
            | Code::CoaAck
            | Code::CoaNak => return Ok(()),
        };
        let mut writer = PacketWriter::new(answer, code, request.identifier());
        if code != Code::AccountingResponse {
            writer.push_message_authenticator()?;
        }
        if code == Code::AccessAccept {
            writer.push_integer(kind::SERVICE_TYPE, SERVICE_TYPE_FRAMED)?;
            writer.push_integer(kind::FRAMED_PROTOCOL, FRAMED_PROTOCOL_PPP)?;
            writer.push_integer(kind::ACCT_INTERIM_INTERVAL, INTERIM_SECONDS)?;
            writer.push_vendor(vendor::MIKROTIK, mikrotik::RATE_LIMIT, RATE_LIMIT)?;
            writer.push(kind::CLASS, &CLASS)?;
        }
        writer.finish_reply(request.authenticator(), secret);
        Ok(())
    }

    /// Whether the request proves with PAP that its user knows the password.
    fn knows(&self, request: &Packet<'_>) -> bool {
        let password = request
            .find(kind::USER_NAME)
            .and_then(|user_name| self.passwords.get(user_name));
        let Some((password, hidden)) = password.zip(request.find(kind::USER_PASSWORD)) else {
            return false;
        };
        let mut clear = [0; PASSWORD_LENGTH_MAX];
        let clear = pap::decrypt(
            hidden,
            self.secret.expose(),
            request.authenticator(),
            &mut clear,
        );
        clear == Some(password.expose())
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::Ordering;
    use std::thread;

    use super::*;
    use crate::load;
    use crate::load::options::{Limit, LoadOptions};
    use crate::load::report::Counts;

    fn user(password: &str) -> Credentials {
        Credentials::new("ana", password).unwrap()
    }

    /// What a load of 200 requests gets from a responder that knows ana.
    fn counts(mix: &str, password: &str) -> Counts {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let socket = echo::listen(any).unwrap();
        let server = socket.address();
        let secret = Secret::from("shared");
        let responder = Responder::new(secret.clone(), &[user("rosa")]);
        let mut options = LoadOptions::new(server, server, secret, vec![user(password)]);
        options.mix = mix.parse().unwrap();
        options.limit = Limit::Requests(200);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| responder.serve(&socket, &stop));
            let report = load::run(&options);
            stop.store(true, Ordering::Relaxed);
            report.unwrap().counts
        })
    }

    #[test]
    fn right_passwords_are_accepted_and_others_are_not() {
        assert_eq!(counts("pap", "rosa").accepts, 200);
        assert_eq!(counts("pap", "wrong").rejects, 200);
        assert_eq!(counts("chap", "rosa").rejects, 200);
    }

    #[test]
    fn accounting_is_answered() {
        assert_eq!(counts("accounting", "rosa").accounting_responses, 200);
    }

    #[test]
    fn accept_grants_what_a_server_would() {
        let secret = Secret::from("shared");
        let responder = Responder::new(secret.clone(), &[user("rosa")]);
        let mut request = Vec::new();
        let mut writer = PacketWriter::new(&mut request, Code::AccessRequest, 1);
        writer.push_message_authenticator().unwrap();
        writer.push_text(kind::USER_NAME, "ana").unwrap();
        let mut hidden = [0; PASSWORD_LENGTH_MAX];
        let hidden = pap::encrypt(b"rosa", secret.expose(), &[7; 16], &mut hidden).unwrap();
        writer.push(kind::USER_PASSWORD, hidden).unwrap();
        writer.finish_access_request(&[7; 16], secret.expose());
        let mut answer = Vec::new();
        responder.answer(&request, &mut answer).unwrap();
        let answer = Packet::parse(&answer).unwrap();
        assert_eq!(answer.code(), Code::AccessAccept);
        assert_eq!(answer.find(kind::CLASS), Some(CLASS.as_slice()));
        let rate = answer.find_vendor(vendor::MIKROTIK, mikrotik::RATE_LIMIT);
        assert_eq!(rate, Some(RATE_LIMIT));
        assert_eq!(answer.attributes().count(), 6);
    }

    #[test]
    fn what_is_not_signed_gets_no_answer() {
        let responder = Responder::new(Secret::from("shared"), &[user("rosa")]);
        let mut answer = Vec::new();
        let mut request = Vec::new();
        let mut writer = PacketWriter::new(&mut request, Code::AccessRequest, 1);
        writer.push_text(kind::USER_NAME, "ana").unwrap();
        writer.finish_access_request(&[7; 16], b"shared");
        for datagram in [b"noise".as_slice(), &request] {
            responder.answer(datagram, &mut answer).unwrap();
            assert!(answer.is_empty());
        }
    }
}
