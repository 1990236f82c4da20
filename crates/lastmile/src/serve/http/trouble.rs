//! What the web side cannot do at the moment, told once in the log and for as long as it lasts to
//! those who look.

use std::sync::{Mutex, PoisonError};

/// One thing that may not work.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Option<String>>);

impl Trouble {
    /// It does not work; gives whether that is news.
    pub(super) fn begin(&self, why: &str) -> bool {
        let before = self.replace(Some(why.to_owned()));
        before.as_deref() != Some(why)
    }

    /// It works; gives whether that is news.
    pub(super) fn end(&self) -> bool {
        self.replace(None).is_some()
    }

    /// Why it does not work; `None` while it does.
    pub(super) fn find(&self) -> Option<String> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }

    fn replace(&self, why: Option<String>) -> Option<String> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut held, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_no_news() {
        let trouble = Trouble::default();
        assert!(!trouble.end());
        assert!(trouble.begin("it is away"));
        assert!(!trouble.begin("it is away"));
        assert!(trouble.begin("it is broken"));
        assert_eq!(trouble.find().as_deref(), Some("it is broken"));
        assert!(trouble.end());
        assert_eq!(trouble.find(), None);
    }
}
