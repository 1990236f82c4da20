//! A program that says the same each time, as the real one would.

use domain::id::TenantId;
use serde_json::{Value as Json, json};
use services::inquiry::{InquiryError, Login, NasReference, Why};
use services::port::{Answering, ConfiguredValue, Health, NodeHealth, Program, WorkerHealth};

/// Says it.
pub(crate) struct Told;

impl Program for Told {
    fn why(&self, asked: Why) -> Answering<'_, Result<Json, InquiryError>> {
        Box::pin(async move {
            if asked.user_name == "busy" {
                return Err(InquiryError::Busy);
            }
            Ok(json!({
                "user_name": asked.user_name,
                "at": asked.at.map_or_else(|| "2027-01-15T08:00:00Z".to_owned(), |at| at.to_string()),
                "time_zone": "UTC",
                "known": if asked.tenant == TenantId::DEFAULT { "subscriber" } else { "nobody" },
                "subscriber": null,
                "verdict": {
                    "nas": "pop-1", "outcome": "rejected", "reason": "expired",
                    "explanation": "the account has expired", "grants": null,
                },
                "causes": [{
                    "code": "expired", "weight": "refuses", "sentence": "The account has expired",
                    "remedy": "Extend it", "since": "2027-01-14T08:00:00Z", "until": null,
                    "nas": null,
                }],
                "decisions": [],
                "sessions": [],
            }))
        })
    }

    fn explain(&self, login: Login) -> Answering<'_, Result<Json, InquiryError>> {
        Box::pin(async move {
            let NasReference::Name(nas) = login.nas else {
                return Err(InquiryError::Invalid {
                    field: "nas",
                    detail: "no NAS covers this address".to_owned(),
                });
            };
            Ok(json!({
                "user_name": login.user_name,
                "nas": nas,
                "nas_address": "192.0.2.1",
                "at": "2027-01-15T08:00:00Z",
                "outcome": "accepted",
                "reason": null,
                "explanation": "granted",
                "password": match login.password { Some(_) => "compared", None => "taken_as_given" },
                "trace": login.attributes,
                "grants": { "rate": "25M/50M" },
                "terms": [],
                "binds_device": null,
                "request": [{ "name": "User-Name", "value": login.user_name }],
                "reply": { "code": "Access-Accept", "attributes": [] },
            }))
        })
    }

    fn health(&self) -> Answering<'_, Health> {
        Box::pin(async {
            Health {
                is_ready: false,
                version: "0.0.0",
                database: None,
                disk: Some("full".to_owned()),
                node: Some(NodeHealth {
                    directory: "database",
                    subscribers: 2,
                    sessions: 1,
                    accounting: "direct",
                    accounting_problem: None,
                    spooled_records: 0,
                    access_accepts: 3,
                    access_rejects: 1,
                    accounting_responses: 9,
                }),
                worker: Some(WorkerHealth {
                    confirmed: 1,
                    acknowledged: 0,
                    failed: 0,
                    failures: 0,
                }),
            }
        })
    }

    fn settings(&self) -> Vec<ConfiguredValue> {
        vec![ConfiguredValue {
            key: "http.listen",
            value: "127.0.0.1:8080".to_owned(),
            source: "default".to_owned(),
        }]
    }
}
