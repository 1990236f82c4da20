//! Which of several commands about one session holds.

use super::Wish;
use super::verdict::{CommandState, Verdict};
use crate::id::SessionCommandId;

/// A command that has no verdict yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenCommand {
    pub id: SessionCommandId,
    pub wish: Wish,
    pub state: CommandState,
    /// The session is to end, or the change could not be had and it is to end instead.
    pub is_end: bool,
    /// A router is being asked at this moment.
    pub is_under_way: bool,
}

/// How a wish stands to what was asked before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precedence {
    /// What it wants is asked already, or more.
    Covered(SessionCommandId),
    /// It is asked, and these commands have their verdict by that.
    Takes(Vec<(SessionCommandId, Verdict)>),
}

/// Weighs a new wish against the open commands of the same session.
pub fn weigh(wish: &Wish, open: &[OpenCommand]) -> Precedence {
    if let Some(end) = open.iter().find(|command| command.is_end) {
        return Precedence::Covered(end.id);
    }
    // The terms are those that are due when the router is asked, so one that waits is enough.
    let waits = |command: &&OpenCommand| {
        command.wish == Wish::Apply
            && !command.is_under_way
            && command.state != CommandState::Acknowledged
    };
    if *wish == Wish::Apply
        && let Some(waiting) = open.iter().find(waits)
    {
        return Precedence::Covered(waiting.id);
    }
    let verdict = |command: &OpenCommand| {
        let is_acknowledged = command.state == CommandState::Acknowledged;
        let verdict = match is_acknowledged {
            true => Verdict::Unproven,
            false => Verdict::Superseded,
        };
        let is_taken = match (wish, &command.wish) {
            (Wish::End(_), _) | (Wish::SetRate(_), Wish::SetRate(_)) => true,
            (Wish::Apply | Wish::SetRate(_), _) => is_acknowledged,
        };
        is_taken.then_some((command.id, verdict))
    };
    Precedence::Takes(open.iter().filter_map(verdict).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session_command::EndReason;
    use crate::time::Timestamp;

    const END: Wish = Wish::End(EndReason::Kicked);

    fn rate() -> Wish {
        Wish::SetRate("1M/2M".parse().expect("a rate"))
    }

    fn open(number: u8, wish: Wish, state: CommandState) -> OpenCommand {
        OpenCommand {
            id: id(number),
            is_end: matches!(wish, Wish::End(_)),
            is_under_way: false,
            wish,
            state,
        }
    }

    fn id(number: u8) -> SessionCommandId {
        SessionCommandId::new(Timestamp::default(), [number; 10])
    }

    #[test]
    fn an_end_takes_the_place_of_every_change() {
        let commands = [
            open(1, Wish::Apply, CommandState::WaitingRouter),
            open(2, rate(), CommandState::Acknowledged),
        ];
        let taken = vec![(id(1), Verdict::Superseded), (id(2), Verdict::Unproven)];
        assert_eq!(weigh(&END, &commands), Precedence::Takes(taken));
    }

    #[test]
    fn what_is_about_to_end_is_not_changed_and_not_ended_twice() {
        for state in [CommandState::Asked, CommandState::Acknowledged] {
            let commands = [open(1, END, state)];
            for wish in [END, Wish::Apply, rate()] {
                assert_eq!(weigh(&wish, &commands), Precedence::Covered(id(1)));
            }
        }
        let fallen_back = OpenCommand {
            is_end: true,
            ..open(1, Wish::Apply, CommandState::Sent)
        };
        assert_eq!(weigh(&END, &[fallen_back]), Precedence::Covered(id(1)));
    }

    #[test]
    fn changes_that_wait_become_one() {
        let waiting = open(1, Wish::Apply, CommandState::WaitingRouter);
        let under_way = OpenCommand {
            is_under_way: true,
            ..waiting.clone()
        };
        let covered = weigh(&Wish::Apply, &[waiting]);
        assert_eq!(covered, Precedence::Covered(id(1)));
        // It may carry the terms of before.
        let taken = weigh(&Wish::Apply, &[under_way]);
        assert_eq!(taken, Precedence::Takes(vec![]));
    }

    #[test]
    fn a_rate_takes_the_place_of_another_and_leaves_the_terms() {
        let commands = [
            open(1, Wish::Apply, CommandState::Asked),
            open(2, rate(), CommandState::Sent),
        ];
        let taken = vec![(id(2), Verdict::Superseded)];
        assert_eq!(weigh(&rate(), &commands), Precedence::Takes(taken));
    }
}
