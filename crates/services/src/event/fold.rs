//! Folds together what would come over and over: logins that are refused, senders that knock.
//!
//! The first one is told at once. What is like it in the minute after comes as one, with its count.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use compact_str::CompactString;
use domain::id::{NasId, TenantId};
use tokio::time::Instant;

use super::news::News;

/// How long the next one like it waits.
const WINDOW: Duration = Duration::from_secs(60);

/// Kinds that are told apart; beyond it, what is new is told each time.
const KINDS_MAX: usize = 16_384;

/// What makes two of them alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Login {
        tenant: TenantId,
        nas: NasId,
        username: Option<CompactString>,
        code: &'static str,
    },
    Knock(IpAddr),
}

/// What was told, and what came since.
#[derive(Debug)]
struct Fold {
    until: Instant,
    /// The last one, with the count of all since the one that was told.
    since: Option<News>,
}

/// What is held back.
#[derive(Debug, Default)]
pub(super) struct Folds {
    known: HashMap<Kind, Fold>,
    /// When the first of them may be told; an instant that is too early does no harm.
    due: Option<Instant>,
}

impl Folds {
    /// Takes news in; what is to be told at once comes back.
    pub(super) fn admit(&mut self, news: News, now: Instant) -> Option<News> {
        let Some(kind) = find_kind(&news) else {
            return Some(news);
        };
        if let Some(fold) = self.known.get_mut(&kind) {
            fold.since = Some(match fold.since.take() {
                Some(before) => joined(before, news),
                None => news,
            });
            return None;
        }
        if self.known.len() < KINDS_MAX {
            let until = now + WINDOW;
            self.known.insert(kind, Fold { until, since: None });
            self.due.get_or_insert(until);
        }
        Some(news)
    }

    /// What may be told now.
    pub(super) fn poll(&mut self, now: Instant) -> Vec<News> {
        if self.due.is_none_or(|due| now < due) {
            return Vec::new();
        }
        let mut told = Vec::new();
        self.known.retain(|_, fold| {
            if now < fold.until {
                return true;
            }
            // What goes on is told once a minute, and what has stopped is forgotten.
            let since = fold.since.take();
            fold.until = now + WINDOW;
            let goes_on = since.is_some();
            told.extend(since);
            goes_on
        });
        self.due = self.known.values().map(|fold| fold.until).min();
        told
    }

    /// When there may be something to tell.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Everything that is held back.
    pub(super) fn drain(&mut self) -> Vec<News> {
        self.due = None;
        self.known
            .drain()
            .filter_map(|(_, fold)| fold.since)
            .collect()
    }
}

fn find_kind(news: &News) -> Option<Kind> {
    match news {
        News::Rejected(rejection) => Some(Kind::Login {
            tenant: rejection.tenant,
            nas: rejection.nas,
            username: rejection.username.clone(),
            code: rejection.reason.code(),
        }),
        News::Knocked(knock) => Some(Kind::Knock(knock.source)),
        News::Session(_)
        | News::NasRestarted { .. }
        | News::LimitCrossed(_)
        | News::Lost { .. } => None,
    }
}

/// The later of two that are alike, with the count of both.
fn joined(before: News, mut news: News) -> News {
    match (&before, &mut news) {
        (News::Rejected(before), News::Rejected(after)) => after.count += before.count,
        (News::Knocked(before), News::Knocked(after)) => after.packets += before.packets,
        (
            News::Session(_)
            | News::NasRestarted { .. }
            | News::LimitCrossed(_)
            | News::Lost { .. }
            | News::Rejected(_)
            | News::Knocked(_),
            _,
        ) => {}
    }
    news
}

#[cfg(test)]
mod tests {
    use domain::auth_log::Knock;
    use domain::time::Timestamp;

    use super::*;

    fn knock(source: u8, packets: u64) -> News {
        News::Knocked(Knock {
            source: [192, 0, 2, source].into(),
            last_at: Timestamp::from_seconds(1),
            packets,
        })
    }

    #[test]
    fn the_first_is_told_at_once_and_the_others_once_a_minute() {
        let mut folds = Folds::default();
        let start = Instant::now();
        assert_eq!(folds.admit(knock(1, 1), start), Some(knock(1, 1)));
        assert_eq!(folds.admit(knock(1, 2), start), None);
        assert_eq!(folds.admit(knock(1, 3), start), None);
        assert_eq!(folds.admit(knock(2, 1), start), Some(knock(2, 1)));
        assert!(folds.poll(start + WINDOW / 2).is_empty());
        let later = start + WINDOW;
        assert_eq!(folds.due(), Some(later));
        assert_eq!(folds.poll(later), [knock(1, 5)]);
        // The second one has stopped, so it is new again; the first one goes on.
        assert_eq!(folds.admit(knock(2, 1), later), Some(knock(2, 1)));
        assert_eq!(folds.admit(knock(1, 4), later), None);
        assert_eq!(folds.drain(), [knock(1, 4)]);
        assert_eq!(folds.due(), None);
    }
}
