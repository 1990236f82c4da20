//! Walled gardens, messages and realms.

use serde_json::json;

use super::{Example, example, post, put};

pub(crate) fn all() -> Vec<Example> {
    vec![
        example("garden_create").body(json!({ "name": "garden-create", "pool": "walled" })),
        garden("garden_update").body(json!({ "redirect": "https://pay.example.net/" })),
        garden("garden_remove"),
        garden("default_garden_set").body(json!({ "garden": "<garden.id>" })),
        message("message_set").body(json!({ "template": "{username} is disabled" })),
        message("message_clear").after(
            "message",
            put(
                "/api/v1/messages/expired/en",
                json!({ "template": "{plan} is over" }),
            ),
        ),
        example("realm_create").body(json!({ "name": "isp.example", "handling": "strip" })),
        example("realm_remove")
            .after(
                "realm",
                post(
                    "/api/v1/realms",
                    json!({ "name": "old.example", "handling": "keep" }),
                ),
            )
            .at("realm", "<realm.name>"),
    ]
}

fn garden(operation: &'static str) -> Example {
    let body = json!({ "name": operation, "address_list": "walled" });
    example(operation)
        .after("garden", post("/api/v1/gardens", body))
        .at("garden", "<garden.id>")
}

fn message(operation: &'static str) -> Example {
    example(operation)
        .at("state", "expired")
        .at("language", "en")
}
