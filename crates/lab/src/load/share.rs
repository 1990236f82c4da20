//! What each thread of a load has for its own.

use std::net::IpAddr;

use crate::load::options::{Limit, LoadOptions, part};
use crate::router::Router;

/// One thread's share of the options.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) thread: usize,
    pub(crate) outstanding: usize,
    pub(crate) ports: usize,
    pub(crate) sessions: usize,
    pub(crate) requests_max: u64,
    pub(crate) session_prefix: String,
    /// The router that the thread plays.
    pub(crate) router: Router,
    /// The address that it sends from; the kernel chooses when absent.
    pub(crate) source: Option<IpAddr>,
}

impl Share {
    /// The share of a thread in a load whose Acct-Session-Ids begin with `run`.
    pub(crate) fn new(options: &LoadOptions, run: &str, thread: usize) -> Self {
        let threads = options.threads;
        let of = |whole| part(whole, threads, thread);
        Self {
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
            router: options.router.clone(),
            source: options.source,
        }
    }
}
