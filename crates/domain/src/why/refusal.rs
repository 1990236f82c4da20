//! Reasons of refusals, and what reduces a session, in plain words and in local time, with what would
//! help.

use super::cause::{Cause, Weight};
use super::{Account, Facts, Whom};
use crate::access::{GrantedTerms, RejectReason, TraceStep};
use crate::limit::{AtLimit, ByteAmount, Crossing, DurationAmount, Measure, Period, ResetAt};
use crate::subscriber::state::AccessState;
use crate::time::Timestamp;

impl Facts<'_> {
    /// What would be refused now.
    pub(super) fn refusal(&self, reason: RejectReason) -> Cause {
        let weight = Weight::Refuses;
        let (sentence, since, until) = self.tell(reason, self.account());
        Cause {
            remedy: self.remedy(reason),
            since,
            until,
            nas: self.verdict.map(|verdict| verdict.nas.clone()),
            ..Cause::new(reason.code(), weight, sentence)
        }
    }

    /// What was refused before. It may be over, when that depends on the account alone and nothing
    /// would be refused now.
    pub(super) fn past_refusal(&self, reason: RejectReason, weight: Weight) -> Cause {
        let (sentence, _, until) = self.tell(reason, None);
        let is_accepted = self.verdict.is_some_and(|verdict| verdict.reason.is_none());
        if is_accepted && is_of_account(reason) {
            let sentence = format!("{sentence}; that is over");
            return Cause::new(reason.code(), Weight::Lately, sentence);
        }
        Cause {
            remedy: self.remedy(reason),
            until,
            ..Cause::new(reason.code(), weight, sentence)
        }
    }

    /// Less than the plan says, when a rule has led to that.
    pub(super) fn reduction(
        &self,
        step: TraceStep,
        granted: Option<&GrantedTerms>,
    ) -> Option<Cause> {
        match step {
            TraceStep::Throttled {
                measure,
                period,
                resets_at,
            } => Some(self.beyond_quota("throttled", measure, period, resets_at, granted)),
            TraceStep::MovedToPlan {
                measure,
                period,
                resets_at,
            } => Some(self.beyond_quota("moved_to_plan", measure, period, resets_at, granted)),
            TraceStep::Walled { state } => Some(self.walled(state, granted)),
            TraceStep::InGrace { until } => Some(Cause {
                until: Some(until),
                remedy: Some(self.expiry_remedy()),
                ..Cause::new(
                    "in_grace",
                    Weight::Lately,
                    format!(
                        "the account has expired, and is let in until {}",
                        self.zone.show(until)
                    ),
                )
            }),
            TraceStep::ReplacesOldest { open, limit } => Some(Cause::new(
                "replaces_oldest",
                Weight::Perhaps,
                format!(
                    "{open} other sessions are open and {limit} are allowed: a new one ends the oldest"
                ),
            )),
            TraceStep::SubscriberFound
            | TraceStep::SubscriberActive
            | TraceStep::NotExpired
            | TraceStep::NoExpiry
            | TraceStep::PasswordVerified { .. }
            | TraceStep::NasIdentifierMatches
            | TraceStep::WithinSessionLimit { .. }
            | TraceStep::NoSessionLimit
            | TraceStep::SessionTimeoutUntilExpiry { .. }
            | TraceStep::Granted
            | TraceStep::Refused(_)
            | TraceStep::RowsFound
            | TraceStep::RowsMatch(_)
            | TraceStep::RowDiffers(_)
            | TraceStep::RowsAcceptAlways
            | TraceStep::StillValid { .. }
            | TraceStep::HoursOpen { .. }
            | TraceStep::WithinQuotas
            | TraceStep::SessionTimeoutByLimits { .. }
            | TraceStep::NasAllowed
            | TraceStep::DeviceBound
            | TraceStep::DeviceNew { .. }
            | TraceStep::DeviceLogin => None,
        }
    }

    fn beyond_quota(
        &self,
        code: &str,
        measure: Measure,
        period: Period,
        resets_at: ResetAt,
        granted: Option<&GrantedTerms>,
    ) -> Cause {
        let crossed = self.account().and_then(|account| account.crossed);
        let amount = crossed.map(|crossed| crossed.quota.amount());
        let reached = crossed.and_then(|crossed| crossed.reached_at);
        let used_up = self.used_up((measure, period), amount, reached, resets_at);
        let rate = granted.and_then(|granted| granted.rate.as_ref());
        let rate = rate.map_or_else(String::new, |rate| format!(" ({rate})"));
        let applies = match self
            .account()
            .map(|account| (&account.at_limit, &account.plan_at_limit))
        {
            Some((AtLimit::Plan(_), Some(plan))) => format!("the plan {plan} applies{rate}"),
            Some((AtLimit::Throttle(at_limit), _)) => format!("throttle to {at_limit} applies"),
            Some((AtLimit::Block | AtLimit::Plan(_), _)) | None => {
                format!("what the plan has for the limit applies{rate}")
            }
        };
        Cause {
            since: reached,
            until: resets_at.find(),
            remedy: Some(self.quota_remedy(resets_at)),
            ..Cause::new(code, Weight::Hinders, format!("{used_up}; {applies}"))
        }
    }

    fn walled(&self, state: AccessState, granted: Option<&GrantedTerms>) -> Cause {
        let garden = granted.and_then(|granted| granted.garden.as_ref());
        let garden = garden.map_or_else(String::new, |garden| format!(" {garden}"));
        let since = self.account().and_then(|account| account.status_since);
        let since_text =
            since.map_or_else(String::new, |at| format!(" since {}", self.zone.show(at)));
        let (sentence, remedy) = match state {
            AccessState::Expired | AccessState::Grace => (
                format!("the account has expired: only the walled garden{garden} is open"),
                self.expiry_remedy(),
            ),
            AccessState::SuspendedWalled
            | AccessState::SuspendedHard
            | AccessState::Pending
            | AccessState::Active
            | AccessState::Disabled => (
                format!(
                    "the account is suspended{since_text}: only the walled garden{garden} is open"
                ),
                format!("`lastmile subscriber restore {}`", self.username()),
            ),
        };
        Cause {
            since: since.filter(|_| state == AccessState::SuspendedWalled),
            remedy: Some(remedy),
            ..Cause::new("walled", Weight::Hinders, sentence)
        }
    }

    /// The reason with its times in the tenant's zone, since when it holds by what is stored of the
    /// account, and until when.
    fn tell(
        &self,
        reason: RejectReason,
        account: Option<&Account>,
    ) -> (String, Option<Timestamp>, Option<Timestamp>) {
        let at = |at: Timestamp| self.zone.show(at);
        match reason {
            RejectReason::QuotaUsedUp(crossing) => {
                let Crossing {
                    amount,
                    measure,
                    period,
                    resets_at,
                } = crossing;
                let crossed = account.and_then(|account| account.crossed);
                let reached = crossed.and_then(|crossed| crossed.reached_at);
                let used_up = self.used_up((measure, period), Some(amount), reached, resets_at);
                let sentence = format!("{used_up}; nobody is let in with it");
                (sentence, reached, resets_at.find())
            }
            RejectReason::Expired { at: ended } => {
                let sentence = format!("the account expired at {}", at(ended));
                (sentence, Some(ended), None)
            }
            RejectReason::NotValidYet { at: begin } => {
                let sentence = format!("the account begins at {}", at(begin));
                (sentence, None, Some(begin))
            }
            RejectReason::OutsideHours { opens_at } => {
                let sentence = format!(
                    "the plan does not cover this time: its hours begin again at {}",
                    at(opens_at)
                );
                (sentence, None, Some(opens_at))
            }
            RejectReason::NoLongerValid { ended_at } => {
                let sentence = format!("the plan's validity ended at {}", at(ended_at));
                (sentence, Some(ended_at), None)
            }
            RejectReason::Disabled => self.tell_status("the account is disabled", account),
            RejectReason::Suspended => self.tell_status("the account is suspended", account),
            RejectReason::Pending => self.tell_status("the account is not activated yet", account),
            RejectReason::UnknownUser
            | RejectReason::MalformedUserName
            | RejectReason::WrongPassword { .. }
            | RejectReason::MethodNeedsCleartext { .. }
            | RejectReason::MalformedCredential { .. }
            | RejectReason::UnsupportedMethod { .. }
            | RejectReason::NoCredential
            | RejectReason::NasIdentifierDiffers
            | RejectReason::SessionLimit { .. }
            | RejectReason::PlanMissing
            | RejectReason::RowsDoNotMatch
            | RejectReason::RowDiffers(_)
            | RejectReason::RowFailed(_)
            | RejectReason::RowsReject
            | RejectReason::RowsAuthType
            | RejectReason::RowsPassword { .. }
            | RejectReason::TooManyAttempts { .. }
            | RejectReason::NoGarden { .. }
            | RejectReason::NasNotAllowed
            | RejectReason::DeviceUnnamed
            | RejectReason::DeviceLimit { .. }
            | RejectReason::PrivateDeviceLimit { .. }
            | RejectReason::DeviceNotStored
            | RejectReason::DeviceOfSeveral
            | RejectReason::DeviceDiffers
            | RejectReason::UnknownRealm
            | RejectReason::RealmElsewhere
            | RejectReason::ConversationUnknown
            | RejectReason::IdentityDiffers
            | RejectReason::NoCommonMethod { .. } => (reason.to_string(), None, None),
        }
    }

    fn tell_status(
        &self,
        sentence: &str,
        account: Option<&Account>,
    ) -> (String, Option<Timestamp>, Option<Timestamp>) {
        let since = account.and_then(|account| account.status_since);
        let sentence = since.map_or_else(
            || sentence.to_owned(),
            |since| format!("{sentence}, since {}", self.zone.show(since)),
        );
        (sentence, since, None)
    }

    fn used_up(
        &self,
        (measure, period): (Measure, Period),
        amount: Option<u64>,
        reached_at: Option<Timestamp>,
        resets_at: ResetAt,
    ) -> String {
        let quota = quota_name(measure, period);
        let amount = amount.map_or_else(String::new, |amount| {
            format!(" of {}", amount_of(measure, amount))
        });
        let reached = reached_at.map_or_else(String::new, |hour| {
            format!(" in the hour from {}", self.zone.show(hour))
        });
        match resets_at.find() {
            Some(reset) => format!(
                "{quota}{amount} used up{reached}; resets {}",
                self.zone.show(reset)
            ),
            None => format!("{quota}{amount} used up{reached}; it never resets"),
        }
    }

    /// The subscriber's own name, or the one that was asked about.
    pub(super) fn username(&self) -> &str {
        self.account()
            .map_or(self.user_name, |account| &account.username)
    }

    pub(super) fn account(&self) -> Option<&Account> {
        match self.whom {
            Whom::Subscriber(account) => Some(account),
            Whom::Rows | Whom::Nobody => None,
        }
    }
}

/// Whether it depends on the account and its plan alone, and on nothing that a router sends.
const fn is_of_account(reason: RejectReason) -> bool {
    reason.state().is_some()
        || matches!(
            reason,
            RejectReason::QuotaUsedUp(_)
                | RejectReason::OutsideHours { .. }
                | RejectReason::NoLongerValid { .. }
                | RejectReason::PlanMissing
        )
}

fn quota_name(measure: Measure, period: Period) -> String {
    let what = match measure {
        Measure::Traffic => "data quota",
        Measure::Upload => "upload quota",
        Measure::Download => "download quota",
        Measure::Time => "quota of online time",
    };
    match period {
        Period::Session => format!("the {what} for a session"),
        Period::Hour | Period::Day | Period::Week | Period::Month => {
            format!("the {what} for a {}", period.as_str())
        }
        Period::Total => format!("the {what} in total"),
        Period::Last24Hours | Period::Last7Days | Period::Last30Days => {
            format!("the {what} for the last {}", period.as_str())
        }
    }
}

fn amount_of(measure: Measure, amount: u64) -> String {
    match measure {
        Measure::Traffic | Measure::Upload | Measure::Download => {
            format!("{}B", ByteAmount(amount))
        }
        Measure::Time => DurationAmount(amount).to_string(),
    }
}
