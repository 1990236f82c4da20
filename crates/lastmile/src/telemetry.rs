//! Logging: one line an event on stderr, as text or as JSON.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::config::LogFormat;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    On,
    Off,
}

impl Colour {
    /// Colour for a terminal whose user did not refuse it.
    pub(crate) fn detect(is_refused: bool) -> Self {
        if io::stderr().is_terminal() && !is_refused {
            Self::On
        } else {
            Self::Off
        }
    }
}

/// Sends the events of the whole program to stderr from here on. A second call changes nothing.
pub(crate) fn start(format: LogFormat, level: Targets, colour: Colour) {
    let events = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let events = match format {
        LogFormat::Text => events
            .with_ansi(colour == Colour::On)
            .with_filter(level)
            .boxed(),
        LogFormat::Json => events.json().flatten_event(true).with_filter(level).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(events);
    // Only the test harness runs this twice in a process; the first subscriber stays.
    drop(tracing::subscriber::set_global_default(subscriber));
}
