//! Pages of a list: where the previous one ended, and how many rows follow.

/// The part of a list that is wanted. `Key` is what the list is sorted by, so that a page begins
/// after the last row of the page before it, whatever was added or removed meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<Key> {
    /// Key of the last row already seen; `None` begins at the first.
    pub after: Option<Key>,
    limit: u32,
}

impl<Key> Page<Key> {
    /// The most rows that one page carries.
    pub const LIMIT_MAX: u32 = 1_000;

    /// The first `limit` rows; a limit outside 1 to [`Self::LIMIT_MAX`] and one is brought inside.
    pub fn first(limit: u32) -> Self {
        Self {
            after: None,
            // One more than a page has shows that there are more.
            limit: limit.clamp(1, Self::LIMIT_MAX + 1),
        }
    }

    /// The `limit` rows after the one with this key.
    pub fn after(key: Key, limit: u32) -> Self {
        Self {
            after: Some(key),
            ..Self::first(limit)
        }
    }

    /// How many rows are wanted at most.
    pub const fn limit(&self) -> u32 {
        self.limit
    }
}
