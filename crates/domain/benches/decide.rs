//! The decision alone: everything known, nothing read.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use domain::access::{
    AccessProfile, AccessRequest, Method, NasIdentifierCheck, Presence, Proof, RequestingDevice,
    RequestingNas, Verdict, decide,
};
use domain::credential::Credential;
use domain::id::{NasId, PlanId, SubscriberId, TenantId};
use domain::plan::{Plan, PlanTerms, SessionLimit};
use domain::secret::Secret;
use domain::session_policy::SessionTerms;
use domain::subscriber::binding::Bindings;
use domain::subscriber::{StaticAddresses, Subscriber, SubscriberInstants, SubscriberStatus};
use domain::time::Timestamp;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let (subscriber, plan) = (subscriber(), plan());
    let profile = AccessProfile {
        subscriber: &subscriber,
        plan: &plan,
        usage: None,
        plan_at_limit: None,
        garden: None,
    };
    let mut group = criterion.benchmark_group("decide");
    group.throughput(Throughput::Elements(1));
    for (name, proof) in [
        (
            "accept",
            Proof::Verified {
                method: Method::Pap,
            },
        ),
        (
            "reject",
            Proof::Mismatch {
                method: Method::Pap,
            },
        ),
    ] {
        let request = AccessRequest {
            proof,
            nas_identifier: NasIdentifierCheck::NotRequired,
            nas: RequestingNas {
                id: NasId::new(NOW, [1; 10]),
                groups: &[],
            },
            device: RequestingDevice::new(None),
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let decision = decide(
                    Some(black_box(profile)),
                    black_box(request),
                    Presence { other_sessions: 1 },
                    NOW,
                );
                matches!(decision.verdict, Verdict::Accept(_))
            });
        });
    }
    group.finish();
    criterion.final_summary();
}

fn subscriber() -> Subscriber {
    Subscriber {
        id: SubscriberId::new(NOW, [1; 10]),
        tenant: TenantId::DEFAULT,
        username: "ana".parse().expect("a valid user name"),
        credential: Credential::Cleartext(Secret::from("correct-horse")),
        plan: PlanId::new(NOW, [1; 10]),
        status: SubscriberStatus::Active,
        expires_at: Some(NOW.plus_seconds(86_400)),
        addresses: StaticAddresses::default(),
        sessions: SessionTerms::default(),
        bindings: Bindings::default(),
        changed: SubscriberInstants::default(),
    }
}

fn plan() -> Plan {
    Plan {
        id: PlanId::new(NOW, [1; 10]),
        tenant: TenantId::DEFAULT,
        name: "home-50".parse().expect("a valid name"),
        terms: PlanTerms {
            rate: Some("25M/50M".parse().expect("a valid rate")),
            session_limit: SessionLimit::new(2).ok(),
            ..PlanTerms::default()
        },
    }
}
