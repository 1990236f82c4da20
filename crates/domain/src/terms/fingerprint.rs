//! The fingerprint of a term: FNV-1a of 32 bits over its octets, because it is the same on every
//! machine and in every version, and costs a multiplication an octet.

use std::fmt::{self, Display, Write as _};

const OFFSET: u32 = 0x811c_9dc5;
const PRIME: u32 = 0x0100_0193;

/// A fingerprint that is being made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fingerprint {
    state: u32,
    is_empty: bool,
}

impl Fingerprint {
    pub(super) const fn new() -> Self {
        Self {
            state: OFFSET,
            is_empty: true,
        }
    }

    pub(super) fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.state = (self.state ^ u32::from(*octet)).wrapping_mul(PRIME);
            self.is_empty = false;
        }
    }

    /// 0 when nothing was written, and never otherwise.
    pub(super) const fn finish(self) -> u32 {
        match (self.is_empty, self.state) {
            (true, _) => 0,
            (false, 0) => 1,
            (false, state) => state,
        }
    }
}

impl fmt::Write for Fingerprint {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}

pub(super) fn text(text: Option<&str>) -> u32 {
    shown(text)
}

/// The fingerprint of a value's text.
pub(super) fn shown(value: Option<impl Display>) -> u32 {
    let mut print = Fingerprint::new();
    if let Some(value) = value {
        write!(print, "{value}").expect("a fingerprint takes every text");
    }
    print.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(octets: &[u8], expected: u32) {
        let mut print = Fingerprint::new();
        print.write(octets);
        assert_eq!(print.finish(), expected);
    }

    /// Vectors of the FNV reference (draft-eastlake-fnv, appendix C).
    #[test]
    fn a_fingerprint_is_fnv_1a() {
        check(b"a", 0xe40c_292c);
        check(b"foobar", 0xbf9c_f968);
    }

    #[test]
    fn nothing_is_zero_and_something_is_not() {
        check(b"", 0);
        assert_eq!(text(None), 0);
        assert_eq!(text(Some("a")), 0xe40c_292c);
    }
}
