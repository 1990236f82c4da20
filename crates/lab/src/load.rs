//! A closed-loop load: so many requests on their way, each answer verified and measured and followed by the next.

mod batch;
mod generator;
pub mod ledger;
mod lives;
pub mod mix;
pub mod options;
mod port;
pub mod report;
mod worker;

use std::sync::atomic::AtomicBool;
use std::thread;

use crate::load::generator::Share;
use crate::load::options::{Limit, LoadError, LoadOptions, part};
use crate::load::report::{LoadReport, Measurement};
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
        .map(|thread| share(options, &run, thread))
        .collect();
    let measurements = thread::scope(|scope| {
        let (first, others) = shares.split_first().expect("there is at least one thread");
        let others: Vec<_> = others
            .iter()
            .map(|share| scope.spawn(|| worker::run(options, share, stop)))
            .collect();
        let mut measurements = vec![worker::run(options, first, stop)];
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
    Ok(sum.into_report(run, options.seed))
}

fn share(options: &LoadOptions, run: &str, thread: usize) -> Share {
    let threads = options.threads;
    let of = |whole| part(whole, threads, thread);
    Share {
        thread,
        outstanding: of(options.outstanding),
        ports: of(options.ports),
        sessions: of(options.sessions),
        requests_max: match options.limit {
            Limit::Duration(_) => u64::MAX,
            Limit::Requests(requests) => {
                let (threads, thread) = (threads as u64, thread as u64);
                requests / threads + u64::from(thread < requests % threads)
            }
        },
        session_prefix: if threads == 1 {
            run.to_owned()
        } else {
            format!("{run}{thread:02x}")
        },
    }
}

fn random_run() -> String {
    let number = u32::from_be_bytes(random::octets(&mut random::generator(None)));
    format!("{number:08x}")
}
