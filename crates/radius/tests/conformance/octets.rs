//! Octets written as hexadecimal text, the way RFCs and packet captures show them.

/// Octets of a text in hexadecimal; white space is ignored.
#[track_caller]
pub(crate) fn octets(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|character| !character.is_whitespace())
        .map(|character| character.to_digit(16).expect("hexadecimal digit"))
        .map(|digit| u8::try_from(digit).expect("a digit is below 16"))
        .collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    assert!(rest.is_empty(), "odd number of digits: {text}");
    pairs.iter().map(|[high, low]| high << 4 | low).collect()
}

/// Octets of a text in hexadecimal that must have a certain length.
#[track_caller]
pub(crate) fn array<const LENGTH: usize>(text: &str) -> [u8; LENGTH] {
    octets(text)
        .try_into()
        .expect("as many octets as the array has")
}
