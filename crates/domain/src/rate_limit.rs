//! Speed limits, typed; their text is the syntax of `Mikrotik-Rate-Limit`.
//!
//! The text is from the router's view: what it receives comes first, and that is the subscriber's
//! upload. A plan of 25 Mbit/s up and 50 Mbit/s down is `25M/50M` (MikroTik manual, "RADIUS
//! client", attribute 14988/8).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A rate in bit/s; 0 means unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BitRate(u64);

impl BitRate {
    /// 10 Tbit/s: more than any access router forwards, and far from overflow.
    pub const MAX: Self = Self(10_000_000_000_000);

    pub const fn from_bits_per_second(bits: u64) -> Self {
        Self(bits)
    }

    pub const fn as_bits_per_second(self) -> u64 {
        self.0
    }

    pub const fn is_unlimited(self) -> bool {
        self.0 == 0
    }

    /// Whether `self` grants at least as much as `other`.
    const fn covers(self, other: Self) -> bool {
        self.is_unlimited() || (!other.is_unlimited() && other.0 <= self.0)
    }

    fn parse(raw: &str) -> Option<Self> {
        let (digits, factor) = match raw.as_bytes().last()? {
            b'k' | b'K' => (&raw[..raw.len() - 1], 1_000),
            b'm' | b'M' => (&raw[..raw.len() - 1], 1_000_000),
            b'g' | b'G' => (&raw[..raw.len() - 1], 1_000_000_000),
            _ => (raw, 1),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let rate = Self(digits.parse::<u64>().ok()?.checked_mul(factor)?);
        (rate <= Self::MAX).then_some(rate)
    }
}

/// The shortest whole number with a suffix.
impl fmt::Display for BitRate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (factor, suffix) in [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")] {
            if self.0 != 0 && self.0.is_multiple_of(factor) {
                return write!(formatter, "{}{suffix}", self.0 / factor);
            }
        }
        write!(formatter, "{}", self.0)
    }
}

/// A rate in each direction, as the subscriber sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RatePair {
    pub upload: BitRate,
    pub download: BitRate,
}

impl RatePair {
    const NONE: Self = Self {
        upload: BitRate(0),
        download: BitRate(0),
    };
}

impl fmt::Display for RatePair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.upload, self.download)
    }
}

/// The longest time over which a burst is averaged.
const BURST_SECONDS_MAX: u32 = 3_600;

/// A burst: `rate` is allowed while the average over `seconds` is below `threshold`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Burst {
    pub rate: RatePair,
    pub threshold: RatePair,
    pub upload_seconds: u32,
    pub download_seconds: u32,
}

/// A speed limit with its optional burst, queue priority (1 highest to 8) and guaranteed rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateLimit {
    rate: RatePair,
    burst: Option<Burst>,
    priority: Option<u8>,
    minimum: Option<RatePair>,
}

/// Which part of a rate limit is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RatePart {
    Rate,
    BurstRate,
    BurstThreshold,
    BurstTime,
    Priority,
    Minimum,
}

impl fmt::Display for RatePart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Rate => "rate",
            Self::BurstRate => "burst rate",
            Self::BurstThreshold => "burst threshold",
            Self::BurstTime => "burst time",
            Self::Priority => "priority",
            Self::Minimum => "minimum rate",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Upload,
    Download,
}

impl fmt::Display for Direction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Upload => "upload",
            Self::Download => "download",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateLimitError {
    #[error("the rate is empty: write upload/download, for example 25M/50M")]
    Empty,
    #[error(
        "{direction} {part} '{raw}': expected a whole number of bit/s with an optional suffix k, M or G, at most 10000G (for example 25M/50M: upload, then download)"
    )]
    BadRate {
        part: RatePart,
        direction: Direction,
        raw: String,
    },
    #[error(
        "{direction} burst time '{raw}': expected whole seconds from 1 to 3600 (for example 10/10)"
    )]
    BadTime { direction: Direction, raw: String },
    #[error("priority '{raw}': expected 1 (highest) to 8 (lowest)")]
    BadPriority { raw: String },
    #[error("{part} '{raw}': expected upload/download, one '/' at most")]
    TooManyDirections { part: RatePart, raw: String },
    #[error(
        "'{raw}' after the minimum rate: expected at most rate, burst rate, burst threshold, burst time, priority, minimum rate"
    )]
    TooManyParts { raw: String },
    #[error(
        "{direction} burst rate {burst} is below the {direction} rate {rate}: routers refuse that; raise the burst rate"
    )]
    BurstBelowRate {
        direction: Direction,
        burst: BitRate,
        rate: BitRate,
    },
    #[error(
        "{direction} minimum rate {minimum} is above the {direction} rate {rate}: lower the minimum"
    )]
    MinimumAboveRate {
        direction: Direction,
        minimum: BitRate,
        rate: BitRate,
    },
}

impl RateLimit {
    /// A plain limit without burst.
    pub const fn from_rate(rate: RatePair) -> Self {
        Self {
            rate,
            burst: None,
            priority: None,
            minimum: None,
        }
    }

    /// The limit of these parts.
    pub fn new(
        rate: RatePair,
        burst: Option<Burst>,
        priority: Option<u8>,
        minimum: Option<RatePair>,
    ) -> Result<Self, RateLimitError> {
        if let Some(priority) = priority
            && !(1..=8).contains(&priority)
        {
            return Err(RateLimitError::BadPriority {
                raw: priority.to_string(),
            });
        }
        let mut pairs = vec![(RatePart::Rate, rate)];
        if let Some(burst) = burst {
            pairs.push((RatePart::BurstRate, burst.rate));
            pairs.push((RatePart::BurstThreshold, burst.threshold));
            let (upload, download) = (burst.upload_seconds, burst.download_seconds);
            for (direction, seconds) in
                [(Direction::Upload, upload), (Direction::Download, download)]
            {
                if !(1..=BURST_SECONDS_MAX).contains(&seconds) {
                    return Err(RateLimitError::BadTime {
                        direction,
                        raw: seconds.to_string(),
                    });
                }
            }
        }
        pairs.extend(minimum.map(|minimum| (RatePart::Minimum, minimum)));
        for (part, pair) in pairs {
            for (direction, rate) in [
                (Direction::Upload, pair.upload),
                (Direction::Download, pair.download),
            ] {
                if BitRate::MAX < rate {
                    return Err(RateLimitError::BadRate {
                        part,
                        direction,
                        raw: rate.0.to_string(),
                    });
                }
            }
        }
        // As text these mean that there is none.
        let burst = burst.filter(|burst| burst.rate != RatePair::NONE);
        let minimum = minimum.filter(|pair| *pair != RatePair::NONE);
        Self {
            rate,
            burst: burst.map(|burst| Burst {
                threshold: match burst.threshold {
                    RatePair::NONE => rate,
                    threshold => threshold,
                },
                ..burst
            }),
            priority,
            minimum,
        }
        .check()
    }

    pub const fn rate(&self) -> RatePair {
        self.rate
    }

    pub const fn burst(&self) -> Option<Burst> {
        self.burst
    }

    pub const fn priority(&self) -> Option<u8> {
        self.priority
    }

    pub const fn minimum(&self) -> Option<RatePair> {
        self.minimum
    }

    fn check(self) -> Result<Self, RateLimitError> {
        for direction in [Direction::Upload, Direction::Download] {
            let side = |pair: RatePair| match direction {
                Direction::Upload => pair.upload,
                Direction::Download => pair.download,
            };
            let rate = side(self.rate);
            if let Some(burst) = self.burst.map(|burst| side(burst.rate))
                && !burst.covers(rate)
            {
                return Err(RateLimitError::BurstBelowRate {
                    direction,
                    burst,
                    rate,
                });
            }
            if let Some(minimum) = self.minimum.map(side)
                && !rate.is_unlimited()
                && rate < minimum
            {
                return Err(RateLimitError::MinimumAboveRate {
                    direction,
                    minimum,
                    rate,
                });
            }
        }
        Ok(self)
    }
}

/// Missing downloads repeat the upload; a burst rate of 0/0 means no burst; a burst without
/// threshold or time takes the rate and one second (MikroTik manual).
impl FromStr for RateLimit {
    type Err = RateLimitError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let mut parts = raw.split_ascii_whitespace();
        let Some(first) = parts.next() else {
            return Err(RateLimitError::Empty);
        };
        let rate = parse_pair(RatePart::Rate, first)?;
        let burst_rate = parts
            .next()
            .map(|part| parse_pair(RatePart::BurstRate, part))
            .transpose()?;
        let threshold = parts
            .next()
            .map(|part| parse_pair(RatePart::BurstThreshold, part))
            .transpose()?;
        let times = parts.next().map(parse_times).transpose()?;
        let priority = parts.next().map(parse_priority).transpose()?;
        let minimum = parts
            .next()
            .map(|part| parse_pair(RatePart::Minimum, part))
            .transpose()?;
        if let Some(extra) = parts.next() {
            return Err(RateLimitError::TooManyParts {
                raw: extra.to_owned(),
            });
        }
        let burst = match burst_rate {
            None | Some(RatePair::NONE) => None,
            Some(burst_rate) => {
                let (upload_seconds, download_seconds) = nonzero_times(times)?;
                Some(Burst {
                    rate: burst_rate,
                    threshold: threshold
                        .filter(|pair| *pair != RatePair::NONE)
                        .unwrap_or(rate),
                    upload_seconds,
                    download_seconds,
                })
            }
        };
        Self {
            rate,
            burst,
            priority,
            minimum: minimum.filter(|pair| *pair != RatePair::NONE),
        }
        .check()
    }
}

fn nonzero_times(times: Option<(u32, u32)>) -> Result<(u32, u32), RateLimitError> {
    let (upload, download) = times.unwrap_or((1, 1));
    for (direction, seconds) in [(Direction::Upload, upload), (Direction::Download, download)] {
        if seconds == 0 {
            return Err(RateLimitError::BadTime {
                direction,
                raw: "0".to_owned(),
            });
        }
    }
    Ok((upload, download))
}

fn split_pair(part: RatePart, raw: &str) -> Result<(&str, &str), RateLimitError> {
    match raw.split_once('/') {
        None => Ok((raw, raw)),
        Some((_, download)) if download.contains('/') => Err(RateLimitError::TooManyDirections {
            part,
            raw: raw.to_owned(),
        }),
        Some(pair) => Ok(pair),
    }
}

fn parse_pair(part: RatePart, raw: &str) -> Result<RatePair, RateLimitError> {
    let (upload, download) = split_pair(part, raw)?;
    let parse = |direction, raw: &str| {
        BitRate::parse(raw).ok_or_else(|| RateLimitError::BadRate {
            part,
            direction,
            raw: raw.to_owned(),
        })
    };
    Ok(RatePair {
        upload: parse(Direction::Upload, upload)?,
        download: parse(Direction::Download, download)?,
    })
}

fn parse_times(raw: &str) -> Result<(u32, u32), RateLimitError> {
    let (upload, download) = split_pair(RatePart::BurstTime, raw)?;
    let parse = |direction, raw: &str| {
        raw.strip_suffix('s')
            .unwrap_or(raw)
            .parse::<u32>()
            .ok()
            .filter(|seconds| *seconds <= BURST_SECONDS_MAX)
            .ok_or_else(|| RateLimitError::BadTime {
                direction,
                raw: raw.to_owned(),
            })
    };
    Ok((
        parse(Direction::Upload, upload)?,
        parse(Direction::Download, download)?,
    ))
}

fn parse_priority(raw: &str) -> Result<u8, RateLimitError> {
    raw.parse::<u8>()
        .ok()
        .filter(|priority| (1..=8).contains(priority))
        .ok_or_else(|| RateLimitError::BadPriority {
            raw: raw.to_owned(),
        })
}

/// Writes the burst group whole or not at all; a priority or minimum without burst is preceded by
/// the zeros that keep its position.
impl fmt::Display for RateLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.rate)?;
        match self.burst {
            Some(burst) => write!(
                formatter,
                " {} {} {}/{}",
                burst.rate, burst.threshold, burst.upload_seconds, burst.download_seconds
            )?,
            None if self.priority.is_some() || self.minimum.is_some() => {
                formatter.write_str(" 0/0 0/0 0/0")?;
            }
            None => return Ok(()),
        }
        if self.priority.is_some() || self.minimum.is_some() {
            write!(formatter, " {}", self.priority.unwrap_or(8))?;
        }
        if let Some(minimum) = self.minimum {
            write!(formatter, " {minimum}")?;
        }
        Ok(())
    }
}

impl Serialize for RateLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RateLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: &str) {
        let limit = raw.parse::<RateLimit>();
        let actual = limit
            .as_ref()
            .map_or_else(ToString::to_string, ToString::to_string);
        assert_eq!(actual, expected, "{raw}");
    }

    #[test]
    fn parts_make_what_their_text_makes() {
        for raw in [
            "25M/50M",
            "10M/20M 15M/30M 8M/16M 10/10",
            "10M/20M 15M/30M 8M/16M 10/12 3 1M/2M",
            "10M/20M 0/0 0/0 0/0 8 1M/2M",
        ] {
            let limit: RateLimit = raw.parse().expect("a valid limit");
            let again = RateLimit::new(limit.rate, limit.burst, limit.priority, limit.minimum);
            assert_eq!(again, Ok(limit), "{raw}");
        }
        let rate = RatePair {
            upload: BitRate(1_000),
            download: BitRate(1_000),
        };
        let too_fast = RatePair {
            upload: BitRate(u64::MAX),
            ..rate
        };
        assert!(RateLimit::new(too_fast, None, None, None).is_err());
        assert!(RateLimit::new(rate, None, Some(9), None).is_err());
        let burst = Burst {
            rate,
            threshold: rate,
            upload_seconds: 0,
            download_seconds: 1,
        };
        assert!(RateLimit::new(rate, Some(burst), None, None).is_err());
    }

    #[test]
    fn rate_limit_writes_the_canonical_form() {
        check("25M/50M", "25M/50M");
        check("25000k/50000000", "25M/50M");
        check("128k", "128k/128k");
        check("64k/128M", "64k/128M");
        check("1500k/1500k", "1500k/1500k");
        check("0/50M", "0/50M");
    }

    #[test]
    fn rate_limit_fills_a_burst_as_the_manual_says() {
        check("64k 256k", "64k/64k 256k/256k 64k/64k 1/1");
        check(
            "64k/64k 256k/256k 128k/128k 10/10",
            "64k/64k 256k/256k 128k/128k 10/10",
        );
        check(
            "5M/10M 8M/15M 4M/8M 16s/12s 5 1M/2M",
            "5M/10M 8M/15M 4M/8M 16/12 5 1M/2M",
        );
    }

    #[test]
    fn rate_limit_keeps_the_place_of_an_absent_burst() {
        check("10M/10M 0/0 0/0 0/0 8 1M/1M", "10M/10M 0/0 0/0 0/0 8 1M/1M");
        check("10M/10M 0/0 0/0 0/0 3", "10M/10M 0/0 0/0 0/0 3");
        check("10M/10M 0/0", "10M/10M");
    }

    #[test]
    fn rate_limit_says_which_part_is_wrong() {
        let accepted = "expected a whole number of bit/s with an optional suffix k, M or G, at most 10000G (for example 25M/50M: upload, then download)";
        check("50X/20M", &format!("upload rate '50X': {accepted}"));
        check("20M/1.5M", &format!("download rate '1.5M': {accepted}"));
        check("20M/", &format!("download rate '': {accepted}"));
        check("1M 2M/x", &format!("download burst rate 'x': {accepted}"));
        check(
            "99999999999999999999",
            &format!("upload rate '99999999999999999999': {accepted}"),
        );
        check("-1M", &format!("upload rate '-1M': {accepted}"));
        check(
            "",
            "the rate is empty: write upload/download, for example 25M/50M",
        );
        check(
            "1M/2M/3M",
            "rate '1M/2M/3M': expected upload/download, one '/' at most",
        );
        check(
            "1M 2M 1M 5000",
            "upload burst time '5000': expected whole seconds from 1 to 3600 (for example 10/10)",
        );
        check(
            "1M 2M 1M 1 9",
            "priority '9': expected 1 (highest) to 8 (lowest)",
        );
        check(
            "1M 2M 1M 1 8 1M 7",
            "'7' after the minimum rate: expected at most rate, burst rate, burst threshold, burst time, priority, minimum rate",
        );
    }

    #[test]
    fn rate_limit_refuses_what_routers_refuse() {
        check(
            "10M/10M 5M/20M",
            "upload burst rate 5M is below the upload rate 10M: routers refuse that; raise the burst rate",
        );
        check(
            "10M/10M 0/0 0/0 0/0 8 1M/20M",
            "download minimum rate 20M is above the download rate 10M: lower the minimum",
        );
    }

    fn pair(low: u64, high: u64) -> impl Strategy<Value = RatePair> {
        (low..=high, low..=high).prop_map(|(upload, download)| RatePair {
            upload: BitRate(upload),
            download: BitRate(download),
        })
    }

    prop_compose! {
        fn limits()(
            rate in pair(1_000, 1_000_000_000),
            burst in prop::option::of((pair(1_000_000_000, 2_000_000_000), pair(1, 900_000_000), 1_u32..3600, 1_u32..3600)),
            priority in prop::option::of(1_u8..=8),
            minimum in prop::option::of(pair(1, 1_000)),
        ) -> RateLimit {
            RateLimit {
                rate,
                burst: burst.map(|(rate, threshold, upload_seconds, download_seconds)| Burst {
                    rate, threshold, upload_seconds, download_seconds,
                }),
                priority: priority.or_else(|| minimum.map(|_| 8)),
                minimum,
            }
        }
    }

    proptest! {
        #[test]
        fn rate_limit_survives_its_text(limit in limits()) {
            prop_assert_eq!(limit.to_string().parse::<RateLimit>(), Ok(limit));
        }

        #[test]
        fn rate_limit_never_panics(raw in ".{0,60}") {
            let _parsed = raw.parse::<RateLimit>();
        }
    }
}
