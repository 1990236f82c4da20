//! Rows as a subscriber on a plan, where they mean exactly that whatever a router asks.
//!
//! Nothing here reads operators: the rows are evaluated as for a request, once it is certain that no
//! request could change the outcome.

mod obstacle;
mod terms;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use domain::credential::Credential;
use domain::name::Username;
use domain::plan::PlanTerms;
use domain::session_policy::SessionTerms;
use domain::subscriber::{StaticAddresses, SubscriberStatus};
use domain::time::Timestamp;
use radius::code::Code;
use radius::packet::Packet;
use radius::writer::PacketWriter;

use crate::access::{Access, Authorization, Demand};
use crate::attribute::Role;
use crate::authorize::{Groups, authorize};
use crate::cause::Table;
use crate::compiler::Compiler;
use crate::limit::LimitKind;
use crate::name::{stored_group, stored_name};
use crate::operator::Operator;
use crate::password::AuthType;
use crate::program::{GroupProgram, Item, Operand, UserProgram};
use crate::request::Request;
use crate::row::{GroupRows, Membership, Mode, Row, UserRows};

pub use obstacle::Obstacle;
use terms::Granted;

/// What rows come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    pub username: Username,
    pub credential: Credential,
    pub status: SubscriberStatus,
    pub expires_at: Option<Timestamp>,
    pub addresses: StaticAddresses,
    /// Where the group has another number of sessions than the user.
    pub sessions: SessionTerms,
    pub plan: PlanBasis,
    pub additions: Additions,
}

/// The plan that rows amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanBasis {
    /// The group that is asked first.
    pub group: Option<String>,
    pub terms: PlanTerms,
    /// Whether the terms are those of the group alone.
    pub is_of_group: bool,
}

/// What a router is told beside what the rows say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Additions {
    /// Acct-Interim-Interval, of which the rows say nothing.
    pub interim: bool,
    /// Port-Limit, from Simultaneous-Use.
    pub port_limit: bool,
    /// Service-Type and Framed-Protocol are sent to routers that ask for framed service, and not to others.
    pub service: bool,
}

/// Turns rows into subscribers, with the groups of one database.
#[derive(Debug)]
pub struct Converter<'c> {
    compiler: &'c Compiler,
    groups: HashMap<String, Group>,
    request: Vec<u8>,
}

/// A group, and what is known of it.
#[derive(Debug)]
struct Group {
    program: Arc<GroupProgram>,
    /// Nobody in it gets in: `Auth-Type := Reject`.
    is_refusing: bool,
    obstacle: Option<Obstacle>,
}

/// The groups as an evaluation finds them; profiles are an obstacle before.
struct Known<'a>(&'a HashMap<String, Group>);

impl Groups for Known<'_> {
    fn group(&self, stored: &str) -> Option<Arc<GroupProgram>> {
        self.0.get(stored).map(|group| Arc::clone(&group.program))
    }

    fn user(&self, _: &str) -> Option<Arc<UserProgram>> {
        None
    }
}

impl<'c> Converter<'c> {
    /// A converter for users of these groups.
    #[must_use]
    pub fn new<'g>(
        compiler: &'c Compiler,
        groups: impl IntoIterator<Item = (&'g str, &'g GroupRows)>,
    ) -> Self {
        let groups = groups.into_iter().map(|(name, rows)| {
            let is_refusing = rows.check.iter().any(|row| is_refusal(compiler, row));
            let group = Group {
                program: Arc::new(compiler.group(rows)),
                is_refusing,
                obstacle: find_obstacle(compiler, Table::GroupCheck, &rows.check)
                    .or_else(|| find_obstacle(compiler, Table::GroupReply, &rows.reply)),
            };
            (name.to_owned(), group)
        });
        Self {
            compiler,
            groups: groups.collect(),
            request: request(),
        }
    }

    /// The subscriber that a user's rows are.
    ///
    /// # Errors
    /// What makes them something else.
    pub fn user(&self, name: &str, rows: &UserRows) -> Result<Conversion, Obstacle> {
        let username: Username = name.parse().map_err(|_| Obstacle::Name)?;
        if stored_name(name.as_bytes()) != name {
            return Err(Obstacle::Name);
        }
        find_obstacle(self.compiler, Table::Check, &rows.check)
            .or_else(|| find_obstacle(self.compiler, Table::Reply, &rows.reply))
            .map_or(Ok(()), Err)?;
        let (allowed, is_refused) = self.without_refusals(rows);
        if let Some(obstacle) = self.obstacle_of_groups(&allowed) {
            return Err(obstacle);
        }
        let granted = self.granted(&allowed)?;
        let mut memberships: Vec<&Membership> = allowed.groups.iter().collect();
        memberships.sort_by_key(|membership| (membership.priority, membership.id));
        let group = memberships
            .first()
            .map(|membership| membership.group.clone());
        let (plan, sessions) = self.plan(group, granted.terms);
        Ok(Conversion {
            username,
            credential: granted.credential,
            status: match is_refused {
                true => SubscriberStatus::Disabled,
                false => SubscriberStatus::Active,
            },
            expires_at: granted.expires_at,
            addresses: granted.addresses,
            sessions,
            plan,
            additions: granted.additions,
        })
    }

    /// The plan of these terms; what only the number of sessions sets apart is on the group's.
    fn plan(&self, group: Option<String>, terms: PlanTerms) -> (PlanBasis, SessionTerms) {
        let mut sessions = SessionTerms::default();
        let of_group = group
            .as_deref()
            .and_then(|group| self.terms_of_group(group));
        let (terms, is_of_group) = match of_group {
            Some(own) if own == terms => (own, true),
            Some(own) => {
                let with_sessions = PlanTerms {
                    session_limit: terms.session_limit,
                    ..own.clone()
                };
                if with_sessions == terms && terms.session_limit.is_some() {
                    sessions.session_limit = terms.session_limit;
                    (own, true)
                } else {
                    (terms, false)
                }
            }
            None => (terms, false),
        };
        let plan = PlanBasis {
            group,
            terms,
            is_of_group,
        };
        (plan, sessions)
    }

    /// The rows without those that shut the user out, and whether there were any.
    fn without_refusals(&self, rows: &UserRows) -> (UserRows, bool) {
        let mut allowed = rows.clone();
        allowed.check.retain(|row| !is_refusal(self.compiler, row));
        let is_refusing = |membership: &Membership| {
            let group = self.find_group(&membership.group);
            group.is_some_and(|group| group.is_refusing)
        };
        allowed.groups.retain(|membership| !is_refusing(membership));
        let count = |rows: &UserRows| rows.check.len() + rows.groups.len();
        let is_refused = count(&allowed) < count(rows);
        (allowed, is_refused)
    }

    fn obstacle_of_groups(&self, rows: &UserRows) -> Option<Obstacle> {
        let groups = rows.groups.iter();
        groups
            .filter_map(|membership| self.find_group(&membership.group))
            .find_map(|group| group.obstacle.clone())
    }

    fn find_group(&self, name: &str) -> Option<&Group> {
        self.groups.get(&*stored_group(name))
    }

    /// What the group alone gives to somebody with a password.
    fn terms_of_group(&self, group: &str) -> Option<PlanTerms> {
        let member = UserRows {
            check: vec![Row {
                id: 1,
                attribute: "Cleartext-Password".to_owned(),
                op: ":=".to_owned(),
                value: "member".to_owned(),
            }],
            reply: Vec::new(),
            groups: vec![Membership {
                id: 1,
                group: group.to_owned(),
                priority: 0,
            }],
        };
        let granted = self.granted(&member).ok()?;
        let is_only_terms =
            granted.addresses == StaticAddresses::default() && granted.expires_at.is_none();
        is_only_terms.then_some(granted.terms)
    }

    fn granted(&self, rows: &UserRows) -> Result<Granted, Obstacle> {
        match self.authorize(rows) {
            Authorization::Found(access) => terms::granted(&access, credential(&access)?),
            Authorization::NotFound => Err(Obstacle::NoPassword),
            Authorization::Failed(cause) => Err(Obstacle::Row(cause.problem)),
        }
    }

    fn authorize(&self, rows: &UserRows) -> Authorization {
        let program = Arc::new(self.compiler.user(rows));
        let packet = Packet::parse(&self.request).expect("it was just written");
        let request = Request {
            packet: &packet,
            user_name: REQUEST_USER,
            password: Some(REQUEST_USER),
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            now: Timestamp::default(),
            gaps: None,
        };
        let groups = Known(&self.groups);
        authorize(Some(&program), &groups, &request, Mode::Compatible).authorization
    }
}

const REQUEST_USER: &[u8] = b"somebody";

/// A request that no row is about.
fn request() -> Vec<u8> {
    let mut buffer = Vec::new();
    let mut writer = PacketWriter::new(&mut buffer, Code::AccessRequest, 1);
    writer
        .push(radius::attribute::kind::USER_NAME, REQUEST_USER)
        .expect("a name fits a packet");
    writer.finish_access_request(&[0; 16], b"secret");
    buffer
}

/// What is stored, if it is one that subscribers can have.
fn credential(access: &Access) -> Result<Credential, Obstacle> {
    if !matches!(access.demand(), Demand::Pap(_)) {
        return Err(Obstacle::NoPassword);
    }
    let mut known = access.known_good();
    let (Some(first), None) = (known.next(), known.next()) else {
        return Err(Obstacle::SeveralPasswords);
    };
    terms::credential(first)
}

/// Whether a row of a check shuts everybody out.
fn is_refusal(compiler: &Compiler, row: &Row) -> bool {
    let Ok(item) = compiler.item(row) else {
        return false;
    };
    let number = item.octets().and_then(|octets| octets.try_into().ok());
    item.attribute.role == Role::AuthType
        && matches!(item.operator, Operator::Set | Operator::Add)
        && number.map(u32::from_be_bytes) == Some(AuthType::Reject.number())
}

/// What makes the outcome depend on the request, or is none of a plan's business.
fn find_obstacle(compiler: &Compiler, table: Table, rows: &[Row]) -> Option<Obstacle> {
    rows.iter().find_map(|row| match compiler.item(row) {
        Err(problem) => Some(Obstacle::Row(problem)),
        Ok(item) => match table {
            Table::Check | Table::GroupCheck => obstacle_in_check(compiler, row, &item),
            Table::Reply | Table::GroupReply | Table::UserGroup => obstacle_in_reply(&item),
        },
    })
}

fn obstacle_in_check(compiler: &Compiler, row: &Row, item: &Item) -> Option<Obstacle> {
    let attribute = || item.attribute.name.to_string();
    match &item.operand {
        Operand::Template(_) => return Some(Obstacle::Expansion),
        Operand::Pattern(_) => return Some(Obstacle::Comparison(attribute())),
        Operand::Octets(_) | Operand::Encoded(_) | Operand::Hours(_) | Operand::Password(_) => {}
    }
    let is_assigned = item.operator.is_only_assigned();
    match item.attribute.role {
        Role::Password(_) | Role::PasswordWithHeader if is_assigned => None,
        Role::AuthType if is_refusal(compiler, row) => None,
        Role::AuthType => Some(Obstacle::AuthType),
        Role::Limit(LimitKind::Expiration | LimitKind::SimultaneousUse) if is_assigned => None,
        Role::Limit(LimitKind::LoginTime | LimitKind::Counter(_)) => {
            Some(Obstacle::Limit(attribute()))
        }
        Role::UserPassword => Some(Obstacle::UserPassword),
        Role::Password(_)
        | Role::PasswordWithHeader
        | Role::Limit(_)
        | Role::Plain
        | Role::FallThrough
        | Role::Skipped
        | Role::SqlGroup
        | Role::UserProfile
        | Role::UserName
        | Role::Prefix
        | Role::Suffix
        | Role::Virtual(_) => Some(Obstacle::Comparison(attribute())),
    }
}

fn obstacle_in_reply(item: &Item) -> Option<Obstacle> {
    if let Operand::Template(_) = &item.operand {
        return Some(Obstacle::Expansion);
    }
    None
}

#[cfg(test)]
mod tests;
