//! Operators, tokens and tenants.

use serde_json::json;

use super::{Example, Step, example, post};

pub(super) fn all() -> Vec<Example> {
    let rooms = [operators(), tokens(), tenants()];
    rooms.into_iter().flatten().collect()
}

fn operators() -> Vec<Example> {
    let body = json!({ "name": "of-operator-create", "role": "support" });
    vec![
        example("operator_create").body(body),
        of_operator("operator_change", "change").body(json!({ "role": "billing" })),
        of_operator("operator_remove", "remove"),
        of_operator("operator_password_reset", "reset").body(json!({})),
        of_operator("operator_second_factor_reset", "second-factor"),
        of_operator("operator_session_end_all", "sessions"),
    ]
}

/// Something that is done to an operator of its own.
fn of_operator(operation: &'static str, name: &str) -> Example {
    let body = json!({ "name": format!("of-operator-{name}"), "role": "support" });
    example(operation)
        .after("operator", post("/api/v1/operators", body))
        .at("operator", "<operator.id>")
}

fn tokens() -> Vec<Example> {
    let body = json!({ "name": "of-token-create", "scopes": ["plans:read"] });
    vec![
        example("token_create").body(body),
        of_token("token_change", "change").body(json!({ "networks": ["192.0.2.0/24"] })),
        of_token("token_rotate", "rotate").body(json!({ "overlap_seconds": 60 })),
        of_token("token_revoke", "revoke"),
    ]
}

fn of_token(operation: &'static str, name: &str) -> Example {
    example(operation)
        .after("token", made_token(name))
        .at("token", "<token.id>")
}

fn made_token(name: &str) -> Step {
    let body = json!({ "name": format!("of-token-{name}"), "role": "read_only" });
    post("/api/v1/tokens", body)
}

fn tenants() -> Vec<Example> {
    let made = post("/api/v1/tenants", json!({ "name": "of-tenant-change" }));
    vec![
        example("tenant_create").body(json!({ "name": "of-tenant-create" })),
        example("tenant_change")
            .after("tenant", made)
            .at("tenant", "<tenant.id>")
            .body(json!({ "is_disabled": true })),
    ]
}
