//! How often one caller may ask.

use std::num::NonZeroU32;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use uuid::Uuid;

use crate::principal::Principal;
use crate::problem::Problem;
use crate::state::{Api, Peer};

/// Callers of whom it is remembered how often they asked; beyond that those who rest are forgotten.
const CALLERS_MAX: usize = 10_000;

/// Counts requests of each caller.
pub(crate) struct Pace {
    limiter: RateLimiter<Uuid, DashMapStateStore<Uuid>, DefaultClock, StateInformationMiddleware>,
    clock: DefaultClock,
    quota: u32,
}

impl Pace {
    pub(crate) fn new(per_second: u32) -> Self {
        let each = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        Self {
            limiter: RateLimiter::dashmap(Quota::per_second(each)).with_middleware(),
            clock: DefaultClock::default(),
            quota: each.get(),
        }
    }

    /// How many more requests there may be in this second, or how many seconds to wait.
    fn take(&self, caller: Uuid) -> Result<u32, u64> {
        if CALLERS_MAX < self.limiter.len() {
            self.limiter.retain_recent();
        }
        match self.limiter.check_key(&caller) {
            Ok(state) => Ok(state.remaining_burst_capacity()),
            Err(early) => Err(early.wait_time_from(self.clock.now()).as_secs() + 1),
        }
    }
}

pub(crate) async fn keep(State(api): State<Api>, request: Request, next: Next) -> Response {
    let pace = api.pace();
    let (mut response, left, wait) = match pace.take(caller(&request)) {
        Ok(left) => (next.run(request).await, left, 1),
        Err(wait) => {
            let problem = Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                format!(
                    "more than {} requests in a second; wait {wait} s",
                    pace.quota
                ),
            );
            let mut response = problem.into_response();
            set(response.headers_mut(), header::RETRY_AFTER.as_str(), wait);
            (response, 0, wait)
        }
    };
    let headers = response.headers_mut();
    set(headers, "ratelimit-limit", u64::from(pace.quota));
    set(headers, "ratelimit-remaining", u64::from(left));
    set(headers, "ratelimit-reset", wait);
    response
}

/// Callers without a name are counted by their address.
fn caller(request: &Request) -> Uuid {
    if let Some(principal) = request.extensions().get::<Principal>() {
        return principal.id();
    }
    let address = request
        .extensions()
        .get::<Peer>()
        .map(|peer| match peer.address {
            std::net::IpAddr::V4(address) => address.to_ipv6_mapped(),
            std::net::IpAddr::V6(address) => address,
        });
    address.map_or(Uuid::nil(), |address| Uuid::from_u128(address.to_bits()))
}

fn set(headers: &mut HeaderMap, name: &'static str, value: u64) {
    headers.insert(name, HeaderValue::from(value));
}
