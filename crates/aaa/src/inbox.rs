//! How other threads tell a worker that something it waits for is done.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use domain::access::Claim;
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::duplicate::Ticket;

/// More than everything that can be under way for one worker: the journal's queue, a batch of it,
/// and the queues of the verifier and of new devices.
pub const CAPACITY: usize = 32_768;

/// Something a worker waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The accounting record is durable.
    Stored(Ticket),
    /// It could not be stored; the NAS will send it again.
    NotStored(Ticket),
    /// A hashed password was compared.
    Verified { ticket: Ticket, is_right: bool },
    /// A new device was bound, or not.
    Claimed { ticket: Ticket, claim: Claim },
}

/// The sending side; cheap to clone.
#[derive(Clone, Debug)]
pub struct Outlet {
    sender: SyncSender<Completion>,
    wake: Arc<EventFd>,
}

/// The worker's side.
#[derive(Debug)]
pub struct Inbox {
    receiver: Receiver<Completion>,
    wake: Arc<EventFd>,
}

/// Makes an inbox and its outlet.
pub fn channel() -> io::Result<(Outlet, Inbox)> {
    let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
    let wake = Arc::new(EventFd::from_flags(flags)?);
    let (sender, receiver) = sync_channel(CAPACITY);
    let outlet = Outlet {
        sender,
        wake: Arc::clone(&wake),
    };
    Ok((outlet, Inbox { receiver, wake }))
}

impl Outlet {
    /// Hands completions over and wakes the worker once. What does not fit is dropped: to the NAS
    /// it looks like a lost reply, and it asks again.
    pub fn send(&self, completions: impl IntoIterator<Item = Completion>) {
        for completion in completions {
            match self.sender.try_send(completion) {
                Ok(()) => {}
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => break,
            }
        }
        self.wake();
    }

    /// Makes the worker look around, also when there is nothing to hand over.
    pub fn wake(&self) {
        // A full counter means that the worker has been woken already.
        let _already_awake: Result<usize, Errno> = self.wake.write(1);
    }
}

impl Inbox {
    /// Takes what has arrived and goes back to sleep.
    pub fn drain(&self) -> impl Iterator<Item = Completion> + '_ {
        let _not_woken: Result<u64, Errno> = self.wake.read();
        self.receiver.try_iter().take(CAPACITY)
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
