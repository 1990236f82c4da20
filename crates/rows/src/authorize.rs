//! The order of things: the user's own rows, then the groups, then the profile, as rlm_sql of FreeRADIUS 3.2 goes.

use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::access::{Access, At, Authorization, Held, Made, Outcome, Place, Program};
use crate::attribute::Role;
use crate::cause::{Cause, Problem, Table};
use crate::check::{self, Membership};
use crate::expand::Template;
use crate::fill;
use crate::merge::merge;
use crate::name::stored_name;
use crate::password::AuthType;
use crate::pattern::Matched;
use crate::program::{
    Entry, FallThrough, GroupName, GroupProgram, Item, List, Operand, UserProgram,
};
use crate::request::Request;
use crate::row::Mode;
use crate::step::{Step, Steps, Whose};
use crate::value;

/// Groups of one user, or of one profile, that are asked; further ones are not.
const GROUPS_MAX: usize = 1_000;

/// Where groups and profiles are found, by the name under which they are stored.
pub trait Groups {
    /// The rows of a group; `None` when it has none, and then it lets everybody through.
    fn group(&self, stored: &str) -> Option<Arc<GroupProgram>>;

    /// The rows of a user, whose groups a `User-Profile` lends.
    fn user(&self, stored: &str) -> Option<Arc<UserProgram>>;
}

/// Walks through the rows of a user, who was found under [`stored_name`], and of their groups.
///
/// Nothing is allocated unless a row is expanded or a regular expression matches, up to a dozen attributes and three
/// groups.
#[must_use]
pub fn authorize(
    user: Option<&Arc<UserProgram>>,
    groups: &impl Groups,
    request: &Request<'_>,
    mode: Mode,
) -> Outcome {
    let mut evaluation = Evaluation::new(request, mode);
    let result = match user {
        Some(user) => evaluation.run(user, groups),
        None => Ok(false),
    };
    let authorization = match result {
        Ok(true) => Authorization::Found(evaluation.access),
        Ok(false) => Authorization::NotFound,
        Err(cause) => Authorization::Failed(cause),
    };
    Outcome {
        authorization,
        steps: evaluation.steps,
    }
}

/// What is known at a point of the way.
pub(crate) struct Evaluation<'r> {
    pub(crate) request: &'r Request<'r>,
    pub(crate) access: Access,
    /// The groups of the last regular expression that matched.
    pub(crate) matched: Option<Matched>,
    /// What `Prefix` and `Suffix` have left of the user name, once one of them matched.
    pub(crate) stripped: Option<Range<usize>>,
    /// The group whose rows are being read.
    pub(crate) group: Option<GroupName>,
    mode: Mode,
    steps: Steps,
}

impl<'r> Evaluation<'r> {
    fn new(request: &'r Request<'r>, mode: Mode) -> Self {
        let offer = request.offer();
        let mut control = Held::new();
        // FreeRADIUS' chap, mschap and eap modules come before sql.
        if offer.has_chap {
            control.push(Place::AuthType(AuthType::Chap));
        } else if offer.has_ms_chap {
            control.push(Place::AuthType(AuthType::MsChap));
        } else if offer.has_eap {
            control.push(Place::AuthType(AuthType::Eap));
        }
        Self {
            request,
            access: Access {
                offer,
                programs: SmallVec::new(),
                control,
                reply: Held::new(),
                made: Vec::new(),
            },
            matched: None,
            stripped: None,
            group: None,
            mode,
            steps: Steps::new(),
        }
    }

    /// Gives whether anything was found.
    fn run(&mut self, user: &Arc<UserProgram>, groups: &impl Groups) -> Result<bool, Cause> {
        let mut is_found = false;
        let mut fall_through = FallThrough::Default;
        if user.check.entries.is_empty() && user.check.failure.is_none() {
            self.steps.push(Step::NoCheckRows);
        } else {
            is_found = true;
            if self.user_rows(user)? {
                fall_through = user.reply.fall_through;
            }
        }
        if fall_through == FallThrough::No {
            return Ok(is_found);
        }
        match self.group_rows((user, user), groups, &mut fall_through, Whose::Group) {
            Ok(has_groups) => is_found |= has_groups,
            Err(cause) => return self.forgive(is_found, cause),
        }
        if fall_through == FallThrough::No {
            return Ok(is_found);
        }
        let Some(profile) = self.profile() else {
            return Ok(is_found);
        };
        self.steps.push(Step::ProfileAsked);
        let profile = groups.user(&stored_name(&profile));
        let Some(profile) = profile.filter(|profile| profile.groups().len() != 0) else {
            self.steps.push(Step::ProfileUnknown);
            return Ok(is_found);
        };
        match self.group_rows((user, &profile), groups, &mut fall_through, Whose::Profile) {
            Ok(has_groups) => Ok(is_found | has_groups),
            Err(cause) => self.forgive(is_found, cause),
        }
    }

    /// A group's row that cannot be read ends the way. For somebody of whom nothing was found before, FreeRADIUS then
    /// forgets the failure, and what the group assigned until then counts; without any of it there is no way in.
    fn forgive(&self, is_found: bool, cause: Cause) -> Result<bool, Cause> {
        let is_forgiven =
            self.mode == Mode::Compatible && !is_found && !self.access.programs.is_empty();
        if is_forgiven { Ok(true) } else { Err(cause) }
    }

    /// Gives whether the checks matched.
    fn user_rows(&mut self, user: &Arc<UserProgram>) -> Result<bool, Cause> {
        let program = self.program(Program::User(Arc::clone(user)));
        self.refuse_holes(&user.check, Whose::User)?;
        let membership = Membership::of(user);
        if let Err(entry) = check::all(self, &user.check.entries, membership) {
            self.steps.push(Step::Mismatched(Whose::User, entry.id));
            return match self.mode {
                Mode::Compatible => Ok(false),
                Mode::Strict => Err(Cause {
                    table: Table::Check,
                    row: entry.id,
                    attribute: Arc::clone(&entry.item.attribute.name),
                    problem: Problem::CheckMismatch,
                }),
            };
        }
        self.steps.push(Step::Matched(Whose::User));
        self.merge_control(program, &user.check);
        self.refuse_failure(&user.reply, Whose::User)?;
        self.merge_reply(program, &user.reply);
        self.say_fall_through(user.reply.fall_through, Whose::User);
        Ok(true)
    }

    /// Walks through the groups of `lender`, the user or a profile; gives whether there are any.
    fn group_rows(
        &mut self,
        (user, lender): (&UserProgram, &UserProgram),
        groups: &impl Groups,
        fall_through: &mut FallThrough,
        whose: fn(u16) -> Whose,
    ) -> Result<bool, Cause> {
        for (index, group) in lender.groups.iter().take(GROUPS_MAX).enumerate() {
            let whose = whose(u16::try_from(index).unwrap_or(u16::MAX));
            let Some(program) = groups.group(&group.stored) else {
                // Without rows it matches and says nothing.
                self.steps.push(Step::Matched(whose));
                *fall_through = FallThrough::Default;
                break;
            };
            self.group = Some(group.clone());
            let matched = self.one_group(&program, Membership::of(user), whose);
            self.group = None;
            if matched? {
                *fall_through = program.reply.fall_through;
                self.say_fall_through(*fall_through, whose);
                if *fall_through != FallThrough::Yes {
                    break;
                }
            }
        }
        Ok(!lender.groups.is_empty())
    }

    fn one_group(
        &mut self,
        group: &Arc<GroupProgram>,
        membership: Membership<'_>,
        whose: Whose,
    ) -> Result<bool, Cause> {
        self.refuse_holes(&group.check, whose)?;
        if let Err(entry) = check::all(self, &group.check.entries, membership) {
            self.steps.push(Step::Mismatched(whose, entry.id));
            return Ok(false);
        }
        self.steps.push(Step::Matched(whose));
        let program = self.program(Program::Group(Arc::clone(group)));
        self.merge_control(program, &group.check);
        self.refuse_failure(&group.reply, whose)?;
        self.merge_reply(program, &group.reply);
        Ok(true)
    }

    fn refuse_failure(&mut self, list: &List, whose: Whose) -> Result<(), Cause> {
        match &list.failure {
            Some(cause) => {
                self.steps.push(Step::Failed(whose, cause.row));
                Err(Cause::clone(cause))
            }
            None => Ok(()),
        }
    }

    fn refuse_holes(&mut self, list: &List, whose: Whose) -> Result<(), Cause> {
        self.refuse_failure(list, whose)?;
        match (&list.hole, self.mode) {
            (Some(cause), Mode::Strict) => {
                self.steps.push(Step::Failed(whose, cause.row));
                Err(Cause::clone(cause))
            }
            (Some(_), Mode::Compatible) | (None, _) => Ok(()),
        }
    }

    fn say_fall_through(&mut self, fall_through: FallThrough, whose: Whose) {
        match (fall_through, whose) {
            (FallThrough::Yes, _) => self.steps.push(Step::FellThrough(whose)),
            (FallThrough::No, _) => self.steps.push(Step::Stopped(whose)),
            (FallThrough::Default, _) => {}
        }
    }

    /// The profile that the control list names.
    fn profile(&self) -> Option<Vec<u8>> {
        let place = self.access.control.iter().find(|place| {
            self.access
                .attribute(**place)
                .is_some_and(|attribute| attribute.role == Role::UserProfile)
        })?;
        let name = self.access.octets(*place)?;
        (!name.is_empty()).then(|| name.to_vec())
    }

    fn program(&mut self, program: Program) -> u16 {
        let place = u16::try_from(self.access.programs.len()).unwrap_or(u16::MAX);
        self.access.programs.push(program);
        place
    }

    fn merge_control(&mut self, program: u16, list: &List) {
        let mut control = std::mem::take(&mut self.access.control);
        self.merge_list(program, list, true, &mut control);
        self.access.control = control;
    }

    fn merge_reply(&mut self, program: u16, list: &List) {
        let mut reply = std::mem::take(&mut self.access.reply);
        self.merge_list(program, list, false, &mut reply);
        self.access.reply = reply;
    }

    fn merge_list(&mut self, program: u16, list: &List, is_check: bool, into: &mut Held) {
        if list.entries.is_empty() {
            return;
        }
        // Rows of one merge see the list as it was before it.
        let is_expanded = |entry: &Entry| matches!(entry.item.operand, Operand::Template(_));
        if list.entries.iter().any(is_expanded) {
            self.swap(is_check, into);
        }
        let places: Held = list
            .entries
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                let at = At {
                    program,
                    is_check,
                    index: u32::try_from(index).unwrap_or(u32::MAX),
                };
                if let Operand::Template(template) = &entry.item.operand {
                    Place::Made(at, self.make(&entry.item, template))
                } else {
                    Place::Row(at)
                }
            })
            .collect();
        if list.entries.iter().any(is_expanded) {
            self.swap(is_check, into);
        }
        merge(&self.access, into, &places);
    }

    /// While a list is merged into, it is elsewhere; expansions look for it in its place.
    fn swap(&mut self, is_check: bool, list: &mut Held) {
        let place = if is_check {
            &mut self.access.control
        } else {
            &mut self.access.reply
        };
        std::mem::swap(place, list);
    }

    /// Expands a value and keeps it; gives its place.
    fn make(&mut self, item: &Item, template: &Template) -> u32 {
        let octets = fill::value(self, item, template);
        let role = item.attribute.role;
        let known_good = octets
            .as_deref()
            .and_then(|octets| role.known_good(octets))
            .map(Arc::new);
        let place = u32::try_from(self.access.made.len()).unwrap_or(u32::MAX);
        self.access.made.push(Made {
            octets: octets.map(Vec::into_boxed_slice),
            known_good,
        });
        place
    }

    /// The value of an attribute as an expansion shows it.
    pub(crate) fn print(&self, place: Place) -> Option<Vec<u8>> {
        if let Place::AuthType(auth_type) = place {
            return Some(auth_type.name().into());
        }
        let attribute = self.access.attribute(place)?;
        Some(value::print(attribute, self.access.octets(place)?))
    }
}
