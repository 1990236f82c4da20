//! Speeds as the interface has them: integers of bit/s.

use domain::rate_limit::{BitRate, Burst, RateLimit, RateLimitError, RatePair};
use serde::{Deserialize, Serialize};

/// A speed limit.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Rate {
    upload_bps: u64,
    download_bps: u64,
    burst: Option<RateBurst>,
    priority: Option<u8>,
    minimum: Option<RateMinimum>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct RateBurst {
    upload_bps: u64,
    download_bps: u64,
    upload_threshold_bps: u64,
    download_threshold_bps: u64,
    upload_seconds: u32,
    download_seconds: u32,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct RateMinimum {
    upload_bps: u64,
    download_bps: u64,
}

impl From<RateLimit> for Rate {
    fn from(limit: RateLimit) -> Self {
        let (upload_bps, download_bps) = numbers(limit.rate());
        Self {
            upload_bps,
            download_bps,
            burst: limit.burst().map(|burst| {
                let (upload_bps, download_bps) = numbers(burst.rate);
                let (upload_threshold_bps, download_threshold_bps) = numbers(burst.threshold);
                RateBurst {
                    upload_bps,
                    download_bps,
                    upload_threshold_bps,
                    download_threshold_bps,
                    upload_seconds: burst.upload_seconds,
                    download_seconds: burst.download_seconds,
                }
            }),
            priority: limit.priority(),
            minimum: limit.minimum().map(|minimum| {
                let (upload_bps, download_bps) = numbers(minimum);
                RateMinimum {
                    upload_bps,
                    download_bps,
                }
            }),
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
        let minimum = rate
            .minimum
            .map(|minimum| pair(minimum.upload_bps, minimum.download_bps));
        let plain = pair(rate.upload_bps, rate.download_bps);
        Self::new(plain, burst, rate.priority, minimum)
    }
}

/// A speed limit, or nothing, in the answer of a server.
pub(crate) mod optional {
    use domain::rate_limit::RateLimit;
    use serde::{Deserialize as _, Deserializer, de};

    use super::Rate;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<RateLimit>, D::Error> {
        let rate = Option::<Rate>::deserialize(deserializer)?;
        rate.map(RateLimit::try_from)
            .transpose()
            .map_err(de::Error::custom)
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
    fn speeds_survive_their_numbers() {
        for raw in [
            "25M/50M",
            "10M/20M 15M/30M 8M/16M 10/12 3 1M/2M",
            "10M/20M 0/0 0/0 0/0 5",
        ] {
            let limit: RateLimit = raw.parse().unwrap();
            let text = serde_json::to_string(&Rate::from(limit)).unwrap();
            let rate: Rate = serde_json::from_str(&text).unwrap();
            assert_eq!(RateLimit::try_from(rate), Ok(limit), "{text}");
        }
    }
}
