//! What lint has to say: a name for scripts, a sentence for people, and what to do about it.

use std::fmt;

use crate::cause::Problem;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Notice,
    /// It probably does not do what was meant.
    Warning,
    /// Somebody is refused, or let in, who should not be.
    Error,
}

/// What lint says about a row or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// The row ends every login in a refusal.
    Fails(Problem),
    /// It is nearly `Fall-Through`.
    FallThroughMisspelt,
    /// The operator is empty.
    OperatorEmpty,
    /// More is written than the operator that is obeyed.
    OperatorSloppy { obeyed: &'static str },
    /// The regular expression is malformed.
    PatternNeverMatches,
    /// The expansion is malformed.
    ExpansionWithoutValue,
    /// `%{…}` without back quotes.
    NotExpanded,
    /// The number does not fit, and becomes another one.
    NumberWraps { obeyed: u64 },
    /// A password with an operator that assigns nothing.
    PasswordOperator,
    /// `User-Password` is never a known-good password.
    PasswordAttribute,
    /// A kind of password that this server does not know.
    PasswordUnsupported,
    /// A digest of the wrong length.
    PasswordNeverRight,
    /// A second password in clear.
    PasswordShadowed,
    /// An attribute of requests that is assigned.
    AssignedNotCompared,
    /// An attribute that is never in a request is compared.
    NeverInRequest,
    /// `Expiration` is compared, and does not end the session.
    ExpirationCompared,
    /// A `Login-Time` that is no time of the week.
    NeverOpen,
    /// `Auth-Type` with an operator that does nothing.
    AuthTypeCompared,
    /// Whoever knows the name gets in.
    AcceptsAnybody,
    /// `Auth-Type` asks for a method that nobody speaks.
    AuthTypeUnknown,
    /// Numbers that are far apart compare the wrong way round.
    ComparisonWraps,
    /// FreeRADIUS has no comparison for the type.
    ComparisonMissing,
    /// `Fall-Through` in a check has no effect.
    FallThroughInCheck,
    /// `Fall-Through` is neither `Yes` nor `No`.
    FallThroughOdd,
    /// An operator that adds nothing to a reply.
    ReplyOperator,
    /// An attribute that belongs into a check.
    BelongsInCheck,
    /// An attribute that is never sent.
    NeverSent,
    /// A value without octets is not sent.
    EmptyNotSent,
    /// The value does not fit an attribute.
    Cut { octets_max: usize },
    /// `=` in a group's reply does not replace what is there.
    GroupAssign,
    /// Routers differ in what they make of it.
    SessionTimeoutZero,
    /// The text is no rate limit; here is why.
    RateLimit { reason: String },
    /// The same row is there twice.
    Duplicate,
    /// `radreply` is not read without `radcheck`.
    ReplyNeverRead,
    /// Who does not match the checks is let in by a group.
    GroupAcceptsMismatch { group: String },
    /// The group has no rows.
    GroupEmpty { group: String },
    /// A group before it ends the way.
    GroupNeverAsked { group: String, by: String },
    /// Nothing that could be proved is stored.
    NothingToProve,
    /// No request can be looked up under this name.
    NameUnreachable { stored: String },
    /// Another name differs in letter case only.
    NameCase { other: String },
}

impl Remark {
    /// A stable name for scripts.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Fails(problem) => problem.code(),
            Self::FallThroughMisspelt => "fall_through_misspelt",
            Self::OperatorEmpty => "operator_empty",
            Self::OperatorSloppy { .. } => "operator_sloppy",
            Self::PatternNeverMatches => "pattern_never_matches",
            Self::ExpansionWithoutValue => "expansion_without_value",
            Self::NotExpanded => "not_expanded",
            Self::NumberWraps { .. } => "number_wraps",
            Self::PasswordOperator => "password_operator",
            Self::PasswordAttribute => "password_attribute",
            Self::PasswordUnsupported => "password_unsupported",
            Self::PasswordNeverRight => "password_never_right",
            Self::PasswordShadowed => "password_shadowed",
            Self::AssignedNotCompared => "assigned_not_compared",
            Self::NeverInRequest => "never_in_request",
            Self::ExpirationCompared => "expiration_compared",
            Self::NeverOpen => "never_open",
            Self::AuthTypeCompared => "auth_type_compared",
            Self::AcceptsAnybody => "accepts_anybody",
            Self::AuthTypeUnknown => "auth_type_unknown",
            Self::ComparisonWraps => "comparison_wraps",
            Self::ComparisonMissing => "comparison_missing",
            Self::FallThroughInCheck => "fall_through_in_check",
            Self::FallThroughOdd => "fall_through_odd",
            Self::ReplyOperator => "reply_operator",
            Self::BelongsInCheck => "belongs_in_check",
            Self::NeverSent => "never_sent",
            Self::EmptyNotSent => "empty_not_sent",
            Self::Cut { .. } => "cut",
            Self::GroupAssign => "group_assign",
            Self::SessionTimeoutZero => "session_timeout_zero",
            Self::RateLimit { .. } => "rate_limit",
            Self::Duplicate => "duplicate",
            Self::ReplyNeverRead => "reply_never_read",
            Self::GroupAcceptsMismatch { .. } => "group_accepts_mismatch",
            Self::GroupEmpty { .. } => "group_empty",
            Self::GroupNeverAsked { .. } => "group_never_asked",
            Self::NothingToProve => "nothing_to_prove",
            Self::NameUnreachable { .. } => "name_unreachable",
            Self::NameCase { .. } => "name_case",
        }
    }

    /// How bad it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Fails(_)
            | Self::FallThroughMisspelt
            | Self::PatternNeverMatches
            | Self::PasswordOperator
            | Self::PasswordAttribute
            | Self::PasswordUnsupported
            | Self::PasswordNeverRight
            | Self::NeverInRequest
            | Self::NeverOpen
            | Self::AuthTypeUnknown
            | Self::BelongsInCheck
            | Self::GroupAcceptsMismatch { .. }
            | Self::NameUnreachable { .. } => Severity::Error,
            Self::OperatorEmpty
            | Self::OperatorSloppy { .. }
            | Self::ExpansionWithoutValue
            | Self::NotExpanded
            | Self::NumberWraps { .. }
            | Self::PasswordShadowed
            | Self::AssignedNotCompared
            | Self::ExpirationCompared
            | Self::AuthTypeCompared
            | Self::AcceptsAnybody
            | Self::ComparisonWraps
            | Self::ComparisonMissing
            | Self::FallThroughInCheck
            | Self::FallThroughOdd
            | Self::ReplyOperator
            | Self::Cut { .. }
            | Self::SessionTimeoutZero
            | Self::RateLimit { .. }
            | Self::ReplyNeverRead
            | Self::GroupNeverAsked { .. }
            | Self::NothingToProve => Severity::Warning,
            Self::NeverSent
            | Self::EmptyNotSent
            | Self::GroupAssign
            | Self::Duplicate
            | Self::GroupEmpty { .. }
            | Self::NameCase { .. } => Severity::Notice,
        }
    }

    /// What to do.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Fails(problem) => remedy_of(problem),
            Self::FallThroughMisspelt => "write Fall-Through",
            Self::OperatorEmpty => {
                "write == in a check to compare, := to assign, and = or := in a reply"
            }
            Self::OperatorSloppy { .. } => "write the operator alone",
            Self::PatternNeverMatches => "mend the regular expression",
            Self::ExpansionWithoutValue => "mend the expansion",
            Self::NotExpanded => "put the value in back quotes",
            Self::NumberWraps { .. } => "write a number that fits the attribute",
            Self::PasswordOperator => "write :=",
            Self::PasswordAttribute => "write Cleartext-Password := instead",
            Self::PasswordUnsupported => {
                "store the password as Cleartext-, Crypt-, NT- or SSHA2-512-Password"
            }
            Self::PasswordNeverRight => "write the whole digest, in hexadecimal or base64",
            Self::PasswordShadowed => "remove all but one",
            Self::AssignedNotCompared => {
                "write == to compare with the request; to send the attribute, put it in the reply"
            }
            Self::NeverInRequest => "write := to set it",
            Self::ExpirationCompared => "write := so that the session ends at that moment too",
            Self::NeverOpen => "write days and hours as in Wk0800-1800,Sa,Su0900-1700",
            Self::AuthTypeCompared => "write := or remove the row",
            Self::AcceptsAnybody => "remove the row, unless a name alone is to be enough",
            Self::AuthTypeUnknown => "remove the row: the method follows from the request",
            Self::ComparisonWraps => "compare with a number below 2147483648",
            Self::ComparisonMissing => "compare Calling-Station-Id or another text instead",
            Self::FallThroughInCheck => "put it in the reply",
            Self::FallThroughOdd => "write Yes or No",
            Self::ReplyOperator => "write :=, = or +=",
            Self::BelongsInCheck => "move the row to the check table, with :=",
            Self::NeverSent => "remove the row",
            Self::EmptyNotSent => "write a value or remove the row",
            Self::Cut { .. } => "shorten the value",
            Self::GroupAssign => "write := to replace what the user's own rows say",
            Self::SessionTimeoutZero => "remove the row, or write the seconds",
            Self::RateLimit { .. } => "write upload/download as in 10M/50M",
            Self::Duplicate => "remove one of them",
            Self::ReplyNeverRead => "add a row to radcheck, for example the password",
            Self::GroupAcceptsMismatch { .. } => {
                "set aaa.rows = strict, or remove Auth-Type := Accept from the group"
            }
            Self::GroupEmpty { .. } => "give the group rows, or remove the membership",
            Self::GroupNeverAsked { .. } => {
                "add Fall-Through = Yes to the group before it, or change the priorities"
            }
            Self::NothingToProve => "add a password to the user or to a group",
            Self::NameUnreachable { .. } => "store the name as it is looked up",
            Self::NameCase { .. } => "make sure that they are two people",
        }
    }
}

const fn remedy_of(problem: &Problem) -> &'static str {
    match problem {
        Problem::NoAttribute => "name the attribute or remove the row",
        Problem::UnknownAttribute => "correct the name, or load the vendor's dictionary",
        Problem::BadTag => "write a tag from 0 to 31 behind the colon",
        Problem::BadOperator => "write one of := = += == != < <= > >= =~ !~ =* !* -= ^=",
        Problem::BadValue { .. } => "write a value of the attribute's type",
        Problem::BadPattern { .. } => "write it without look-around and back references",
        Problem::BadExpansion => "expand attributes only",
        Problem::CheckMismatch => "correct the check",
        Problem::PasswordOperator => "write :=",
        Problem::PasswordAttribute => "write Cleartext-Password := instead",
    }
}

/// One sentence, without the value.
impl fmt::Display for Remark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fails(problem) => write!(formatter, "every login is refused: {problem}"),
            Self::FallThroughMisspelt => formatter.write_str("every login is refused: nearly Fall-Through, but not it"),
            Self::OperatorEmpty => formatter.write_str("the operator is empty and read as =="),
            Self::OperatorSloppy { obeyed } => write!(formatter, "the operator is read as {obeyed}"),
            Self::PatternNeverMatches => formatter.write_str("the regular expression is malformed, so the check never matches, with !~ neither"),
            Self::ExpansionWithoutValue => formatter.write_str("the expansion is malformed, so the attribute has no value"),
            Self::NotExpanded => formatter.write_str("%{…} is expanded in back quotes only, and here taken as it is"),
            Self::NumberWraps { obeyed } => write!(formatter, "the number does not fit and becomes {obeyed}"),
            Self::PasswordOperator => formatter.write_str("this operator sets no password: it is compared with the request, or ignored"),
            Self::PasswordAttribute => formatter.write_str("User-Password is no known-good password, and with CHAP and MS-CHAP it is not even compared"),
            Self::PasswordUnsupported => formatter.write_str("a password of this kind is never right here"),
            Self::PasswordNeverRight => formatter.write_str("the digest has the wrong length, so no password is right"),
            Self::PasswordShadowed => formatter.write_str("only the first password in clear counts"),
            Self::AssignedNotCompared => formatter.write_str("the attribute is set and not compared with the request"),
            Self::NeverInRequest => formatter.write_str("the attribute is never in a request, so the check never matches"),
            Self::ExpirationCompared => formatter.write_str("the date is compared, but a session does not end at it"),
            Self::NeverOpen => formatter.write_str("these are no times of the week, so every login is refused"),
            Self::AuthTypeCompared => formatter.write_str("Auth-Type is never compared, so the row does nothing"),
            Self::AcceptsAnybody => formatter.write_str("whoever knows the name gets in without a password"),
            Self::AuthTypeUnknown => formatter.write_str("nobody speaks this method, so every login is refused"),
            Self::ComparisonWraps => formatter.write_str("FreeRADIUS subtracts 32-bit numbers with a sign, so what is far apart compares the wrong way round"),
            Self::ComparisonMissing => formatter.write_str("FreeRADIUS takes all values of this type for equal"),
            Self::FallThroughInCheck => formatter.write_str("Fall-Through has an effect in a reply only"),
            Self::FallThroughOdd => formatter.write_str("Fall-Through is neither Yes nor No, and means No or nothing"),
            Self::ReplyOperator => formatter.write_str("this operator adds nothing to a reply"),
            Self::BelongsInCheck => formatter.write_str("the attribute has an effect in a check only"),
            Self::NeverSent => formatter.write_str("the attribute is never sent"),
            Self::EmptyNotSent => formatter.write_str("an attribute without a value is not sent"),
            Self::Cut { octets_max } => write!(formatter, "only the first {octets_max} octets are sent"),
            Self::GroupAssign => formatter.write_str("= adds the attribute only when the user's own rows have not set it"),
            Self::SessionTimeoutZero => formatter.write_str("Session-Timeout 0 ends the session at once on some routers and never on others"),
            Self::RateLimit { reason } => write!(formatter, "the rate limit is malformed: {reason}"),
            Self::Duplicate => formatter.write_str("the same row is there twice"),
            Self::ReplyNeverRead => formatter.write_str("radreply is not read for a user without a row in radcheck"),
            Self::GroupAcceptsMismatch { group } => write!(formatter, "who does not match the checks is let in by group '{group}' without a password"),
            Self::GroupEmpty { group } => write!(formatter, "group '{group}' has no rows, lets everybody through and asks no further group"),
            Self::GroupNeverAsked { group, by } => write!(formatter, "group '{group}' is never asked: group '{by}' always matches and does not fall through"),
            Self::NothingToProve => formatter.write_str("no password is stored, so every login is refused"),
            Self::NameUnreachable { stored } => write!(formatter, "no request is looked up under this name: FreeRADIUS escapes it to '{stored}'"),
            Self::NameCase { other } => write!(formatter, "'{other}' differs in letter case only, and is somebody else"),
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}
