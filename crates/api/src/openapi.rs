//! The OpenAPI document: what all operations have in common is added here, once.

use serde_json::{Map, Value as Json, json};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

use crate::cookie;
use crate::event;
use crate::problem::{CONTENT_TYPE, FieldProblem, Problem};
use crate::repeat::KEY_LEN_MAX;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "lastmile",
        description = "The interface of lastmile, the access-network control plane for internet \
            providers.\n\nTimes are RFC 3339 in UTC, volumes are octets, rates are bit/s, money is in \
            minor units with its ISO currency. Where a path names a thing, its id and its name both \
            do. Every mutation takes `dry_run=true`, which answers what would be and changes nothing, \
            and `Idempotency-Key`, under which it is carried out once. Errors are RFC 9457 problems \
            with a `code` that stays the same.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(Problem, FieldProblem))
)]
pub(crate) struct Base;

/// What every operation may answer beside what it says itself.
const COMMON: [(&str, &str); 8] = [
    ("400", "The request cannot be read"),
    ("401", "There is no token, or it is not good"),
    ("403", "The token does not permit this"),
    ("404", "There is no such thing"),
    ("422", "Fields cannot be as they are"),
    ("431", "The head of the request is too large"),
    (
        "429",
        "Too many requests: wait for as long as Retry-After says",
    ),
    ("503", "The database cannot be reached now"),
];

const OF_MUTATIONS: [(&str, &str); 4] = [
    ("409", "Something stands against it"),
    ("412", "It was changed since the ETag that If-Match names"),
    ("413", "The body is too large"),
    ("415", "The body is not of the right type"),
];

/// The whole document, from what the handlers say.
pub(crate) fn complete(document: &Document) -> Json {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    set_scheme(&mut document);
    set_common(&mut document);
    let paths = document.get_mut("paths").and_then(Json::as_object_mut);
    for (_, item) in paths.into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if let Some(operation) = operation.as_object_mut() {
                complete_operation(method, operation);
            }
        }
    }
    document["webhooks"] = event::document::webhooks();
    document
}

fn set_scheme(document: &mut Json) {
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document["components"]["securitySchemes"]["token"] = json!({
        "type": "http",
        "scheme": "bearer",
        "description": "An API key: `lastmile token create NAME --role owner`",
    });
    document["components"]["securitySchemes"]["cookie"] = json!({
        "type": "apiKey",
        "in": "cookie",
        "name": cookie::NAME_ENCRYPTED,
        "description": "The session of an operator, from `POST /api/v1/session`; changes need the \
            header `X-CSRF-Token` too. Without TLS the cookie is called `lastmile`",
    });
}

/// What operations refer to, so that it is written once.
fn set_common(document: &mut Json) {
    for (status, description) in COMMON.into_iter().chain(OF_MUTATIONS) {
        document["components"]["responses"][status] = match status {
            // The listener says so before anybody could write a problem.
            "431" => json!({ "description": description }),
            _ => problem(description),
        };
    }
    for parameter in mutation_parameters("delete") {
        let name = parameter["name"].as_str().unwrap_or_default().to_owned();
        document["components"]["parameters"][name] = parameter;
    }
}

fn complete_operation(method: &str, operation: &mut Map<String, Json>) {
    let is_public = operation
        .get("security")
        .and_then(Json::as_array)
        .is_some_and(Vec::is_empty);
    allow_cookie(operation);
    let is_mutation = !matches!(method, "get" | "head" | "options");
    let mut answers: Vec<(&str, &str)> = COMMON.to_vec();
    if is_public {
        answers.retain(|(status, _)| *status != "401" && *status != "403");
    }
    if is_mutation {
        answers.extend(OF_MUTATIONS);
        let parameters = operation
            .entry("parameters")
            .or_insert_with(|| Json::Array(Vec::new()));
        if let Some(parameters) = parameters.as_array_mut() {
            let names = mutation_parameters(method);
            let names = names
                .iter()
                .filter_map(|parameter| parameter["name"].as_str());
            parameters.extend(
                names.map(|name| json!({ "$ref": format!("#/components/parameters/{name}") })),
            );
        }
    }
    let responses = operation
        .entry("responses")
        .or_insert_with(|| Json::Object(Map::new()));
    if let Some(responses) = responses.as_object_mut() {
        for (status, _) in answers {
            responses
                .entry(status)
                .or_insert_with(|| json!({ "$ref": format!("#/components/responses/{status}") }));
        }
        responses.sort_keys();
    }
}

/// What a token permits, a session permits too.
fn allow_cookie(operation: &mut Map<String, Json>) {
    let Some(security) = operation.get_mut("security").and_then(Json::as_array_mut) else {
        return;
    };
    let scopes = security
        .first()
        .and_then(|first| first.get("token"))
        .cloned();
    if let Some(scopes) = scopes {
        security.push(json!({ "cookie": scopes }));
    }
}

fn mutation_parameters(method: &str) -> Vec<Json> {
    let mut parameters = vec![
        json!({
            "name": "dry_run",
            "in": "query",
            "required": false,
            "description": "Check everything, answer what would be, and change nothing",
            "schema": { "type": "boolean", "default": false },
        }),
        json!({
            "name": "Idempotency-Key",
            "in": "header",
            "required": false,
            "description": "The request is carried out once under this key, and its answer given \
                again for 24 hours",
            "schema": {
                "type": "string", "minLength": 1, "maxLength": KEY_LEN_MAX,
                "pattern": "^[\\x21-\\x7e]+$",
            },
        }),
    ];
    if method != "post" {
        parameters.push(json!({
            "name": "If-Match",
            "in": "header",
            "required": false,
            "description": "Only if the ETag is still this one",
            "schema": { "type": "string", "pattern": "^(\\*|\"[0-9]{1,18}\")$" },
        }));
    }
    parameters
}

fn problem(description: &str) -> Json {
    json!({
        "description": description,
        "content": { CONTENT_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" } } },
    })
}
