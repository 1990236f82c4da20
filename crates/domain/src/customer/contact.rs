//! How a customer is reached: addresses of mail, telephones, and places.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::search::digits;

/// Entries that one customer has of each kind, tags among them.
pub const ENTRIES_MAX: usize = 16;

/// An address of mail, as it was typed: something, an `@` and a domain, in up to 254 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailAddress(String);

/// A telephone number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phone {
    /// As it was typed.
    typed: String,
    /// `+`, country code and number (ITU-T E.164), when the country is in what was typed.
    e164: Option<String>,
}

/// A place where a service is, or where letters go.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PostalAddress {
    /// What the address is for: "home", "invoices".
    pub label: Option<String>,
    pub street: Option<String>,
    pub city: Option<String>,
    pub region: Option<String>,
    pub postcode: Option<String>,
    /// ISO 3166-1, two letters.
    pub country: Option<String>,
    pub coordinates: Option<Coordinates>,
}

/// A place on the Earth (WGS 84), in millionths of a degree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coordinates {
    latitude: i32,
    longitude: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContactError {
    #[error("this is not an e-mail address: write name@domain")]
    Email,
    #[error(
        "this is not a telephone number: write 3 to 15 digits, best with + and the country code"
    )]
    Phone,
    #[error(
        "each line of an address has 1 to {} characters",
        PostalAddress::CHARS_MAX
    )]
    Line,
    #[error("a country is two letters of ISO 3166-1, for example KE")]
    Country,
    #[error("an address has at least one line or coordinates")]
    EmptyAddress,
    #[error("a latitude is between -90 and 90 degrees, a longitude between -180 and 180")]
    Coordinates,
}

impl EmailAddress {
    const LEN_MAX: usize = 254;

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`, which tells people apart.
    pub fn local(&self) -> &str {
        self.0.split_once('@').map_or(&self.0, |(local, _)| local)
    }
}

impl FromStr for EmailAddress {
    type Err = ContactError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let (local, domain) = raw.rsplit_once('@').ok_or(ContactError::Email)?;
        let is_bare = |part: &str| {
            let is_bad = |letter: char| letter.is_whitespace() || letter.is_control();
            !part.is_empty() && !part.contains(is_bad)
        };
        let is_domain = !domain.starts_with('.') && !domain.ends_with('.') && !local.contains('@');
        if Self::LEN_MAX < raw.len() || !is_bare(local) || !is_bare(domain) || !is_domain {
            return Err(ContactError::Email);
        }
        Ok(Self(raw.to_owned()))
    }
}

impl Phone {
    const CHARS_MAX: usize = 40;

    /// As it was typed.
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// `+`, country code and number, when the country is known.
    pub fn e164(&self) -> Option<&str> {
        self.e164.as_deref()
    }

    /// The digits by which it is found.
    pub fn digits(&self) -> String {
        digits(self.e164.as_deref().unwrap_or(&self.typed))
    }
}

impl FromStr for Phone {
    type Err = ContactError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let typed = raw.trim();
        let is_plain = |letter: char| {
            letter.is_ascii_digit() || matches!(letter, '+' | '-' | '(' | ')' | '.' | ' ' | '/')
        };
        let all = digits(typed);
        if Self::CHARS_MAX < typed.len() || !typed.chars().all(is_plain) {
            return Err(ContactError::Phone);
        }
        let international = match typed.strip_prefix('+') {
            Some(rest) if rest.contains('+') => return Err(ContactError::Phone),
            // A zero in brackets is dialled inside of the country alone.
            Some(rest) => Some(digits(&rest.replacen("(0)", "", 1))),
            None if typed.contains('+') => return Err(ContactError::Phone),
            None => all.strip_prefix("00").map(ToOwned::to_owned),
        };
        let count = international.as_ref().map_or(all.len(), String::len);
        let is_zero = international
            .as_ref()
            .is_some_and(|digits| digits.starts_with('0'));
        if !(3..=15).contains(&count) || is_zero {
            return Err(ContactError::Phone);
        }
        Ok(Self {
            typed: typed.to_owned(),
            e164: international.map(|digits| format!("+{digits}")),
        })
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.e164.as_deref().unwrap_or(&self.typed))
    }
}

impl PostalAddress {
    pub const CHARS_MAX: usize = 200;

    /// The same address, if it is one.
    pub fn checked(mut self) -> Result<Self, ContactError> {
        let lines = [
            &self.label,
            &self.street,
            &self.city,
            &self.region,
            &self.postcode,
        ];
        let is_line = |line: &str| {
            let count = line.chars().count();
            (1..=Self::CHARS_MAX).contains(&count) && !line.contains(char::is_control)
        };
        if lines
            .iter()
            .any(|line| line.as_deref().is_some_and(|line| !is_line(line)))
        {
            return Err(ContactError::Line);
        }
        if let Some(country) = &mut self.country {
            country.make_ascii_uppercase();
            if country.len() != 2 || !country.bytes().all(|octet| octet.is_ascii_uppercase()) {
                return Err(ContactError::Country);
            }
        }
        let is_somewhere = self.coordinates.is_some() || lines_of(&self).any(|line| line.is_some());
        if is_somewhere {
            Ok(self)
        } else {
            Err(ContactError::EmptyAddress)
        }
    }
}

/// What says where it is, other than coordinates.
fn lines_of(address: &PostalAddress) -> impl Iterator<Item = Option<&str>> {
    [
        &address.street,
        &address.city,
        &address.region,
        &address.postcode,
        &address.country,
    ]
    .into_iter()
    .map(Option::as_deref)
}

impl Coordinates {
    const MILLIONTHS: f64 = 1e6;

    /// A place by its degrees.
    pub fn from_degrees(latitude: f64, longitude: f64) -> Result<Self, ContactError> {
        let is_there = |degrees: f64, most: f64| degrees.is_finite() && degrees.abs() <= most;
        if !is_there(latitude, 90.0) || !is_there(longitude, 180.0) {
            return Err(ContactError::Coordinates);
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "180 million is less than an i32 holds"
        )]
        let millionths = |degrees: f64| (degrees * Self::MILLIONTHS).round() as i32;
        Ok(Self {
            latitude: millionths(latitude),
            longitude: millionths(longitude),
        })
    }

    /// Latitude and longitude in degrees.
    pub fn as_degrees(self) -> (f64, f64) {
        let degrees = |millionths: i32| f64::from(millionths) / Self::MILLIONTHS;
        (degrees(self.latitude), degrees(self.longitude))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_phone(raw: &str, expected: Result<Option<&str>, ContactError>) {
        let actual = raw.parse::<Phone>();
        assert_eq!(
            actual.as_ref().map(Phone::e164),
            expected.as_ref().copied(),
            "{raw}"
        );
    }

    #[test]
    fn a_telephone_number_has_its_country_or_stays_as_it_is() {
        check_phone("+254 712 345-678", Ok(Some("+254712345678")));
        check_phone("00254712345678", Ok(Some("+254712345678")));
        check_phone("+44 (0)20 7946 0018", Ok(Some("+442079460018")));
        check_phone("0712 345 678", Ok(None));
        check_phone("112", Ok(None));
    }

    #[test]
    fn what_nobody_can_dial_is_no_telephone_number() {
        for wrong in [
            "",
            "12",
            "+0712345678",
            "call me",
            "7+7777",
            "++254712345678",
        ] {
            check_phone(wrong, Err(ContactError::Phone));
        }
        check_phone("1234567890123456", Err(ContactError::Phone));
    }

    #[test]
    fn an_email_address_has_a_name_and_a_domain() {
        let address = "Ana.Paz@example.net".parse::<EmailAddress>();
        assert_eq!(address.as_ref().map(EmailAddress::local), Ok("Ana.Paz"));
        for wrong in [
            "",
            "ana",
            "@example.net",
            "ana@",
            "a na@example.net",
            "ana@.net",
            "a@b@c",
        ] {
            assert_eq!(
                wrong.parse::<EmailAddress>(),
                Err(ContactError::Email),
                "{wrong}"
            );
        }
    }

    #[test]
    fn an_address_says_where_it_is() {
        let address = PostalAddress {
            city: Some("Nairobi".into()),
            country: Some("ke".into()),
            ..PostalAddress::default()
        };
        let checked = address.checked().map(|address| address.country);
        assert_eq!(checked, Ok(Some("KE".into())));
        let empty = PostalAddress {
            label: Some("home".into()),
            ..PostalAddress::default()
        };
        assert_eq!(empty.checked(), Err(ContactError::EmptyAddress));
        let wrong = PostalAddress {
            country: Some("Kenya".into()),
            ..PostalAddress::default()
        };
        assert_eq!(wrong.checked(), Err(ContactError::Country));
    }

    #[test]
    fn coordinates_are_on_the_earth() {
        let place = Coordinates::from_degrees(-1.292_066, 36.821_946);
        assert_eq!(
            place.map(Coordinates::as_degrees),
            Ok((-1.292_066, 36.821_946))
        );
        for (latitude, longitude) in [(91.0, 0.0), (0.0, -181.0), (f64::NAN, 0.0)] {
            let place = Coordinates::from_degrees(latitude, longitude);
            assert_eq!(place, Err(ContactError::Coordinates));
        }
    }
}
