//! Second factors: codes of RFC 6238 from a device, and codes on paper for when it is lost.

use domain::id::OperatorSessionId;
use domain::secret::Secret;
use domain::time::Timestamp;
use sha2::{Digest as _, Sha256};
use storage::operator::OperatorSummary;
use storage::operator::second_factor::ProvenCode;
use storage::store::Store;
use totp_rs::{Algorithm, Builder, Totp};

use super::{OperatorError, typed_code};

/// Random octets of a secret (RFC 4226 §4).
const SECRET_LEN: usize = 20;

/// Steps of 30 s before and after the present one whose codes are taken (RFC 6238 §5.2).
const SKEW_STEPS: u16 = 1;

const DIGITS: u8 = 6;
const STEP_SECONDS: u64 = 30;

/// Codes for when the device is lost.
pub const RECOVERY_CODES: usize = 10;

/// What devices call us.
const ISSUER: &str = "lastmile";

/// A secret as it is shown once, for a device to learn.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// In base 32, to be typed.
    pub secret: Secret,
    /// To be shown as a picture, which carries the secret too.
    pub url: Secret,
}

/// Makes a secret that holds once its first code was shown.
pub async fn propose(store: &Store, operator: &OperatorSummary) -> Result<Proposed, OperatorError> {
    let secret = Secret::new(rand::random::<[u8; SECRET_LEN]>());
    let totp = totp(&secret, Some(operator.name.as_str()));
    let url = address_of(&totp);
    store
        .operator_totp_propose(operator.tenant, &operator.name, &secret)
        .await?;
    Ok(Proposed {
        secret: Secret::from(totp.secret().to_base32().as_str()),
        url: Secret::from(url.as_str()),
    })
}

/// Puts the proposed secret in force, by its first code, and gives codes for when it is lost.
pub async fn confirm(
    store: &Store,
    operator: &OperatorSummary,
    code: &Secret,
    now: Timestamp,
) -> Result<Vec<Secret>, OperatorError> {
    let (tenant, name) = (operator.tenant, &operator.name);
    let secret = store.operator_totp_proposed(tenant, name).await?;
    let step = match &secret {
        Some(secret) => match read(secret, code, now) {
            Some(ProvenCode::Totp { step }) => step,
            Some(ProvenCode::Recovery { .. }) | None => return Err(OperatorError::WrongCode),
        },
        // The store says what is missing.
        None => 0,
    };
    let (codes, hashes) = recovery_codes();
    store
        .operator_totp_confirm(tenant, name, step, &hashes)
        .await?;
    Ok(codes)
}

/// Makes other codes for when the device is lost; those before hold no longer.
pub async fn renew_recovery_codes(
    store: &Store,
    operator: &OperatorSummary,
) -> Result<Vec<Secret>, OperatorError> {
    let (codes, hashes) = recovery_codes();
    store
        .operator_recovery_replace(operator.tenant, &operator.name, &hashes)
        .await?;
    Ok(codes)
}

/// Takes the second factor away, and ends the operator's other sessions.
pub async fn disable(
    store: &Store,
    operator: &OperatorSummary,
    session: OperatorSessionId,
) -> Result<OperatorSummary, OperatorError> {
    Ok(store
        .operator_totp_clear(operator.tenant, &operator.name, Some(session))
        .await?)
}

/// What a code proves, if it is one: whether it was used before is another question.
pub(super) fn read(secret: &Secret, code: &Secret, now: Timestamp) -> Option<ProvenCode> {
    let code = std::str::from_utf8(code.expose()).ok()?;
    let plain: String = code
        .chars()
        .filter(|char| !char.is_whitespace() && *char != '-')
        .collect();
    if plain.len() == usize::from(DIGITS) {
        return find_step(secret, &plain, now).map(|step| ProvenCode::Totp { step });
    }
    let hash = recovery_hash(&plain.to_lowercase());
    Some(ProvenCode::Recovery { hash })
}

/// The step of which a code is.
fn find_step(secret: &Secret, code: &str, now: Timestamp) -> Option<u64> {
    let seconds = u64::try_from(now.as_seconds()).unwrap_or(0);
    totp(secret, None).check(code, seconds)
}

fn totp(secret: &Secret, account: Option<&str>) -> Totp {
    // A colon would end the name where devices read it.
    let account = account.unwrap_or_default().replace(':', "_");
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(DIGITS)
        .with_skew(SKEW_STEPS)
        .with_step_duration(STEP_SECONDS)
        .with_secret(secret.expose().to_vec())
        .with_account_name(account)
        .with_issuer(Some(ISSUER))
        .build()
        .expect("the secret is long enough, and no name has a colon")
}

/// What a device reads.
fn address_of(totp: &Totp) -> String {
    totp.to_url()
        .expect("the account has a name without a colon")
}

fn recovery_codes() -> (Vec<Secret>, Vec<[u8; 32]>) {
    let codes: Vec<Secret> = (0..RECOVERY_CODES).map(|_| typed_code(4, 4)).collect();
    let hashes = codes.iter().map(|code| {
        let text = String::from_utf8_lossy(code.expose()).replace('-', "");
        recovery_hash(&text)
    });
    let hashes = hashes.collect();
    (codes, hashes)
}

/// A code has 80 random bits, so its hash needs no salt and no time.
fn recovery_hash(plain: &str) -> [u8; 32] {
    Sha256::digest(plain.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the secret of SHA-1, and times with the last six digits of their codes.
    const SECRET: &str = "12345678901234567890";
    const VECTORS: [(i64, &str); 4] = [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_234_567_890, "005924"),
        (20_000_000_000, "353130"),
    ];

    #[test]
    fn codes_are_those_of_the_standard() {
        for (seconds, code) in VECTORS {
            let step = find_step(&SECRET.into(), code, Timestamp::from_seconds(seconds));
            assert_eq!(step, Some(seconds.unsigned_abs() / 30), "{code}");
        }
    }

    #[test]
    fn the_step_before_and_the_one_after_are_taken_and_no_other() {
        let secret = Secret::from(SECRET);
        let at = |seconds| Timestamp::from_seconds(seconds);
        for (seconds, is_taken) in [(30, true), (59, true), (60, true), (89, true), (90, false)] {
            let step = find_step(&secret, "287082", at(seconds));
            assert_eq!(step, is_taken.then_some(1), "{seconds}");
        }
        assert_eq!(find_step(&secret, "287083", at(59)), None);
        assert_eq!(find_step(&secret, "", at(59)), None);
    }

    #[test]
    fn codes_are_read_however_people_write_them() {
        let secret = Secret::from(SECRET);
        let now = Timestamp::from_seconds(59);
        let totp = Some(ProvenCode::Totp { step: 1 });
        assert_eq!(read(&secret, &"287 082".into(), now), totp);
        assert_eq!(read(&secret, &"287083".into(), now), None);
        let (codes, hashes) = recovery_codes();
        assert_eq!(
            (codes.len(), hashes.len()),
            (RECOVERY_CODES, RECOVERY_CODES)
        );
        let text = String::from_utf8_lossy(codes[3].expose()).into_owned();
        for written in [&text, &text.to_uppercase(), &text.replace('-', " ")] {
            let recovery = ProvenCode::Recovery { hash: hashes[3] };
            assert_eq!(read(&secret, &written.as_str().into(), now), Some(recovery));
        }
    }

    #[test]
    fn the_address_for_devices_names_the_account() {
        let totp = totp(&SECRET.into(), Some("Ana: Paz"));
        let url = totp.to_url().expect("there is a name");
        assert!(url.starts_with("otpauth://totp/lastmile:Ana"), "{url}");
        assert!(url.contains("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "{url}");
    }
}
