//! `lastmile why USER`: what the counter says to somebody who cannot get on.

use std::fmt;

use domain::access::GrantedTerms;
use domain::auth_log::AuthOutcome;
use domain::limit::Zone;
use domain::name::Username;
use domain::subscriber::state::AccessState;
use domain::time::Timestamp;
use domain::why::Cause;
use serde::Serialize;
use storage::session::SessionRow;

use super::context::Context;
use super::error::CliError;
use super::log::AuthRecord;
use crate::dry_run::Rehearsed;
use crate::inquiry::{Inquiry, Known};

/// Logins and sessions that people are shown; programs get all that were looked at.
const SHOWN_MAX: usize = 5;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lastmile why ana
  lastmile why ana --at 2026-11-14T21:30:00+03:00     # yesterday evening it did not work
  lastmile why 02-00-00-00-00-01                      # a device that logs in by its address
  lastmile why ana --json")]
pub(crate) struct WhyArgs {
    /// The user name, as the person types it
    user: String,
    /// The moment that is asked about [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// One JSON document, the same as --output json
    #[arg(long)]
    json: bool,
}

/// The answer.
#[derive(Debug, Serialize)]
pub(crate) struct WhyDocument {
    user_name: String,
    at: Timestamp,
    time_zone: Zone,
    known: KnownAs,
    subscriber: Option<SubscriberRecord>,
    /// What would be decided; absent about the past.
    verdict: Option<VerdictRecord>,
    causes: Vec<Cause>,
    decisions: Vec<AuthRecord>,
    sessions: Vec<SessionRow>,
}

/// Whom the name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum KnownAs {
    Subscriber,
    Rows,
    Nobody,
}

#[derive(Debug, Serialize)]
struct SubscriberRecord {
    username: Username,
    plan: String,
    state: AccessState,
    status_since: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct VerdictRecord {
    nas: String,
    outcome: &'static str,
    /// The code of the reason; absent when it would be accepted.
    reason: Option<&'static str>,
    explanation: String,
    grants: Option<GrantedTerms>,
}

pub(crate) async fn run(context: &mut Context, args: WhyArgs) -> Result<(), CliError> {
    if args.json {
        context.output.use_json();
    }
    let store = context.app.store_read().await?;
    let inquiry = Inquiry::make(&context.app, &store, (None, &args.user), args.at).await?;
    let document = WhyDocument::new(args.user, inquiry);
    Ok(context.output.document(&document)?)
}

impl WhyDocument {
    pub(crate) fn new(user_name: String, inquiry: Inquiry) -> Self {
        let Inquiry {
            at,
            zone,
            known,
            rehearsed,
            causes,
            decisions,
            sessions,
        } = inquiry;
        Self {
            user_name,
            at,
            time_zone: zone,
            known: match known {
                Known::Subscriber(_) => KnownAs::Subscriber,
                Known::Rows => KnownAs::Rows,
                Known::Nobody => KnownAs::Nobody,
            },
            subscriber: match known {
                Known::Subscriber(summary) => Some(SubscriberRecord {
                    username: summary.username,
                    plan: summary.plan.as_str().to_owned(),
                    state: summary.state,
                    status_since: summary.status_at,
                    expires_at: summary.expires_at,
                }),
                Known::Rows | Known::Nobody => None,
            },
            verdict: rehearsed.map(VerdictRecord::from),
            causes,
            decisions: decisions.into_iter().map(AuthRecord::from).collect(),
            sessions,
        }
    }

    fn write_whom(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.time_zone.show(self.at);
        write!(formatter, "{}, {at} ({})", self.user_name, self.time_zone)?;
        match (self.known, &self.subscriber) {
            (KnownAs::Subscriber, Some(subscriber)) => {
                let SubscriberRecord {
                    username,
                    plan,
                    state,
                    status_since,
                    expires_at,
                } = subscriber;
                write!(formatter, "\nSubscriber {username} on plan {plan}: {state}")?;
                if let Some(since) = status_since {
                    let since = self.time_zone.show(*since);
                    write!(formatter, ", status since {since}")?;
                }
                if let Some(expires_at) = expires_at {
                    let expires_at = self.time_zone.show(*expires_at);
                    write!(formatter, ", expiry {expires_at}")?;
                }
                Ok(())
            }
            (KnownAs::Rows, _) => write!(formatter, "\nA user of FreeRADIUS' tables"),
            (KnownAs::Subscriber | KnownAs::Nobody, _) => Ok(()),
        }
    }

    fn write_causes(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.causes.is_empty() {
            return write!(formatter, "\nNothing speaks against it.");
        }
        for (number, cause) in (1..).zip(&self.causes) {
            write!(formatter, "\n{number}. {}", cause.sentence)?;
            if let Some(remedy) = &cause.remedy {
                write!(formatter, "\n   What helps: {remedy}")?;
            }
        }
        Ok(())
    }

    fn write_decisions(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.decisions.is_empty() {
            return Ok(());
        }
        write!(formatter, "\nLast logins:")?;
        for decision in self.decisions.iter().take(SHOWN_MAX) {
            let at = self.time_zone.show(decision.last_at);
            let AuthRecord {
                outcome,
                nas,
                explanation,
                trace,
                count,
                ..
            } = decision;
            write!(formatter, "\n  {at}  {outcome} at NAS {nas}: {explanation}")?;
            if 1 < *count {
                write!(formatter, " ({count} times)")?;
            }
            write!(formatter, "\n    {}", trace.join(" · "))?;
        }
        Ok(())
    }

    fn write_sessions(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sessions.is_empty() {
            return Ok(());
        }
        write!(formatter, "\nLast sessions:")?;
        for session in self.sessions.iter().take(SHOWN_MAX) {
            let since = self.time_zone.show(session.started_at);
            let end = match (session.stopped_at, session.terminate_cause) {
                (None, _) => "open".to_owned(),
                (Some(at), Some(cause)) => format!("{} ({cause})", self.time_zone.show(at)),
                (Some(at), None) => self.time_zone.show(at),
            };
            write!(formatter, "\n  {since} to {end}, at NAS {}", session.nas)?;
        }
        Ok(())
    }
}

impl From<Rehearsed> for VerdictRecord {
    fn from(rehearsed: Rehearsed) -> Self {
        let answer = rehearsed.answer;
        let (outcome, reason) = match answer.entry.outcome {
            AuthOutcome::Accepted => ("accepted", None),
            AuthOutcome::Rejected(reason) => ("rejected", Some(reason)),
        };
        Self {
            nas: rehearsed.nas.name.as_str().to_owned(),
            outcome,
            reason: reason.map(|reason| reason.code()),
            explanation: reason.map_or_else(|| "granted".to_owned(), |reason| reason.to_string()),
            grants: answer.granted,
        }
    }
}

impl fmt::Display for WhyDocument {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_whom(formatter)?;
        self.write_causes(formatter)?;
        if let Some(verdict) = &self.verdict {
            let VerdictRecord {
                nas,
                outcome,
                explanation,
                ..
            } = verdict;
            write!(
                formatter,
                "\nA login at NAS {nas} with the right password would be {outcome}: {explanation}"
            )?;
        }
        self.write_decisions(formatter)?;
        self.write_sessions(formatter)
    }
}
