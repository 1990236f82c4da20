//! The operators of rows.

/// What a row does with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `:=`
    Set,
    /// `+=`
    Add,
    /// `^=`
    Prepend,
    /// `-=`
    Subtract,
    /// `=`
    Assign,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `=~`
    Matches,
    /// `!~`
    MatchesNot,
    /// `=*`
    Present,
    /// `!*`
    Absent,
    /// `++`, which compares as `==` and assigns nothing.
    Increment,
}

/// The spellings, in the order in which they are tried: what follows one of them is ignored, as in FreeRADIUS.
const SPELLINGS: [(&str, Operator); 16] = [
    ("=~", Operator::Matches),
    ("!~", Operator::MatchesNot),
    ("+=", Operator::Add),
    ("-=", Operator::Subtract),
    (":=", Operator::Set),
    ("=*", Operator::Present),
    ("!*", Operator::Absent),
    ("==", Operator::Equal),
    ("^=", Operator::Prepend),
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterEqual),
    ("<=", Operator::LessEqual),
    ("++", Operator::Increment),
    ("=", Operator::Assign),
    (">", Operator::Greater),
    ("<", Operator::Less),
];

impl Operator {
    /// Reads an operator; an empty one is `==`. `None` when FreeRADIUS refuses the row.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Equal);
        }
        let text = text.trim_ascii_start();
        SPELLINGS
            .iter()
            .find(|(spelling, _)| text.starts_with(spelling))
            .map(|(_, operator)| *operator)
    }

    /// How it is written.
    #[must_use]
    pub fn spelling(self) -> &'static str {
        SPELLINGS
            .iter()
            .find(|(_, operator)| *operator == self)
            .map(|(spelling, _)| *spelling)
            .expect("every operator has a spelling")
    }

    /// Whether a check with it is assigned and never compared.
    pub(crate) const fn is_only_assigned(self) -> bool {
        matches!(self, Self::Set | Self::Add)
    }

    /// Whether the value is a regular expression.
    pub(crate) const fn is_pattern(self) -> bool {
        matches!(self, Self::Matches | Self::MatchesNot)
    }

    /// Whether the value plays no part.
    pub(crate) const fn is_unary(self) -> bool {
        matches!(self, Self::Present | Self::Absent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Operator>) {
        assert_eq!(Operator::parse(text), expected, "{text:?}");
    }

    #[test]
    fn what_follows_an_operator_is_ignored() {
        check(" :=", Some(Operator::Set));
        check(":= ", Some(Operator::Set));
        check("=>", Some(Operator::Assign));
        check("<>", Some(Operator::Less));
        check("=!", Some(Operator::Assign));
        check("=x", Some(Operator::Assign));
    }

    #[test]
    fn no_operator_is_a_comparison_and_blanks_are_refused() {
        check("", Some(Operator::Equal));
        for text in [
            "  ", "foo", "|=", "&=", "#", "\"==\"", "{", ",", ":", "!", "- =", "*",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn every_spelling_is_read() {
        for (spelling, operator) in SPELLINGS {
            check(spelling, Some(operator));
            assert_eq!(operator.spelling(), spelling);
        }
    }
}
