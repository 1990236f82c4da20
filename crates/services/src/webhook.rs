//! Webhooks: secrets, what may be an endpoint, and messages that somebody asks for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::event::EventKind;
use domain::id::TenantId;
use domain::name::Name;
use domain::secret::Secret;
use domain::time::Timestamp;
use domain::webhook::WebhookUrl;
use domain::webhook::address::is_public;
use serde_json::json;
use storage::error::{Resource, StoreError};
use storage::page::Page;
use storage::store::Store;
use storage::webhook::WebhookSummary;
use storage::webhook::delivery::DeliveryRow;

use crate::port::WebhookClient;
use message::{Endpoint, Message};

pub mod counts;
mod line;
mod message;
pub mod sender;

/// Every secret begins with it (Standard Webhooks).
const SECRET_PREFIX: &str = "whsec_";

/// Random octets of a secret.
const SECRET_LEN: usize = 32;

/// Which endpoints there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only those of the internet, and only encrypted.
    Public,
    /// Also those of one's own network.
    Private,
}

/// Why a URL may not be an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlRefusal {
    #[error(
        "the URL begins with http://: what is sent there could be read on its way, so it has to be https:// unless webhooks.allow_private is set"
    )]
    NotEncrypted,
    #[error(
        "the address of the URL is private: nothing is sent there unless webhooks.allow_private is set"
    )]
    Private,
}

/// Why nothing was tried.
#[derive(Debug, thiserror::Error)]
pub enum TryError {
    #[error("the event of that delivery is not kept any more")]
    Gone,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What tries a webhook.
#[derive(Clone, Copy)]
pub struct Trial<'a> {
    pub store: &'a Store,
    pub client: &'a dyn WebhookClient,
    pub tenant: TenantId,
    pub now: Timestamp,
}

/// Draws a secret, as it is shown once.
pub fn make_secret() -> Secret {
    let random = rand::random::<[u8; SECRET_LEN]>();
    let text = format!("{SECRET_PREFIX}{}", STANDARD.encode(random));
    Secret::new(text.as_bytes())
}

/// Refuses an endpoint that would never be sent to. What its name leads to is looked at again each
/// time that something is sent.
pub fn check_url(url: &WebhookUrl, reach: Reach) -> Result<(), UrlRefusal> {
    match reach {
        Reach::Private => Ok(()),
        Reach::Public if !url.is_encrypted() => Err(UrlRefusal::NotEncrypted),
        Reach::Public if url.address().is_some_and(|address| !is_public(address)) => {
            Err(UrlRefusal::Private)
        }
        Reach::Public => Ok(()),
    }
}

impl Trial<'_> {
    /// Sends a message to the endpoint that says that it is a test, once, and keeps what came of it.
    pub async fn test(&self, webhook: &WebhookSummary) -> Result<DeliveryRow, TryError> {
        let data = json!({ "name": webhook.name });
        let message = Message::test(webhook.id, EventKind::WebhookTest, &data, self.now);
        self.send(webhook, &message).await
    }

    /// Sends the event of a delivery again, once, and keeps what came of it.
    pub async fn redeliver(
        &self,
        webhook: &WebhookSummary,
        number: i64,
    ) -> Result<DeliveryRow, TryError> {
        let page = Page::after(number.saturating_add(1), 1);
        let found = self.store.webhook_delivery_list(webhook.id, &page).await?;
        let found = found.into_iter().find(|delivery| delivery.number == number);
        let delivery = found.ok_or_else(|| StoreError::NotFound {
            what: Resource::Delivery,
            name: number.to_string(),
        })?;
        let Some(seq) = delivery.event else {
            return self.test(webhook).await;
        };
        let page = Page::after(seq - 1, 1);
        let events = self.store.event_told(self.tenant, &page).await?;
        let event = events.into_iter().find(|event| event.seq == seq);
        let event = event.ok_or(TryError::Gone)?;
        let message = Message::of(webhook.id, &event.into());
        self.send(webhook, &message).await
    }

    async fn send(
        &self,
        webhook: &WebhookSummary,
        message: &Message,
    ) -> Result<DeliveryRow, TryError> {
        let name: &Name = &webhook.name;
        let endpoint = Endpoint {
            url: webhook.url.clone(),
            secrets: self.store.webhook_secrets(self.tenant, name).await?,
        };
        let delivery = endpoint.attempt(self.client, message, (1, self.now)).await;
        let kept = self
            .store
            .webhook_attempted(self.tenant, name, &delivery)
            .await?;
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_have_their_prefix() {
        let (one, other) = (make_secret(), make_secret());
        assert_ne!(one, other);
        assert!(one.expose().starts_with(SECRET_PREFIX.as_bytes()));
    }

    #[test]
    fn endpoints_are_of_the_internet_unless_others_are_allowed() {
        let check = |raw: &str, reach| check_url(&raw.parse().unwrap(), reach);
        for (url, expected) in [
            ("https://panel.example/", Ok(())),
            ("https://1.1.1.1/", Ok(())),
            ("http://panel.example/", Err(UrlRefusal::NotEncrypted)),
            ("https://127.0.0.1/", Err(UrlRefusal::Private)),
            ("https://10.0.0.1:8443/hook", Err(UrlRefusal::Private)),
            ("https://[::ffff:10.0.0.1]/", Err(UrlRefusal::Private)),
            ("https://[fd00::1]:1/", Err(UrlRefusal::Private)),
        ] {
            assert_eq!(check(url, Reach::Public), expected, "{url}");
            assert_eq!(check(url, Reach::Private), Ok(()), "{url}");
        }
    }
}
