//! A database with the interface in front of it, and keys to ask it with.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use api::router::router;
use api::state::{ApiOptions, Peer};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use domain::access::Claim;
use domain::credential::Credential;
use domain::id::TenantId;
use domain::limit::Limits;
use domain::permission::{Role, Scopes};
use domain::plan::PlanTerms;
use domain::secret::Secret;
use domain::session_policy::SessionTerms;
use domain::subscriber::{StaticAddresses, SubscriberStatus};
use serde_json::Value as Json;
use services::api_key;
use services::event::hub::Hub;
use services::port::{
    RowFinding, RowReader, RowSeverity, WebhookAnswer, WebhookClient, WebhookRequest,
};
use services::webhook::Reach;
use storage::api_key::NewApiKey;
use storage::plan::NewPlan;
use storage::rows::{AttributeRow, GroupRows, UserRows};
use storage::store::Store;
use storage::subscriber::NewSubscriber;
use testkit::database::{Database, DatabaseKind};
use tower::ServiceExt as _;

use crate::program::Told;

const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The plan of subscribers in examples, and a device that is bound to one.
pub(crate) const PLAN: &str = "fixture";
pub(crate) const DEVICE: &str = "aabbccddee0f";

/// The other provider.
const STRANGER: TenantId = TenantId::from_bytes([7; 16]);

/// A database, the interface, and a key of an owner.
pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) store: Store,
    pub(crate) router: Router,
    pub(crate) owner: String,
    pub(crate) events: Hub,
    pub(crate) endpoint: Arc<Endpoint>,
}

/// Takes whatever is sent to any endpoint.
#[derive(Default)]
pub(crate) struct Endpoint(pub(crate) Mutex<Vec<WebhookRequest>>);

impl WebhookClient for Endpoint {
    fn post(&self, request: WebhookRequest) -> WebhookAnswer<'_> {
        self.0.lock().unwrap().push(request);
        Box::pin(async { Ok(204) })
    }
}

/// Takes attributes by their names: a password is a secret, and an operator that is none is an error.
struct PlainRows;

/// What was answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Json,
    pub(crate) text: String,
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: Method,
    path: String,
    token: Option<String>,
    headers: Vec<(&'static str, String)>,
    body: Option<Json>,
    from: Option<IpAddr>,
    file: Option<(&'static str, String)>,
}

impl World {
    pub(crate) async fn new(database: Database) -> Self {
        let store = database.store().await;
        let lent = store.clone();
        let events = Hub::default();
        let endpoint = Arc::new(Endpoint::default());
        let router = router(ApiOptions {
            store: Arc::new(move || Some(lent.clone())),
            clock: database.clock().lend(),
            program: Arc::new(Told),
            requests_per_second: 10_000,
            rows: Arc::new(PlainRows),
            events: events.clone(),
            webhooks: Arc::clone(&endpoint) as Arc<dyn WebhookClient>,
            reach: Reach::Public,
        });
        let owner = key(&store, "owner", Some(Role::Owner), "").await;
        Self {
            database,
            store,
            router,
            owner,
            events,
            endpoint,
        }
    }

    /// A plan with quotas, and a subscriber of it with two devices.
    pub(crate) async fn populate(&self) {
        let limits = Limits {
            quotas: "10G/month,time:10h/month".parse().unwrap(),
            ..Limits::default()
        };
        let plan = NewPlan {
            tenant: TenantId::DEFAULT,
            name: PLAN.parse().unwrap(),
            terms: PlanTerms {
                limits: Some(Box::new(limits)),
                ..PlanTerms::default()
            },
        };
        let plan = self.store.plan_insert(plan).await.unwrap().id;
        let subscriber = NewSubscriber {
            tenant: TenantId::DEFAULT,
            username: "with-devices".parse().unwrap(),
            credential: Credential::Cleartext(Secret::from("kookaburra")),
            plan,
            status: SubscriberStatus::Active,
            starts_at: None,
            expires_at: None,
            addresses: StaticAddresses::default(),
            sessions: SessionTerms::default(),
            customer: None,
        };
        let subscriber = self.store.subscriber_insert(subscriber).await.unwrap().id;
        for mac in [DEVICE, "aabbccddee0e"] {
            let mac = mac.parse().unwrap();
            let claim = self.store.device_claim(subscriber, mac, "login at pop-1");
            assert_eq!(claim.await.unwrap(), Claim::Bound);
        }
    }

    /// A key that permits these scopes only.
    pub(crate) async fn key_for(&self, name: &str, scopes: &str) -> String {
        key(&self.store, name, None, scopes).await
    }

    /// The same, with the scopes as a value.
    pub(crate) async fn key_with(&self, name: &str, scopes: Scopes) -> String {
        key(&self.store, name, None, &scopes.to_string()).await
    }

    /// A key of this role.
    pub(crate) async fn key_of(&self, role: Role) -> String {
        key(&self.store, &format!("role-{role}"), Some(role), "").await
    }

    /// Another provider in the same installation, and a key of its owner.
    pub(crate) async fn stranger(&self) -> String {
        let id = STRANGER.as_uuid();
        let id = match self.database.kind() {
            DatabaseKind::Sqlite => format!("X'{}'", id.simple()),
            DatabaseKind::Postgres => format!("'{id}'"),
        };
        let sql = format!(
            "INSERT INTO tenant (id, name, name_key, created_at) VALUES ({id}, 'other', 'other', 0)"
        );
        self.database.execute(&sql).await;
        key_in(STRANGER, &self.store, "stranger", Some(Role::Owner), "").await
    }

    /// The status of an answer, whose body may have no end.
    pub(crate) async fn status_as_is(&self, ask: Ask) -> u16 {
        let response = self.router.clone().oneshot(ask.request()).await.unwrap();
        response.status().as_u16()
    }

    /// Sends a request as the owner, unless it has another token.
    pub(crate) async fn send(&self, mut ask: Ask) -> Answer {
        ask.token.get_or_insert_with(|| self.owner.clone());
        self.send_as_is(ask).await
    }

    /// Sends a request with the token that it has, or none.
    pub(crate) async fn send_as_is(&self, ask: Ask) -> Answer {
        let response = self.router.clone().oneshot(ask.request()).await.unwrap();
        let (parts, body) = response.into_parts();
        let octets = to_bytes(body, ANSWER_BYTES_MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            json: serde_json::from_slice(&octets).unwrap_or_default(),
            text: String::from_utf8_lossy(&octets).into_owned(),
        }
    }
}

impl PlainRows {
    fn look(table: &'static str, rows: &[AttributeRow]) -> Vec<RowFinding> {
        let wrong = rows.iter().filter(|row| !row.op.ends_with('='));
        wrong
            .map(|row| RowFinding {
                severity: RowSeverity::Error,
                code: "bad_operator",
                table,
                row: Some(row.id),
                attribute: Some(row.attribute.clone()),
                finding: "the operator is none".to_owned(),
                remedy: "write :=".to_owned(),
            })
            .collect()
    }
}

impl RowReader for PlainRows {
    fn is_secret(&self, attribute: &str) -> bool {
        attribute.ends_with("Password")
    }

    fn user(&self, user: &UserRows, _: &[GroupRows]) -> Vec<RowFinding> {
        let mut findings = Self::look("radcheck", &user.check);
        findings.extend(Self::look("radreply", &user.reply));
        findings
    }

    fn group(&self, group: &GroupRows) -> Vec<RowFinding> {
        let mut findings = Self::look("radgroupcheck", &group.check);
        findings.extend(Self::look("radgroupreply", &group.reply));
        findings
    }
}

impl Ask {
    fn request(self) -> Request<Body> {
        let ask = self;
        let mut request = Request::builder().method(ask.method).uri(ask.path);
        if let Some(token) = ask.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(address) = ask.from {
            let is_encrypted = false;
            request = request.extension(Peer {
                address,
                is_encrypted,
            });
        }
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        let request = match (ask.body, ask.file) {
            (_, Some((kind, text))) => request.header("content-type", kind).body(pieces(text)),
            (Some(body), None) => request
                .header("content-type", "application/json")
                .body(Body::from(body.to_string())),
            (None, None) => request.body(Body::empty()),
        };
        request.unwrap()
    }

    pub(crate) fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            token: None,
            headers: Vec::new(),
            body: None,
            from: None,
            file: None,
        }
    }

    /// Comes from this address.
    pub(crate) fn from(mut self, address: &str) -> Self {
        self.from = Some(address.parse().unwrap());
        self
    }

    pub(crate) fn patch(path: &str, body: Json) -> Self {
        Self {
            body: Some(body),
            ..Self::new(Method::PATCH, path)
        }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: &str, body: Json) -> Self {
        Self {
            body: Some(body),
            ..Self::new(Method::POST, path)
        }
    }

    pub(crate) fn with_path(self, path: &str) -> Self {
        Self {
            path: path.to_owned(),
            ..self
        }
    }

    pub(crate) fn with_query(mut self, query: &str) -> Self {
        let mark = if self.path.contains('?') { '&' } else { '?' };
        self.path = format!("{}{mark}{query}", self.path);
        self
    }

    /// A file that comes in small pieces.
    pub(crate) fn file(path: &str, kind: &'static str, text: &str) -> Self {
        Self {
            file: Some((kind, text.to_owned())),
            ..Self::new(Method::POST, path)
        }
    }

    pub(crate) fn with_body(self, body: Option<Json>) -> Self {
        Self { body, ..self }
    }

    pub(crate) fn delete(path: &str) -> Self {
        Self::new(Method::DELETE, path)
    }

    pub(crate) fn patch(path: &str, body: Json) -> Self {
        Self {
            body: Some(body),
            ..Self::new(Method::PATCH, path)
        }
    }

    pub(crate) fn put(path: &str) -> Self {
        Self::new(Method::PUT, path)
    }

    pub(crate) fn with(mut self, header: &'static str, value: &str) -> Self {
        self.headers.push((header, value.to_owned()));
        self
    }

    pub(crate) fn by(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.json);
        self
    }
}

/// A body of pieces that end anywhere.
fn pieces(text: String) -> Body {
    let pieces: Vec<_> = text.into_bytes().chunks(7).map(<[u8]>::to_vec).collect();
    Body::from_stream(futures_util::stream::iter(
        pieces.into_iter().map(Ok::<_, std::convert::Infallible>),
    ))
}

async fn key(store: &Store, name: &str, role: Option<Role>, scopes: &str) -> String {
    key_in(TenantId::DEFAULT, store, name, role, scopes).await
}

async fn key_in(
    tenant: TenantId,
    store: &Store,
    name: &str,
    role: Option<Role>,
    scopes: &str,
) -> String {
    let fresh = api_key::make();
    let scopes: Scopes = scopes.parse().unwrap();
    store
        .api_key_insert(NewApiKey {
            tenant,
            name: name.parse().unwrap(),
            hash: fresh.hash,
            hint: fresh.hint,
            role,
            scopes,
            networks: Vec::new(),
            expires_at: None,
        })
        .await
        .unwrap();
    String::from_utf8(fresh.text.expose().to_vec()).unwrap()
}
