//! One message: what it says, how it is signed, and one attempt to bring it to its endpoint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::event::EventKind;
use domain::id::WebhookId;
use domain::secret::Secret;
use domain::time::Timestamp;
use domain::webhook::WebhookUrl;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value as Json, json};
use sha2::Sha256;
use storage::webhook::WebhookSecrets;
use storage::webhook::delivery::NewDelivery;
use tokio::time::Instant;
use uuid::Uuid;

use super::SECRET_PREFIX;
use crate::event::ring::Told;
use crate::port::{WebhookClient, WebhookFailure, WebhookRequest};

/// The endpoint says that it will never be there again (RFC 9110 §15.5.11).
pub(super) const GONE: u16 = 410;

/// What is sent.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// The same in every attempt, so that the other side knows what it has had.
    id: String,
    kind: String,
    event: Option<i64>,
    body: Bytes,
}

/// Where it is sent, and what it is signed with.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) url: WebhookUrl,
    pub(super) secrets: WebhookSecrets,
}

impl Message {
    /// An event to a webhook.
    pub(super) fn of(webhook: WebhookId, event: &Told) -> Self {
        Self {
            id: format!("evt_{}_{}", webhook.as_uuid().simple(), event.seq),
            kind: event.kind.to_string(),
            event: Some(event.seq),
            body: event.json.clone(),
        }
    }

    /// Something that no event tells.
    pub(super) fn test(webhook: WebhookId, kind: EventKind, data: &Json, now: Timestamp) -> Self {
        let random: Uuid = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
        let body = json!({
            "seq": 0,
            "at": now,
            "type": kind.as_str(),
            "resource_id": webhook,
            "data": data,
        });
        Self {
            id: format!(
                "evt_{}_test_{}",
                webhook.as_uuid().simple(),
                random.simple()
            ),
            kind: kind.as_str().to_owned(),
            event: None,
            body: body.to_string().into(),
        }
    }
}

impl Endpoint {
    /// Sends the message once. `attempt` counts from 1.
    pub(super) async fn attempt(
        &self,
        client: &dyn WebhookClient,
        message: &Message,
        (attempt, now): (u32, Timestamp),
    ) -> NewDelivery {
        let start = Instant::now();
        let answer = client.post(self.request(message, now)).await;
        let duration = start.elapsed().as_millis();
        let (status, problem) = match answer {
            Ok(status) => (Some(status), find_problem(status)),
            Err(WebhookFailure(problem)) => (None, Some(problem)),
        };
        NewDelivery {
            at: now,
            event: message.event,
            kind: message.kind.clone(),
            attempt,
            status,
            problem,
            duration_ms: u64::try_from(duration).unwrap_or(u64::MAX),
        }
    }

    /// The message with its signatures, as Standard Webhooks has them.
    fn request(&self, message: &Message, now: Timestamp) -> WebhookRequest {
        let seconds = now.as_seconds().to_string();
        let secrets = std::iter::once(&self.secrets.current).chain(&self.secrets.old);
        let signatures = secrets.map(|secret| sign(secret, &message.id, &seconds, &message.body));
        let signatures: Vec<String> = signatures.collect();
        WebhookRequest {
            url: self.url.clone(),
            headers: [
                ("webhook-id", message.id.clone()),
                ("webhook-timestamp", seconds),
                ("webhook-signature", signatures.join(" ")),
            ],
            body: message.body.clone(),
        }
    }
}

fn find_problem(status: u16) -> Option<String> {
    match status {
        200..=299 => None,
        300..=399 => Some(format!(
            "the endpoint answered {status}: redirects are not followed"
        )),
        _ => Some(format!("the endpoint answered {status}")),
    }
}

/// HMAC-SHA256 over what is sent, its id and its time.
fn sign(secret: &Secret, id: &str, seconds: &str, body: &[u8]) -> String {
    let text = secret.expose();
    let encoded = text.strip_prefix(SECRET_PREFIX.as_bytes()).unwrap_or(text);
    // What is no base64 is a key all the same.
    let key = STANDARD
        .decode(encoded)
        .unwrap_or_else(|_| encoded.to_vec());
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
        mac.update(part);
    }
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = sign(
            &secret,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn both_secrets_sign_while_both_hold() {
        let endpoint = Endpoint {
            url: "https://panel.example/".parse().unwrap(),
            secrets: WebhookSecrets {
                current: Secret::new("whsec_bmV3"),
                old: Some(Secret::new("whsec_b2xk")),
            },
        };
        let webhook = WebhookId::from_bytes([1; 16]);
        let now = Timestamp::from_seconds(1_700_000_000);
        let message = Message::test(webhook, EventKind::WebhookTest, &json!({}), now);
        let request = endpoint.request(&message, now);
        let [(_, id), (_, seconds), (_, signatures)] = request.headers;
        assert_eq!(seconds, "1700000000");
        let expected: Vec<String> = ["whsec_bmV3", "whsec_b2xk"]
            .map(|secret| sign(&Secret::new(secret), &id, &seconds, &request.body))
            .into();
        assert_eq!(signatures, expected.join(" "));
    }

    #[test]
    fn only_a_success_counts_as_delivered() {
        assert_eq!(find_problem(204), None);
        for status in [199, 301, 400, 410, 500] {
            assert!(find_problem(status).is_some(), "{status}");
        }
    }
}
