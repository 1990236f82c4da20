//! What marks the terms of a login by the rows of FreeRADIUS' tables: the attributes of its reply.

use super::fingerprint::Fingerprint;
use super::{Term, TermsMark};

/// A mark that is being made of attributes, in their order.
#[derive(Clone, Copy, Debug)]
pub struct RowMark([Fingerprint; Term::ALL.len()]);

impl RowMark {
    pub const fn new() -> Self {
        Self([Fingerprint::new(); Term::ALL.len()])
    }

    /// Adds an attribute with its value.
    pub fn add(&mut self, term: Term, name: &str, tag: Option<u8>, value: &[u8]) {
        let print = &mut self.0[term.index()];
        print.write(name.as_bytes());
        // The first is in no name, and the lengths keep two attributes apart from one.
        print.write(&[0, tag.unwrap_or(0)]);
        print.write(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
        print.write(value);
    }

    pub fn finish(self) -> TermsMark {
        TermsMark {
            parts: self.0.map(Fingerprint::finish),
            is_walled: false,
        }
    }
}

impl Default for RowMark {
    fn default() -> Self {
        Self::new()
    }
}
