//! Routers.

use serde_json::json;

use super::{Example, Step, example, post};

const NAS: &str = "/api/v1/nas";

pub(crate) fn all() -> Vec<Example> {
    vec![
        example("nas_create").body(json!({ "name": "nas-create", "address": "192.0.2.1" })),
        of("nas_update", "192.0.2.2").body(json!({ "vendor": "cisco", "identifier": null })),
        of("nas_remove", "192.0.2.3"),
        of("nas_rotate_secret", "192.0.2.4").body(json!({})),
        member("nas_group_member_add", "192.0.2.5"),
        member("nas_group_member_take", "192.0.2.6").after(
            "in",
            Step {
                method: "PUT",
                path: "/api/v1/nas-groups/<group.id>/members/<nas.id>".to_owned(),
                body: None,
            },
        ),
    ]
}

fn of(operation: &'static str, address: &str) -> Example {
    let body = json!({ "name": operation.replace('_', "-"), "address": address });
    example(operation)
        .after("nas", post(NAS, body))
        .at("nas", "<nas.id>")
}

fn member(operation: &'static str, address: &str) -> Example {
    let body = json!({ "name": operation });
    of(operation, address)
        .after("group", post("/api/v1/nas-groups", body))
        .at("group", "<group.id>")
}
