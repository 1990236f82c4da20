//! What the cookie of somebody who is signed in carries, and what binds requests to it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::secret::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use storage::error::StoreError;
use storage::operator::session::SignedIn;
use storage::store::Store;
use subtle::ConstantTimeEq as _;

/// Random octets of a token.
const RANDOM_LEN: usize = 32;

/// What the token signs for requests that change something.
const CSRF: &[u8] = b"lastmile csrf";

/// A token as the cookie carries it, and what is stored of it.
#[derive(Clone, Debug)]
pub struct FreshToken {
    pub text: Secret,
    pub hash: [u8; 32],
}

/// Makes a token.
pub fn make() -> FreshToken {
    let random = rand::random::<[u8; RANDOM_LEN]>();
    let text = URL_SAFE_NO_PAD.encode(random);
    FreshToken {
        hash: hash(&text),
        text: Secret::from(text.as_str()),
    }
}

/// Whose session a token is, and writes down that it was used.
pub async fn recognise(store: &Store, token: &str) -> Result<Option<SignedIn>, StoreError> {
    let Some(signed_in) = store.operator_session_find(&hash(token)).await? else {
        return Ok(None);
    };
    // Who is signed in stays so also while nothing can be written.
    if let Err(problem) = store.operator_session_seen(&signed_in.session).await {
        tracing::warn!(
            error = &problem as &dyn std::error::Error,
            "The use of a session of operator {} could not be written down",
            signed_in.operator.name
        );
    }
    Ok(Some(signed_in))
}

/// What a page that knows the session sends with each change, and no other page can know.
pub fn csrf_token(token: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes())
        .expect("a key of this method may have any length");
    mac.update(CSRF);
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

/// Whether that was sent.
pub fn is_csrf_token(token: &str, sent: &str) -> bool {
    csrf_token(token).as_bytes().ct_eq(sent.as_bytes()).into()
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_signs_for_itself_alone() {
        let (one, other) = (make(), make());
        assert_ne!(one.hash, other.hash);
        let text = |token: &FreshToken| String::from_utf8_lossy(token.text.expose()).into_owned();
        let (one, other) = (text(&one), text(&other));
        assert!(is_csrf_token(&one, &csrf_token(&one)));
        assert!(!is_csrf_token(&one, &csrf_token(&other)));
        assert!(!is_csrf_token(&one, ""));
        assert!(!is_csrf_token(&one, &one));
    }
}
