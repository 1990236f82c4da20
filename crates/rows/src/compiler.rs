//! From rows to programs: names resolved, values parsed, expressions compiled, and what is equal shared.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::secret::Secret;
use radius::avp::{self, Avp};
use radius::data_type::DataType;
use radius::dictionary::Dictionary;
use radius::value::Value;

use crate::attribute::{Attribute, Place, Role, Tag, split_tag};
use crate::cause::{Cause, Problem, Table};
use crate::expand::Template;
use crate::limit::{LimitKind, login_time};
use crate::name;
use crate::operator::Operator;
use crate::pattern::Pattern;
use crate::program::{
    Encoded, Entry, FallThrough, GroupName, GroupProgram, Hours, Item, List, Operand, UserProgram,
};
use crate::quote::{self, Quoted};
use crate::row::{GroupRows, Row, UserRows};
use crate::value;

/// Rows and group names that are kept for sharing; further ones are compiled for themselves.
const SHARED_MAX: usize = 65_536;
/// A value that is longer is not worth looking up.
const SHARED_OCTETS_MAX: usize = 128;

/// Turns rows into programs. One of them serves all threads.
#[derive(Debug)]
pub struct Compiler {
    dictionary: Dictionary,
    shared: Mutex<Shared>,
}

/// What equal rows have in common.
#[derive(Debug, Default)]
struct Shared {
    attributes: HashMap<Box<str>, Arc<Attribute>>,
    items: HashMap<Box<str>, Arc<Item>>,
    groups: HashMap<Box<str>, GroupName>,
}

impl Compiler {
    /// A compiler for attributes of this dictionary.
    #[must_use]
    pub fn new(dictionary: Dictionary) -> Self {
        Self {
            dictionary,
            shared: Mutex::default(),
        }
    }

    /// The program of a user. It always succeeds: a row that FreeRADIUS cannot read becomes a program that fails.
    #[must_use]
    pub fn user(&self, rows: &UserRows) -> UserProgram {
        let mut memberships: Vec<_> = rows.groups.iter().collect();
        memberships.sort_by_key(|membership| (membership.priority, membership.id));
        let groups = memberships
            .into_iter()
            .map(|membership| self.group_name(&membership.group))
            .collect();
        UserProgram {
            check: self.list(Table::Check, &rows.check),
            reply: self.list(Table::Reply, &rows.reply),
            groups,
        }
    }

    /// The program of a group. It always succeeds, as [`Compiler::user`] does.
    #[must_use]
    pub fn group(&self, rows: &GroupRows) -> GroupProgram {
        GroupProgram {
            check: self.list(Table::GroupCheck, &rows.check),
            reply: self.list(Table::GroupReply, &rows.reply),
        }
    }

    /// Whether the value of a row of this attribute must not be shown; so it is with names that nobody knows.
    #[must_use]
    pub fn is_secret(&self, attribute: &str) -> bool {
        split_tag(attribute)
            .ok()
            .and_then(|(name, _)| self.attribute(name))
            .is_none_or(|attribute| attribute.is_secret)
    }

    /// The dictionary in use.
    #[must_use]
    pub const fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    fn list(&self, table: Table, rows: &[Row]) -> List {
        let mut sorted: Vec<&Row> = rows.iter().collect();
        sorted.sort_by_key(|row| row.id);
        let mut list = List {
            entries: Box::default(),
            failure: None,
            hole: None,
            fall_through: FallThrough::Default,
        };
        let mut entries = Vec::with_capacity(sorted.len());
        for row in sorted {
            let cause = |problem| Box::new(Cause::new(table, row, problem));
            match self.item(row) {
                Ok(item) => {
                    list.hole = list.hole.or_else(|| hole(table, &item).map(cause));
                    entries.push(Entry { id: row.id, item });
                }
                // FreeRADIUS reads no further.
                Err(problem) => {
                    list.failure = Some(cause(problem));
                    break;
                }
            }
        }
        list.fall_through = fall_through(&entries);
        list.entries = entries.into();
        list
    }

    /// What a row says, shared with rows that say the same.
    pub(crate) fn item(&self, row: &Row) -> Result<Arc<Item>, Problem> {
        let octets = row.attribute.len() + row.op.len() + row.value.len();
        if SHARED_OCTETS_MAX < octets {
            return self.parse(row).map(Arc::new);
        }
        // A NUL, which no column can hold, keeps the parts apart.
        let key = format!("{}\0{}\0{}", row.attribute, row.op, row.value);
        if let Some(item) = self.locked().items.get(key.as_str()) {
            return Ok(Arc::clone(item));
        }
        let item = Arc::new(self.parse(row)?);
        // Passwords and addresses are seldom equal, and the cache is no place for secrets.
        let is_shared =
            !item.attribute.is_secret && item.attribute.data_type != DataType::Ipv4Address;
        let mut shared = self.locked();
        if is_shared && shared.items.len() < SHARED_MAX {
            shared.items.insert(key.into(), Arc::clone(&item));
        }
        Ok(item)
    }

    fn parse(&self, row: &Row) -> Result<Item, Problem> {
        if row.attribute.is_empty() {
            return Err(Problem::NoAttribute);
        }
        let operator = Operator::parse(&row.op).ok_or(Problem::BadOperator)?;
        let (name, tag) = split_tag(&row.attribute)?;
        let attribute = self.attribute(name).ok_or(Problem::UnknownAttribute)?;
        let operand = self.operand(&attribute, operator, &row.value)?;
        Ok(Item {
            attribute,
            tag,
            operator,
            operand,
        })
    }

    fn operand(
        &self,
        attribute: &Arc<Attribute>,
        operator: Operator,
        text: &str,
    ) -> Result<Operand, Problem> {
        let text = match quote::unquoted(text) {
            Quoted::Expanded(inside) => {
                let find = |name: &str| self.attribute(name);
                let template = Template::parse(&inside, &find)?;
                return Ok(Operand::Template(Box::new(template)));
            }
            Quoted::Text(text) => text,
        };
        let octets =
            value::parse(attribute, &text).map_err(|expected| Problem::BadValue { expected })?;
        if operator.is_pattern() && !attribute.role.is_called_back() {
            let pattern = Pattern::compile(&value::print(attribute, &octets))
                .map_err(|reason| Problem::BadPattern { reason })?;
            return Ok(Operand::Pattern(Box::new(pattern)));
        }
        if let Some(known_good) = attribute.role.known_good(&octets) {
            return Ok(Operand::Password(Arc::new(known_good)));
        }
        if attribute.role == Role::Limit(LimitKind::LoginTime) {
            let windows = Arc::new(login_time(&octets));
            let octets = Secret::new(octets);
            return Ok(Operand::Hours(Box::new(Hours { octets, windows })));
        }
        let Place::Deep(oid) = attribute.place else {
            return Ok(Operand::Octets(Secret::new(octets)));
        };
        let avp = Avp::new(oid, Value::decode(attribute.data_type, &octets));
        let mut whole = Vec::new();
        // One that cannot be sent without keys or members is kept and not sent.
        let _ = avp::encode(&self.dictionary, &[avp], None, &mut whole);
        Ok(Operand::Encoded(Box::new(Encoded {
            octets: Secret::new(octets),
            whole: Secret::new(whole),
        })))
    }

    fn attribute(&self, name: &str) -> Option<Arc<Attribute>> {
        if let Some(attribute) = self.locked().attributes.get(name) {
            return Some(Arc::clone(attribute));
        }
        let attribute = Arc::new(Attribute::find(&self.dictionary, name)?);
        let mut shared = self.locked();
        if shared.attributes.len() < SHARED_MAX {
            shared
                .attributes
                .insert(name.into(), Arc::clone(&attribute));
        }
        Some(attribute)
    }

    fn group_name(&self, group: &str) -> GroupName {
        if let Some(known) = self.locked().groups.get(group) {
            return known.clone();
        }
        let text: Arc<str> = group.into();
        let stored = match name::stored_group(group) {
            std::borrow::Cow::Borrowed(_) => Arc::clone(&text),
            std::borrow::Cow::Owned(stored) => stored.into(),
        };
        let known = GroupName { name: text, stored };
        let mut shared = self.locked();
        if shared.groups.len() < SHARED_MAX {
            shared.groups.insert(group.into(), known.clone());
        }
        known
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cause {
    pub(crate) fn new(table: Table, row: &Row, problem: Problem) -> Self {
        Self {
            table,
            row: row.id,
            attribute: row.attribute.as_str().into(),
            problem,
        }
    }
}

/// What the strict mode refuses in a check.
fn hole(table: Table, item: &Item) -> Option<Problem> {
    match table {
        Table::Check | Table::GroupCheck => {}
        Table::Reply | Table::GroupReply | Table::UserGroup => return None,
    }
    match item.attribute.role {
        Role::UserPassword => Some(Problem::PasswordAttribute),
        Role::Password(_) | Role::PasswordWithHeader => {
            (!item.operator.is_only_assigned()).then_some(Problem::PasswordOperator)
        }
        Role::Plain
        | Role::FallThrough
        | Role::AuthType
        | Role::Skipped
        | Role::SqlGroup
        | Role::UserProfile
        | Role::Limit(_)
        | Role::UserName
        | Role::Prefix
        | Role::Suffix
        | Role::Virtual(_) => None,
    }
}

/// What the first `Fall-Through` says, whatever its operator; one that is expanded is read before it is, as 0.
fn fall_through(entries: &[Entry]) -> FallThrough {
    let found = entries
        .iter()
        .find(|entry| entry.item.attribute.role == Role::FallThrough);
    match found {
        None => FallThrough::Default,
        Some(entry) => match entry.item.octets() {
            Some([0, 0, 0, 1]) => FallThrough::Yes,
            Some([0, 0, 0, 2]) => FallThrough::Default,
            _ => FallThrough::No,
        },
    }
}

/// The tag as it is sent and shown: none for any.
impl Tag {
    pub(crate) const fn sent(self) -> u8 {
        match self {
            Self::Any => 0,
            Self::Number(number) => number,
        }
    }
}
