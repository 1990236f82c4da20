//! A load: requests as fast as they are answered or at a rate, each answer verified and measured.

mod batch;
mod generator;
pub mod ledger;
pub(crate) mod life;
mod lives;
pub mod mix;
mod mixed;
pub mod options;
mod port;
pub mod report;
pub(crate) mod script;
pub(crate) mod share;
mod worker;

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Instant;

use crate::load::mixed::Mixed;
use crate::load::options::{LoadError, LoadOptions};
use crate::load::report::{LoadReport, Measurement};
use crate::load::script::Script;
use crate::load::share::Share;
use crate::random;

/// Runs a load to its end: its limit, or a silent server.
pub fn run(options: &LoadOptions) -> Result<LoadReport, LoadError> {
    run_until(options, &AtomicBool::new(false))
}

/// Runs a load that ends early when `stop` becomes true; what was on its way is then waited for.
pub fn run_until(options: &LoadOptions, stop: &AtomicBool) -> Result<LoadReport, LoadError> {
    options.check()?;
    let run = options.run.clone().unwrap_or_else(random_run);
    let shares: Vec<Share> = (0..options.threads)
        .map(|thread| Share::new(options, &run, thread))
        .collect();
    let begin = Instant::now();
    let measured = run_shares(options, &shares, begin, stop, |share| {
        Mixed::new(options, share, begin)
    })?;
    Ok(measured.into_report(run, options.seed))
}

/// Runs a thread for each share, with a script for each, and adds up what they measured.
pub(crate) fn run_shares<'s, S: Script>(
    options: &LoadOptions,
    shares: &'s [Share],
    begin: Instant,
    stop: &AtomicBool,
    script: impl Fn(&'s Share) -> S + Sync,
) -> Result<Measurement, LoadError> {
    let run_one = |share: &'s Share| worker::run(options, share, script(share), begin, stop);
    let run_one = &run_one;
    let measurements = thread::scope(|scope| {
        let (first, others) = shares.split_first().expect("there is at least one thread");
        let others: Vec<_> = others
            .iter()
            .map(|share| scope.spawn(move || run_one(share)))
            .collect();
        let mut measurements = vec![run_one(first)];
        for other in others {
            let measured = other
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            measurements.push(measured);
        }
        measurements
    });
    let mut sum = Measurement::new();
    for measurement in measurements {
        sum.merge(measurement?);
    }
    Ok(sum)
}

pub(crate) fn random_run() -> String {
    let number = u32::from_be_bytes(random::octets(&mut random::generator(None)));
    format!("{number:08x}")
}
