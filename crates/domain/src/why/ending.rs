//! How sessions ended, in plain words.

use super::cause::{Cause, Weight};
use super::{Facts, PastSession};
use crate::accounting::TerminateCause;

impl Facts<'_> {
    /// The end of a session, if it has one.
    pub(super) fn ended(&self, session: &PastSession, weight: Weight) -> Option<Cause> {
        let end = session.end?;
        let at = self.zone.show(end.at);
        let (how, remedy) = end.cause.map_or(NO_CAUSE, how);
        Some(Cause {
            since: Some(end.at),
            remedy: remedy.map(str::to_owned),
            nas: Some(session.nas.clone()),
            ..Cause::new(
                "session_ended",
                weight,
                format!(
                    "the last session, at NAS {}, ended at {at}: {how}",
                    session.nas
                ),
            )
        })
    }
}

type How = (&'static str, Option<&'static str>);

const NO_CAUSE: How = ("the router gave no reason", None);

/// By Acct-Terminate-Cause (RFC 2866 §5.10).
const fn how(cause: TerminateCause) -> How {
    match cause {
        TerminateCause::Reported(1) => ("the device or its user hung up", None),
        TerminateCause::Reported(2) => (
            "the line was lost (Lost-Carrier)",
            Some("look at the line and at the device"),
        ),
        TerminateCause::Reported(3) => (
            "the service behind the line was lost (Lost-Service)",
            Some("look at the router"),
        ),
        TerminateCause::Reported(4) => ("it was idle for too long (Idle-Timeout)", None),
        TerminateCause::Reported(5) => (
            "its time was over (Session-Timeout): the plan, a limit or the expiry of the account ended it",
            Some("`lastmile explain` shows what the next session gets"),
        ),
        TerminateCause::Reported(6) => ("an operator ended it (Admin-Reset)", None),
        TerminateCause::Reported(7) => ("an operator restarted the router (Admin-Reboot)", None),
        TerminateCause::Reported(8) => (
            "the port failed (Port-Error)",
            Some("look at the line and at the router"),
        ),
        TerminateCause::Reported(9) => {
            ("the router failed (NAS-Error)", Some("look at the router"))
        }
        TerminateCause::Reported(10) => ("the router ended it by itself (NAS-Request)", None),
        TerminateCause::Reported(11) | TerminateCause::NasReboot => ("the router restarted", None),
        TerminateCause::Superseded => (
            "another session began under the same id: the router had forgotten this one",
            None,
        ),
        TerminateCause::Stale { .. } => (
            "nothing was heard of it any more, so it was closed; the router or the way to it may be down",
            Some(
                "look whether other sessions of this router were closed so: `lastmile session list --state closed --stale`",
            ),
        ),
        TerminateCause::Reported(_) => ("the router gave a reason that says little", None),
    }
}
