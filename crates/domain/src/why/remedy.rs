//! What would help, as the command that does it.

use super::{Facts, Whom};
use crate::access::RejectReason;
use crate::limit::ResetAt;

impl Facts<'_> {
    /// What to do about a refusal.
    #[expect(clippy::too_many_lines, reason = "a table: one remedy for each reason")]
    pub(super) fn remedy(&self, reason: RejectReason) -> Option<String> {
        if matches!(self.whom, Whom::Rows) && is_of_rows(reason) {
            let user = self.user_name;
            return Some(format!(
                "`lastmile rows show {user}` has what the rows say; change it where they are written"
            ));
        }
        let user = self.username();
        let nas = self.verdict.map_or("NAME", |verdict| verdict.nas.as_str());
        let plan = self
            .account()
            .map_or("PLAN", |account| account.plan.as_str());
        Some(match reason {
            RejectReason::Disabled => format!("`lastmile subscriber enable {user}`"),
            RejectReason::Pending => format!("`lastmile subscriber activate {user}`"),
            RejectReason::Suspended => format!("`lastmile subscriber restore {user}`"),
            RejectReason::Expired { .. } => self.expiry_remedy(),
            RejectReason::NotValidYet { .. } => {
                format!("wait, or `lastmile subscriber set {user} --starts TIME`")
            }
            RejectReason::NoLongerValid { .. } => {
                format!("`lastmile subscriber set {user} --plan PLAN`: sell another plan")
            }
            RejectReason::QuotaUsedUp(crossing) => self.quota_remedy(crossing.resets_at),
            RejectReason::OutsideHours { .. } => {
                format!("wait, or `lastmile subscriber set {user} --plan PLAN`")
            }
            RejectReason::WrongPassword { .. } => format!(
                "have the password typed anew, or give another one: `lastmile subscriber set {user} --password -`"
            ),
            RejectReason::MethodNeedsCleartext { .. } => format!(
                "let the router ask by pap, or store the password itself: `lastmile subscriber set {user} --password -`"
            ),
            RejectReason::TooManyAttempts { .. } => {
                "wait, or `lastmile guard list` and `lastmile guard clear`; have the password looked at first".to_owned()
            }
            RejectReason::SessionLimit { .. } => {
                format!(
                    "`lastmile session kick {user}`, or `lastmile plan set {plan} --session-limit N`"
                )
            }
            RejectReason::NasNotAllowed => {
                format!("`lastmile subscriber binding show {user}`, and `binding set` or `binding clear`")
            }
            RejectReason::DeviceLimit { .. } | RejectReason::PrivateDeviceLimit { .. } => {
                format!("`lastmile subscriber device list {user}`, and `device forget` or `device reset`")
            }
            RejectReason::DeviceUnnamed => {
                "have the router send the MAC address in Calling-Station-Id".to_owned()
            }
            RejectReason::DeviceOfSeveral => {
                "`lastmile subscriber device forget` at all but one of those who have the device".to_owned()
            }
            RejectReason::DeviceNotStored => "look at the database, then try again".to_owned(),
            RejectReason::NasIdentifierDiffers => format!("`lastmile nas set {nas} --identifier TEXT`"),
            RejectReason::NoGarden { .. } => {
                "`lastmile garden add`, and `lastmile garden default`".to_owned()
            }
            RejectReason::RowsDoNotMatch
            | RejectReason::RowDiffers(_)
            | RejectReason::RowFailed(_)
            | RejectReason::RowsReject
            | RejectReason::RowsAuthType
            | RejectReason::RowsPassword { .. } => {
                format!("`lastmile rows show {}` and `lastmile rows lint`", self.user_name)
            }
            RejectReason::UnknownRealm => "`lastmile realm add NAME`".to_owned(),
            RejectReason::RealmElsewhere => format!("`lastmile nas set {nas} --sharing shared` if its routers serve several providers"),
            RejectReason::MalformedCredential { .. }
            | RejectReason::UnsupportedMethod { .. }
            | RejectReason::NoCredential => "look at how the router authenticates".to_owned(),
            RejectReason::ConversationUnknown => {
                "let the device try again; if it stays, let each router ask one node".to_owned()
            }
            RejectReason::IdentityDiffers => {
                "let the device name itself in EAP as the router does in User-Name".to_owned()
            }
            RejectReason::NoCommonMethod { .. } => "set the device to EAP-MD5".to_owned(),
            RejectReason::PlanMissing => "`lastmile directory reload`".to_owned(),
            RejectReason::UnknownUser
            | RejectReason::MalformedUserName
            | RejectReason::DeviceDiffers => return None,
        })
    }

    pub(super) fn quota_remedy(&self, resets_at: ResetAt) -> String {
        let user = self.username();
        match resets_at.find() {
            Some(_) => {
                format!("wait for the reset, or `lastmile subscriber set {user} --plan PLAN`")
            }
            None => format!("`lastmile subscriber set {user} --plan PLAN`"),
        }
    }

    pub(super) fn expiry_remedy(&self) -> String {
        format!(
            "`lastmile subscriber set {} --expires TIME`",
            self.username()
        )
    }
}

/// Whether rows say it of those whom they know, as the account does of subscribers.
const fn is_of_rows(reason: RejectReason) -> bool {
    matches!(
        reason,
        RejectReason::WrongPassword { .. }
            | RejectReason::MethodNeedsCleartext { .. }
            | RejectReason::Expired { .. }
            | RejectReason::SessionLimit { .. }
            | RejectReason::OutsideHours { .. }
            | RejectReason::QuotaUsedUp(_)
    )
}
