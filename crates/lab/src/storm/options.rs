//! How a storm blows: who returns, over which time, through how many routers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use crate::load::mix::{Kind, Mix};
use crate::load::options::{Limit, LoadError, LoadOptions, Pace, THREADS_MAX, check_range};
use crate::load::share::Share;
use crate::method::Method;

/// Routers of one storm at most; each is a thread.
pub const ROUTERS_MAX: usize = THREADS_MAX;

/// Every subscriber of some routers returns within a time.
#[derive(Clone, Debug)]
pub struct StormOptions {
    /// The server, the subscribers, what is sent again when, and what is kept. The storm decides for
    /// itself about mix, pace, limit, sessions and threads; ports and outstanding requests are those
    /// of all routers together.
    pub load: LoadOptions,
    /// How the passwords are proved.
    pub method: Method,
    /// How many subscribers return: the first of the list.
    pub subscribers: usize,
    /// Between the first login and the last.
    pub span: Duration,
    /// How the logins are spread over it.
    pub shape: Shape,
    /// Routers; each sends from an address of its own when `load.source` says where they begin.
    pub routers: usize,
    /// Whether each session ends afterwards.
    pub stops: Stops,
}

/// How logins are spread over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// Twice the mean rate at first and ever fewer then, as after a power cut.
    #[default]
    Front,
    /// The same rate from the first to the last.
    Even,
}

/// Whether the sessions of a storm end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stops {
    /// They stay open.
    #[default]
    None,
    /// Each has a Stop in a round after the interims.
    Each,
}

/// A text that names no shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{raw}' is not a shape: write front or even")]
pub struct ShapeError {
    raw: String,
}

impl StormOptions {
    /// Everybody of the load's list within a minute, through one router, without interims.
    #[must_use]
    pub fn new(mut load: LoadOptions) -> Self {
        load.interims = 0;
        Self {
            subscribers: load.users.len(),
            load,
            method: Method::Pap,
            span: Duration::from_secs(60),
            shape: Shape::default(),
            routers: 1,
            stops: Stops::default(),
        }
    }

    /// The load that carries the storm, if these options make one.
    pub(crate) fn carrier(&self) -> Result<LoadOptions, LoadError> {
        check_range("routers", self.routers, ROUTERS_MAX)?;
        if self.load.users.is_empty() {
            return Err(LoadError::NoUsers);
        }
        check_range("subscribers", self.subscribers, self.load.users.len())?;
        let mut carrier = self.load.clone();
        let kinds = [Kind::Login(self.method), Kind::Accounting];
        carrier.mix = Mix::evenly(&kinds);
        carrier.pace = Pace::Answers;
        carrier.limit = Limit::Requests(u64::MAX);
        carrier.threads = self.routers;
        carrier.check()?;
        Ok(carrier)
    }

    /// What the router of this number has for its own.
    pub(crate) fn share(&self, carrier: &LoadOptions, run: &str, number: usize) -> Share {
        let mut share = Share::new(carrier, run, number);
        if 1 < self.routers {
            share.router.identifier = format!("{}-{}", share.router.identifier, number + 1);
        }
        if let Some(first) = carrier.source {
            let address = following(first, number as u32);
            share.router.address = address;
            share.source = Some(address);
        }
        share
    }

    /// When the login of a place in the order is due, from the begin.
    pub(crate) fn arrival(&self, place: usize) -> Duration {
        let share = place as f64 / self.subscribers as f64;
        self.span.mul_f64(match self.shape {
            // The rate falls in a straight line to zero, so the number is a square's remainder.
            Shape::Front => 1.0 - (1.0 - share).sqrt(),
            Shape::Even => share,
        })
    }

    /// Records of each session after its Start.
    pub(crate) const fn rounds(&self) -> u32 {
        let stop = match self.stops {
            Stops::None => 0,
            Stops::Each => 1,
        };
        self.load.interims.saturating_add(stop)
    }
}

/// The address that is so many after this one; beyond the last it begins again.
fn following(first: IpAddr, number: u32) -> IpAddr {
    match first {
        IpAddr::V4(first) => Ipv4Addr::from(u32::from(first).wrapping_add(number)).into(),
        IpAddr::V6(first) => Ipv6Addr::from(u128::from(first).wrapping_add(number.into())).into(),
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Front => "front",
            Self::Even => "even",
        })
    }
}

impl FromStr for Shape {
    type Err = ShapeError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        match raw {
            "front" => Ok(Self::Front),
            "even" => Ok(Self::Even),
            _ => Err(ShapeError { raw: raw.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use domain::secret::Secret;

    use super::*;
    use crate::credentials::Credentials;

    fn options() -> StormOptions {
        let server = SocketAddr::from(([127, 0, 0, 1], 1812));
        let user = |number| Credentials::new(&format!("user{number}"), "rosa").unwrap();
        let users = (0..100).map(user).collect();
        StormOptions::new(LoadOptions::new(server, server, Secret::from("s"), users))
    }

    #[track_caller]
    fn check_arrivals(shape: Shape, expected_seconds: [f64; 4]) {
        let options = StormOptions { shape, ..options() };
        for (place, expected) in [0, 25, 50, 99].into_iter().zip(expected_seconds) {
            let actual = options.arrival(place).as_secs_f64();
            assert!((actual - expected).abs() < 0.01, "{place}: {actual}");
        }
    }

    #[test]
    fn shape_spreads_the_logins() {
        check_arrivals(Shape::Even, [0.0, 15.0, 30.0, 59.4]);
        check_arrivals(Shape::Front, [0.0, 8.04, 17.57, 54.0]);
    }

    #[test]
    fn shape_reads_what_it_prints() {
        for shape in [Shape::Front, Shape::Even] {
            assert_eq!(shape.to_string().parse(), Ok(shape));
        }
        assert!("back".parse::<Shape>().is_err());
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut StormOptions), expected: &str) {
        let mut options = options();
        change(&mut options);
        let error = options.carrier().unwrap_err();
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn options_say_what_does_not_fit() {
        check(
            |options| options.subscribers = 101,
            "subscribers is 101: give a number from 1 to 100",
        );
        check(
            |options| options.routers = 0,
            "routers is 0: give a number from 1 to 64",
        );
        check(
            |options| options.load.users.clear(),
            "the list of users is empty",
        );
    }

    #[test]
    fn routers_have_addresses_and_names_in_a_row() {
        let mut options = options();
        options.routers = 2;
        options.load.source = Some(IpAddr::from([127, 0, 0, 255]));
        let carrier = options.carrier().unwrap();
        let share = options.share(&carrier, "ab", 1);
        assert_eq!(share.source, Some(IpAddr::from([127, 0, 1, 0])));
        assert_eq!(share.router.address, IpAddr::from([127, 0, 1, 0]));
        assert_eq!(share.router.identifier, "lab-2");
    }
}
