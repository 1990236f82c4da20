//! Plans.

use serde_json::json;

use super::{Example, example, post};

const PLANS: &str = "/api/v1/plans";

pub(crate) fn all() -> Vec<Example> {
    let garden = json!({ "name": "of-plans", "address_list": "walled" });
    vec![
        example("plan_create")
            .after("garden", post("/api/v1/gardens", garden))
            .body(json!({
                "name": "plan-create",
                "rate": { "upload_bps": 25_000_000, "download_bps": 50_000_000 },
                "garden": "<garden.id>",
            })),
        of("plan_update").body(json!({ "session_limit": 2, "note": "one each was too few" })),
        of("plan_remove"),
        of("plan_revert").body(json!({ "version": 1 })),
        of("plan_scheduled_change_create").body(json!({
            "at": "2030-01-01T00:00:00Z", "patch": { "session_limit": 2 },
        })),
        of("plan_scheduled_change_cancel")
            .after(
                "change",
                post(
                    &format!("{PLANS}/<plan.id>/scheduled-changes"),
                    json!({ "at": "2030-01-01T00:00:00Z", "patch": { "session_limit": 2 } }),
                ),
            )
            .at("change", "<change.id>"),
    ]
}

fn of(operation: &'static str) -> Example {
    example(operation)
        .after("plan", post(PLANS, json!({ "name": operation })))
        .at("plan", "<plan.id>")
}
