//! A plan in the columns of its row.

use domain::id::Id;
use domain::plan::access::{DeviceLimit, GraceDays, PlanAccess};
use domain::plan::{InterimInterval, Plan, PlanTerms, SessionLimit, TimeoutSeconds};
use domain::time::Timestamp;
use sea_orm::ActiveValue;

use super::limits::{self, LimitsPatch};
use super::{AccessPatch, PlanPatch};
use crate::column::RowName;
use crate::entity::plan::{ActiveModel, Model};
use crate::error::StoreError;
use crate::tenant::Zones;

pub(super) fn new_row(plan: &Plan, now: Timestamp) -> ActiveModel {
    let terms = &plan.terms;
    let mut row = ActiveModel::from(Model {
        id: plan.id.as_uuid(),
        tenant: plan.tenant.as_uuid(),
        name: plan.name.as_str().into(),
        name_key: plan.name.key().into(),
        rate: terms.rate.map(|rate| rate.to_string()),
        session_timeout_seconds: terms.session_timeout_seconds.map(stored_timeout),
        idle_timeout_seconds: terms.idle_timeout_seconds.map(stored_timeout),
        interim_seconds: terms.interim.as_seconds().into(),
        pool: terms.pool.as_ref().map(ToString::to_string),
        session_limit: terms.session_limit.map(stored_limit),
        session_policy: terms.session_policy.as_str().into(),
        quotas: None,
        windows: None,
        validity_seconds: None,
        validity_start: None,
        resets: None,
        at_limit_rate: None,
        at_limit_plan: None,
        grace_days: terms.access.grace_days.as_days().into(),
        after_expiry: terms.access.after_expiry.as_str().into(),
        garden: terms.access.garden.map(|garden| garden.as_uuid()),
        device_limit: terms.access.device_limit.map(stored_devices),
        private_device_limit: terms.access.private_device_limit.map(stored_devices),
        created_at: now.as_micros(),
        updated_at: now.as_micros(),
    });
    if let Some(limits) = &terms.limits {
        LimitsPatch::of(limits).apply(&mut row);
    }
    row
}

pub(super) fn patched_row(model: Model, patch: PlanPatch, now: Timestamp) -> ActiveModel {
    let mut row = ActiveModel::from(model);
    if let Some(name) = patch.name {
        row.name = ActiveValue::Set(name.as_str().into());
        row.name_key = ActiveValue::Set(name.key().into());
    }
    if let Some(rate) = patch.rate {
        row.rate = ActiveValue::Set(rate.map(|rate| rate.to_string()));
    }
    if let Some(timeout) = patch.session_timeout_seconds {
        row.session_timeout_seconds = ActiveValue::Set(timeout.map(stored_timeout));
    }
    if let Some(timeout) = patch.idle_timeout_seconds {
        row.idle_timeout_seconds = ActiveValue::Set(timeout.map(stored_timeout));
    }
    if let Some(interim) = patch.interim {
        row.interim_seconds = ActiveValue::Set(interim.as_seconds().into());
    }
    if let Some(pool) = patch.pool {
        row.pool = ActiveValue::Set(pool.map(|pool| pool.to_string()));
    }
    if let Some(limit) = patch.session_limit {
        row.session_limit = ActiveValue::Set(limit.map(stored_limit));
    }
    if let Some(policy) = patch.session_policy {
        row.session_policy = ActiveValue::Set(policy.as_str().into());
    }
    patch.limits.apply(&mut row);
    patch_access(&mut row, &patch.access);
    row.updated_at = ActiveValue::Set(now.as_micros());
    row
}

fn patch_access(row: &mut ActiveModel, patch: &AccessPatch) {
    if let Some(days) = patch.grace_days {
        row.grace_days = ActiveValue::Set(days.as_days().into());
    }
    if let Some(after) = patch.after_expiry {
        row.after_expiry = ActiveValue::Set(after.as_str().into());
    }
    if let Some(garden) = patch.garden {
        row.garden = ActiveValue::Set(garden.map(|garden| garden.as_uuid()));
    }
    if let Some(limit) = patch.device_limit {
        row.device_limit = ActiveValue::Set(limit.map(stored_devices));
    }
    if let Some(limit) = patch.private_device_limit {
        row.private_device_limit = ActiveValue::Set(limit.map(stored_devices));
    }
}

fn stored_devices(limit: DeviceLimit) -> i64 {
    limit.as_devices().into()
}

fn stored_timeout(timeout: TimeoutSeconds) -> i64 {
    timeout.as_seconds().into()
}

pub(crate) fn stored_limit(limit: SessionLimit) -> i64 {
    limit.as_sessions().into()
}

pub(super) fn terms(model: &Model, zones: &Zones) -> Result<PlanTerms, StoreError> {
    let row = row_name(model);
    let timeout = |column, stored: Option<i64>| {
        stored
            .map(|stored| row.number(column, stored, TimeoutSeconds::new))
            .transpose()
    };
    Ok(PlanTerms {
        rate: row.find_parsed("rate", model.rate.as_deref())?,
        session_timeout_seconds: timeout("session_timeout_seconds", model.session_timeout_seconds)?,
        idle_timeout_seconds: timeout("idle_timeout_seconds", model.idle_timeout_seconds)?,
        interim: row.number(
            "interim_seconds",
            model.interim_seconds,
            InterimInterval::new,
        )?,
        pool: row.find_parsed("pool", model.pool.as_deref())?,
        session_limit: model
            .session_limit
            .map(|stored| row.number("session_limit", stored, SessionLimit::new))
            .transpose()?,
        session_policy: row.parse("session_policy", &model.session_policy)?,
        limits: limits::read(model, zones.of(model.tenant))?,
        access: access(model)?,
    })
}

/// What a row says about its end and about devices.
pub(crate) fn access(model: &Model) -> Result<PlanAccess, StoreError> {
    let row = row_name(model);
    let devices = |column, stored: Option<i64>| {
        let check = |devices| DeviceLimit::new(devices).ok_or(());
        stored
            .map(|stored| row.number(column, stored, check))
            .transpose()
    };
    Ok(PlanAccess {
        grace_days: row.number("grace_days", model.grace_days, |days| {
            GraceDays::new(days).ok_or(())
        })?,
        after_expiry: row.parse("after_expiry", &model.after_expiry)?,
        garden: model.garden.map(Id::from_uuid),
        device_limit: devices("device_limit", model.device_limit)?,
        private_device_limit: devices("private_device_limit", model.private_device_limit)?,
    })
}

pub(super) const fn row_name(model: &Model) -> RowName {
    RowName {
        table: "plan",
        id: model.id,
    }
}
