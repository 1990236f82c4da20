//! Groups of routers.

use serde_json::json;

use super::{Example, example, post};

pub(crate) fn all() -> Vec<Example> {
    vec![
        example("nas_group_create").body(json!({ "name": "of-create" })),
        example("nas_group_update")
            .after(
                "group",
                post("/api/v1/nas-groups", json!({ "name": "of-update" })),
            )
            .at("group", "<group.id>")
            .body(json!({ "name": "of-update-2", "members": [] })),
        example("nas_group_remove")
            .after(
                "group",
                post("/api/v1/nas-groups", json!({ "name": "of-remove" })),
            )
            .at("group", "<group.id>"),
    ]
}
