//! Checks the credential of a request against the stored one.

use domain::access::{Method, Proof};
use domain::credential::{Credential, HashScheme, PasswordHash};
use radius::packet::Packet;
use radius::password::{chap, mppe, mschap, pap};
use subtle::ConstantTimeEq;

use crate::directory::SubscriberEntry;
use crate::request::AccessFacts;

/// How the check came out.
#[derive(Debug)]
pub enum Checked {
    Done(Proof),
    /// MS-CHAP succeeded, and the reply must carry what the peer expects (RFC 2548 §2.3.3, §2.4).
    MsChap(MsChapAnswer),
    /// A slow hash has to be compared elsewhere; here is the password that was sent.
    Slow(PapPassword),
}

/// What an Access-Accept carries for MS-CHAP.
#[derive(Debug)]
pub enum MsChapAnswer {
    V1 {
        keys: [u8; 32],
    },
    V2 {
        success: [u8; mschap::SUCCESS_LENGTH],
        keys: mppe::MppeKeys,
    },
}

impl MsChapAnswer {
    pub const fn method(&self) -> Method {
        match self {
            Self::V1 { .. } => Method::MsChapV1,
            Self::V2 { .. } => Method::MsChapV2,
        }
    }
}

/// A decrypted User-Password on the stack.
pub struct PapPassword {
    octets: [u8; pap::PASSWORD_LENGTH_MAX],
    length: usize,
}

impl PapPassword {
    pub fn expose(&self) -> &[u8] {
        &self.octets[..self.length]
    }
}

impl std::fmt::Debug for PapPassword {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PapPassword(hidden)")
    }
}

/// Checks one request. Allocates nothing.
pub fn check(
    packet: &Packet<'_>,
    facts: &AccessFacts<'_>,
    secret: &[u8],
    entry: &SubscriberEntry,
) -> Checked {
    let method = match facts.method() {
        Ok(method) => method,
        Err(contradiction) => {
            return Checked::Done(Proof::Malformed {
                method: contradiction.method,
            });
        }
    };
    match method {
        Method::Pap => check_pap(packet, facts, secret, entry),
        Method::Chap => Checked::Done(check_chap(packet, facts, entry)),
        Method::MsChapV1 => check_ms_chap_v1(facts, entry),
        Method::MsChapV2 => check_ms_chap_v2(facts, entry),
        Method::EapMd5 => Checked::Done(check_eap_md5(facts, entry)),
        // Nothing was answered yet.
        Method::Eap => Checked::Done(Proof::Malformed { method }),
        Method::None => Checked::Done(Proof::Missing),
    }
}

/// The proof when nobody of that name is known: nothing was compared.
pub fn unchecked(facts: &AccessFacts<'_>) -> Proof {
    match facts.method() {
        Ok(method) => Proof::NotChecked { method },
        Err(contradiction) => Proof::Malformed {
            method: contradiction.method,
        },
    }
}

pub(crate) fn outcome(is_right: bool, method: Method) -> Proof {
    if is_right {
        Proof::Verified { method }
    } else {
        Proof::Mismatch { method }
    }
}

fn check_pap(
    packet: &Packet<'_>,
    facts: &AccessFacts<'_>,
    secret: &[u8],
    entry: &SubscriberEntry,
) -> Checked {
    let method = Method::Pap;
    let Some(password) = decrypt_pap(packet, facts, secret) else {
        return Checked::Done(Proof::Malformed { method });
    };
    match &entry.subscriber.credential {
        Credential::Cleartext(stored) => {
            let is_right = password.expose().ct_eq(stored.expose()).into();
            Checked::Done(outcome(is_right, method))
        }
        Credential::Hashed(hash) => match hash.nt_octets() {
            Some(stored) => {
                let sent = std::str::from_utf8(password.expose()).map(mschap::nt_hash);
                let is_right = sent.is_ok_and(|sent| sent.ct_eq(&stored).into());
                Checked::Done(outcome(is_right, method))
            }
            None if entry.was_verified(password.expose()) => {
                Checked::Done(Proof::Verified { method })
            }
            None => Checked::Slow(password),
        },
    }
}

/// The password of a request, or nothing when its attribute is malformed.
pub(crate) fn decrypt_pap(
    packet: &Packet<'_>,
    facts: &AccessFacts<'_>,
    secret: &[u8],
) -> Option<PapPassword> {
    let mut octets = [0; pap::PASSWORD_LENGTH_MAX];
    let encrypted = facts.user_password.unwrap_or_default();
    let password = pap::decrypt(encrypted, secret, packet.authenticator(), &mut octets)?;
    let length = password.len();
    Some(PapPassword { octets, length })
}

fn check_chap(packet: &Packet<'_>, facts: &AccessFacts<'_>, entry: &SubscriberEntry) -> Proof {
    match &entry.subscriber.credential {
        Credential::Cleartext(stored) => compare_chap(packet, facts, stored.expose()),
        Credential::Hashed(hash) => unusable(Method::Chap, hash),
    }
}

fn check_eap_md5(facts: &AccessFacts<'_>, entry: &SubscriberEntry) -> Proof {
    match &entry.subscriber.credential {
        Credential::Cleartext(stored) => compare_eap_md5(facts, stored.expose()),
        Credential::Hashed(hash) => unusable(Method::EapMd5, hash),
    }
}

/// Compares an answer of EAP-MD5 with a password.
pub(crate) fn compare_eap_md5(facts: &AccessFacts<'_>, password: &[u8]) -> Proof {
    let method = Method::EapMd5;
    match facts.eap_md5 {
        Some(answer) => outcome(answer.verify(password), method),
        None => Proof::Malformed { method },
    }
}

/// Compares a CHAP response with a password.
pub(crate) fn compare_chap(packet: &Packet<'_>, facts: &AccessFacts<'_>, password: &[u8]) -> Proof {
    let method = Method::Chap;
    let response = facts.chap_password.unwrap_or_default();
    if response.len() != chap::VALUE_LENGTH {
        return Proof::Malformed { method };
    }
    // RFC 2865 §5.3: without CHAP-Challenge the Request Authenticator is the challenge.
    let challenge = facts
        .chap_challenge
        .unwrap_or_else(|| packet.authenticator());
    outcome(chap::verify(response, challenge, password), method)
}

fn check_ms_chap_v1(facts: &AccessFacts<'_>, entry: &SubscriberEntry) -> Checked {
    match nt_hash(entry, Method::MsChapV1) {
        Ok(nt_hash) => compare_ms_chap_v1(facts, &nt_hash),
        Err(proof) => Checked::Done(proof),
    }
}

/// Compares an MS-CHAPv1 response with the NT hash of a password.
pub(crate) fn compare_ms_chap_v1(facts: &AccessFacts<'_>, nt_hash: &[u8; 16]) -> Checked {
    let method = Method::MsChapV1;
    let response = facts.ms_chap_response.unwrap_or_default();
    let challenge = facts
        .ms_chap_challenge
        .and_then(|value| value.first_chunk::<8>());
    let Some(challenge) = challenge.filter(|_| response.len() == mschap::RESPONSE_LENGTH) else {
        return Checked::Done(Proof::Malformed { method });
    };
    if !mschap::v1_verify(challenge, response, nt_hash) {
        return Checked::Done(Proof::Mismatch { method });
    }
    Checked::MsChap(MsChapAnswer::V1 {
        keys: mppe::v1_keys(nt_hash, None),
    })
}

fn check_ms_chap_v2(facts: &AccessFacts<'_>, entry: &SubscriberEntry) -> Checked {
    match nt_hash(entry, Method::MsChapV2) {
        Ok(nt_hash) => compare_ms_chap_v2(facts, &nt_hash),
        Err(proof) => Checked::Done(proof),
    }
}

/// Compares an MS-CHAPv2 response with the NT hash of a password.
pub(crate) fn compare_ms_chap_v2(facts: &AccessFacts<'_>, nt_hash: &[u8; 16]) -> Checked {
    let method = Method::MsChapV2;
    let response = facts.ms_chap2_response.unwrap_or_default();
    let challenge: Option<&[u8; 16]> = facts
        .ms_chap_challenge
        .and_then(|value| value.try_into().ok());
    let Some(challenge) = challenge.filter(|_| response.len() == mschap::RESPONSE_LENGTH) else {
        return Checked::Done(Proof::Malformed { method });
    };
    let user_name = facts.user_name.unwrap_or_default();
    match mschap::v2_verify(challenge, response, user_name, nt_hash) {
        Some(success) => Checked::MsChap(MsChapAnswer::V2 {
            success: success.attribute(),
            keys: mppe::v2_keys(nt_hash, &success.nt_response),
        }),
        None => Checked::Done(Proof::Mismatch { method }),
    }
}

fn nt_hash(entry: &SubscriberEntry, method: Method) -> Result<[u8; 16], Proof> {
    match &entry.subscriber.credential {
        Credential::Cleartext(password) => std::str::from_utf8(password.expose())
            .map(mschap::nt_hash)
            .map_err(|_| Proof::Mismatch { method }),
        Credential::Hashed(hash) => hash.nt_octets().ok_or_else(|| unusable(method, hash)),
    }
}

fn unusable(method: Method, hash: &PasswordHash) -> Proof {
    let stored: HashScheme = hash.scheme();
    Proof::Unusable { method, stored }
}
