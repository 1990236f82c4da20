//! The catalogue of events in the OpenAPI document: a webhook for each kind.

use serde_json::{Map, Value as Json, json};
use services::event::catalogue::{Entry, entries};

/// What `webhooks` of the document is: each kind with what it carries.
pub(crate) fn webhooks() -> Json {
    let webhooks = entries().into_iter().map(|entry| {
        let webhook = webhook(&entry);
        (entry.kind, webhook)
    });
    Json::Object(webhooks.collect::<Map<_, _>>())
}

fn webhook(entry: &Entry) -> Json {
    let message = json!({
        "allOf": [
            { "$ref": "#/components/schemas/EventView" },
            {
                "type": "object",
                "properties": { "type": { "const": entry.kind }, "data": entry.schema() },
            },
        ],
    });
    let header = |name: &str, about: &str| {
        json!({
            "name": name,
            "in": "header",
            "required": true,
            "description": about,
            "schema": { "type": "string" },
        })
    };
    json!({
        "post": {
            "summary": entry.about,
            "tags": ["events"],
            "operationId": format!("event_{}", entry.kind.replace('.', "_")),
            "parameters": [
                header("webhook-id", "The same in every attempt to deliver the event"),
                header("webhook-timestamp", "When it was sent, in seconds since 1970 UTC"),
                header(
                    "webhook-signature",
                    "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; one for each \
                     secret that holds, separated by spaces",
                ),
            ],
            "requestBody": {
                "required": true,
                "content": { "application/json": { "schema": message } },
            },
            "responses": {
                "2XX": { "description": "The event is delivered" },
                "410": { "description": "The webhook is disabled" },
            },
        },
    })
}
