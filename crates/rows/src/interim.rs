//! How often routers are told to report of the sessions of a user.

use radius::attribute::{integer, kind};

use crate::attribute::Place;
use crate::authorize::Groups;
use crate::program::{List, UserProgram};

/// The longest Acct-Interim-Interval in seconds among what the user's rows and the groups' reply, whether they match
/// a request or not; `None` when there is none, so that the router does as it is set.
#[must_use]
pub fn longest_interim(user: &UserProgram, groups: &impl Groups) -> Option<u32> {
    let of_groups = user.groups.iter().filter_map(|name| {
        let group = groups.group(&name.stored)?;
        longest(&group.reply)
    });
    longest(&user.reply).into_iter().chain(of_groups).max()
}

fn longest(reply: &List) -> Option<u32> {
    let interims = reply.entries.iter().filter_map(|entry| {
        let is_meant = entry.item.attribute.place == Place::Standard(kind::ACCT_INTERIM_INTERVAL);
        is_meant.then(|| integer(entry.item.octets()?)).flatten()
    });
    interims.max()
}
