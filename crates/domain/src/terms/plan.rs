//! What marks the terms of a plan. It is made when the plan changes, and not for each login.

use std::fmt::Write as _;

use super::fingerprint::{self, Fingerprint};
use crate::limit::{AtLimit, Limits, Measure, Quota};
use crate::plan::{PlanTerms, TimeoutSeconds};

/// The fingerprints of what a plan grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanMark {
    pub(super) rate: u32,
    /// The speed at the limit, if it is another one.
    pub(super) throttled: Option<u32>,
    pub(super) pool: u32,
    pub(super) session_timeout_seconds: Option<u32>,
    /// The rules by which time is left.
    pub(super) time_rules: u32,
    /// The rules by which bytes are left.
    pub(super) volume_rules: u32,
}

impl PlanMark {
    pub fn of(terms: &PlanTerms) -> Self {
        let limits = terms.limits.as_deref();
        Self {
            rate: fingerprint::shown(terms.rate.as_ref()),
            throttled: limits.and_then(|limits| match &limits.at_limit {
                AtLimit::Throttle(rate) => Some(fingerprint::shown(Some(rate))),
                AtLimit::Block | AtLimit::Plan(_) => None,
            }),
            pool: fingerprint::text(terms.pool.as_ref().map(|pool| pool.as_str())),
            session_timeout_seconds: terms
                .session_timeout_seconds
                .map(TimeoutSeconds::as_seconds),
            time_rules: limits.map_or(0, time_rules),
            volume_rules: limits.map_or(0, volume_rules),
        }
    }
}

fn time_rules(limits: &Limits) -> u32 {
    let mut print = Fingerprint::new();
    write_quotas(&mut print, limits, |quota| quota.measure == Measure::Time);
    if let Some(windows) = &limits.windows {
        write(&mut print, format_args!(" windows {windows}"));
    }
    if let Some(validity) = limits.validity {
        let (seconds, start) = (validity.as_seconds(), validity.start);
        write(&mut print, format_args!(" validity {seconds} {start:?}"));
    }
    finish(print, limits)
}

fn volume_rules(limits: &Limits) -> u32 {
    let mut print = Fingerprint::new();
    write_quotas(&mut print, limits, |quota| quota.measure != Measure::Time);
    finish(print, limits)
}

fn write_quotas(print: &mut Fingerprint, limits: &Limits, is_meant: impl Fn(&Quota) -> bool) {
    for quota in limits.quotas.iter().filter(|quota| is_meant(quota)) {
        write(print, format_args!(" quota {quota}"));
    }
}

/// Where there are rules, it matters when periods begin.
fn finish(mut print: Fingerprint, limits: &Limits) -> u32 {
    if print.finish() != 0 {
        let (resets, zone) = (&limits.resets, &limits.zone);
        write(&mut print, format_args!(" resets {resets} {zone}"));
    }
    print.finish()
}

fn write(print: &mut Fingerprint, text: std::fmt::Arguments<'_>) {
    print
        .write_fmt(text)
        .expect("a fingerprint takes every text");
}
