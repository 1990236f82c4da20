//! What routers, plans and tenants moved is added to their hours.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Transaction};
use uuid::Uuid;

use crate::accounting::traffic::Traffic;
use crate::column::stored_count;
use crate::error::StoreError;

const ADD: &str = "INSERT INTO traffic_hourly (tenant, subject, object, starts_at, part, \
    upload_bytes, download_bytes, session_seconds) VALUES (?, ?, ?, ?, 0, ?, ?, ?) \
    ON CONFLICT (tenant, subject, object, starts_at, part) DO UPDATE SET \
    upload_bytes = MIN(upload_bytes, 9223372036854775807 - excluded.upload_bytes) \
        + excluded.upload_bytes, \
    download_bytes = MIN(download_bytes, 9223372036854775807 - excluded.download_bytes) \
        + excluded.download_bytes, \
    session_seconds = MIN(session_seconds, 9223372036854775807 - excluded.session_seconds) \
        + excluded.session_seconds";

const SELECT_PLAN: &str = "SELECT plan FROM subscriber WHERE id = ?";

pub(super) fn add(transaction: &Transaction<'_>, mut traffic: Traffic) -> Result<(), StoreError> {
    let plans = load_plans(transaction, &traffic)?;
    traffic.take_plans(&plans);
    let mut add = transaction.prepare_cached(ADD)?;
    for ((tenant, subject, object, starts_at), sum) in traffic.iter() {
        add.execute((
            tenant.as_bytes().as_slice(),
            subject.as_str(),
            object.as_bytes().as_slice(),
            starts_at.as_micros(),
            stored_count(sum.upload_bytes),
            stored_count(sum.download_bytes),
            stored_count(sum.session_seconds),
        ))?;
    }
    Ok(())
}

/// The plans of subscribers whose sessions were not in the database.
fn load_plans(
    transaction: &Transaction<'_>,
    traffic: &Traffic,
) -> Result<HashMap<Uuid, Uuid>, rusqlite::Error> {
    let mut plans = HashMap::new();
    let mut select = transaction.prepare_cached(SELECT_PLAN)?;
    for subscriber in traffic.unplanned() {
        let plan: Option<[u8; 16]> = select
            .query_row([subscriber.as_bytes().as_slice()], |row| row.get(0))
            .optional()?;
        if let Some(plan) = plan {
            plans.insert(subscriber.as_uuid(), Uuid::from_bytes(plan));
        }
    }
    Ok(plans)
}
