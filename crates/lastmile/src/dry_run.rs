//! A login that nobody sends: what the server would answer now, or at another time, decided by the
//! code that decides for routers, and changing nothing.

use std::net::IpAddr;
use std::sync::Arc;

use aaa::engine::Belief;
use aaa::explain::{DryAnswer, DryRequest, DryRun, DryRunOptions, row_account};
use aaa::nas_table::NasEntry;
use aaa::port::PortError;
use domain::guard::{GuardKey, GuardLock};
use domain::id::{SubscriberId, TenantId};
use domain::nas::Nas;
use domain::subscriber::Subscriber;
use domain::time::Timestamp;
use lab::reply::{ReplyAttribute, describe};
use radius::code::Code;
use radius::dictionary::Dictionary;
use radius::packet::{Packet, ParseError};
use storage::error::StoreError;
use storage::guard::{GuardFilter, GuardRow};
use storage::session::{SessionFilter, SessionRow};
use storage::store::Store;

use crate::app::App;
use crate::wiring;
use circle::Circle;
use request::{Asked, RequestError};

pub(crate) mod circle;
pub(crate) mod request;

/// Closed sessions whose devices the guard knows: the server remembers whom it has let in.
const SESSIONS_MAX: u32 = 20;

/// Why nothing could be decided.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DryRunError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Load(#[from] PortError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the packets could not be shown")]
    Shown(#[from] ParseError),
    #[error("no NAS covers {source_address}: requests from there are not answered")]
    NasUnknown { source_address: IpAddr },
    #[error("the request would not be answered: {reason}")]
    Dropped { reason: &'static str },
}

/// What would be answered to whom.
#[derive(Debug)]
pub(crate) struct Rehearsed {
    pub(crate) answer: DryAnswer,
    pub(crate) nas: Nas,
    pub(crate) source_address: IpAddr,
    pub(crate) at: Timestamp,
    pub(crate) belief: Belief,
    pub(crate) request: Vec<ReplyAttribute>,
    pub(crate) code: Code,
    pub(crate) reply: Vec<ReplyAttribute>,
}

/// Whom a user name can mean, and what is known of the server that would be asked.
pub(crate) struct Stage<'s> {
    app: &'s App,
    store: &'s Store,
    circle: Circle,
    locks: Vec<GuardLock>,
}

impl<'s> Stage<'s> {
    /// Loads whom a user name can mean: for one tenant, or with none for whoever runs the
    /// installation.
    pub(crate) async fn load(
        app: &'s App,
        store: &'s Store,
        user_name: &str,
        tenant: Option<TenantId>,
    ) -> Result<Self, DryRunError> {
        let filter = GuardFilter {
            tenant,
            ..GuardFilter::default()
        };
        let locks = store.guard_list(&filter).await?;
        Ok(Self {
            app,
            store,
            circle: Circle::load(store, user_name, tenant).await?,
            locks: locks.into_iter().map(lock).collect(),
        })
    }

    /// Whom the name can mean.
    pub(crate) const fn circle(&self) -> &Circle {
        &self.circle
    }

    /// Who is kept from guessing.
    pub(crate) fn locks(&self) -> &[GuardLock] {
        &self.locks
    }

    /// Decides about a login that comes from an address.
    pub(crate) async fn ask(
        &self,
        source_address: IpAddr,
        asked: Asked<'_>,
        at: Timestamp,
    ) -> Result<Rehearsed, DryRunError> {
        let config = &self.app.config;
        let options = DryRunOptions {
            rows: config.rows,
            guard: config.guard,
            at,
        };
        let run = DryRun::load(&self.circle, &options, &self.locks).await?;
        let nas = run.find_nas(source_address);
        let nas = nas.ok_or(DryRunError::NasUnknown { source_address })?;
        for subscriber in &self.circle.subscribers {
            self.bring_up(&run, subscriber, &nas).await?;
        }
        let of_rows = row_account(asked.user_name.as_bytes());
        self.learn_counters(&run, of_rows).await?;
        let dictionary = Dictionary::builtin();
        let secret = nas.nas.secret.expose();
        let written = request::write(&dictionary, &asked, &nas.nas)?;
        let dry = DryRequest {
            source: source_address,
            octets: &written.octets,
            belief: written.belief,
        };
        let answer = run.ask(&dry).map_err(|drop| DryRunError::Dropped {
            reason: drop.as_str(),
        })?;
        let authenticator = &written.authenticator;
        let show = |octets: &[u8]| {
            let packet = Packet::parse(octets)?;
            let attributes = describe(&dictionary, &packet, authenticator, secret);
            Ok::<_, ParseError>((packet.code(), attributes))
        };
        let (_, request) = show(&written.octets)?;
        let (code, reply) = show(&answer.reply)?;
        Ok(Rehearsed {
            nas: nas.nas.clone(),
            source_address,
            at,
            belief: written.belief,
            request,
            code,
            reply,
            answer,
        })
    }

    /// Tells the tables what a running server has learnt of a subscriber.
    async fn bring_up(
        &self,
        run: &DryRun,
        subscriber: &Subscriber,
        nas: &Arc<NasEntry>,
    ) -> Result<(), DryRunError> {
        self.learn_counters(run, subscriber.id).await?;
        let questions = run.questions(subscriber);
        let questions: Vec<_> = questions.iter().map(wiring::limit_question).collect();
        run.learn(&self.store.limit_sums(&questions).await?);
        for station in self.stations(subscriber).await? {
            let name = subscriber.username.as_str();
            run.remember_device(subscriber.id, name, nas, &station);
        }
        Ok(())
    }

    async fn learn_counters(&self, run: &DryRun, account: SubscriberId) -> Result<(), DryRunError> {
        let rows = self.store.limit_list_of(&[account]).await?;
        let news: Vec<_> = rows.into_iter().map(|row| row.news).collect();
        run.learn(&news);
        Ok(())
    }

    /// The devices of a subscriber's last sessions.
    async fn stations(&self, subscriber: &Subscriber) -> Result<Vec<String>, StoreError> {
        let filter = SessionFilter {
            username: Some(subscriber.username.clone()),
            ..SessionFilter::default()
        };
        let page = storage::page::Page::first(SESSIONS_MAX);
        let sessions = self.store.session_list(subscriber.tenant, &filter, &page);
        let station = |session: SessionRow| session.calling_station.map(|text| text.to_string());
        Ok(sessions.await?.into_iter().filter_map(station).collect())
    }
}

fn lock(row: GuardRow) -> GuardLock {
    GuardLock {
        key: GuardKey {
            subject: row.subject,
            name: row.name,
        },
        since: row.since,
        until: row.until,
        strikes: u32::try_from(row.strikes).unwrap_or(u32::MAX),
    }
}
