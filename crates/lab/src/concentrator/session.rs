//! One session on the simulated router: what it moves, what it was granted, and when that ends it.
//!
//! All times count from the router's start.

use std::time::Duration;

use domain::rate_limit::RatePair;
use radius::attribute::{self, kind, mikrotik, vendor, wispr};
use radius::packet::Packet;

/// Acct-Terminate-Cause (RFC 2866 §5.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The router was told to stop.
    UserRequest,
    /// Nothing moved for as long as Idle-Timeout says.
    IdleTimeout,
    /// Session-Timeout has passed.
    SessionTimeout,
    /// Somebody ended it through the router.
    AdminReset,
    /// The router itself: a volume is used up.
    NasRequest,
}

/// Octets or octets in a second, from and to the subscriber.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Octets {
    /// From the subscriber.
    pub input: u64,
    /// To the subscriber.
    pub output: u64,
}

/// What the server granted, as far as the router obeys it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) rate: Option<RatePair>,
    pub(super) ends_at: Option<Duration>,
    pub(super) idle: Option<Duration>,
    pub(super) input_max: Option<u64>,
    pub(super) output_max: Option<u64>,
    pub(super) total_max: Option<u64>,
}

/// A session that goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Online {
    since: Duration,
    offered: Octets,
    /// What had moved when the speed was set last.
    carried: Octets,
    changed_at: Duration,
    terms: Terms,
}

impl Cause {
    /// The number in the record.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::UserRequest => 1,
            Self::IdleTimeout => 4,
            Self::SessionTimeout => 5,
            Self::AdminReset => 6,
            Self::NasRequest => 10,
        }
    }
}

impl Terms {
    /// Takes over what an Access-Accept or a CoA-Request grants at `now`; what it does not mention
    /// stays.
    pub(super) fn learn(&mut self, packet: &Packet<'_>, now: Duration) {
        let number = |kind| packet.find(kind).and_then(attribute::integer);
        // 0 is no limit.
        let seconds = |kind| number(kind).map(|value| (value != 0).then_some(value));
        if let Some(timeout) = seconds(kind::SESSION_TIMEOUT) {
            self.ends_at = timeout.map(|value| now + Duration::from_secs(value.into()));
        }
        if let Some(timeout) = seconds(kind::IDLE_TIMEOUT) {
            self.idle = timeout.map(|value| Duration::from_secs(value.into()));
        }
        if let Some(rate) = rate_of(packet) {
            self.rate = Some(rate);
        }
        let volumes = [
            (
                &mut self.input_max,
                mikrotik::RECV_LIMIT,
                mikrotik::RECV_LIMIT_GIGAWORDS,
            ),
            (
                &mut self.output_max,
                mikrotik::XMIT_LIMIT,
                mikrotik::XMIT_LIMIT_GIGAWORDS,
            ),
            (
                &mut self.total_max,
                mikrotik::TOTAL_LIMIT,
                mikrotik::TOTAL_LIMIT_GIGAWORDS,
            ),
        ];
        for (place, low, high) in volumes {
            if let Some(volume) = volume_of(packet, low, high) {
                *place = Some(volume);
            }
        }
    }

    fn speed(&self, offered: Octets) -> Octets {
        let capped = |offered: u64, bits: u64| match bits {
            0 => offered,
            bits => offered.min(bits / 8),
        };
        match self.rate {
            None => offered,
            Some(rate) => Octets {
                input: capped(offered.input, rate.upload.as_bits_per_second()),
                output: capped(offered.output, rate.download.as_bits_per_second()),
            },
        }
    }
}

fn rate_of(packet: &Packet<'_>) -> Option<RatePair> {
    let text = packet.find_vendor(vendor::MIKROTIK, mikrotik::RATE_LIMIT);
    if let Some(text) = text.and_then(attribute::text) {
        let rate = text.parse::<domain::rate_limit::RateLimit>().ok()?;
        return Some(rate.rate());
    }
    let bits = |kind| {
        let value = packet.find_vendor(vendor::WISPR, kind)?;
        attribute::integer(value).map(u64::from)
    };
    let (up, down) = (
        bits(wispr::BANDWIDTH_MAX_UP),
        bits(wispr::BANDWIDTH_MAX_DOWN),
    );
    let rate = |bits: Option<u64>| {
        domain::rate_limit::BitRate::from_bits_per_second(bits.unwrap_or_default())
    };
    (up.is_some() || down.is_some()).then(|| RatePair {
        upload: rate(up),
        download: rate(down),
    })
}

fn volume_of(packet: &Packet<'_>, low: u8, high: u8) -> Option<u64> {
    let part = |kind| {
        let value = packet.find_vendor(vendor::MIKROTIK, kind)?;
        attribute::integer(value).map(u64::from)
    };
    let (low, high) = (part(low), part(high));
    let is_any = low.is_some() || high.is_some();
    is_any.then(|| high.unwrap_or_default() << 32 | low.unwrap_or_default())
}

impl Online {
    /// A session that begins at `now`, whose subscriber would move this in a second.
    pub(super) fn new(now: Duration, offered: Octets, terms: Terms) -> Self {
        Self {
            since: now,
            offered,
            carried: Octets::default(),
            changed_at: now,
            terms,
        }
    }

    /// Its terms are changed.
    pub(super) fn change(&mut self, now: Duration, change: impl FnOnce(&mut Terms)) {
        self.carried = self.octets(now);
        self.changed_at = now;
        change(&mut self.terms);
    }

    /// The terms that it is on.
    pub(super) const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// How long it has lasted.
    pub(super) fn lasted(&self, now: Duration) -> Duration {
        now.saturating_sub(self.since)
    }

    /// What has moved since its beginning: never more than was granted.
    pub(super) fn octets(&self, now: Duration) -> Octets {
        let speed = self.terms.speed(self.offered);
        let elapsed = now.saturating_sub(self.changed_at);
        let moved = |carried: u64, speed: u64, max: Option<u64>| {
            let more = u128::from(speed) * elapsed.as_micros() / 1_000_000;
            let total = carried.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
            max.map_or(total, |max| total.min(max.max(carried)))
        };
        Octets {
            input: moved(self.carried.input, speed.input, self.terms.input_max),
            output: moved(self.carried.output, speed.output, self.terms.output_max),
        }
    }

    /// When and why it ends by its terms.
    pub(super) fn end(&self) -> Option<(Duration, Cause)> {
        let terms = &self.terms;
        let speed = terms.speed(self.offered);
        let is_idle = speed == Octets::default();
        let idle = terms.idle.filter(|_| is_idle);
        let carried = self.carried;
        let reached = |max: Option<u64>, carried: u64, speed: u64| {
            let left = max?.saturating_sub(carried);
            if left != 0 && speed == 0 {
                return None;
            }
            let micros = (u128::from(left) * 1_000_000).div_ceil(u128::from(speed.max(1)));
            let micros = u64::try_from(micros).unwrap_or(u64::MAX);
            Some((
                self.changed_at
                    .saturating_add(Duration::from_micros(micros)),
                Cause::NasRequest,
            ))
        };
        let both = carried.input.saturating_add(carried.output);
        let ends = [
            terms.ends_at.map(|at| (at, Cause::SessionTimeout)),
            idle.map(|idle| (self.changed_at + idle, Cause::IdleTimeout)),
            reached(terms.input_max, carried.input, speed.input),
            reached(terms.output_max, carried.output, speed.output),
            reached(
                terms.total_max,
                both,
                speed.input.saturating_add(speed.output),
            ),
        ];
        ends.into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use radius::code::Code;
    use radius::writer::PacketWriter;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn terms(write: impl FnOnce(&mut PacketWriter<'_>)) -> Terms {
        let mut buffer = Vec::new();
        let mut writer = PacketWriter::new(&mut buffer, Code::CoaRequest, 1);
        write(&mut writer);
        writer.finish_accounting_request(b"secret");
        let packet = Packet::parse(&buffer).expect("we wrote it");
        let mut terms = Terms::default();
        terms.learn(&packet, Duration::ZERO);
        terms
    }

    fn offered(input: u64, output: u64) -> Octets {
        Octets { input, output }
    }

    #[test]
    fn a_session_ends_at_its_timeout() {
        let terms = terms(|writer| {
            writer
                .push_integer(kind::SESSION_TIMEOUT, 5)
                .expect("it fits");
        });
        let online = Online::new(Duration::ZERO, offered(10, 20), terms);
        assert_eq!(online.end(), Some((5 * SECOND, Cause::SessionTimeout)));
        assert_eq!(online.octets(3 * SECOND), offered(30, 60));
    }

    #[test]
    fn a_quiet_session_ends_when_it_was_idle() {
        let terms = terms(|writer| {
            writer.push_integer(kind::IDLE_TIMEOUT, 7).expect("it fits");
        });
        let quiet = Online::new(SECOND, offered(0, 0), terms);
        assert_eq!(quiet.end(), Some((8 * SECOND, Cause::IdleTimeout)));
        let busy = Online::new(SECOND, offered(1, 0), terms);
        assert_eq!(busy.end(), None);
    }

    #[test]
    fn a_volume_beyond_4_gib_ends_it_at_the_octet() {
        let terms = terms(|writer| {
            let vendor = vendor::MIKROTIK;
            writer
                .push_vendor_integer(vendor, mikrotik::TOTAL_LIMIT, 7)
                .and_then(|()| {
                    writer.push_vendor_integer(vendor, mikrotik::TOTAL_LIMIT_GIGAWORDS, 1)
                })
                .expect("it fits");
        });
        let speed = (1 << 32) / 4;
        let mut online = Online::new(Duration::ZERO, offered(speed, speed), terms);
        let (at, cause) = online.end().expect("it is limited");
        assert_eq!((at.as_secs(), cause), (2, Cause::NasRequest));
        // At half the speed it lasts longer; what has moved stays.
        online.change(SECOND, |terms| {
            terms.rate = Some(
                "8/8"
                    .parse::<domain::rate_limit::RateLimit>()
                    .expect("a rate")
                    .rate(),
            );
        });
        assert_eq!(online.octets(SECOND), offered(speed, speed));
        assert_eq!(online.octets(3 * SECOND), offered(speed + 2, speed + 2));
    }

    #[test]
    fn a_rate_caps_what_moves() {
        let terms = terms(|writer| {
            writer
                .push_vendor_text(vendor::MIKROTIK, mikrotik::RATE_LIMIT, "8k/80k")
                .expect("it fits");
        });
        let online = Online::new(Duration::ZERO, offered(5_000, 5_000), terms);
        assert_eq!(online.octets(SECOND), offered(1_000, 5_000));
        let limited = Terms {
            input_max: Some(2_500),
            ..terms
        };
        let online = Online::new(Duration::ZERO, offered(5_000, 0), limited);
        let (at, _) = online.end().expect("it is limited");
        assert_eq!(at, Duration::from_millis(2_500));
        assert_eq!(online.octets(10 * SECOND).input, 2_500);
    }
}
