//! The words in which wishes are stored. They stay as they are.

use compact_str::{CompactString, ToCompactString, format_compact};

use super::{EndReason, Wish};
use crate::access::RejectReason;
use crate::auth_log::shorthand::{Logged, write_reason};
use crate::terms::Term;

const END_REASONS: [EndReason; 6] = [
    EndReason::Kicked,
    EndReason::Replaced,
    EndReason::CredentialChanged,
    EndReason::DeviceForgotten,
    EndReason::UserRemoved,
    EndReason::NasRemoved,
];

impl Wish {
    /// The kind of the wish, as it is stored.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::End(_) => "end",
            Self::Apply => "apply",
            Self::SetRate(_) => "set_rate",
        }
    }

    /// What belongs to the kind, as it is stored.
    pub fn detail(&self) -> Option<CompactString> {
        match self {
            Self::End(reason) => Some(reason.to_stored()),
            Self::Apply => None,
            Self::SetRate(rate) => Some(rate.to_compact_string()),
        }
    }

    /// Reads what [`kind`](Self::kind) and [`detail`](Self::detail) wrote. What a later version of
    /// the program wrote is not understood.
    pub fn from_stored(kind: &str, detail: Option<&str>) -> Option<Self> {
        match (kind, detail) {
            ("end", Some(detail)) => EndReason::from_stored(detail).map(Self::End),
            ("apply", None) => Some(Self::Apply),
            ("set_rate", Some(detail)) => detail.parse().ok().map(Self::SetRate),
            _ => None,
        }
    }
}

impl EndReason {
    /// The reason, as it is stored.
    pub fn to_stored(self) -> CompactString {
        match self {
            Self::Kicked => "kicked".into(),
            Self::Replaced => "replaced".into(),
            Self::Refused(reason) => format_compact!("refused {}", write_reason(reason)),
            Self::TermsChanged(changed) => format_compact!("terms {}", changed.as_str()),
            Self::CredentialChanged => "credential".into(),
            Self::DeviceForgotten => "device".into(),
            Self::UserRemoved => "removed".into(),
            Self::NasRemoved => "nas_removed".into(),
        }
    }

    /// Reads what [`to_stored`](Self::to_stored) wrote.
    pub fn from_stored(stored: &str) -> Option<Self> {
        match stored.split_once(' ') {
            None => END_REASONS
                .into_iter()
                .find(|reason| reason.to_stored() == stored),
            Some(("refused", reason)) => match Logged::<RejectReason>::read_reason(reason) {
                Logged::Known(reason) => Some(Self::Refused(reason)),
                Logged::Unknown(_) => None,
            },
            Some(("terms", changed)) => Term::ALL
                .into_iter()
                .find(|known| known.as_str() == changed)
                .map(Self::TermsChanged),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn wishes_are_read_back() {
        let refused = RejectReason::Expired {
            at: Timestamp::from_seconds(1_800_000_000),
        };
        let mut wishes = vec![
            Wish::Apply,
            Wish::SetRate("2M/10M".parse().expect("a rate")),
            Wish::End(EndReason::Refused(refused)),
        ];
        wishes.extend(END_REASONS.map(Wish::End));
        wishes.extend(Term::ALL.map(|term| Wish::End(EndReason::TermsChanged(term))));
        for wish in wishes {
            let (kind, detail) = (wish.kind(), wish.detail());
            assert_eq!(Wish::from_stored(kind, detail.as_deref()), Some(wish));
        }
    }

    #[test]
    fn what_a_later_version_wrote_is_not_understood() {
        for (kind, detail) in [
            ("pause", None),
            ("end", None),
            ("end", Some("bored")),
            ("end", Some("refused out_of_luck")),
            ("end", Some("terms colour")),
            ("apply", Some("now")),
            ("set_rate", Some("fast")),
        ] {
            assert_eq!(Wish::from_stored(kind, detail), None, "{kind} {detail:?}");
        }
    }
}
