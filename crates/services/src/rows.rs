//! Changing attribute rows, which are looked at before they are stored.

use storage::error::StoreError;
use storage::rows::{GroupRows, UserRows};
use storage::store::Store;

use crate::port::{RowFinding, RowReader, RowSeverity};

/// Whether rows are stored that mean something else than their author probably thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scrutiny {
    /// Not with an error in them.
    RefuseErrors,
    StoreAnyway,
}

/// Why rows are not stored.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    #[error("the rows have errors: mend them, or store them with force")]
    Errors(Vec<RowFinding>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Rows with what was found about them.
#[derive(Clone, Debug)]
pub struct Examined<R> {
    pub rows: R,
    pub findings: Vec<RowFinding>,
}

/// Looks at the rows of a user, stored or not.
pub async fn examine_user(
    store: &Store,
    reader: &dyn RowReader,
    user: &UserRows,
) -> Result<Vec<RowFinding>, StoreError> {
    let names: Vec<&str> = user.groups.iter().map(|row| row.group.as_str()).collect();
    let groups = store.row_groups(&names).await?;
    let mut findings = reader.user(user, &groups);
    if !store.row_namesakes(&[&user.name]).await?.is_empty() {
        findings.push(RowFinding {
            severity: RowSeverity::Error,
            code: "subscriber_first",
            table: "radcheck",
            row: None,
            attribute: None,
            finding: "a subscriber has this name, and the rows are never asked".to_owned(),
            remedy: "remove the subscriber, or the rows".to_owned(),
        });
    }
    Ok(findings)
}

/// Gives a user just these rows.
pub async fn replace_user(
    store: &Store,
    reader: &dyn RowReader,
    user: &UserRows,
    scrutiny: Scrutiny,
) -> Result<Examined<UserRows>, RowsError> {
    let findings = examine_user(store, reader, user).await?;
    check(findings, scrutiny)?;
    let is_secret = |attribute: &str| reader.is_secret(attribute);
    let rows = store.row_user_replace(user, &is_secret).await?;
    let findings = examine_user(store, reader, &rows).await?;
    Ok(Examined { rows, findings })
}

/// Gives a group just these rows.
pub async fn replace_group(
    store: &Store,
    reader: &dyn RowReader,
    group: &GroupRows,
    scrutiny: Scrutiny,
) -> Result<Examined<GroupRows>, RowsError> {
    check(reader.group(group), scrutiny)?;
    let is_secret = |attribute: &str| reader.is_secret(attribute);
    let rows = store.row_group_replace(group, &is_secret).await?;
    let findings = reader.group(&rows);
    Ok(Examined { rows, findings })
}

fn check(findings: Vec<RowFinding>, scrutiny: Scrutiny) -> Result<(), RowsError> {
    let errors = findings.into_iter();
    let errors: Vec<RowFinding> = errors
        .filter(|finding| finding.severity == RowSeverity::Error)
        .collect();
    match scrutiny {
        Scrutiny::RefuseErrors if !errors.is_empty() => Err(RowsError::Errors(errors)),
        Scrutiny::RefuseErrors | Scrutiny::StoreAnyway => Ok(()),
    }
}
