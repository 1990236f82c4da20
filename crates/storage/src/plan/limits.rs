//! The limits of a plan in the columns of its row.

use domain::id::Id;
use domain::limit::{
    AtLimit, Limits, Manner, Quotas, Resets, Validity, ValidityStart, Windows, Zone,
};
use sea_orm::ActiveValue::Set;

use super::row_name;
use crate::entity::plan::{ActiveModel, Model};
use crate::error::StoreError;

/// What to change of a plan's limits; `None` leaves a field as it is, `Some(None)` removes a limit.
#[derive(Clone, Debug, Default)]
pub struct LimitsPatch {
    /// Without quotas there are no resets either, and nothing happens at a limit.
    pub quotas: Option<Option<Quotas>>,
    pub windows: Option<Option<Windows>>,
    pub validity: Option<Option<Validity>>,
    pub resets: Option<Resets>,
    pub at_limit: Option<AtLimit>,
}

impl LimitsPatch {
    /// What makes the limits of a new plan.
    pub(super) fn of(limits: &Limits) -> Self {
        let quotas = (!limits.quotas.is_empty()).then(|| limits.quotas.clone());
        Self {
            quotas: Some(quotas),
            windows: Some(limits.windows.clone()),
            validity: Some(limits.validity),
            resets: Some(limits.resets),
            at_limit: Some(limits.at_limit),
        }
    }

    pub(super) fn apply(mut self, row: &mut ActiveModel) {
        if let Some(None) = self.quotas {
            // Without quotas they say nothing, and would keep another plan from being removed.
            self.resets = Some(Resets::default());
            self.at_limit = Some(AtLimit::Block);
        }
        if let Some(quotas) = self.quotas {
            row.quotas = Set(quotas.map(|quotas| quotas.to_string()));
        }
        if let Some(windows) = self.windows {
            row.windows = Set(windows.map(|windows| windows.to_string()));
        }
        if let Some(validity) = self.validity {
            row.validity_seconds = Set(validity.map(|validity| validity.as_seconds().into()));
            row.validity_start = Set(validity.map(|validity| validity.start.as_str().into()));
        }
        if let Some(resets) = self.resets {
            row.resets = Set(Some(resets.to_string()));
        }
        if let Some(at_limit) = self.at_limit {
            let (rate, plan) = match at_limit {
                AtLimit::Block => (None, None),
                AtLimit::Throttle(rate) => (Some(rate.to_string()), None),
                AtLimit::Plan(plan) => (None, Some(plan.as_uuid())),
            };
            row.at_limit_rate = Set(rate);
            row.at_limit_plan = Set(plan);
        }
    }
}

/// The limits of a row; nothing when it has none.
pub(super) fn read(model: &Model, zone: Zone) -> Result<Option<Box<Limits>>, StoreError> {
    let row = row_name(model);
    let at_limit = match (&model.at_limit_rate, model.at_limit_plan) {
        (Some(rate), _) => AtLimit::Throttle(row.parse("at_limit_rate", rate)?),
        (None, Some(plan)) => AtLimit::Plan(Id::from_uuid(plan)),
        (None, None) => AtLimit::Block,
    };
    let limits = Limits {
        quotas: row
            .find_parsed("quotas", model.quotas.as_deref())?
            .unwrap_or_default(),
        windows: row.find_parsed("windows", model.windows.as_deref())?,
        validity: validity(model)?,
        resets: row
            .find_parsed("resets", model.resets.as_deref())?
            .unwrap_or_default(),
        at_limit,
        zone,
        manner: Manner::Native,
    };
    Ok((!limits.is_empty()).then(|| Box::new(limits)))
}

fn validity(model: &Model) -> Result<Option<Validity>, StoreError> {
    let row = row_name(model);
    let Some(seconds) = model.validity_seconds else {
        return Ok(None);
    };
    let start: Option<ValidityStart> =
        row.find_parsed("validity_start", model.validity_start.as_deref())?;
    let start = start.unwrap_or_default();
    let check = |seconds| Validity::new(seconds, start);
    row.number("validity_seconds", seconds, check).map(Some)
}
