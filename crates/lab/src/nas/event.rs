//! What happens in a simulated life, as values and as plain lines.

use std::fmt;

use serde::Serialize;

use crate::auth::Milliseconds;
use crate::fault::Passage;
use crate::line::{Direction, LineEvent};
use crate::reply::{ReplyAttribute, ReplyFault};
use crate::request::Event;

/// A request of a NAS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NasRequest {
    /// Access-Request.
    Access,
    /// Accounting-Request, Start.
    AccountingStart,
    /// Accounting-Request, Interim-Update.
    AccountingInterim,
    /// Accounting-Request, Stop.
    AccountingStop,
    /// Accounting-Request, Accounting-On.
    AccountingOn,
    /// Accounting-Request, Accounting-Off.
    AccountingOff,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum NasEvent {
    /// A request went out, for the first time or again.
    Sent {
        request: NasRequest,
        transmission: u32,
        octets: usize,
    },
    /// The simulated line did something to a datagram.
    Disturbed {
        direction: Direction,
        passage: Passage,
    },
    /// A reply was not believed.
    Discarded { fault: ReplyFault },
    /// The server's host says that nobody listens on the port.
    PortClosed { request: NasRequest },
    /// The user may go online.
    Accepted {
        latency_us: u64,
        attributes: Vec<ReplyAttribute>,
    },
    /// The user may not.
    Rejected {
        latency_us: u64,
        attributes: Vec<ReplyAttribute>,
    },
    /// The server asks for more, which the lab does not give.
    Challenged { latency_us: u64 },
    /// An accounting record is stored, the server says.
    Acknowledged {
        request: NasRequest,
        latency_us: u64,
        input_octets: u64,
        output_octets: u64,
    },
    /// No believable answer came.
    Unanswered {
        request: NasRequest,
        transmissions: u32,
    },
}

impl NasRequest {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Access => "Access-Request",
            Self::AccountingStart => "Accounting-Request Start",
            Self::AccountingInterim => "Accounting-Request Interim-Update",
            Self::AccountingStop => "Accounting-Request Stop",
            Self::AccountingOn => "Accounting-Request Accounting-On",
            Self::AccountingOff => "Accounting-Request Accounting-Off",
        }
    }
}

impl From<Event> for NasRequest {
    fn from(event: Event) -> Self {
        match event {
            Event::Start => Self::AccountingStart,
            Event::Interim => Self::AccountingInterim,
            Event::Stop => Self::AccountingStop,
        }
    }
}

impl NasEvent {
    pub(crate) const fn of_line(request: NasRequest, event: LineEvent) -> Self {
        match event {
            LineEvent::Sent {
                transmission,
                octets,
            } => Self::Sent {
                request,
                transmission,
                octets,
            },
            LineEvent::Disturbed { direction, passage } => Self::Disturbed { direction, passage },
            LineEvent::Discarded(fault) => Self::Discarded { fault },
            LineEvent::PortClosed => Self::PortClosed { request },
        }
    }
}

impl fmt::Display for NasRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl fmt::Display for NasEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent {
                request,
                transmission: 1,
                octets,
            } => write!(formatter, "sent {request}, {octets} octets"),
            Self::Sent {
                request,
                transmission,
                ..
            } => write!(
                formatter,
                "sent {request} again, transmission {transmission}"
            ),
            Self::Disturbed { direction, passage } => {
                write!(formatter, "line: {} {}", direction.name(), passage.name())
            }
            Self::Discarded { fault } => write!(formatter, "discarded a reply: {fault}"),
            Self::PortClosed { request } => write!(formatter, "nobody listens for {request}"),
            Self::Accepted {
                latency_us,
                attributes,
            } => format_reply(formatter, "accepted", *latency_us, attributes),
            Self::Rejected {
                latency_us,
                attributes,
            } => format_reply(formatter, "rejected", *latency_us, attributes),
            Self::Challenged { latency_us } => {
                format_reply(formatter, "challenged", *latency_us, &[])
            }
            Self::Acknowledged {
                request,
                latency_us,
                input_octets,
                output_octets,
            } => {
                let latency = Milliseconds(*latency_us);
                write!(formatter, "acknowledged {request} in {latency}: ")?;
                write!(formatter, "{input_octets} octets in, {output_octets} out")
            }
            Self::Unanswered {
                request,
                transmissions,
            } => write!(
                formatter,
                "no answer to {request}, sent {transmissions} times"
            ),
        }
    }
}

fn format_reply(
    formatter: &mut fmt::Formatter<'_>,
    verb: &str,
    latency_us: u64,
    attributes: &[ReplyAttribute],
) -> fmt::Result {
    write!(formatter, "{verb} in {}", Milliseconds(latency_us))?;
    attributes
        .iter()
        .try_for_each(|attribute| write!(formatter, "\n  {attribute}"))
}

impl Direction {
    const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Reply => "reply",
        }
    }
}

impl Passage {
    const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::Held => "held back",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(event: &NasEvent, line: &str, json: &str) {
        assert_eq!(event.to_string(), line);
        assert_eq!(serde_json::to_string(event).unwrap(), json);
    }

    #[test]
    fn events_print_as_lines_and_as_json() {
        let sent = |transmission| NasEvent::Sent {
            request: NasRequest::AccountingInterim,
            transmission,
            octets: 180,
        };
        check(
            &sent(1),
            "sent Accounting-Request Interim-Update, 180 octets",
            r#"{"event":"sent","request":"accounting-interim","transmission":1,"octets":180}"#,
        );
        check(
            &sent(2),
            "sent Accounting-Request Interim-Update again, transmission 2",
            r#"{"event":"sent","request":"accounting-interim","transmission":2,"octets":180}"#,
        );
        check(
            &NasEvent::Disturbed {
                direction: Direction::Reply,
                passage: Passage::Held,
            },
            "line: reply held back",
            r#"{"event":"disturbed","direction":"reply","passage":"held"}"#,
        );
        check(
            &NasEvent::Discarded {
                fault: ReplyFault::MessageAuthenticatorAbsent,
            },
            "discarded a reply: the reply has no message authenticator",
            r#"{"event":"discarded","fault":"message_authenticator_absent"}"#,
        );
        check(
            &NasEvent::Accepted {
                latency_us: 1_234,
                attributes: vec![ReplyAttribute {
                    name: "Session-Timeout".into(),
                    value: "3600".into(),
                }],
            },
            "accepted in 1.234 ms\n  Session-Timeout = 3600",
            r#"{"event":"accepted","latency_us":1234,"attributes":[{"name":"Session-Timeout","value":"3600"}]}"#,
        );
        check(
            &NasEvent::Unanswered {
                request: NasRequest::Access,
                transmissions: 3,
            },
            "no answer to Access-Request, sent 3 times",
            r#"{"event":"unanswered","request":"access","transmissions":3}"#,
        );
    }
}
