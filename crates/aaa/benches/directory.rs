//! Finding one of 1,000 and one of 1,000,000 subscribers, and what a login then reads of them.

use std::hint::black_box;
use std::time::Duration;

use aaa::directory::Directory;
use aaa::port::{Named, PortError, Registry};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use domain::credential::Credential;
use domain::id::{PlanId, SessionId, SubscriberId, TenantId};
use domain::nas::Nas;
use domain::plan::{Plan, PlanTerms};
use domain::secret::Secret;
use domain::session::LiveSession;
use domain::session_policy::SessionTerms;
use domain::subscriber::binding::Bindings;
use domain::subscriber::{StaticAddresses, Subscriber, SubscriberInstants, SubscriberStatus};
use domain::tenant::TenantPolicy;
use domain::time::Timestamp;
use rows::row::{GroupRows, UserRows};
use tokio::runtime::Runtime;

const SIZES: [u32; 2] = [1_000, 1_000_000];
/// Names looked up in one iteration, in an order that no cache foresees.
const NAMES: u32 = 4_096;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without drivers");
    find(&mut criterion, &runtime);
    load(&mut criterion, &runtime);
    criterion.final_summary();
}

fn find(criterion: &mut Criterion, runtime: &Runtime) {
    let mut group = criterion.benchmark_group("find");
    group.throughput(Throughput::Elements(u64::from(NAMES)));
    for size in SIZES {
        let directory = loaded(runtime, &Numbered(size));
        let mut round = 0;
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter_batched_ref(
                || {
                    round += 1;
                    names(round, size)
                },
                |names| names.iter().map(|name| read(&directory, name)).sum::<u32>(),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn load(criterion: &mut Criterion, runtime: &Runtime) {
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    group.measurement_time(Duration::from_secs(5));
    for size in SIZES {
        group.throughput(Throughput::Elements(u64::from(size)));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter_with_large_drop(|| loaded(runtime, &Numbered(size)));
        });
    }
    group.finish();
}

/// What a login with PAP reads.
fn read(directory: &Directory, name: &str) -> u32 {
    let entry = directory.find_subscriber(TenantId::DEFAULT, name);
    let entry = entry.expect("everybody is loaded");
    let Credential::Cleartext(password) = &entry.subscriber.credential else {
        panic!("all have passwords");
    };
    let plan = entry.plan.load();
    let plan = plan.as_ref().expect("the plan is loaded");
    black_box(&plan.terms);
    black_box((entry.subscriber.status, entry.subscriber.expires_at));
    u32::from(password.expose()[0])
}

fn names(round: u32, size: u32) -> Vec<String> {
    let numbers = (0..NAMES).map(|index| (round * NAMES + index).wrapping_mul(2_654_435_761));
    numbers.map(|number| user_name(number % size)).collect()
}

fn loaded(runtime: &Runtime, registry: &Numbered) -> Directory {
    let directory = Directory::new([1; 32]);
    runtime
        .block_on(directory.load(registry))
        .expect("numbers do not fail");
    directory
}

/// A registry of numbered subscribers, made when they are asked for.
struct Numbered(u32);

impl Registry for Numbered {
    async fn nas_all(&self) -> Result<Vec<Nas>, PortError> {
        Ok(Vec::new())
    }

    async fn plan_all(&self) -> Result<Vec<Plan>, PortError> {
        Ok(vec![Plan {
            id: plan_id(),
            tenant: TenantId::DEFAULT,
            name: "home".parse().expect("a valid name"),
            terms: PlanTerms::default(),
        }])
    }

    async fn subscriber_page(
        &self,
        after: Option<SubscriberId>,
        limit: u32,
    ) -> Result<Vec<Subscriber>, PortError> {
        let from = after.map_or(0, |id| number_of(id) + 1);
        let until = self.0.min(from.saturating_add(limit));
        Ok((from..until).map(subscriber).collect())
    }

    async fn session_page(
        &self,
        _after: Option<SessionId>,
        _limit: u32,
    ) -> Result<Vec<LiveSession>, PortError> {
        Ok(Vec::new())
    }

    async fn row_user_page(
        &self,
        _after: Option<&str>,
        _limit: u32,
    ) -> Result<Vec<Named<UserRows>>, PortError> {
        Ok(Vec::new())
    }

    async fn row_group_page(
        &self,
        _after: Option<&str>,
        _limit: u32,
    ) -> Result<Vec<Named<GroupRows>>, PortError> {
        Ok(Vec::new())
    }

    async fn row_user_many(&self, _names: &[&str]) -> Result<Vec<Named<UserRows>>, PortError> {
        Ok(Vec::new())
    }

    async fn row_group_many(&self, _names: &[&str]) -> Result<Vec<Named<GroupRows>>, PortError> {
        Ok(Vec::new())
    }

    async fn policy_all(&self) -> Result<Vec<TenantPolicy>, PortError> {
        Ok(Vec::new())
    }

    async fn plan_many(&self, _ids: &[PlanId]) -> Result<Vec<Plan>, PortError> {
        self.plan_all().await
    }

    async fn subscriber_many(&self, ids: &[SubscriberId]) -> Result<Vec<Subscriber>, PortError> {
        Ok(ids.iter().map(|id| subscriber(number_of(*id))).collect())
    }
}

fn subscriber(number: u32) -> Subscriber {
    let mut random = [0; 10];
    random[6..].copy_from_slice(&number.to_be_bytes());
    Subscriber {
        id: SubscriberId::new(Timestamp::from_seconds(1), random),
        tenant: TenantId::DEFAULT,
        username: user_name(number).parse().expect("a valid user name"),
        credential: Credential::Cleartext(Secret::new(*b"kookaburra")),
        plan: plan_id(),
        status: SubscriberStatus::Active,
        expires_at: None,
        addresses: StaticAddresses::default(),
        sessions: SessionTerms::default(),
        bindings: Bindings::default(),
        changed: SubscriberInstants::default(),
    }
}

fn number_of(id: SubscriberId) -> u32 {
    let octets = id.as_bytes().last_chunk().expect("an id has 16 octets");
    u32::from_be_bytes(*octets)
}

fn plan_id() -> PlanId {
    PlanId::new(Timestamp::from_seconds(1), [1; 10])
}

fn user_name(number: u32) -> String {
    format!("user{number:07}@example.net")
}
