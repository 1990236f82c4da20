//! Speeds as integers.

use domain::rate_limit::{BitRate, Burst, RateLimit, RateLimitError, RatePair};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A speed limit in bit/s, as the subscriber sees it; 0 is unlimited.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rate {
    #[schema(maximum = 10_000_000_000_000_i64)]
    upload_bps: u64,
    #[schema(maximum = 10_000_000_000_000_i64)]
    download_bps: u64,
    #[serde(default)]
    burst: Option<RateBurst>,
    /// Of the queue: 1 is the highest, 8 the lowest.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 8)]
    priority: Option<u8>,
    /// What is guaranteed.
    #[serde(default)]
    minimum: Option<RateMinimum>,
}

/// A higher speed for a while: until the average over so many seconds is at the threshold.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateBurst {
    #[schema(maximum = 10_000_000_000_000_i64)]
    upload_bps: u64,
    #[schema(maximum = 10_000_000_000_000_i64)]
    download_bps: u64,
    #[schema(maximum = 10_000_000_000_000_i64)]
    upload_threshold_bps: u64,
    #[schema(maximum = 10_000_000_000_000_i64)]
    download_threshold_bps: u64,
    #[schema(minimum = 1, maximum = 3600)]
    upload_seconds: u32,
    #[schema(minimum = 1, maximum = 3600)]
    download_seconds: u32,
}

/// A guaranteed speed in bit/s.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateMinimum {
    #[schema(maximum = 10_000_000_000_000_i64)]
    upload_bps: u64,
    #[schema(maximum = 10_000_000_000_000_i64)]
    download_bps: u64,
}

impl From<RateLimit> for Rate {
    fn from(limit: RateLimit) -> Self {
        let (upload_bps, download_bps) = numbers(limit.rate());
        Self {
            upload_bps,
            download_bps,
            burst: limit.burst().map(RateBurst::from),
            priority: limit.priority(),
            minimum: limit.minimum().map(|pair| {
                let (upload_bps, download_bps) = numbers(pair);
                RateMinimum {
                    upload_bps,
                    download_bps,
                }
            }),
        }
    }
}

impl From<Burst> for RateBurst {
    fn from(burst: Burst) -> Self {
        let (upload_bps, download_bps) = numbers(burst.rate);
        let (upload_threshold_bps, download_threshold_bps) = numbers(burst.threshold);
        Self {
            upload_bps,
            download_bps,
            upload_threshold_bps,
            download_threshold_bps,
            upload_seconds: burst.upload_seconds,
            download_seconds: burst.download_seconds,
        }
    }
}

impl TryFrom<Rate> for RateLimit {
    type Error = RateLimitError;

    fn try_from(rate: Rate) -> Result<Self, Self::Error> {
        let burst = rate.burst.map(|burst| Burst {
            rate: pair(burst.upload_bps, burst.download_bps),
            threshold: pair(burst.upload_threshold_bps, burst.download_threshold_bps),
            upload_seconds: burst.upload_seconds,
            download_seconds: burst.download_seconds,
        });
        let minimum = rate.minimum;
        let minimum = minimum.map(|minimum| pair(minimum.upload_bps, minimum.download_bps));
        let plain = pair(rate.upload_bps, rate.download_bps);
        Self::new(plain, burst, rate.priority, minimum)
    }
}

const fn numbers(pair: RatePair) -> (u64, u64) {
    (
        pair.upload.as_bits_per_second(),
        pair.download.as_bits_per_second(),
    )
}

const fn pair(upload: u64, download: u64) -> RatePair {
    RatePair {
        upload: BitRate::from_bits_per_second(upload),
        download: BitRate::from_bits_per_second(download),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_survives_its_numbers() {
        for raw in [
            "25M/50M",
            "10M/20M 15M/30M 8M/16M 10/12 3 1M/2M",
            "10M/20M 0/0 0/0 0/0 5",
        ] {
            let limit: RateLimit = raw.parse().expect("a valid limit");
            let text = serde_json::to_string(&Rate::from(limit)).expect("numbers");
            let rate: Rate = serde_json::from_str(&text).expect("what was written");
            assert_eq!(RateLimit::try_from(rate), Ok(limit), "{text}");
        }
    }
}
