//! Fields that a provider keeps about customers under names of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FieldValue {
    Bool(bool),
    Number(f64),
    Text(String),
}

/// Fields by their names.
#[derive(Clone, Debug, PartialEq, Default, Serialize)]
pub struct CustomFields(BTreeMap<String, FieldValue>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    #[error("'{name}' is no name of a field: write a letter a-z, then up to 63 of a-z, 0-9 and _")]
    Name { name: String },
    #[error(
        "the text of '{name}' has more than {} characters",
        CustomFields::TEXT_CHARS_MAX
    )]
    Text { name: String },
    #[error("the number of '{name}' is not finite")]
    Number { name: String },
    #[error(
        "there are {count} fields: at most {} are kept",
        CustomFields::COUNT_MAX
    )]
    Many { count: usize },
}

impl CustomFields {
    pub const COUNT_MAX: usize = 64;
    pub const TEXT_CHARS_MAX: usize = 500;

    /// Fields whose names and values are within limits.
    pub fn new(fields: BTreeMap<String, FieldValue>) -> Result<Self, FieldError> {
        if Self::COUNT_MAX < fields.len() {
            return Err(FieldError::Many {
                count: fields.len(),
            });
        }
        for (name, value) in &fields {
            if !is_name(name) {
                let name = name.chars().take(64).collect();
                return Err(FieldError::Name { name });
            }
            let name = || name.clone();
            match value {
                FieldValue::Text(text) if Self::TEXT_CHARS_MAX < text.chars().count() => {
                    return Err(FieldError::Text { name: name() });
                }
                FieldValue::Number(number) if !number.is_finite() => {
                    return Err(FieldError::Number { name: name() });
                }
                FieldValue::Bool(_) | FieldValue::Number(_) | FieldValue::Text(_) => {}
            }
        }
        Ok(Self(fields))
    }

    pub fn as_map(&self) -> &BTreeMap<String, FieldValue> {
        &self.0
    }

    pub fn into_map(self) -> BTreeMap<String, FieldValue> {
        self.0
    }
}

fn is_name(name: &str) -> bool {
    let mut octets = name.bytes();
    let is_first = octets
        .next()
        .is_some_and(|octet| octet.is_ascii_lowercase());
    let is_later =
        |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'_';
    is_first && name.len() <= 64 && octets.all(is_later)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, value: FieldValue) -> Result<CustomFields, FieldError> {
        CustomFields::new(BTreeMap::from([(name.to_owned(), value)]))
    }

    #[test]
    fn fields_are_named_plainly() {
        assert!(of("meter_no_2", FieldValue::Bool(true)).is_ok());
        for wrong in ["", "2nd", "Meter", "a-b", "a b"] {
            let expected = FieldError::Name { name: wrong.into() };
            assert_eq!(of(wrong, FieldValue::Bool(true)), Err(expected));
        }
    }

    #[test]
    fn values_are_bounded() {
        let text = FieldValue::Text("x".repeat(501));
        assert_eq!(of("a", text), Err(FieldError::Text { name: "a".into() }));
        let number = FieldValue::Number(f64::INFINITY);
        assert_eq!(
            of("a", number),
            Err(FieldError::Number { name: "a".into() })
        );
        let many = (0..65).map(|index| (format!("f{index}"), FieldValue::Bool(true)));
        let many = CustomFields::new(many.collect());
        assert_eq!(many, Err(FieldError::Many { count: 65 }));
    }
}
