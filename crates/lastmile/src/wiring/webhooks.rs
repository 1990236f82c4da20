//! Brings messages to the endpoints of webhooks, and to no address that is not permitted.
//!
//! An address is looked at when it is connected to, so a name that leads elsewhere than a moment ago
//! leads nowhere.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use domain::webhook::WebhookUrl;
use domain::webhook::address::is_public;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls_platform_verifier::Verifier;
use services::port::{WebhookAnswer, WebhookClient, WebhookFailure, WebhookRequest};
use services::webhook::{Reach, check_url};

use crate::exit::ErrorChain;

/// How long an endpoint may take for everything.
const PATIENCE: Duration = Duration::from_secs(15);
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// How long a connection is kept on which nothing is sent.
const IDLE: Duration = Duration::from_secs(60);

/// Octets of an answer that are read, so that its connection can be used again.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// Sends over HTTP.
pub(crate) struct WebhookPost {
    reach: Reach,
    /// Made when something is sent first; or why nothing can be sent.
    client: OnceLock<Result<Client, String>>,
}

/// Looks names up, and forgets addresses that are not permitted.
struct PermittedAddresses(Reach);

/// Where a name leads is not permitted.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("its address is private: nothing is sent there unless webhooks.allow_private is set")]
struct PrivateAddress;

impl fmt::Debug for WebhookPost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WebhookPost")
            .field("reach", &self.reach)
            .finish_non_exhaustive()
    }
}

impl WebhookPost {
    pub(crate) fn new(reach: Reach) -> Self {
        Self {
            reach,
            client: OnceLock::new(),
        }
    }

    async fn send(&self, request: WebhookRequest) -> Result<u16, WebhookFailure> {
        let made = || build(self.reach).map_err(|problem| ErrorChain(&*problem).to_string());
        let client = self.client.get_or_init(made).as_ref().map_err(|problem| {
            WebhookFailure(format!("nothing can be sent from this machine: {problem}"))
        })?;
        let url = self.checked(&request.url)?;
        let mut post = client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .body(request.body);
        for (name, value) in request.headers {
            post = post.header(name, value);
        }
        let mut response = post.send().await.map_err(|problem| failure(&problem))?;
        let status = response.status().as_u16();
        // What it says does not matter; read to its end, its connection serves again.
        let mut read = 0;
        while read < ANSWER_BYTES_MAX
            && let Ok(Some(chunk)) = response.chunk().await
        {
            read += chunk.len();
        }
        Ok(status)
    }

    /// The URL, if it may be sent to. An address in it is looked at as the client understands it:
    /// there are many ways to write one.
    fn checked(&self, url: &WebhookUrl) -> Result<Url, WebhookFailure> {
        let refused = |problem: &dyn fmt::Display| WebhookFailure(problem.to_string());
        check_url(url, self.reach).map_err(|refusal| refused(&refusal))?;
        let url = Url::parse(url.as_str()).map_err(|problem| refused(&problem))?;
        let host = url.host_str().unwrap_or_default();
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        match address {
            Ok(address) if !is_permitted(address, self.reach) => Err(refused(&PrivateAddress)),
            Ok(_) | Err(_) => Ok(url),
        }
    }
}

impl WebhookClient for WebhookPost {
    fn post(&self, request: WebhookRequest) -> WebhookAnswer<'_> {
        Box::pin(self.send(request))
    }
}

impl Resolve for PermittedAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            // The client puts its port in place of this one.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let permitted = found.filter(|found| is_permitted(found.ip(), reach));
            let permitted: Vec<SocketAddr> = permitted.collect();
            if permitted.is_empty() {
                return Err(PrivateAddress.into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

fn is_permitted(address: IpAddr, reach: Reach) -> bool {
    match reach {
        Reach::Private => true,
        Reach::Public => is_public(address),
    }
}

fn build(reach: Reach) -> Result<Client, Box<dyn Error + Send + Sync>> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new(Arc::clone(&provider))?;
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(PermittedAddresses(reach))
        .https_only(reach == Reach::Public)
        .redirect(Policy::none())
        // A proxy would resolve names by itself.
        .no_proxy()
        .timeout(PATIENCE)
        .connect_timeout(CONNECT_PATIENCE)
        .pool_max_idle_per_host(2)
        .pool_idle_timeout(IDLE)
        .user_agent(concat!("lastmile/", env!("CARGO_PKG_VERSION")))
        .build()?;
    Ok(client)
}

/// What went wrong, with its causes and without the URL, which is known.
fn failure(problem: &reqwest::Error) -> WebhookFailure {
    if problem.is_timeout() {
        return WebhookFailure("the endpoint did not answer in time".to_owned());
    }
    let mut cause: &dyn Error = problem;
    while let Some(source) = cause.source() {
        cause = source;
    }
    WebhookFailure(format!("the endpoint could not be reached: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(reach: Reach, url: &str) {
        let post = WebhookPost::new(reach);
        let outcome = post.checked(&url.parse().expect("the test writes a URL"));
        assert_eq!(outcome.is_err(), reach == Reach::Public, "{url}");
    }

    #[test]
    fn addresses_are_seen_however_they_are_written() {
        for url in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://[::ffff:169.254.169.254]/",
            "https://[::1]/",
            "http://panel.example/",
        ] {
            check_refused(Reach::Public, url);
            check_refused(Reach::Private, url);
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_leads_nowhere() {
        let resolver = PermittedAddresses(Reach::Public);
        let name = || "localhost".parse::<Name>().expect("it is a name");
        let refused = resolver.resolve(name()).await.err();
        let refused = refused.expect("a private address is not permitted");
        assert!(refused.is::<PrivateAddress>(), "{refused}");
        let permitted = PermittedAddresses(Reach::Private).resolve(name()).await;
        assert!(permitted.is_ok_and(|mut found| found.next().is_some()));
        let post = WebhookPost::new(Reach::Public);
        let request = WebhookRequest {
            url: "https://localhost:1/".parse().expect("it is a URL"),
            headers: ["a", "b", "c"].map(|name| (name, String::new())),
            body: String::new().into(),
        };
        let outcome = post.send(request).await;
        let WebhookFailure(problem) = outcome.expect_err("nothing is sent");
        assert!(problem.contains("private"), "{problem}");
    }
}
