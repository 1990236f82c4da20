//! Refusals of the interface, told by the options and the names that the command was given.

use std::fmt::Display;

use storage::error::{Resource, UniqueField};

use super::error::CliError;
use crate::client::Client;
use crate::client::call::Call;
use crate::client::error::ClientError;
use crate::client::problem::{FieldProblem, Problem};
use crate::exit::ExitStatus;

/// A kind of thing that a command names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noun {
    pub(crate) what: Resource,
    /// What to do when there is none of a name.
    pub(crate) remedy: &'static str,
}

/// Fields whose option has another name; the option of the others has the name of the field.
const OPTIONS: [(&str, &str); 8] = [
    ("name", "NAME"),
    ("username", "USERNAME"),
    ("static_ipv4", "--ipv4"),
    ("starts_at", "--starts"),
    ("expires_at", "--expires"),
    ("session_timeout_seconds", "--session-timeout"),
    ("idle_timeout_seconds", "--idle-timeout"),
    ("interim_seconds", "--interim"),
];

/// Tells a refusal by the things that the command named.
pub(crate) fn told(error: ClientError, named: &[(Noun, &dyn Display)]) -> CliError {
    let problem = match error {
        ClientError::Refused(problem) => problem,
        ClientError::Start(error) => return CliError::Start(error),
        ClientError::Trust(_)
        | ClientError::Unreachable { .. }
        | ClientError::Untrusted { .. }
        | ClientError::Strange { .. }
        | ClientError::Moved { .. }
        | ClientError::TooLarge { .. }
        | ClientError::Unreadable { .. } => return CliError::Client(error),
    };
    let told = absent(&problem, named)
        .or_else(|| taken(&problem, named))
        .unwrap_or_else(|| CliError::Refused {
            text: text(&problem),
            status: status(&problem),
        });
    match problem.request_id {
        Some(request) => CliError::Answered {
            told: Box::new(told),
            request,
        },
        None => told,
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        told(error, &[])
    }
}

impl Noun {
    /// Fails unless there is one of this name below `path`.
    pub(crate) async fn check(
        self,
        client: &Client,
        path: &str,
        name: &impl Display,
    ) -> Result<(), CliError> {
        let found = client.tell(Call::get(&[path, &name.to_string()])).await;
        found.map_err(|error| told(error, &[(self, name)]))
    }

    /// There is none of this name.
    pub(crate) fn not_found(&self, name: &dyn Display) -> CliError {
        CliError::NotFound {
            what: self.what,
            name: name.to_string(),
            remedy: self.remedy,
        }
    }
}

/// One of the things named is not there.
fn absent(problem: &Problem, named: &[(Noun, &dyn Display)]) -> Option<CliError> {
    let kind = problem.absent().filter(|_| problem.is_not_found())?;
    let (noun, name) = named
        .iter()
        .find(|(noun, _)| noun.what.to_string() == kind)?;
    Some(noun.not_found(name))
}

/// Another thing has what the command gives to the first thing named.
fn taken(problem: &Problem, named: &[(Noun, &dyn Display)]) -> Option<CliError> {
    let [FieldProblem { field, .. }] = problem.errors.as_slice() else {
        return None;
    };
    let (noun, _) = named.first().filter(|_| problem.code == "conflict")?;
    let field = match field.as_str() {
        "name" => UniqueField::Name,
        "username" => UniqueField::Username,
        "address" => UniqueField::Source,
        "ipv4" => UniqueField::Ipv4,
        "ipv6_prefix" => UniqueField::Ipv6Prefix,
        "ipv6_delegated" => UniqueField::Ipv6Delegated,
        _ => return None,
    };
    Some(CliError::conflict(noun.what, field))
}

/// What is wrong, by the options that it is about.
fn text(problem: &Problem) -> String {
    if problem.errors.is_empty() {
        return problem.detail.clone();
    }
    let told = problem
        .errors
        .iter()
        .map(|FieldProblem { field, detail }| format!("{}: {detail}", option(field)));
    told.collect::<Vec<_>>().join("; ")
}

/// The option that fills a field, or a part of it.
fn option(field: &str) -> String {
    let whole = field.split(['.', '[']).next().unwrap_or_default();
    let known = OPTIONS.iter().find(|(name, _)| *name == whole);
    known.map_or_else(
        || format!("--{}", whole.replace('_', "-")),
        |(_, option)| (*option).to_owned(),
    )
}

fn status(problem: &Problem) -> ExitStatus {
    match problem.status {
        400 | 422 => ExitStatus::Usage,
        401 | 403 => ExitStatus::Denied,
        404 => ExitStatus::NotFound,
        _ => ExitStatus::Failed,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::exit::ErrorChain;

    const NAS: Noun = Noun {
        what: Resource::Nas,
        remedy: "`lastmile nas list` shows them",
    };
    const GROUP: Noun = Noun {
        what: Resource::NasGroup,
        remedy: "`lastmile nas group list` shows them",
    };

    #[track_caller]
    fn check(problem: Json, expected: &str, status: ExitStatus) {
        let problem = serde_json::from_value(problem).expect("it is a problem");
        let named: [(Noun, &dyn Display); 2] = [(GROUP, &"north"), (NAS, &"pop-1")];
        let error = told(ClientError::Refused(Box::new(problem)), &named);
        assert_eq!(ErrorChain(&error).to_string(), expected);
        assert_eq!(error.status(), status, "{expected}");
    }

    #[test]
    fn what_is_absent_is_told_by_its_name() {
        let problem = |what: &str| json!({"status": 404, "code": "not_found", "detail": format!("there is no such {what}")});
        let nas = "there is no NAS 'pop-1': `lastmile nas list` shows them";
        check(problem("NAS"), nas, ExitStatus::NotFound);
        let group = "there is no NAS group 'north': `lastmile nas group list` shows them";
        check(problem("NAS group"), group, ExitStatus::NotFound);
        check(
            problem("moon"),
            "there is no such moon",
            ExitStatus::NotFound,
        );
    }

    #[test]
    fn fields_are_told_by_their_options() {
        let problem = json!({
            "status": 422, "code": "invalid", "detail": "2 fields cannot be as they are",
            "errors": [
                {"field": "expires_at", "code": "invalid", "detail": "not a time"},
                {"field": "rate.upload_bps", "code": "invalid", "detail": "too fast"},
            ],
        });
        let expected = "--expires: not a time; --rate: too fast";
        check(problem, expected, ExitStatus::Usage);
    }

    #[test]
    fn what_is_taken_is_told_with_what_to_do() {
        let problem = json!({
            "status": 409, "code": "conflict", "detail": "…", "request_id": "0190",
            "errors": [{"field": "name", "code": "taken", "detail": "…"}],
        });
        let expected = "NAME: another NAS group has this name: choose another, or change that one with `set` (request 0190)";
        check(problem, expected, ExitStatus::Failed);
    }

    #[test]
    fn who_may_not_is_denied() {
        for status in [401, 403] {
            let problem = json!({"status": status, "code": "x", "detail": "no"});
            check(problem, "no", ExitStatus::Denied);
        }
        let problem = json!({"status": 409, "code": "in_use", "detail": "still used"});
        check(problem, "still used", ExitStatus::Failed);
    }
}
