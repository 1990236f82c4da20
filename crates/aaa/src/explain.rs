//! A decision that is only tried out: a request goes through the engine of the packet path, over
//! tables of its own, and nothing outside of them is changed.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::access::{Claim, GrantedTerms};
use domain::auth_log::AuthLogEntry;
use domain::guard::GuardLock;
use domain::id::SubscriberId;
use domain::limit::LimitNews;
use domain::mac::Mac;
use domain::subscriber::Subscriber;
use domain::time::Timestamp;
use rows::row::Mode;

use crate::directory::Directory;
use crate::engine::{Belief, Context, Effect, Engine, Moment, Received, Role};
use crate::guard::{Attempt, Claimed, Guard, GuardOptions, Station};
use crate::inbox::Completion;
use crate::limits::{LimitTable, Owner};
use crate::metrics::{Drop, Metrics};
use crate::nas_table::NasEntry;
use crate::node;
use crate::port::{LimitQuestion, PortError, Registry};
use crate::row_table::id_of;
use crate::session_table::SessionTable;
use crate::verifier;

/// The port that the request seems to come from.
const SOURCE_PORT: u16 = 49_152;

/// What the server that would be asked is set to.
#[derive(Clone, Copy, Debug)]
pub struct DryRunOptions {
    pub rows: Option<Mode>,
    pub guard: GuardOptions,
    /// When the request would come.
    pub at: Timestamp,
}

/// Tables of a node for one request.
#[derive(Debug)]
pub struct DryRun {
    context: Context,
    now: Moment,
}

/// A request that nobody sends.
#[derive(Clone, Copy, Debug)]
pub struct DryRequest<'a> {
    /// Where it would come from.
    pub source: IpAddr,
    pub octets: &'a [u8],
    pub belief: Belief,
}

/// What would be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DryAnswer {
    /// What the log would say.
    pub entry: AuthLogEntry,
    /// The reply as it would be sent.
    pub reply: Vec<u8>,
    /// What the plan or the garden grants, in typed values.
    pub granted: Option<GrantedTerms>,
    /// A device that would be bound.
    pub binds: Option<Mac>,
}

/// What the use of limits is counted under for a name with rows, as it is sent.
pub fn row_account(user_name: &[u8]) -> SubscriberId {
    id_of(user_name)
}

impl DryRun {
    /// Loads what the registry has. It may hold no more than those whom the request can mean.
    pub async fn load<R: Registry>(
        registry: &R,
        options: &DryRunOptions,
        locks: &[GuardLock],
    ) -> Result<Self, PortError> {
        let now = Moment {
            instant: Instant::now(),
            timestamp: options.at,
        };
        let metrics = Arc::new(Metrics::new());
        let guard = Guard::new(options.guard, now.instant).holding(locks, now);
        let context = Context {
            directory: Arc::new(Directory::new([0; 32]).obeying(options.rows)),
            sessions: Arc::new(SessionTable::new()),
            limits: Arc::new(LimitTable::new(Arc::clone(&metrics))),
            metrics,
            reject_delay: Duration::ZERO,
            guard: Arc::new(guard),
            conversations: Arc::default(),
        };
        node::fill(&context, registry, options.at).await?;
        Ok(Self { context, now })
    }

    /// The router that is found at an address.
    pub fn find_nas(&self, source: IpAddr) -> Option<Arc<NasEntry>> {
        self.context.directory.nas_table().find(source).cloned()
    }

    /// What would be asked about the usage of a subscriber, as far as it is not known.
    pub fn questions(&self, subscriber: &Subscriber) -> Vec<LimitQuestion> {
        let (directory, limits) = (&self.context.directory, &self.context.limits);
        let name = subscriber.username.as_str();
        let Some(entry) = directory.find_subscriber(subscriber.tenant, name) else {
            return Vec::new();
        };
        let plan = entry.plan.load();
        if let Some(of_plan) = plan.as_ref().and_then(|plan| plan.terms.limits.as_deref()) {
            let _usage =
                limits.usage_at_login(&Owner::from(subscriber), of_plan, self.now.timestamp);
        }
        limits.take_questions()
    }

    /// Takes over what was used of limits.
    pub fn learn(&self, news: &[LimitNews]) {
        self.context.limits.learn(news);
    }

    /// Notes that a subscriber was let in before with a device, which the guard holds in its favour.
    pub fn remember_device(
        &self,
        subscriber: SubscriberId,
        name: &str,
        nas: &NasEntry,
        station: &str,
    ) {
        self.context.guard.succeed(&Attempt {
            user: Some(Claimed {
                id: subscriber,
                name,
                version: 0,
            }),
            station: Some(Station::of(station)),
            nas: (nas.nas.id, nas.nas.name.as_str()),
        });
    }

    /// Decides. A request that would get no answer is told by the reason for which it is dropped.
    pub fn ask(self, request: &DryRequest<'_>) -> Result<DryAnswer, Drop> {
        let Self { context, now } = self;
        let metrics = Arc::clone(&context.metrics);
        let mut engine = Engine::new(context, [0; 32], 0).rehearsing(request.belief);
        let received = Received {
            listener: 0,
            role: Role::Authentication,
            peer: SocketAddr::new(request.source, SOURCE_PORT),
            local: None,
            waited: Duration::ZERO,
            octets: request.octets,
        };
        engine.handle_datagram(&received, now);
        let mut binds = None;
        while let Some(effect) = engine.poll_effect() {
            let completion = match effect {
                Effect::Verify { question, ticket } => Completion::Verified {
                    ticket,
                    is_right: match request.belief {
                        Belief::Given => true,
                        Belief::Compared => verifier::answer(&question),
                    },
                },
                // There is room for it, or it would have been refused.
                Effect::Claim { mac, ticket, .. } => {
                    binds = Some(mac);
                    Completion::Claimed {
                        ticket,
                        claim: Claim::Bound,
                    }
                }
                Effect::Store { ticket, .. } => Completion::NotStored(ticket),
            };
            engine.handle_completion(completion, now);
        }
        let granted = engine.take_granted();
        let reply = engine.take_outbox().pop().map(|outgoing| outgoing.octets);
        let entry = engine.log_mut().entries().next().cloned();
        match (entry, reply) {
            (Some(entry), Some(reply)) => Ok(DryAnswer {
                entry,
                reply,
                granted,
                binds,
            }),
            _ => Err(dropped(&metrics)),
        }
    }
}

/// Why there was no answer.
fn dropped(metrics: &Metrics) -> Drop {
    let counted = Drop::ALL.into_iter().find(|drop| metrics.drops(*drop) != 0);
    counted.unwrap_or(Drop::Malformed)
}
