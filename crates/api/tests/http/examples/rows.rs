//! Attribute rows.

use serde_json::{Value as Json, json};

use super::{Example, example, put};

pub(crate) fn all() -> Vec<Example> {
    vec![
        example("row_user_replace").at("name", "ana").body(rows()),
        example("row_user_remove")
            .after("user", put("/api/v1/radius/users/bea", rows()))
            .at("name", "bea"),
        example("row_group_replace").at("name", "gold").body(rows()),
        example("row_group_remove")
            .after("group", put("/api/v1/radius/groups/silver", rows()))
            .at("name", "silver"),
    ]
}

fn rows() -> Json {
    json!({
        "check": [{ "attribute": "Cleartext-Password", "op": ":=", "value": "correct horse" }],
        "reply": [{ "attribute": "Mikrotik-Rate-Limit", "op": ":=", "value": "5M/5M" }],
    })
}
