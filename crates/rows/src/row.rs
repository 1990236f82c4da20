//! Attribute rows as they are stored in the tables of FreeRADIUS' schema.

/// One row of `radcheck`, `radreply`, `radgroupcheck` or `radgroupreply`.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// The primary key, by which the rows of a user or group are ordered.
    pub id: i64,
    /// The name of the attribute, perhaps with a tag behind a colon.
    pub attribute: String,
    /// The operator.
    pub op: String,
    /// The value, perhaps in quotes.
    pub value: String,
}

/// One row of `radusergroup`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The primary key, which orders memberships of the same priority.
    pub id: i64,
    /// The name of the group.
    pub group: String,
    /// The lowest is asked first.
    pub priority: i64,
}

/// What is stored about one user name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserRows {
    /// `radcheck`, in any order.
    pub check: Vec<Row>,
    /// `radreply`, in any order.
    pub reply: Vec<Row>,
    /// `radusergroup`, in any order.
    pub groups: Vec<Membership>,
}

/// What is stored about one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupRows {
    /// `radgroupcheck`, in any order.
    pub check: Vec<Row>,
    /// `radgroupreply`, in any order.
    pub reply: Vec<Row>,
}

/// How rows are obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// As FreeRADIUS obeys them.
    Compatible,
    /// As FreeRADIUS obeys them, less its holes.
    ///
    /// A check of the user that does not match refuses, so that no group lets the user in. A password with an operator
    /// that assigns nothing refuses, and so does `User-Password`, which FreeRADIUS compares only with some requests.
    /// Whatever is accepted here is accepted by [`Mode::Compatible`], with the same reply.
    Strict,
}

/// A value may be a password, so it is never printed.
impl std::fmt::Debug for Row {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Row")
            .field("id", &self.id)
            .field("attribute", &self.attribute)
            .field("op", &self.op)
            .finish_non_exhaustive()
    }
}
