//! `lastmile explain`: what a router would be answered, and why, without asking.

use std::fmt;
use std::net::IpAddr;

use aaa::engine::Belief;
use domain::access::GrantedTerms;
use domain::auth_log::AuthOutcome;
use domain::auth_log::shorthand::Logged;
use domain::id::TenantId;
use domain::nas::Nas;
use domain::time::Timestamp;
use lab::reply::ReplyAttribute;
use radius::avp::{Avp, parse};
use radius::dictionary::Dictionary;
use serde::Serialize;
use storage::error::Resource;
use storage::store::Store;

use super::context::Context;
use super::error::CliError;
use super::value::HiddenArg;
use crate::app::App;
use crate::dry_run::request::{Asked, has, has_credential};
use crate::dry_run::{Rehearsed, Stage};

const OPTION: &str = "--attr";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Nothing is sent and nothing is changed. The password is taken as given unless one is named.

Examples:
  lastmile explain --user ana --nas pop-1
  lastmile explain --user ana --nas 192.0.2.1 --attr Calling-Station-Id=02-00-00-00-00-01
  lastmile explain --user ana --nas pop-1 --at 2026-12-24T20:00:00+03:00 --output json
  lastmile explain --user ana --nas pop-1 --password -        # from standard input, and checked"
)]
pub(crate) struct ExplainArgs {
    /// The user name, as the router would send it
    #[arg(long, value_name = "USER")]
    user: String,
    /// The router that would ask, by its name or by the address of its packets
    #[arg(long, value_name = "NAS")]
    nas: String,
    /// An attribute of the request; repeat it for more
    #[arg(long, value_name = "NAME=VALUE")]
    attr: Vec<String>,
    /// A password that is to be compared; `-` reads it from standard input
    #[arg(long, value_name = "PASSWORD")]
    password: Option<HiddenArg>,
    /// When the router would ask, with what is stored now [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
}

/// What would be answered.
#[derive(Debug, Serialize)]
pub(crate) struct Explanation {
    user_name: String,
    nas: String,
    nas_address: IpAddr,
    at: Timestamp,
    outcome: Outcome,
    /// The code of the reason; absent when it would be accepted.
    reason: Option<&'static str>,
    explanation: String,
    password: Password,
    trace: Vec<String>,
    /// What a plan or a garden grants; rows of FreeRADIUS' tables grant their attributes alone.
    grants: Option<GrantedTerms>,
    terms: Vec<String>,
    /// The address of a device that would be bound.
    binds_device: Option<String>,
    request: Vec<ReplyAttribute>,
    reply: Reply,
}

/// How a decision comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Accepted,
    Rejected,
}

/// What the password counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Password {
    Compared,
    TakenAsGiven,
}

/// The reply as it would be sent.
#[derive(Debug, Serialize)]
struct Reply {
    code: String,
    attributes: Vec<ReplyAttribute>,
}

/// A login that is asked about.
pub(crate) struct Question<'a> {
    /// Whose it is; with none, that of whoever runs the installation.
    pub(crate) tenant: Option<TenantId>,
    pub(crate) user_name: &'a str,
    pub(crate) nas: &'a str,
    /// Each as `NAME=VALUE`.
    pub(crate) attributes: &'a [String],
    pub(crate) password: Option<&'a str>,
    pub(crate) at: Timestamp,
}

pub(crate) async fn run(context: &mut Context, args: ExplainArgs) -> Result<(), CliError> {
    let password = args
        .password
        .as_ref()
        .map(|password| password.resolve("--password"))
        .transpose()?;
    let question = Question {
        tenant: None,
        user_name: &args.user,
        nas: &args.nas,
        attributes: &args.attr,
        password: password.as_ref().map(|text| text.as_str()),
        at: args.at.unwrap_or_else(|| context.app.now()),
    };
    question.attributes()?;
    let store = context.app.store_read().await?;
    let explanation = question.answer(&context.app, &store).await?;
    Ok(context.output.document(&explanation)?)
}

impl Question<'_> {
    pub(crate) async fn answer(&self, app: &App, store: &Store) -> Result<Explanation, CliError> {
        let attributes = self.attributes()?;
        let stage = Stage::load(app, store, self.user_name, self.tenant).await?;
        let source = find_source(&stage.circle().nas, self.nas)?;
        let asked = Asked {
            user_name: self.user_name,
            password: self.password,
            attributes: &attributes,
        };
        let rehearsed = stage.ask(source, asked, self.at).await?;
        Ok(Explanation::new(self.user_name.to_owned(), rehearsed))
    }

    fn attributes(&self) -> Result<Vec<Avp>, CliError> {
        let dictionary = Dictionary::builtin();
        let read = |text: &String| {
            parse(&dictionary, text).map_err(|source| CliError::Attribute {
                option: OPTION,
                source,
            })
        };
        let attributes: Vec<Avp> = self.attributes.iter().map(read).collect::<Result<_, _>>()?;
        if has(&dictionary, &attributes, &["User-Name"]) {
            return Err(CliError::Usage {
                option: OPTION,
                reason: "User-Name is what --user says: leave it out here",
            });
        }
        if self.password.is_some() && has_credential(&dictionary, &attributes) {
            return Err(CliError::Usage {
                option: "--password",
                reason: "--attr has a credential already: give one of them",
            });
        }
        Ok(attributes)
    }
}

/// The address from which a router asks. Of a prefix it is the first one.
fn find_source(all: &[Nas], text: &str) -> Result<IpAddr, CliError> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_canonical());
    }
    let named = all
        .iter()
        .find(|nas| nas.name.as_str().eq_ignore_ascii_case(text));
    let nas = named.ok_or_else(|| CliError::NotFound {
        what: Resource::Nas,
        name: text.to_owned(),
        remedy: "`lastmile nas list` shows them; an address may be given too",
    })?;
    let address = nas.source.network();
    let is_covered = all.iter().any(|other| {
        nas.source.prefix_len() < other.source.prefix_len() && other.source.contains(&address)
    });
    if is_covered {
        return Err(CliError::Usage {
            option: "--nas",
            reason: "another NAS has the first address of this prefix: give the address of the router",
        });
    }
    Ok(address)
}

impl Explanation {
    fn new(user_name: String, rehearsed: Rehearsed) -> Self {
        let Rehearsed {
            answer,
            nas,
            source_address,
            at,
            belief,
            request,
            code,
            reply,
        } = rehearsed;
        let entry = answer.entry;
        let (outcome, reason) = match entry.outcome {
            AuthOutcome::Accepted => (Outcome::Accepted, None),
            AuthOutcome::Rejected(reason) => (Outcome::Rejected, Some(reason)),
        };
        let logged = reason.map(Logged::Known);
        let steps = entry.trace.steps(logged.as_ref());
        let granted = answer.granted;
        Self {
            user_name,
            nas: nas.name.as_str().to_owned(),
            nas_address: source_address,
            at,
            outcome,
            reason: reason.map(|reason| reason.code()),
            explanation: reason.map_or_else(|| "granted".to_owned(), |reason| reason.to_string()),
            password: match belief {
                Belief::Compared => Password::Compared,
                Belief::Given => Password::TakenAsGiven,
            },
            trace: steps.iter().map(ToString::to_string).collect(),
            terms: granted
                .as_ref()
                .map(GrantedTerms::sentences)
                .unwrap_or_default(),
            grants: granted,
            binds_device: answer.binds.map(|mac| mac.to_string()),
            request,
            reply: Reply {
                code: code.to_string(),
                attributes: reply,
            },
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Accepted => "would be accepted",
            Outcome::Rejected => "would be rejected",
        };
        write!(
            formatter,
            "{} {outcome} at NAS {} ({}), {}: {}",
            self.user_name, self.nas, self.nas_address, self.at, self.explanation
        )?;
        match self.password {
            Password::Compared => {}
            Password::TakenAsGiven => {
                write!(formatter, "\nThe password was taken as given.")?;
            }
        }
        write_lines(formatter, "Why", &self.trace)?;
        if !self.terms.is_empty() {
            write_lines(formatter, "What is granted", &self.terms)?;
        }
        if let Some(device) = &self.binds_device {
            write!(formatter, "\nThe device {device} would be bound.")?;
        }
        let lines = |attributes: &[ReplyAttribute]| -> Vec<String> {
            attributes.iter().map(ToString::to_string).collect()
        };
        write_lines(formatter, "The request", &lines(&self.request))?;
        let Reply { code, attributes } = &self.reply;
        let title = format!("The reply, {code}");
        write_lines(formatter, &title, &lines(attributes))
    }
}

fn write_lines(formatter: &mut fmt::Formatter<'_>, title: &str, lines: &[String]) -> fmt::Result {
    write!(formatter, "\n{title}:")?;
    for line in lines {
        write!(formatter, "\n  {line}")?;
    }
    Ok(())
}
