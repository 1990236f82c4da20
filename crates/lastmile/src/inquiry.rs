//! Everything that bears on why somebody cannot get on, gathered for [`domain::why::causes`].

use std::collections::BTreeSet;
use std::net::IpAddr;

use aaa::explain::DryAnswer;
use domain::access::TraceStep;
use domain::auth_log::shorthand::Logged;
use domain::auth_log::{AuthOutcome, Knock};
use domain::guard::{GuardLock, GuardSubject};
use domain::id::{SessionId, TenantId};
use domain::limit::Zone;
use domain::mac::Mac;
use domain::name::Username;
use domain::subscriber::Subscriber;
use domain::time::Timestamp;
use domain::why::near::{self, NearName, Owner};
use domain::why::{Cause, Facts, PastDecision, PastSession, SessionEnd, Verdict, Whom, causes};
use radius::avp::Avp;
use radius::dictionary::Dictionary;
use radius::value::Value;
use rows::name::stored_name;
use storage::auth_log::list::{AuthLogFilter, AuthLogRow};
use storage::error::StoreError;
use storage::page::Page;
use storage::session::{SessionFilter, SessionRow};
use storage::store::Store;
use storage::subscriber::SubscriberSummary;

use crate::app::App;
use crate::dry_run::request::Asked;
use crate::dry_run::{DryRunError, Rehearsed, Stage};

mod account;

/// Decisions and sessions that are looked at.
const LOOKED_AT_MAX: u32 = 20;

/// Names that one subscriber's logins are looked for under.
const NAMES_MAX: usize = 64;

/// Names that are nearly the one asked about, and unknown routers, that are told.
const TOLD_MAX: usize = 5;

/// A moment so far off is another one than now.
const NOW_SECONDS: i64 = 60;

/// Unknown routers that were silent for longer have nothing to do with it.
const KNOCK_SECONDS: i64 = 24 * 3_600;

/// What was found out.
#[derive(Debug)]
pub(crate) struct Inquiry {
    pub(crate) at: Timestamp,
    pub(crate) zone: Zone,
    pub(crate) known: Known,
    pub(crate) rehearsed: Option<Rehearsed>,
    pub(crate) causes: Vec<Cause>,
    pub(crate) decisions: Vec<AuthLogRow>,
    pub(crate) sessions: Vec<SessionRow>,
}

/// Whom the name means.
#[derive(Debug)]
pub(crate) enum Known {
    Subscriber(Box<SubscriberSummary>),
    Rows,
    Nobody,
}

/// A login as the last one was, from where it came.
struct Last {
    source: IpAddr,
    attributes: Vec<Avp>,
    station: Option<String>,
}

/// What an inquiry works with.
struct Desk<'a> {
    store: &'a Store,
    stage: Stage<'a>,
    tenant: TenantId,
    user_name: &'a str,
    at: Timestamp,
    is_past: bool,
}

impl Inquiry {
    /// Asks about a name, now or at another time: for one tenant, or with none for whoever runs the
    /// installation.
    pub(crate) async fn make(
        app: &App,
        store: &Store,
        (tenant, user_name): (Option<TenantId>, &str),
        at: Option<Timestamp>,
    ) -> Result<Self, DryRunError> {
        let now = app.now();
        let at = at.unwrap_or(now);
        let desk = Desk {
            store,
            stage: Stage::load(app, store, user_name, tenant).await?,
            tenant: tenant.unwrap_or(TenantId::DEFAULT),
            user_name,
            at,
            is_past: NOW_SECONDS < now.seconds_since(at),
        };
        desk.inquire().await
    }
}

impl Desk<'_> {
    async fn inquire(&self) -> Result<Inquiry, DryRunError> {
        let (store, at) = (self.store, self.at);
        let tenant = store.tenant_find(self.tenant).await?;
        let zone = tenant.map(|tenant| tenant.time_zone).unwrap_or_default();
        let names = self.names();
        let decisions = self.decisions(&names).await?;
        let sessions = self.sessions(&names).await?;
        let last = self.last(&decisions, &sessions);
        let rehearsed = match &last {
            Some(last) if !self.is_past => self.rehearse(last, &decisions).await?,
            Some(_) | None => None,
        };
        let subscriber = self.find_subscriber(rehearsed.as_ref());
        let summary = match subscriber {
            Some(one) => store.subscriber_find(one.tenant, &one.username).await?,
            None => None,
        };
        let known = match summary {
            Some(summary) => Known::Subscriber(Box::new(summary)),
            None if self.has_rows() => Known::Rows,
            None => Known::Nobody,
        };
        let account = match (&known, subscriber) {
            (Known::Subscriber(summary), Some(subscriber)) => Some(
                self.account(summary, subscriber, rehearsed.as_ref())
                    .await?,
            ),
            (Known::Subscriber(_) | Known::Rows | Known::Nobody, _) => None,
        };
        let verdict = rehearsed.as_ref().map(verdict);
        let near = match &known {
            Known::Nobody => self.near_names().await?,
            Known::Subscriber(_) | Known::Rows => Vec::new(),
        };
        let locks = self.locks(&names, last.as_ref());
        let facts = Facts {
            user_name: self.user_name,
            zone: &zone,
            whom: match (&account, &known) {
                (Some(account), _) => Whom::Subscriber(account),
                (None, Known::Rows) => Whom::Rows,
                (None, Known::Subscriber(_) | Known::Nobody) => Whom::Nobody,
            },
            verdict: verdict.as_ref(),
            decisions: &decisions.iter().map(decision).collect::<Vec<_>>(),
            sessions: &sessions
                .iter()
                .map(|session| self.session(session))
                .collect::<Vec<_>>(),
            locks: &locks,
            knocks: &self.knocks().await?,
            near: &near,
            has_hidden_rows: account.is_some() && self.has_rows(),
        };
        Ok(Inquiry {
            at,
            causes: causes(&facts),
            zone,
            known,
            rehearsed,
            decisions,
            sessions,
        })
    }

    /// Under which names logins are kept: the one asked about, and those of whom it means.
    fn names(&self) -> Vec<String> {
        let circle = self.stage.circle();
        let mut names = BTreeSet::from([self.user_name.to_ascii_lowercase()]);
        let meant = circle.subscribers.iter();
        names.extend(meant.flat_map(|subscriber| circle.names_of(subscriber)));
        names.into_iter().take(NAMES_MAX).collect()
    }

    /// What was decided, the last first.
    async fn decisions(&self, names: &[String]) -> Result<Vec<AuthLogRow>, StoreError> {
        let filter = AuthLogFilter {
            usernames: names.to_vec(),
            until: Some(self.at),
            ..AuthLogFilter::default()
        };
        let page = Page::first(LOOKED_AT_MAX);
        let mut rows = self
            .store
            .auth_log_list(self.tenant, &filter, &page)
            .await?;
        let kept = self.store.auth_last_list(self.tenant, names).await?;
        let is_news =
            |row: &AuthLogRow| row.at <= self.at && rows.iter().all(|one| one.id != row.id);
        let kept: Vec<_> = kept.into_iter().filter(is_news).collect();
        // Capital letters count in the names of rows. What is kept has none.
        rows.retain(|row| !is_of_rows(row) || row.username.as_deref() == Some(self.user_name));
        rows.extend(kept);
        rows.sort_by_key(|row| std::cmp::Reverse(row.last_at));
        rows.truncate(LOOKED_AT_MAX as usize);
        Ok(rows)
    }

    /// Sessions that had begun, the last first.
    async fn sessions(&self, names: &[String]) -> Result<Vec<SessionRow>, StoreError> {
        let mut sessions = Vec::new();
        for username in names
            .iter()
            .filter_map(|name| name.parse::<Username>().ok())
        {
            let filter = SessionFilter {
                username: Some(username),
                ..SessionFilter::default()
            };
            let mut page = Page::first(LOOKED_AT_MAX);
            if self.is_past {
                page = Page::after(SessionId::new(self.at, [u8::MAX; 10]), LOOKED_AT_MAX);
            }
            sessions.extend(self.store.session_list(self.tenant, &filter, &page).await?);
        }
        sessions.retain(|session| session.started_at <= self.at);
        sessions.sort_by_key(|session| std::cmp::Reverse(session.started_at));
        sessions.truncate(LOOKED_AT_MAX as usize);
        Ok(sessions)
    }

    /// Where the last login or session was, or else any router.
    fn last(&self, decisions: &[AuthLogRow], sessions: &[SessionRow]) -> Option<Last> {
        let all = &self.stage.circle().nas;
        let find = |id| all.iter().find(|nas| nas.id == id);
        let decision = decisions.iter().find(|one| find(one.nas_id).is_some());
        let session = sessions.iter().find(|one| find(one.nas_id).is_some());
        let nas = decision.map(|one| one.nas_id);
        let nas = nas.or_else(|| session.map(|one| one.nas_id));
        let nas = nas.and_then(find).or_else(|| all.first())?;
        let heard_at = sessions
            .iter()
            .filter(|session| session.nas_id == nas.id)
            .find_map(|session| session.nas_address);
        let station = decision.and_then(|one| one.calling_station.as_deref());
        let station = station.or_else(|| session.and_then(|one| one.calling_station.as_deref()));
        let device = self.stage.circle().find_device();
        let station = station.or(device.as_deref());
        let called = decision.and_then(|one| one.called_station.as_deref());
        let called = called.or_else(|| session.and_then(|one| one.called_station.as_deref()));
        let dictionary = Dictionary::builtin();
        let attribute = |(name, text): (&str, &str)| {
            let oid = dictionary.resolve(name)?;
            Some(Avp::new(oid, Value::Text(text.to_owned())))
        };
        let named = [
            ("Calling-Station-Id", station),
            ("Called-Station-Id", called),
        ];
        let given = named
            .into_iter()
            .filter_map(|(name, text)| Some((name, text?)));
        Some(Last {
            source: heard_at.unwrap_or_else(|| nas.source.network()),
            attributes: given.filter_map(attribute).collect(),
            station: station.map(str::to_owned),
        })
    }

    /// What would be decided about another login like the last one.
    async fn rehearse(
        &self,
        last: &Last,
        decisions: &[AuthLogRow],
    ) -> Result<Option<Rehearsed>, DryRunError> {
        let asked = Asked {
            user_name: self.user_name,
            password: None,
            attributes: &last.attributes,
        };
        let rehearsed = match self.stage.ask(last.source, asked, self.at).await {
            Ok(rehearsed) => rehearsed,
            // It cannot be answered by that router, and what was decided there still says something.
            Err(DryRunError::NasUnknown { .. } | DryRunError::Dropped { .. }) => return Ok(None),
            Err(problem) => return Err(problem),
        };
        // Rows may ask for what this request does not have, and the last one had.
        let was_accepted = decisions.first().is_some_and(|last| last.reason.is_none());
        let is_of_rows = rehearsed.answer.entry.subscriber.is_none() && self.has_rows();
        let is_refused = matches!(rehearsed.answer.entry.outcome, AuthOutcome::Rejected(_));
        Ok((!(was_accepted && is_of_rows && is_refused)).then_some(rehearsed))
    }

    /// The subscriber that was decided about, or who has the very name.
    fn find_subscriber(&self, rehearsed: Option<&Rehearsed>) -> Option<&Subscriber> {
        let all = &self.stage.circle().subscribers;
        let decided = rehearsed.and_then(|rehearsed| rehearsed.answer.entry.subscriber);
        if let Some(id) = decided {
            return all.iter().find(|one| one.id == id);
        }
        let name = self.user_name.parse::<Username>().ok()?;
        let named = all
            .iter()
            .find(|one| one.tenant == self.tenant && one.username == name);
        match all.as_slice() {
            [only] if named.is_none() => Some(only),
            _ => named,
        }
    }

    fn has_rows(&self) -> bool {
        let stored = stored_name(self.user_name.as_bytes());
        self.stage.circle().row_users.contains_key(&*stored)
    }

    fn session(&self, row: &SessionRow) -> PastSession {
        let ended_at = row.stopped_at.filter(|stopped| *stopped <= self.at);
        PastSession {
            nas: row.nas.clone(),
            nas_address: row.nas_address,
            calling_station: row.calling_station.as_ref().map(ToString::to_string),
            started_at: row.started_at,
            updated_at: row.updated_at.min(self.at),
            end: ended_at.map(|at| SessionEnd {
                at,
                cause: row.terminate_cause,
            }),
            is_ending: row.ending.is_some(),
        }
    }

    /// Locks of the name, of the device and of the router that were used last.
    fn locks(&self, names: &[String], last: Option<&Last>) -> Vec<GuardLock> {
        let station = last.and_then(|last| last.station.as_deref()).map(|text| {
            Mac::from_wire(text.as_bytes()).map_or_else(|| text.to_owned(), |mac| mac.to_string())
        });
        let is_meant = |lock: &&GuardLock| match lock.key.subject {
            GuardSubject::User => names.contains(&lock.key.name.to_ascii_lowercase()),
            GuardSubject::Station => station.as_deref() == Some(lock.key.name.as_str()),
            GuardSubject::Nas => false,
        };
        let is_in_force = |lock: &&GuardLock| lock.since <= self.at && self.at < lock.until;
        let locks = self.stage.locks().iter().filter(is_in_force);
        locks.filter(is_meant).cloned().collect()
    }

    /// Routers that asked lately without being known.
    async fn knocks(&self) -> Result<Vec<Knock>, StoreError> {
        // Whose an unknown router is nobody knows.
        if self.is_past || self.tenant != TenantId::DEFAULT {
            return Ok(Vec::new());
        }
        let rows = self.store.knock_list(LOOKED_AT_MAX).await?;
        let lately = rows
            .iter()
            .filter(|row| self.at.seconds_since(row.last_at) < KNOCK_SECONDS);
        Ok(lately
            .take(TOLD_MAX)
            .map(|row| Knock {
                source: row.source,
                last_at: row.last_at,
                packets: row.packets,
            })
            .collect())
    }

    /// Who has a name that is nearly this one.
    async fn near_names(&self) -> Result<Vec<NearName>, StoreError> {
        let policies = &self.stage.circle().policies;
        let realms: Vec<&str> = policies
            .iter()
            .flat_map(|policy| &policy.realms)
            .map(|realm| realm.name.as_str())
            .collect();
        let of_subscribers = near::subscriber_names(self.user_name, &realms);
        let tried: Vec<String> = of_subscribers.keys().cloned().collect();
        let subscribers = self
            .store
            .subscriber_names_among(self.tenant, &tried)
            .await?;
        let of_rows = near::row_names(self.user_name, &realms);
        let tried: Vec<&str> = of_rows.keys().map(String::as_str).collect();
        let rows = match self.tenant == TenantId::DEFAULT {
            true => self.store.row_users(&tried).await?,
            false => Vec::new(),
        };
        let subscribers = subscribers.into_iter().filter_map(|name| {
            let difference = *of_subscribers.get(&name)?;
            Some((difference, Owner::Subscriber, name))
        });
        let rows = rows.into_iter().filter_map(|user| {
            let difference = *of_rows.get(&user.name)?;
            Some((difference, Owner::Rows, user.name))
        });
        let mut found: Vec<_> = subscribers.chain(rows).collect();
        found.sort_unstable();
        let named = found.into_iter().take(TOLD_MAX);
        Ok(named
            .map(|(difference, owner, name)| NearName {
                name,
                owner,
                difference,
            })
            .collect())
    }
}

fn verdict(rehearsed: &Rehearsed) -> Verdict {
    let DryAnswer { entry, granted, .. } = &rehearsed.answer;
    let reason = match entry.outcome {
        AuthOutcome::Accepted => None,
        AuthOutcome::Rejected(reason) => Some(reason),
    };
    Verdict {
        nas: rehearsed.nas.name.as_str().to_owned(),
        reason,
        trace: entry.trace.steps(reason.map(Logged::Known).as_ref()),
        granted: granted.clone(),
    }
}

/// Whether rows of FreeRADIUS' tables decided.
fn is_of_rows(row: &AuthLogRow) -> bool {
    row.trace.first() == Some(&Logged::Known(TraceStep::RowsFound))
}

fn decision(row: &AuthLogRow) -> PastDecision {
    PastDecision {
        at: row.last_at,
        count: row.count,
        nas: row.nas.clone(),
        calling_station: row.calling_station.as_ref().map(ToString::to_string),
        reason: row.reason.clone(),
        trace: row.trace.clone(),
    }
}
