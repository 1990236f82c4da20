//! What rows mean, as tables: the answers are those of FreeRADIUS 3.2.1 unless a test says otherwise.

mod checks;
mod expansions;
mod fifty;
mod limits;
mod lint;
mod passwords;
mod properties;
mod replies;
mod speed;
mod strict;
mod values;
mod world;
