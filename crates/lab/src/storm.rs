//! A reconnect storm: every subscriber of some routers logs in and starts a session within a time.

pub mod options;
pub mod report;
mod script;

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use rand::seq::SliceRandom;

use crate::load::options::LoadError;
use crate::load::share::Share;
use crate::load::{random_run, run_shares};
use crate::random;
use crate::storm::options::StormOptions;
use crate::storm::report::StormReport;
use crate::storm::script::Returning;

/// Runs a storm until everybody is in and out, the caller stops it, or the server falls silent.
pub fn run_until(options: &StormOptions, stop: &AtomicBool) -> Result<StormReport, LoadError> {
    let carrier = options.carrier()?;
    let run = carrier.run.clone().unwrap_or_else(random_run);
    let shares: Vec<Share> = (0..options.routers)
        .map(|number| options.share(&carrier, &run, number))
        .collect();
    let mut order: Vec<usize> = (0..options.subscribers).collect();
    order.shuffle(&mut random::generator(Some(carrier.seed)));
    let begin = Instant::now();
    let measured = run_shares(&carrier, &shares, begin, stop, |share| {
        Returning::new(options, &carrier, share, &order, begin)
    })?;
    Ok(StormReport::new(options, run, measured))
}
