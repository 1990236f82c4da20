//! Octets of columns as text, also when the column says something else than what is in it.

use super::TextOddities;

/// What the octets of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    /// UTF-8, or ASCII.
    Utf8,
    /// What MySQL calls latin1, which is Windows-1252.
    Latin1,
    /// Something that the server has to translate.
    Other,
}

/// What Windows-1252 has where Latin-1 has control characters.
const WINDOWS_1252: [char; 32] = [
    '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}',
    '\u{2c6}', '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}',
    '\u{90}', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}',
    '\u{2dc}', '\u{2122}', '\u{161}', '\u{203a}', '\u{153}', '\u{9d}', '\u{17e}', '\u{178}',
];

impl Charset {
    /// From the name that MySQL has for it; other databases name none.
    pub(super) fn of_name(name: &str) -> Self {
        match name {
            "" | "utf8" | "utf8mb3" | "utf8mb4" | "ascii" | "binary" => Self::Utf8,
            "latin1" => Self::Latin1,
            _ => Self::Other,
        }
    }

    /// Reads octets. FreeRADIUS compares octets and asks for no character set, so what is UTF-8
    /// is taken for it wherever it lies.
    pub(super) fn read(self, octets: Vec<u8>, oddities: &mut TextOddities) -> String {
        let octets = match String::from_utf8(octets) {
            Ok(text) => {
                if self == Self::Latin1 && !text.is_ascii() {
                    oddities.utf8_in_latin1 += 1;
                }
                return text;
            }
            Err(error) => error.into_bytes(),
        };
        if self != Self::Latin1 {
            oddities.read_as_latin1 += 1;
        }
        octets.into_iter().map(windows_1252).collect()
    }
}

fn windows_1252(octet: u8) -> char {
    match octet {
        0x80..=0x9f => WINDOWS_1252[usize::from(octet - 0x80)],
        other => char::from(other),
    }
}

/// A number in decimal digits.
pub(super) fn number(octets: &[u8]) -> Option<i64> {
    std::str::from_utf8(octets).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(charset: &str, octets: &[u8], expected: &str, utf8_in_latin1: u64, latin1: u64) {
        let mut oddities = TextOddities::default();
        let text = Charset::of_name(charset).read(octets.to_vec(), &mut oddities);
        assert_eq!(text, expected);
        assert_eq!(oddities.utf8_in_latin1, utf8_in_latin1, "{expected}");
        assert_eq!(oddities.read_as_latin1, latin1, "{expected}");
    }

    #[test]
    fn octets_are_what_was_written_and_not_what_the_column_says() {
        check("latin1", b"ana", "ana", 0, 0);
        check("latin1", b"zo\xeb", "zoë", 0, 0);
        check("latin1", "zoë".as_bytes(), "zoë", 1, 0);
        check("latin1", b"\x80 5", "€ 5", 0, 0);
        check("utf8mb4", "zoë".as_bytes(), "zoë", 0, 0);
        check("", b"zo\xeb", "zoë", 0, 1);
    }

    #[test]
    fn numbers_are_decimal() {
        assert_eq!(number(b" 18446744073"), Some(18_446_744_073));
        assert_eq!(number(b"1.5"), None);
        assert_eq!(number(b""), None);
    }
}
