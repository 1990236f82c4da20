//! What a change of a plan would do to sessions that are open, before it is made.

use super::{Basis, Due, Effect, PlanMark, TermsMark, effect};
use crate::access::Grants;
use crate::limit::{AtLimit, VolumeLeft};
use crate::nas::Vendor;
use crate::plan::{PlanTerms, SessionLimit, TimeoutSeconds};

/// Where a subscriber stands in a plan's quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    WithinLimits,
    /// A quota is used up, and the session goes on at another speed.
    Throttled,
}

/// What would become of a session of somebody on the plan who has no addresses of their own.
///
/// Who is throttled before is throttled after, if that still happens at the limit; who would be
/// blocked, or let go on another plan, is judged when it comes to that.
pub fn preview(
    before: &PlanTerms,
    after: &PlanTerms,
    vendor: Vendor,
    standing: Standing,
) -> Effect {
    let is_throttled = |terms: &PlanTerms| {
        let limits = terms.limits.as_deref();
        limits.is_some_and(|limits| matches!(limits.at_limit, AtLimit::Throttle(_)))
    };
    let is_at_limit = match standing {
        Standing::WithinLimits => false,
        Standing::Throttled if is_throttled(before) && is_throttled(after) => true,
        Standing::Throttled => return Effect::Nothing,
    };
    let in_force = mark(before, vendor, is_at_limit);
    let due = mark(after, vendor, is_at_limit);
    effect(Some(&in_force), &Due::Terms(due), vendor)
}

fn mark(terms: &PlanTerms, vendor: Vendor, is_at_limit: bool) -> TermsMark {
    let plan = PlanMark::of(terms);
    let basis = Basis {
        plan: &plan,
        plan_at_limit: None,
        until: None,
        top_ups: &[],
    };
    let grants = Grants {
        rate: terms.rate.as_ref(),
        session_timeout_seconds: terms
            .session_timeout_seconds
            .map(TimeoutSeconds::as_seconds),
        idle_timeout_seconds: terms.idle_timeout_seconds.map(TimeoutSeconds::as_seconds),
        interim_seconds: terms.interim.as_seconds(),
        ipv4: None,
        ipv6_prefix: None,
        ipv6_delegated: None,
        pool: terms.pool.as_ref().map(|pool| pool.as_str()),
        session_limit: terms.session_limit.map(SessionLimit::as_sessions),
        sessions_to_end: 0,
        volume_left: VolumeLeft::default(),
        is_at_limit,
        garden: None,
        notice: None,
    };
    TermsMark::of(&grants, &basis, vendor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::Limits;
    use crate::session_command::EndReason;
    use crate::terms::{Term, TermSet};

    fn plan(rate: &str) -> PlanTerms {
        PlanTerms {
            rate: Some(rate.parse().expect("a valid rate")),
            ..PlanTerms::default()
        }
    }

    fn throttled(rate: &str) -> PlanTerms {
        let limits = Limits {
            quotas: "50G/month".parse().expect("a valid quota"),
            at_limit: AtLimit::Throttle(rate.parse().expect("a valid rate")),
            ..Limits::default()
        };
        PlanTerms {
            limits: Some(Box::new(limits)),
            ..plan("10M/20M")
        }
    }

    #[track_caller]
    fn check(before: &PlanTerms, after: &PlanTerms, vendor: Vendor, expected: Effect) {
        let found = preview(before, after, vendor, Standing::WithinLimits);
        assert_eq!(found, expected, "{vendor}");
    }

    #[test]
    fn a_speed_is_changed_where_the_vendor_can() {
        let (slow, fast) = (plan("10M/20M"), plan("20M/40M"));
        let rate = TermSet::from_iter([Term::Rate]);
        check(&slow, &fast, Vendor::Mikrotik, Effect::Change(rate));
        let end = Effect::End(EndReason::TermsChanged(Term::Rate));
        check(&slow, &fast, Vendor::Cisco, end);
        check(&slow, &fast, Vendor::Generic, Effect::Nothing);
    }

    #[test]
    fn a_pool_is_for_the_next_session() {
        let pooled = PlanTerms {
            pool: Some("gold".parse().expect("a valid pool")),
            ..plan("10M/20M")
        };
        let end = Effect::End(EndReason::TermsChanged(Term::Address));
        check(&plan("10M/20M"), &pooled, Vendor::Mikrotik, end);
    }

    #[test]
    fn what_is_only_for_those_who_come_disturbs_nobody() {
        let limited = PlanTerms {
            session_limit: SessionLimit::new(2).ok(),
            ..plan("10M/20M")
        };
        check(
            &plan("10M/20M"),
            &limited,
            Vendor::Mikrotik,
            Effect::Nothing,
        );
    }

    #[test]
    fn a_speed_at_the_limit_is_changed_for_those_who_are_there() {
        let (before, after) = (throttled("1M/1M"), throttled("2M/2M"));
        check(&before, &after, Vendor::Mikrotik, Effect::Nothing);
        let found = preview(&before, &after, Vendor::Mikrotik, Standing::Throttled);
        assert_eq!(found, Effect::Change(TermSet::from_iter([Term::Rate])));
        let found = preview(
            &before,
            &plan("1M/1M"),
            Vendor::Mikrotik,
            Standing::Throttled,
        );
        assert_eq!(found, Effect::Nothing);
    }
}
