//! Subscribers and what belongs to them. They are on the plan that the fixture has made.

use serde_json::json;

use super::{Example, Step, example, post};
use crate::fixture::{DEVICE, PLAN};

pub(crate) fn all() -> Vec<Example> {
    let mut all = vec![
        example("subscriber_create").body(json!({
            "username": "of-create",
            "credential": { "password": "kookaburra" },
            "plan": PLAN,
            "ipv4": "100.64.0.7",
            "expires_at": "2030-01-01T00:00:00Z",
        })),
        on("subscriber_change", "of-change")
            .body(json!({ "session_limit": 3, "expires_at": null })),
        on("subscriber_remove", "of-remove"),
        on("subscriber_suspend", "of-suspend").body(json!({ "manner": "walled" })),
        on("subscriber_disable", "of-disable"),
        on("subscriber_credential_set", "of-set").body(json!({ "password": "kookaburra" })),
        on("subscriber_credential_generate", "of-generate"),
        on("subscriber_binding_set", "of-bind")
            .after(
                "group",
                post("/api/v1/nas-groups", json!({ "name": "of-bind" })),
            )
            .body(json!({ "nas_groups": ["of-bind"] })),
        on("subscriber_top_up_grant", "of-grant")
            .body(json!({ "data_bytes": 1_000, "valid": { "seconds": 3_600 }, "reference": "1" })),
        on("subscriber_top_up_revoke", "of-revoke")
            .after(
                "granted",
                post(
                    "/api/v1/subscribers/of-revoke/top-ups",
                    json!({ "time_seconds": 600, "valid": { "period": true } }),
                ),
            )
            .at("top_up", "<granted.items.0.id>"),
    ];
    for (operation, name, state) in [
        ("subscriber_activate", "of-activate", "pending"),
        ("subscriber_enable", "of-enable", "disabled"),
    ] {
        let step = subscriber(name, state);
        all.push(
            example(operation)
                .after("subscriber", step)
                .at("subscriber", "<subscriber.id>"),
        );
    }
    all.push(on("subscriber_restore", "of-restore").after(
        "suspended",
        post(
            "/api/v1/subscribers/of-restore/suspend",
            json!({ "manner": "hard" }),
        ),
    ));
    // The device is one that the fixture has bound.
    let bound = |operation| example(operation).at("subscriber", "with-devices");
    all.push(bound("subscriber_device_forget").at("mac", DEVICE));
    all.push(bound("subscriber_device_forget_all"));
    all
}

fn on(operation: &'static str, name: &str) -> Example {
    let step = subscriber(name, "active");
    example(operation)
        .after("subscriber", step)
        .at("subscriber", "<subscriber.id>")
}

fn subscriber(name: &str, status: &str) -> Step {
    post(
        "/api/v1/subscribers",
        json!({
            "username": name,
            "credential": { "password": "kookaburra" },
            "plan": PLAN,
            "status": status,
        }),
    )
}
