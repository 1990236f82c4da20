//! Rights and open sessions: what a session should have now, and what has to be done when that is
//! not what its router was told.
//!
//! There is one door for every change: whatever it was, [`keeper`] looks at the sessions that it
//! may concern, makes the decision that a login would get now, and compares. It looks at levels and
//! not at edges, so nothing is lost that was missed, and nothing is asked twice.

use std::cell::Cell;
use std::sync::Arc;

use domain::access::rows::{self, RowEntrance, RowLimits, RowOutcome, RowProfile, RowTerms};
use domain::access::{
    self, AccessRequest, Claim, Grants, Method, NasIdentifierCheck, Presence, Proof, RejectReason,
    RequestingDevice, RequestingNas, Verdict,
};
use domain::id::SubscriberId;
use domain::mac::Mac;
use domain::nas::Vendor;
use domain::session::Session;
use domain::session_command::EndReason;
use domain::terms::{self, Due, Effect, TermsMark};
use domain::time::Timestamp;

use crate::directory::{Directory, SubscriberEntry};
use crate::encode::rows::RowReply;
use crate::limits::LimitTable;
use crate::nas_table::NasEntry;
use crate::profile::Gathered;
use crate::row_login;
use crate::row_table::{RowUser, TENANT, id_of};
use crate::session_table::Device;
use online::Online;

mod asked;
pub mod concerns;
pub mod keeper;
pub(crate) mod notices;
mod online;
mod telling;

/// What is known of rights, to be compared with sessions.
#[derive(Clone, Debug)]
pub struct Rights {
    directory: Arc<Directory>,
    limits: Arc<LimitTable>,
}

/// What is due to a session.
#[derive(Debug)]
pub enum DueTerms<'a> {
    /// No session.
    Nothing(EndReason),
    /// What a plan grants. Times and volumes are what is left from now on.
    Plan {
        grants: &'a Grants<'a>,
        mark: TermsMark,
    },
    /// What rows reply.
    Rows {
        reply: RowReply<'a>,
        mark: TermsMark,
    },
    /// It cannot be said: rows ask for something that only a login says, or what is registered is
    /// damaged.
    Unknown,
}

impl DueTerms<'_> {
    /// The same for a comparison; `None` when nothing can be said.
    pub const fn due(&self) -> Option<Due> {
        match self {
            Self::Nothing(reason) => Some(Due::Nothing(*reason)),
            Self::Plan { mark, .. } | Self::Rows { mark, .. } => Some(Due::Terms(*mark)),
            Self::Unknown => None,
        }
    }
}

impl Rights {
    pub const fn new(directory: Arc<Directory>, limits: Arc<LimitTable>) -> Self {
        Self { directory, limits }
    }

    /// Decides about a stored session as if its user logged in now, at the same router and with the
    /// same device, and shows what comes of it.
    pub fn with_due<T>(
        &self,
        session: &Session,
        now: Timestamp,
        look: impl FnOnce(&DueTerms<'_>) -> T,
    ) -> T {
        match Online::stored(session) {
            Some(online) => self.with_due_to(&online, now, |due, _| look(due)),
            None => look(&DueTerms::Unknown),
        }
    }

    /// What has to be done about a stored session; nothing also when that cannot be said.
    pub fn effect(&self, session: &Session, now: Timestamp) -> Effect {
        let Some(online) = Online::stored(session) else {
            return Effect::Nothing;
        };
        self.with_due_to(&online, now, |due, vendor| {
            due.due().map_or(Effect::Nothing, |due| {
                terms::effect(session.terms.as_ref(), &due, vendor)
            })
        })
    }

    /// What is due to a session at the router of this vendor.
    fn with_due_to<T>(
        &self,
        online: &Online<'_>,
        now: Timestamp,
        look: impl FnOnce(&DueTerms<'_>, Vendor) -> T,
    ) -> T {
        let routers = self.directory.nas_table();
        let Some(nas) = routers.find_id(online.nas) else {
            return look(&DueTerms::Nothing(EndReason::NasRemoved), Vendor::Generic);
        };
        let vendor = nas.nas.settings.vendor;
        match self.find(online) {
            Found::Subscriber(entry) => {
                self.with_due_to_subscriber(online, &entry, nas, now, |due| look(due, vendor))
            }
            Found::Rows(user) => {
                self.with_due_to_rows(online, &user, nas, now, |due| look(due, vendor))
            }
            Found::Nobody => look(&DueTerms::Nothing(EndReason::UserRemoved), vendor),
            Found::Unknown => look(&DueTerms::Unknown, vendor),
        }
    }

    /// Whose session it is now.
    fn find(&self, online: &Online<'_>) -> Found {
        if let Some(entry) = self.directory.find_subscriber_by_id(online.subscriber) {
            return Found::Subscriber(entry);
        }
        // A subscriber of the same name goes before rows.
        if let Some(entry) = self.directory.find_subscriber(TENANT, online.username)
            && is_of_rows(online.subscriber)
        {
            return Found::Subscriber(entry);
        }
        if !is_of_rows(online.subscriber) {
            return Found::Nobody;
        }
        let rows = self.directory.rows();
        match rows.find_accounted(online.subscriber, online.username) {
            Some(user) => Found::Rows(user),
            None if id_of(online.username.as_bytes()) == online.subscriber => Found::Nobody,
            // The name that was sent is not the one that accounting has.
            None => Found::Unknown,
        }
    }

    fn with_due_to_subscriber<T>(
        &self,
        online: &Online<'_>,
        entry: &SubscriberEntry,
        nas: &NasEntry,
        now: Timestamp,
        look: impl FnOnce(&DueTerms<'_>) -> T,
    ) -> T {
        let subscriber = &entry.subscriber;
        if subscriber
            .changed
            .credential_set_at()
            .is_some_and(|at| online.accepted_at < at)
        {
            return look(&DueTerms::Nothing(EndReason::CredentialChanged));
        }
        let usage = |_: &domain::limit::Limits| self.limits.usage(subscriber.id);
        // A plan that cannot be read is no reason to end the sessions of everybody on it.
        let Some(gathered) = Gathered::of(&self.directory, entry, usage) else {
            return look(&DueTerms::Unknown);
        };
        let mac = online.device.as_ref().and_then(mac_of);
        if mac.is_some_and(|mac| is_forgotten(&gathered, online, mac)) {
            return look(&DueTerms::Nothing(EndReason::DeviceForgotten));
        }
        let profile = gathered.profile();
        let asked = request(nas, mac);
        // It does not count against its own limit, and a lower one is for those who come.
        let decision = access::decide(Some(profile), asked, Presence::default(), now);
        match &decision.verdict {
            Verdict::Accept(grants) => {
                let mark = gathered.mark(grants, nas.nas.settings.vendor);
                look(&DueTerms::Plan { grants, mark })
            }
            // Its records do not name the device that the login named.
            Verdict::Reject(RejectReason::DeviceUnnamed) => look(&DueTerms::Unknown),
            Verdict::Reject(reason) => look(&DueTerms::Nothing(EndReason::Refused(*reason))),
        }
    }

    fn with_due_to_rows<T>(
        &self,
        online: &Online<'_>,
        user: &RowUser,
        nas: &NasEntry,
        now: Timestamp,
        look: impl FnOnce(&DueTerms<'_>) -> T,
    ) -> T {
        let has_gaps = Cell::new(false);
        let login = online.with_request(now, &has_gaps, |request| {
            row_login::run(&self.directory, user, request, Method::None)
        });
        let Some(login) = login else {
            return look(&DueTerms::Unknown);
        };
        let usage = self.limits.usage(online.subscriber);
        let limits = login.limits.as_ref();
        let profile = RowProfile {
            steps: &login.steps,
            outcome: proven(login.outcome),
            limits: limits.map(|limits| RowLimits {
                limits,
                usage: &usage,
            }),
        };
        let mac = online.device.as_ref().and_then(mac_of);
        let decision = rows::decide(&profile, request(nas, mac), Presence::default(), now);
        if has_gaps.get() {
            return look(&DueTerms::Unknown);
        }
        match decision.verdict {
            Ok(grants) => look(&DueTerms::Rows {
                reply: RowReply {
                    access: login.access.as_ref(),
                    seconds_left: grants.seconds_left,
                    volume_left: grants.volume_left.traffic,
                    vendor: nas.nas.settings.vendor,
                },
                mark: login.mark(),
            }),
            Err(reason) => look(&DueTerms::Nothing(EndReason::Refused(reason))),
        }
    }
}

/// Whose session it is.
enum Found {
    Subscriber(Arc<SubscriberEntry>),
    Rows(Arc<RowUser>),
    Nobody,
    Unknown,
}

/// Ids of names with rows are made of the names.
fn is_of_rows(subscriber: SubscriberId) -> bool {
    subscriber.as_uuid().get_version_num() == 8
}

/// A login that has proved who it is, at a router that names itself as it should.
fn request(nas: &NasEntry, mac: Option<Mac>) -> AccessRequest<'_> {
    AccessRequest {
        proof: Proof::Verified {
            method: Method::None,
        },
        nas_identifier: NasIdentifierCheck::NotRequired,
        nas: RequestingNas {
            id: nas.nas.id,
            groups: &nas.nas.groups,
        },
        device: RequestingDevice {
            mac,
            claim: Claim::NotTried,
        },
    }
}

/// What rows came to for somebody who proved who they are, by whichever method.
const fn proven(outcome: RowOutcome) -> RowOutcome {
    match outcome {
        RowOutcome::Terms(terms) => RowOutcome::Terms(RowTerms {
            entrance: match terms.entrance {
                RowEntrance::Never => RowEntrance::Never,
                RowEntrance::Password
                | RowEntrance::NoPassword { .. }
                | RowEntrance::Always
                | RowEntrance::Unknown => RowEntrance::Always,
            },
            session_limit: None,
            ..terms
        }),
        RowOutcome::NothingMatches | RowOutcome::Failed(_) | RowOutcome::Differs(_) => outcome,
    }
}

const fn mac_of(device: &Device) -> Option<Mac> {
    match device {
        Device::Mac(mac) => Some(*mac),
        Device::Other(_) => None,
    }
}

/// Whether the device was bound when the session began, and is not any more.
fn is_forgotten(gathered: &Gathered<'_>, online: &Online<'_>, mac: Mac) -> bool {
    let subscriber = gathered.profile().subscriber;
    let forgotten_at = subscriber.changed.device_forgotten_at();
    forgotten_at.is_some_and(|at| online.accepted_at < at)
        && gathered.plan().terms.access.limit_of(mac).is_some()
        && !subscriber.bindings.devices.contains(&mac)
}
