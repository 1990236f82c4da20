//! Webhooks.

use serde_json::json;

use super::{Example, Step, example, post};

fn hook(name: &str) -> Step {
    let body = json!({ "name": name, "url": "https://panel.example/hook" });
    post("/api/v1/webhooks", body)
}

fn of(operation: &'static str) -> Example {
    example(operation)
        .after("hook", hook(operation))
        .at("webhook", "<hook.id>")
}

pub(crate) fn all() -> Vec<Example> {
    let tried = post("/api/v1/webhooks/<hook.id>/test", json!({}));
    vec![
        example("webhook_create").body(json!({
            "name": "of-create",
            "url": "https://panel.example/hook",
            "topics": "plan.*,session.started",
        })),
        of("webhook_change").body(json!({ "state": "paused", "description": "the big screen" })),
        of("webhook_rotate"),
        of("webhook_test"),
        of("webhook_redeliver")
            .after("tried", tried)
            .at("number", "<tried.number>"),
        of("webhook_remove"),
    ]
}
