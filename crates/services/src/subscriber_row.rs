//! One subscriber as files and bulk requests write it: texts by column, until they are read.

use std::collections::BTreeMap;
use std::fmt;

use domain::credential::{self, Credential, PasswordHash};
use domain::id::{PlanId, TenantId};
use domain::name::{Name, Username};
use domain::operation::RowProblem;
use domain::session_policy::SessionTerms;
use domain::subscriber::{StaticAddresses, SubscriberStatus, address};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use storage::error::UniqueField;
use storage::subscriber::{NewSubscriber, SubscriberPatch};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    Username,
    Password,
    PasswordHash,
    Plan,
    StaticIpv4,
    Ipv6Prefix,
    Ipv6Delegated,
    StartsAt,
    ExpiresAt,
    Status,
}

/// The texts of one subscriber. A column that is absent stays as it is, and one that is empty is
/// emptied. Shows no text, because some are passwords.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubscriberRow(BTreeMap<Column, Option<String>>);

impl Column {
    pub const ALL: [Self; 10] = [
        Self::Username,
        Self::Password,
        Self::PasswordHash,
        Self::Plan,
        Self::StaticIpv4,
        Self::Ipv6Prefix,
        Self::Ipv6Delegated,
        Self::StartsAt,
        Self::ExpiresAt,
        Self::Status,
    ];

    /// The name in headers and objects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Password => "password",
            Self::PasswordHash => "password_hash",
            Self::Plan => "plan",
            Self::StaticIpv4 => "static_ipv4",
            Self::Ipv6Prefix => "ipv6_prefix",
            Self::Ipv6Delegated => "ipv6_delegated",
            Self::StartsAt => "starts_at",
            Self::ExpiresAt => "expires_at",
            Self::Status => "status",
        }
    }

    /// The column of this name, in any case.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|column| column.as_str().eq_ignore_ascii_case(name))
    }

    /// The column whose values must be unique.
    pub const fn of(field: UniqueField) -> Option<Self> {
        match field {
            UniqueField::Username => Some(Self::Username),
            UniqueField::Ipv4 => Some(Self::StaticIpv4),
            UniqueField::Ipv6Prefix => Some(Self::Ipv6Prefix),
            UniqueField::Ipv6Delegated => Some(Self::Ipv6Delegated),
            UniqueField::Name | UniqueField::Source | UniqueField::Number => None,
        }
    }

    /// A complaint about what it holds.
    pub fn wrong(self, detail: impl fmt::Display) -> RowProblem {
        RowProblem {
            code: "invalid".to_owned(),
            field: Some(self.as_str().to_owned()),
            detail: detail.to_string(),
        }
    }
}

impl fmt::Debug for SubscriberRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl SubscriberRow {
    /// Sets a text, or that there is to be none.
    pub fn set(&mut self, column: Column, text: Option<String>) {
        self.0.insert(column, text);
    }

    /// The user name as it is written, for lists.
    pub fn name(&self) -> &str {
        self.text(Column::Username)
    }

    pub fn username(&self) -> Result<Username, RowProblem> {
        self.required(Column::Username, str::parse)
    }

    /// The name of the plan, if there is one.
    pub fn plan(&self) -> Result<Option<Name>, RowProblem> {
        self.optional(Column::Plan, str::parse)
    }

    /// The name of the plan, which has to be there.
    pub fn required_plan(&self) -> Result<Name, RowProblem> {
        self.required(Column::Plan, str::parse)
    }

    pub fn status(&self) -> Result<Option<SubscriberStatus>, RowProblem> {
        self.optional(Column::Status, str::parse)
    }

    /// Whether anything but the name is written.
    pub fn has_terms(&self) -> bool {
        self.0
            .keys()
            .any(|column| !matches!(column, Column::Username | Column::Status))
    }

    /// A subscriber to be added.
    pub fn new_subscriber(
        &self,
        tenant: TenantId,
        plan: PlanId,
    ) -> Result<NewSubscriber, RowProblem> {
        let credential = match self.credential()? {
            Some(credential) => credential,
            None => credential::password("").map_err(|error| Column::Password.wrong(error))?,
        };
        Ok(NewSubscriber {
            tenant,
            username: self.username()?,
            credential,
            plan,
            status: self.status()?.unwrap_or(SubscriberStatus::Active),
            addresses: StaticAddresses {
                ipv4: self.optional(Column::StaticIpv4, address::parse_static_ipv4)?,
                ipv6_prefix: self.optional(Column::Ipv6Prefix, address::parse_ipv6_prefix)?,
                ipv6_delegated: self.optional(Column::Ipv6Delegated, address::parse_ipv6_prefix)?,
            },
            starts_at: self.optional(Column::StartsAt, str::parse::<Timestamp>)?,
            expires_at: self.optional(Column::ExpiresAt, str::parse::<Timestamp>)?,
            sessions: SessionTerms::default(),
            customer: None,
        })
    }

    /// What is to change of a subscriber, to a plan if one is named.
    pub fn patch(&self, plan: Option<PlanId>) -> Result<SubscriberPatch, RowProblem> {
        Ok(SubscriberPatch {
            credential: self.credential()?,
            plan,
            starts_at: self.replaced(Column::StartsAt, str::parse::<Timestamp>)?,
            expires_at: self.replaced(Column::ExpiresAt, str::parse::<Timestamp>)?,
            ipv4: self.replaced(Column::StaticIpv4, address::parse_static_ipv4)?,
            ipv6_prefix: self.replaced(Column::Ipv6Prefix, address::parse_ipv6_prefix)?,
            ipv6_delegated: self.replaced(Column::Ipv6Delegated, address::parse_ipv6_prefix)?,
            ..SubscriberPatch::default()
        })
    }

    /// The password as it stands, spaces included, or the hash.
    fn credential(&self) -> Result<Option<Credential>, RowProblem> {
        let hash = self.optional(Column::PasswordHash, str::parse::<PasswordHash>)?;
        let password = self.text(Column::Password);
        match hash {
            Some(_) if !password.is_empty() => {
                Err(Column::PasswordHash
                    .wrong("the line has a password too: leave one of them empty"))
            }
            Some(hash) => Ok(Some(Credential::Hashed(hash))),
            None if self.0.contains_key(&Column::Password) => credential::password(password)
                .map(Some)
                .map_err(|error| Column::Password.wrong(error)),
            None => Ok(None),
        }
    }

    fn text(&self, column: Column) -> &str {
        let found = self.0.get(&column).and_then(Option::as_deref);
        found.unwrap_or_default()
    }

    fn required<T, E: fmt::Display>(
        &self,
        column: Column,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, RowProblem> {
        parse(self.text(column).trim()).map_err(|error| column.wrong(error))
    }

    fn optional<T, E: fmt::Display>(
        &self,
        column: Column,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, RowProblem> {
        if self.text(column).trim().is_empty() {
            return Ok(None);
        }
        self.required(column, parse).map(Some)
    }

    fn replaced<T, E: fmt::Display>(
        &self,
        column: Column,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<Option<T>>, RowProblem> {
        match self.0.contains_key(&column) {
            true => self.optional(column, parse).map(Some),
            false => Ok(None),
        }
    }
}
