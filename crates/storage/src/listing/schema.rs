//! What a resource says about its lists: their fields, and the indexes that answer them.

use super::{Filter, FilterKind, Operator};

/// How values of a field are written and compared.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FieldKind {
    /// Text that is stored folded by this function.
    Text(fn(&str) -> String),
    /// An instant. `is_last` when rows without one count as the last of all.
    Instant { is_last: bool },
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// An id, as text.
    Id,
    /// A word among very many, which is not sorted by.
    Word(fn(&str) -> String),
}

/// A field that lists are narrowed and sorted by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    /// In the table of the resource and in every index.
    pub(crate) column: &'static str,
    pub(crate) kind: FieldKind,
    /// What rows have whose column is in another table, with `?` for the value, and `m` for the row.
    pub(crate) elsewhere: Option<&'static str>,
}

/// An index and what it answers: rows with these values, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) name: &'static str,
    /// The table that it is of, and the column with the id of the row.
    pub(crate) table: (&'static str, &'static str),
    /// Whether the tenant is its first column.
    pub(crate) has_tenant: bool,
    /// Fields before the one that it sorts by.
    pub(crate) equal: &'static [&'static str],
    pub(crate) order: &'static str,
    /// The order has no ties.
    pub(crate) is_unique: bool,
}

/// The lists of one resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schema {
    pub(crate) table: &'static str,
    pub(crate) fields: &'static [Field],
    /// Other names that the resource works out itself.
    pub(crate) others: &'static [&'static str],
    pub(crate) indexes: &'static [Index],
    /// By what a list is sorted, if nothing else is said and it can be.
    pub(crate) order: &'static str,
}

impl FieldKind {
    /// The operators that it takes.
    const fn taken(self) -> &'static [Operator] {
        use Operator::{Eq, Gt, Gte, In, IsNull, Lt, Lte, Ne, Prefix};
        match self {
            Self::Text(_) => &[Eq, Lt, Lte, Gt, Gte, Prefix],
            Self::Instant { is_last: true } => &[Eq, Lt, Lte, Gt, Gte, IsNull],
            Self::Instant { is_last: false } => &[Eq, Lt, Lte, Gt, Gte],
            Self::Choice(_) => &[Eq, Ne, In],
            Self::Id | Self::Word(_) => &[Eq, In],
        }
    }

    const fn filter(self) -> FilterKind {
        match self {
            Self::Text(_) | Self::Word(_) => FilterKind::Text,
            Self::Instant { .. } => FilterKind::Instant,
            Self::Choice(all) => FilterKind::Choice(all),
            Self::Id => FilterKind::Reference,
        }
    }

    /// The operators that it takes, as the error names them.
    pub(crate) const fn operators(self) -> &'static str {
        match self {
            Self::Text(_) => "eq, lt, lte, gt, gte and prefix",
            Self::Instant { is_last: true } => "eq, lt, lte, gt, gte and is_null",
            Self::Instant { is_last: false } => "eq, lt, lte, gt and gte",
            Self::Choice(_) => "eq, ne and in",
            Self::Id | Self::Word(_) => "eq and in",
        }
    }
}

impl Schema {
    pub(crate) fn find(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub(crate) fn field(&self, name: &str) -> &'static Field {
        self.find(name)
            .expect("an index names fields of its schema")
    }

    /// What its lists are narrowed by.
    pub(crate) fn filters(&self) -> Vec<Filter> {
        let of_field = |field: &Field| {
            let field = *field;
            let taken = field.kind.taken().iter();
            taken.map(move |operator| Filter {
                field: field.name,
                operator: *operator,
                kind: field.kind.filter(),
            })
        };
        self.fields.iter().flat_map(of_field).collect()
    }

    /// The fields that a list is sorted by, each once.
    pub(crate) fn orders(&self) -> Vec<&'static str> {
        let mut orders: Vec<&'static str> = Vec::new();
        for index in self.indexes {
            if !orders.contains(&index.order) {
                orders.push(index.order);
            }
        }
        orders
    }
}
