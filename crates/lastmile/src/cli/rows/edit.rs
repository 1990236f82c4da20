//! `lastmile rows set` and `remove`: all rows of a name at once.

use services::port::{RowFinding, RowReader as _};
use services::rows::{RowsError, Scrutiny, replace_group, replace_user};
use storage::rows::{AttributeRow, GroupRows, MembershipRow, UserRows};

use super::super::context::{Context, Deed, DryRun};
use super::super::error::CliError;
use super::super::value::HiddenArg;
use super::UserRecord;
use crate::wiring::lint::RowLinter;

/// The priority of a group when nothing is said about it.
const PRIORITY: i64 = 1;

/// Whose rows.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct WhoseArgs {
    /// The rows of this user
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// The rows of this group
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    #[command(flatten)]
    whose: WhoseArgs,
    /// A row that checks; the value `-` is read from standard input
    #[arg(long, value_name = "ROW", value_parser = parse_row)]
    check: Vec<RowArg>,
    /// A row of the reply
    #[arg(long, value_name = "ROW", value_parser = parse_row)]
    reply: Vec<RowArg>,
    /// A group that the user is in, with its priority behind a colon [default: 1]
    #[arg(long, value_name = "GROUP[:N]", conflicts_with = "group")]
    member: Vec<String>,
    /// Store rows that have errors
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    dry_run: DryRun,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    whose: WhoseArgs,
    #[command(flatten)]
    dry_run: DryRun,
}

/// A row on the command line. Its value may be a password, and shows itself nowhere.
#[derive(Clone, Debug)]
struct RowArg {
    attribute: String,
    op: String,
    value: HiddenArg,
}

#[derive(Debug, thiserror::Error)]
#[error("'{attribute}' is not a row: write ATTRIBUTE OPERATOR VALUE")]
struct RowArgError {
    attribute: String,
}

fn parse_row(raw: &str) -> Result<RowArg, RowArgError> {
    let mut parts = raw.trim().splitn(3, char::is_whitespace);
    let (attribute, op, value) = (parts.next(), parts.next(), parts.next());
    let (Some(attribute), Some(op), Some(value)) = (attribute, op, value) else {
        return Err(RowArgError {
            attribute: attribute.unwrap_or_default().to_owned(),
        });
    };
    let Ok(value) = value.trim().parse();
    Ok(RowArg {
        attribute: attribute.to_owned(),
        op: op.to_owned(),
        value,
    })
}

pub(super) async fn set(context: &mut Context, args: SetArgs) -> Result<(), CliError> {
    let check = rows("--check", args.check)?;
    let reply = rows("--reply", args.reply)?;
    let groups = memberships(&args.member);
    if check.is_empty() && reply.is_empty() && groups.is_empty() {
        return Err(CliError::Usage {
            option: "--check",
            reason: "there is no row: `lastmile rows remove` removes all",
        });
    }
    let scrutiny = match args.force {
        true => Scrutiny::StoreAnyway,
        false => Scrutiny::RefuseErrors,
    };
    let store = args.dry_run.store(&context.app).await?;
    let linter = RowLinter::new();
    let (name, stored) = match (args.whose.user, args.whose.group) {
        (Some(name), _) => {
            let user = UserRows {
                name: name.clone(),
                check,
                reply,
                groups,
            };
            let stored = replace_user(&store, &linter, &user, scrutiny).await;
            (name, stored.map(|stored| (stored.rows, stored.findings)))
        }
        (None, group) => {
            let name = group.unwrap_or_default();
            let group = GroupRows {
                name: name.clone(),
                check,
                reply,
            };
            let stored = replace_group(&store, &linter, &group, scrutiny).await;
            let stored = stored.map(|stored| {
                let GroupRows { name, check, reply } = stored.rows;
                let rows = UserRows {
                    name,
                    check,
                    reply,
                    groups: Vec::new(),
                };
                (rows, stored.findings)
            });
            (name, stored)
        }
    };
    let (rows, findings) = match stored {
        Ok(stored) => stored,
        Err(RowsError::Store(problem)) => return Err(problem.into()),
        Err(RowsError::Errors(findings)) => {
            tell(context, &findings);
            let errors = findings.len();
            return Err(CliError::RowErrors { errors });
        }
    };
    tell(context, &findings);
    let deed = Deed {
        what: format!("Rows of {name}"),
        verb: "replaced",
        details: String::new(),
    };
    Ok(context.report(args.dry_run, &deed, &UserRecord::from(rows))?)
}

pub(super) async fn remove(context: &mut Context, args: RemoveArgs) -> Result<(), CliError> {
    let store = args.dry_run.store(&context.app).await?;
    let linter = RowLinter::new();
    let is_secret = |attribute: &str| linter.is_secret(attribute);
    let name = match (args.whose.user, args.whose.group) {
        (Some(name), _) => {
            store.row_user_delete(&name, &is_secret).await?;
            name
        }
        (None, group) => {
            let name = group.unwrap_or_default();
            store.row_group_delete(&name, &is_secret).await?;
            name
        }
    };
    let deed = Deed {
        what: format!("Rows of {name}"),
        verb: "removed",
        details: String::new(),
    };
    let nothing = UserRows {
        name,
        check: Vec::new(),
        reply: Vec::new(),
        groups: Vec::new(),
    };
    Ok(context.report(args.dry_run, &deed, &UserRecord::from(nothing))?)
}

/// Rows of a list, numbered by their places, which findings name.
fn rows(option: &'static str, args: Vec<RowArg>) -> Result<Vec<AttributeRow>, CliError> {
    let rows = args.into_iter().zip(1..).map(|(row, id)| {
        Ok(AttributeRow {
            id,
            attribute: row.attribute,
            op: row.op,
            value: row.value.resolve(option)?.to_string(),
        })
    });
    rows.collect()
}

/// Groups with their priorities; a group whose name has a colon is written with its priority.
fn memberships(args: &[String]) -> Vec<MembershipRow> {
    let rows = args.iter().zip(1..).map(|(raw, id)| {
        let numbered = raw.rsplit_once(':');
        let numbered = numbered.and_then(|(group, number)| Some((group, number.parse().ok()?)));
        let (group, priority) = numbered.unwrap_or((raw, PRIORITY));
        MembershipRow {
            id,
            group: group.to_owned(),
            priority,
        }
    });
    rows.collect()
}

fn tell(context: &Context, findings: &[RowFinding]) {
    for finding in findings {
        let severity = finding.severity.as_str();
        let attribute = finding.attribute.as_deref().unwrap_or("the name");
        context.note(format_args!(
            "{severity}: {attribute}: {}; {}",
            finding.finding, finding.remedy
        ));
    }
}
