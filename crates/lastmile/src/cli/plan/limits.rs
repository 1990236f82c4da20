//! The options of `lastmile plan` that limit how much, when and until when.

use std::str::FromStr;

use domain::limit::{DurationAmount, Quotas, Resets, Validity, ValidityStart, Windows};
use domain::name::{Name, NameError};
use domain::rate_limit::{RateLimit, RateLimitError};

use super::wire::{LimitsBody, PlanAtLimit, QuotaAmount, text};
use super::{PlanRecord, find};
use crate::cli::error::CliError;
use crate::cli::value;
use crate::client::Client;

/// What limits a plan.
#[derive(Debug, clap::Args)]
pub(super) struct LimitArgs {
    /// How much may be used: AMOUNT/PERIOD with session, day, week, month or total, with commas
    /// between several (50G/month,download:5G/day,time:2h/day)
    #[arg(long, value_name = "QUOTAS")]
    quota: Option<Quotas>,
    /// When somebody may be online: Wk0800-1800,Sa,Su0900-1700
    #[arg(long, value_name = "TIMES")]
    window: Option<Windows>,
    /// How long the plan lasts for a subscriber: 30d, 12h
    #[arg(long, value_name = "DURATION", value_parser = parse_validity)]
    validity: Option<DurationAmount>,
    /// What validity begins with: purchase or first-use [default: purchase]
    #[arg(long, value_name = "EVENT", requires = "validity")]
    validity_from: Option<ValidityStart>,
    /// When days, weeks and months of quotas begin: day of the month, weekday and time ('15 sun
    /// 06:00') [default: 1 mon 00:00]
    #[arg(long, value_name = "WHEN")]
    resets: Option<Resets>,
    /// What happens when a quota is used up: block, throttle:RATE or plan:NAME [default: block]
    #[arg(long, value_name = "WHAT")]
    at_limit: Option<AtLimitArg>,
}

/// What removes limits.
#[derive(Debug, clap::Args)]
pub(super) struct ClearLimitArgs {
    /// No quota
    #[arg(long, conflicts_with = "quota")]
    clear_quota: bool,
    /// At any time
    #[arg(long, conflicts_with = "window")]
    clear_window: bool,
    /// For ever
    #[arg(long, conflicts_with = "validity")]
    clear_validity: bool,
}

/// What happens at a limit, with the other plan by its name.
#[derive(Clone, Debug)]
enum AtLimitArg {
    Block,
    Throttle(RateLimit),
    Plan(Name),
}

/// Why that is not one.
#[derive(Debug, thiserror::Error)]
enum AtLimitError {
    #[error("'{raw}' is not what can happen at a limit: write block, throttle:RATE or plan:NAME")]
    Malformed { raw: String },
    #[error(transparent)]
    Rate(#[from] RateLimitError),
    #[error(transparent)]
    Name(#[from] NameError),
}

#[derive(Debug, thiserror::Error)]
enum ValidityArgError {
    #[error("'{raw}' is not a duration: write seconds (3600) or units d, h, m, s (30d, 12h)")]
    Malformed { raw: String },
    #[error(transparent)]
    Range(#[from] domain::limit::ValidityError),
}

impl FromStr for AtLimitArg {
    type Err = AtLimitError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        match raw.split_once(':') {
            None if raw == "block" => Ok(Self::Block),
            Some(("throttle", rate)) => Ok(Self::Throttle(rate.parse()?)),
            Some(("plan", name)) => Ok(Self::Plan(name.parse()?)),
            None | Some(_) => Err(AtLimitError::Malformed {
                raw: raw.to_owned(),
            }),
        }
    }
}

fn parse_validity(raw: &str) -> Result<DurationAmount, ValidityArgError> {
    let amount = DurationAmount::parse(raw).ok_or_else(|| ValidityArgError::Malformed {
        raw: raw.to_owned(),
    })?;
    Validity::new(amount.0, ValidityStart::default())?;
    Ok(amount)
}

impl LimitArgs {
    /// The limits of a new plan.
    pub(super) async fn resolve(
        self,
        client: &Client,
        name: &Name,
    ) -> Result<LimitsBody, CliError> {
        self.check_quota(false)?;
        Ok(LimitsBody {
            at_limit: self.at_limit(client, name.as_str()).await?,
            validity: self.validity().map(|validity| Some(validity.into())),
            quotas: self.quota.as_ref().map(amounts),
            windows: self.window.map(|window| Some(window.to_string())),
            resets: self.resets.map(|resets| resets.to_string()),
        })
    }

    /// The change of a plan that is there.
    pub(super) async fn patch(
        self,
        cleared: &ClearLimitArgs,
        client: &Client,
        plan: &PlanRecord,
    ) -> Result<LimitsBody, CliError> {
        self.check_quota(plan.quota.is_some() && !cleared.clear_quota)?;
        let validity = value::replacement(self.validity(), cleared.clear_validity);
        let quotas = value::replacement(self.quota.as_ref().map(amounts), cleared.clear_quota);
        Ok(LimitsBody {
            at_limit: self.at_limit(client, &plan.name).await?,
            validity: validity.map(|validity| validity.map(Into::into)),
            quotas: quotas.map(Option::unwrap_or_default),
            windows: text(value::replacement(self.window, cleared.clear_window)),
            resets: self.resets.map(|resets| resets.to_string()),
        })
    }

    /// What says more about quotas needs one.
    fn check_quota(&self, has_quota: bool) -> Result<(), CliError> {
        if has_quota || self.quota.is_some() {
            return Ok(());
        }
        let reason = "the plan has no quota: give one with --quota";
        let option = match (&self.at_limit, &self.resets) {
            (Some(_), _) => "--at-limit",
            (None, Some(_)) => "--resets",
            (None, None) => return Ok(()),
        };
        Err(CliError::Usage { option, reason })
    }

    fn validity(&self) -> Option<Validity> {
        let start = self.validity_from.unwrap_or_default();
        // Its range was checked when it was read.
        self.validity
            .and_then(|validity| Validity::new(validity.0, start).ok())
    }

    async fn at_limit(&self, client: &Client, name: &str) -> Result<Option<PlanAtLimit>, CliError> {
        Ok(match &self.at_limit {
            None => None,
            Some(AtLimitArg::Block) => Some(PlanAtLimit::Block),
            Some(AtLimitArg::Throttle(rate)) => Some(PlanAtLimit::Throttle {
                rate: (*rate).into(),
            }),
            Some(AtLimitArg::Plan(other)) if other.as_str().eq_ignore_ascii_case(name) => {
                return Err(CliError::Usage {
                    option: "--at-limit",
                    reason: "a plan cannot apply at its own limit: name another one",
                });
            }
            Some(AtLimitArg::Plan(other)) => {
                let plan = find(client, other).await?.name;
                Some(PlanAtLimit::Plan { plan })
            }
        })
    }
}

fn amounts(quotas: &Quotas) -> Vec<QuotaAmount> {
    quotas.iter().map(QuotaAmount::from).collect()
}
