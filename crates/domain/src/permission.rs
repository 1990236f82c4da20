//! What somebody may do: scopes, and the roles that are made of them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A part of the business that is permitted or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    Customers,
    Subscribers,
    Plans,
    Nas,
    /// Walled gardens, messages and realms.
    Policy,
    /// FreeRADIUS' attribute rows.
    Rows,
    Sessions,
    Usage,
    /// The authentication log, and what explains it.
    Logs,
    /// Counts for dashboards.
    Statistics,
    Vouchers,
    /// RADIUS servers that are kept in step.
    Targets,
    Events,
    Webhooks,
    /// Operations, jobs, schedules and reconcilers.
    Jobs,
    Settings,
    Audit,
    Operators,
    Keys,
    Tenants,
}

/// To look, or to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    Read,
    Write,
}

/// One thing that a key or a role permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    To(Area, Access),
    /// To see secrets in clear, each time with a line in the audit log.
    RevealSecrets,
    /// What a panel needs that pushes vouchers to us, and nothing else.
    SyncVouchers,
}

/// What somebody may do, all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

/// A set of scopes with a name that people know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Owner,
    Admin,
    Billing,
    Support,
    Installer,
    ReadOnly,
}

/// A text that names no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no scope: write AREA:read or AREA:write, for example subscribers:read, or secrets:reveal or vouchers:sync"
)]
pub struct ScopeError(String);

/// A text that names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is owner, admin, billing, support, installer or read_only")]
pub struct RoleError;

impl Area {
    pub const ALL: [Self; 20] = [
        Self::Customers,
        Self::Subscribers,
        Self::Plans,
        Self::Nas,
        Self::Policy,
        Self::Rows,
        Self::Sessions,
        Self::Usage,
        Self::Logs,
        Self::Statistics,
        Self::Vouchers,
        Self::Targets,
        Self::Events,
        Self::Webhooks,
        Self::Jobs,
        Self::Settings,
        Self::Audit,
        Self::Operators,
        Self::Keys,
        Self::Tenants,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Subscribers => "subscribers",
            Self::Plans => "plans",
            Self::Nas => "nas",
            Self::Policy => "policy",
            Self::Rows => "rows",
            Self::Sessions => "sessions",
            Self::Usage => "usage",
            Self::Logs => "logs",
            Self::Statistics => "statistics",
            Self::Vouchers => "vouchers",
            Self::Targets => "targets",
            Self::Events => "events",
            Self::Webhooks => "webhooks",
            Self::Jobs => "jobs",
            Self::Settings => "settings",
            Self::Audit => "audit",
            Self::Operators => "operators",
            Self::Keys => "keys",
            Self::Tenants => "tenants",
        }
    }
}

impl Scope {
    const REVEAL: &str = "secrets:reveal";
    const SYNC: &str = "vouchers:sync";

    /// Every scope there is.
    pub fn all() -> impl Iterator<Item = Self> {
        let to = |area| [Self::To(area, Access::Read), Self::To(area, Access::Write)];
        let areas = Area::ALL.into_iter().flat_map(to);
        areas.chain([Self::RevealSecrets, Self::SyncVouchers])
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::To(area, Access::Read) => write!(formatter, "{}:read", area.as_str()),
            Self::To(area, Access::Write) => write!(formatter, "{}:write", area.as_str()),
            Self::RevealSecrets => formatter.write_str(Self::REVEAL),
            Self::SyncVouchers => formatter.write_str(Self::SYNC),
        }
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let found = Self::all().find(|scope| scope.to_string() == raw);
        found.ok_or_else(|| ScopeError(raw.chars().take(64).collect()))
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(deserializer)?;
        raw.parse().map_err(serde::de::Error::custom)
    }
}

impl Scopes {
    /// Whether all of this is permitted. Who may change something may look at it.
    pub fn permit(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
            || match scope {
                Scope::To(area, Access::Read) => self.0.contains(&Scope::To(area, Access::Write)),
                Scope::To(_, Access::Write) | Scope::RevealSecrets | Scope::SyncVouchers => false,
            }
    }

    /// Whether these permit no more than `others` do: nobody gives away what they don't have.
    pub fn is_within(&self, others: &Self) -> bool {
        self.0.iter().all(|scope| others.permit(*scope))
    }

    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

/// Scopes separated by spaces, as they are stored.
impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(formatter, "{space}{scope}")?;
        }
        Ok(())
    }
}

impl FromStr for Scopes {
    type Err = ScopeError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        raw.split_whitespace().map(str::parse).collect()
    }
}

impl Role {
    pub const ALL: [Self; 6] = [
        Self::Owner,
        Self::Admin,
        Self::Billing,
        Self::Support,
        Self::Installer,
        Self::ReadOnly,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Billing => "billing",
            Self::Support => "support",
            Self::Installer => "installer",
            Self::ReadOnly => "read_only",
        }
    }

    /// What the role permits.
    pub fn scopes(self) -> Scopes {
        use Access::{Read, Write};
        let to = |areas: &[Area], access| -> Vec<Scope> {
            areas.iter().map(|area| Scope::To(*area, access)).collect()
        };
        let given = match self {
            Self::Owner => Scope::all().collect(),
            Self::Admin => Scope::all()
                .filter(|scope| *scope != Scope::To(Area::Tenants, Write))
                .collect(),
            Self::Billing => [
                to(&[Area::Customers, Area::Subscribers, Area::Vouchers], Write),
                to(
                    &[
                        Area::Plans,
                        Area::Sessions,
                        Area::Usage,
                        Area::Logs,
                        Area::Statistics,
                        Area::Events,
                        Area::Jobs,
                    ],
                    Read,
                ),
            ]
            .concat(),
            Self::Support => [
                to(&[Area::Customers, Area::Subscribers, Area::Sessions], Write),
                to(
                    &[
                        Area::Plans,
                        Area::Nas,
                        Area::Policy,
                        Area::Rows,
                        Area::Usage,
                        Area::Logs,
                        Area::Statistics,
                        Area::Vouchers,
                        Area::Events,
                        Area::Jobs,
                    ],
                    Read,
                ),
            ]
            .concat(),
            Self::Installer => [
                to(&[Area::Nas], Write),
                to(
                    &[
                        Area::Customers,
                        Area::Subscribers,
                        Area::Plans,
                        Area::Sessions,
                        Area::Logs,
                        Area::Statistics,
                        Area::Events,
                    ],
                    Read,
                ),
            ]
            .concat(),
            Self::ReadOnly => to(&Area::ALL, Read),
        };
        given.into_iter().collect()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == raw);
        found.ok_or(RoleError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_and_roles_survive_their_text() {
        for scope in Scope::all() {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            let scopes = role.scopes();
            assert_eq!(scopes.to_string().parse(), Ok(scopes));
        }
        assert!("subscribers:delete".parse::<Scope>().is_err());
    }

    #[test]
    fn who_may_change_may_look_and_not_the_other_way_round() {
        let write: Scopes = [Scope::To(Area::Plans, Access::Write)]
            .into_iter()
            .collect();
        let read: Scopes = [Scope::To(Area::Plans, Access::Read)].into_iter().collect();
        assert!(write.permit(Scope::To(Area::Plans, Access::Read)));
        assert!(!read.permit(Scope::To(Area::Plans, Access::Write)));
        assert!(read.is_within(&write) && !write.is_within(&read));
    }

    #[test]
    fn roles_permit_what_their_names_say() {
        let permits = |role: Role, text: &str| {
            role.scopes()
                .permit(text.parse().expect("the test names a scope"))
        };
        assert!(permits(Role::Owner, "tenants:write"));
        assert!(!permits(Role::Admin, "tenants:write"));
        assert!(permits(Role::Support, "sessions:write"));
        assert!(!permits(Role::Support, "plans:write"));
        assert!(permits(Role::Billing, "customers:write"));
        assert!(permits(Role::Installer, "nas:write"));
        for role in [
            Role::Billing,
            Role::Support,
            Role::Installer,
            Role::ReadOnly,
        ] {
            for text in [
                "secrets:reveal",
                "operators:write",
                "keys:write",
                "settings:write",
            ] {
                assert!(!permits(role, text), "{role} {text}");
            }
            assert!(role.scopes().is_within(&Role::Owner.scopes()));
        }
    }
}
