//! Customers and notes about them.

use serde_json::json;

use super::{Example, Step, example, post};

pub(crate) fn all() -> Vec<Example> {
    vec![
        example("customer_create").body(json!({
            "name": "Ana Paz",
            "phones": ["+254 712 345 678"],
            "addresses": [{ "city": "Nairobi", "coordinates": { "latitude": -1.29, "longitude": 36.82 } }],
            "fields": { "meter": "7", "rent": 12.5, "is_paper": true },
            "tags": ["vip"],
        })),
        example("customer_change")
            .after("customer", customer())
            .at("customer", "<customer.id>")
            .body(json!({ "state": "closed", "company": null })),
        example("customer_remove")
            .after("customer", customer())
            .at("customer", "<customer.number>"),
        example("customer_note_create")
            .after("customer", customer())
            .at("customer", "<customer.id>")
            .body(json!({ "text": "called" })),
        example("customer_note_remove")
            .after("customer", customer())
            .after("note", post("/api/v1/customers/<customer.id>/notes", json!({ "text": "paid" })))
            .at("customer", "<customer.id>")
            .at("note", "<note.id>"),
    ]
}

pub(crate) fn customer() -> Step {
    post(
        "/api/v1/customers",
        json!({ "name": "Eva Luz", "company": "Luz Ltd" }),
    )
}
