//! Operations, bulk, jobs, schedules and reconcilers.

use domain::id::TenantId;
use domain::nas::{NasSettings, parse_source};
use domain::plan::PlanTerms;
use domain::schedule::MissedPolicy;
use domain::secret::Secret;
use serde_json::{Value as Json, json};
use storage::nas::NewNas;
use storage::plan::NewPlan;
use storage::reconciler::Observation;
use storage::schedule::NewSchedule;
use storage::store::Store;

use super::{Example, Step, example, post};

const SCHEDULE: NewSchedule = NewSchedule {
    name: "sweep",
    purpose: "Sweep the floor",
    every_seconds: 3_600,
    missed: MissedPolicy::RunOnce,
};

/// What only a running server makes, and what rows are about.
pub(crate) async fn furnish(store: &Store) {
    store.schedule_declare(&[SCHEDULE]).await.unwrap();
    let observation = Observation {
        name: "floor",
        drift: Ok(1),
    };
    store.reconciler_note(&[observation]).await.unwrap();
    for name in ["of-bulk", "of-plan-bulk"] {
        let plan = NewPlan {
            tenant: TenantId::DEFAULT,
            name: name.parse().unwrap(),
            terms: PlanTerms::default(),
        };
        store.plan_insert(plan).await.unwrap();
    }
    let nas = NewNas {
        tenant: TenantId::DEFAULT,
        name: "of-nas-bulk".parse().unwrap(),
        source: parse_source("192.0.2.77").unwrap(),
        secret: Secret::from("correct horse battery"),
        settings: NasSettings::default(),
    };
    store.nas_insert(nas).await.unwrap();
}

/// More rows than are done at once, so that there is an operation that waits.
pub(crate) fn many() -> Json {
    let row = |number: u32| {
        json!({
            "action": "create", "username": format!("of-bulk-{number}"),
            "password": "kookaburra", "plan": "of-bulk",
        })
    };
    json!({ "rows": (0..101).map(row).collect::<Vec<_>>() })
}

fn waiting() -> Step {
    post("/api/v1/subscribers:bulk", many())
}

pub(crate) fn all() -> Vec<Example> {
    let row = json!({
        "action": "create", "username": "of-bulk", "password": "kookaburra", "plan": "of-bulk",
    });
    vec![
        example("subscriber_bulk").body(json!({ "rows": [row] })),
        example("nas_bulk").body(json!({ "remove": ["of-nas-bulk"] })),
        example("plan_bulk").body(json!({ "remove": ["of-plan-bulk"] })),
        example("customer_bulk")
            .after(
                "customer",
                post(
                    "/api/v1/customers",
                    json!({ "name": "Eva Luz", "number": "OF-BULK" }),
                ),
            )
            .body(json!({ "remove": ["of-bulk"] })),
        example("operation_cancel")
            .after("operation", waiting())
            .at("operation", "<operation.id>"),
        example("job_retry")
            .after("operation", waiting())
            .at("job", "<operation.id>"),
        example("job_discard")
            .after("operation", waiting())
            .at("job", "<operation.id>"),
        example("schedule_run").at("schedule", "sweep"),
        example("schedule_pause").at("schedule", "sweep"),
        example("schedule_resume").at("schedule", "sweep"),
        example("reconciler_run").at("reconciler", "floor"),
    ]
}
