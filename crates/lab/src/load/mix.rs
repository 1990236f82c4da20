//! What a load consists of: kinds of requests with weights.

use std::fmt;
use std::str::FromStr;

use rand::{Rng, RngExt};
use serde::Serialize;

use crate::method::Method;

/// One kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", untagged)]
pub enum Kind {
    /// An Access-Request with this method.
    Login(Method),
    /// An Accounting-Request: the next record of a session's life.
    #[serde(serialize_with = "serialize_accounting")]
    Accounting,
}

/// Kinds of requests with weights: `pap`, `pap=70,chap=10,accounting=20` or `mixed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    weights: [u32; Kind::ALL.len()],
}

/// Why a text is no mix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MixError {
    /// A name that is no kind of request.
    #[error(
        "'{raw}' is no kind of request: write pap, chap, mschapv1, mschapv2, accounting or mixed"
    )]
    Kind { raw: String },
    /// A weight that is no number.
    #[error(
        "'{raw}' is no weight: write a whole number from 0 to {}",
        Mix::WEIGHT_MAX
    )]
    Weight { raw: String },
    /// All weights are zero.
    #[error("the mix is empty: give at least one kind a weight above 0")]
    Empty,
}

impl Kind {
    /// Every kind, in the order they are shown.
    pub const ALL: [Self; 5] = [
        Self::Login(Method::Pap),
        Self::Login(Method::Chap),
        Self::Login(Method::MsChapV1),
        Self::Login(Method::MsChapV2),
        Self::Accounting,
    ];

    /// The name in mixes and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Login(method) => method.name(),
            Self::Accounting => "accounting",
        }
    }

    /// The place in [`Self::ALL`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Login(Method::Pap) => 0,
            Self::Login(Method::Chap) => 1,
            Self::Login(Method::MsChapV1) => 2,
            Self::Login(Method::MsChapV2) => 3,
            Self::Accounting => 4,
        }
    }

    fn parse(raw: &str) -> Result<Self, MixError> {
        if raw == "accounting" {
            return Ok(Self::Accounting);
        }
        match raw.parse() {
            Ok(method) => Ok(Self::Login(method)),
            Err(_) => Err(MixError::Kind { raw: raw.into() }),
        }
    }
}

impl Mix {
    /// The largest weight of one kind.
    pub const WEIGHT_MAX: u32 = 1_000_000;

    /// What `mixed` stands for: a working day of logins and records.
    pub const MIXED: Self = Self {
        weights: [45, 10, 0, 5, 40],
    };

    /// Only one kind.
    #[must_use]
    pub const fn only(kind: Kind) -> Self {
        let mut weights = [0; Kind::ALL.len()];
        weights[kind.index()] = 1;
        Self { weights }
    }

    /// These kinds, each as often as the others.
    pub(crate) fn evenly(kinds: &[Kind]) -> Self {
        let mut weights = [0; Kind::ALL.len()];
        for kind in kinds {
            weights[kind.index()] = 1;
        }
        Self { weights }
    }

    /// The weight of a kind.
    #[must_use]
    pub const fn weight(&self, kind: Kind) -> u32 {
        self.weights[kind.index()]
    }

    /// Whether any login is in it.
    pub(crate) fn has_logins(&self) -> bool {
        self.weight(Kind::Accounting) < self.total()
    }

    /// Whether accounting is in it.
    pub(crate) const fn has_accounting(&self) -> bool {
        0 < self.weight(Kind::Accounting)
    }

    /// A kind, as often as its weight says.
    pub(crate) fn pick(&self, random: &mut impl Rng) -> Kind {
        let mut rest = random.random_range(0..self.total());
        for kind in Kind::ALL {
            match rest.checked_sub(self.weight(kind)) {
                Some(left) => rest = left,
                None => return kind,
            }
        }
        Kind::Accounting
    }

    fn total(&self) -> u32 {
        self.weights.iter().sum()
    }
}

impl Default for Mix {
    fn default() -> Self {
        Self::only(Kind::Login(Method::Pap))
    }
}

impl FromStr for Mix {
    type Err = MixError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        if raw == "mixed" {
            return Ok(Self::MIXED);
        }
        let mut weights = [0; Kind::ALL.len()];
        for part in raw.split(',') {
            let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
            let kind = Kind::parse(name.trim())?;
            weights[kind.index()] = match weight.trim().parse() {
                Ok(weight) if weight <= Self::WEIGHT_MAX => weight,
                Ok(_) | Err(_) => return Err(MixError::Weight { raw: weight.into() }),
            };
        }
        if weights.iter().all(|weight| *weight == 0) {
            return Err(MixError::Empty);
        }
        Ok(Self { weights })
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for kind in Kind::ALL {
            if 0 < self.weight(kind) {
                write!(
                    formatter,
                    "{separator}{}={}",
                    kind.name(),
                    self.weight(kind)
                )?;
                separator = ",";
            }
        }
        Ok(())
    }
}

fn serialize_accounting<S: serde::Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(Kind::Accounting.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[track_caller]
    fn check(raw: &str, expected: Result<&str, &str>) {
        let actual = raw.parse::<Mix>();
        let actual = actual
            .map(|mix| mix.to_string())
            .map_err(|error| error.to_string());
        assert_eq!(actual.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn mix_reads_names_and_weights() {
        check("pap", Ok("pap=1"));
        check("chap, pap=2", Ok("pap=2,chap=1"));
        check(
            "pap=70,chap=10,accounting=20",
            Ok("pap=70,chap=10,accounting=20"),
        );
        check("mixed", Ok("pap=45,chap=10,mschapv2=5,accounting=40"));
    }

    #[test]
    fn mix_says_what_it_does_not_take() {
        check(
            "eap=1",
            Err(
                "'eap' is no kind of request: write pap, chap, mschapv1, mschapv2, accounting or mixed",
            ),
        );
        check(
            "pap=many",
            Err("'many' is no weight: write a whole number from 0 to 1000000"),
        );
        check(
            "pap=1000001",
            Err("'1000001' is no weight: write a whole number from 0 to 1000000"),
        );
        check(
            "pap=0",
            Err("the mix is empty: give at least one kind a weight above 0"),
        );
    }

    #[test]
    fn kinds_come_as_often_as_their_weights_say() {
        let mix: Mix = "pap=70,chap=10,accounting=20".parse().unwrap();
        let mut random = random::generator(Some(1));
        let mut counts = [0_u32; Kind::ALL.len()];
        for _ in 0..10_000 {
            counts[mix.pick(&mut random).index()] += 1;
        }
        for (kind, expected) in Kind::ALL.into_iter().zip([7_000, 1_000, 0, 0, 2_000]) {
            let count = counts[kind.index()];
            assert!(count.abs_diff(expected) < 300, "{}: {count}", kind.name());
        }
    }

    #[test]
    fn kinds_serialize_as_their_names() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
