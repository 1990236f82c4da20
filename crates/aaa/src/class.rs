//! Class: what a router returns with each record of a session, and we find again who was let in and
//! on which terms.

use domain::id::AuthId;
use domain::terms::TermsMark;

/// Marks a Class as ours; the octets after it are an [`AuthId`] and a [`TermsMark`].
const PREFIX: &[u8; 4] = b"lm2:";

/// That of the versions before, without a mark.
const OLD_PREFIX: &[u8; 4] = b"lm1:";

/// Octets of a Class.
pub const OCTETS: usize = 4 + 16 + TermsMark::OCTETS;

/// What our Class says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OurClass {
    pub auth: AuthId,
    /// Absent in one of another version.
    pub terms: Option<TermsMark>,
}

/// The Class of an Access-Accept.
pub fn write(auth: AuthId, terms: TermsMark) -> [u8; OCTETS] {
    let mut class = [0; OCTETS];
    class[..4].copy_from_slice(PREFIX);
    class[4..20].copy_from_slice(auth.as_bytes());
    class[20..].copy_from_slice(&terms.to_octets());
    class
}

/// Reads our Class; `None` for anybody else's.
pub fn read(class: &[u8]) -> Option<OurClass> {
    if let Some(id) = class.strip_prefix(OLD_PREFIX) {
        return Some(OurClass {
            auth: AuthId::from_bytes(id.try_into().ok()?),
            terms: None,
        });
    }
    let (id, terms) = class.strip_prefix(PREFIX)?.split_first_chunk()?;
    Some(OurClass {
        auth: AuthId::from_bytes(*id),
        terms: TermsMark::from_octets(terms),
    })
}

#[cfg(test)]
mod tests {
    use domain::terms::{RowMark, Term};
    use domain::time::Timestamp;

    use super::*;

    #[test]
    fn our_class_comes_back_and_others_are_ignored() {
        let auth = AuthId::new(Timestamp::from_seconds(1), [3; 10]);
        let mut mark = RowMark::new();
        mark.add(Term::Rate, "Mikrotik-Rate-Limit", None, b"1M/1M");
        let terms = mark.finish();
        let class = write(auth, terms);
        let ours = |terms| Some(OurClass { auth, terms });
        assert_eq!(read(&class), ours(Some(terms)));
        assert_eq!(read(&class[..class.len() - 1]), ours(None));
        let old = [OLD_PREFIX.as_slice(), auth.as_bytes()].concat();
        assert_eq!(read(&old), ours(None));
        assert_eq!(read(b"lm1:short"), None);
        assert_eq!(read(b"lm2:short"), None);
        assert_eq!(read(b"ai:0123456789abcdef0123456789abcdef"), None);
        assert_eq!(read(&[]), None);
    }
}
