//! Compares slow password hashes on threads of their own, so that no worker waits for them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use argon2::{Argon2, PasswordVerifier};
use domain::credential::{Credential, HashScheme, PasswordHash};
use domain::secret::Secret;
use rows::password::KnownGood;
use sha_crypt::ShaCrypt;
use subtle::ConstantTimeEq;
use tracing::error;

use crate::directory::SubscriberEntry;
use crate::duplicate::Ticket;
use crate::inbox::{Completion, Outlet};
use crate::row_table::RowUser;

/// Passwords that may wait; what comes on top is dropped, and the NAS asks again.
const QUEUE: usize = 256;

/// What is to be compared.
#[derive(Debug)]
pub enum Question {
    Subscriber {
        entry: Arc<SubscriberEntry>,
        password: Secret,
    },
    Rows(Arc<RowQuestion>),
}

/// A password and the one that the rows of FreeRADIUS' tables have.
pub struct RowQuestion {
    pub user: Arc<RowUser>,
    pub known: Arc<KnownGood>,
    pub password: Secret,
    /// What is remembered of both when they belong together.
    pub digest: [u8; 16],
}

/// One password to compare.
#[derive(Debug)]
pub struct Job {
    pub question: Question,
    pub ticket: Ticket,
    pub outlet: Outlet,
}

/// The queue of the verifying threads. They end when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Verifier {
    sender: SyncSender<Job>,
}

impl Verifier {
    /// Starts the threads.
    pub fn start(threads: usize) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        let receiver = Arc::new(Mutex::new(receiver));
        for index in 0..threads.max(1) {
            let receiver = Arc::clone(&receiver);
            thread::Builder::new()
                .name(format!("verifier-{index}"))
                .spawn(move || run(&receiver))?;
        }
        Ok(Self { sender })
    }

    /// Queues a job, or gives it back when the queue is full.
    pub fn submit(&self, job: Job) -> Result<(), Box<Job>> {
        self.sender.try_send(job).map_err(|error| match error {
            TrySendError::Full(job) | TrySendError::Disconnected(job) => Box::new(job),
        })
    }
}

fn run(receiver: &Mutex<Receiver<Job>>) {
    loop {
        let next = receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(job) = next else { return };
        // A hash that its package cannot take must not cost the thread.
        let answer = catch_unwind(AssertUnwindSafe(|| answer(&job.question)));
        let is_right = answer.unwrap_or_else(|_| {
            error!("Comparing a password hash panicked");
            false
        });
        let ticket = job.ticket;
        job.outlet.send([Completion::Verified { ticket, is_right }]);
    }
}

/// Compares now.
pub(crate) fn answer(question: &Question) -> bool {
    match question {
        Question::Subscriber { entry, password } => {
            let password = password.expose();
            // The same request may have been queued several times under different identifiers.
            if entry.was_verified(password) {
                return true;
            }
            let is_right = match &entry.subscriber.credential {
                Credential::Hashed(hash) => matches(hash, password),
                Credential::Cleartext(stored) => stored.expose().ct_eq(password).into(),
            };
            if is_right {
                entry.remember_verified(password);
            }
            is_right
        }
        Question::Rows(question) => {
            if question.user.was_verified(&question.digest) {
                return true;
            }
            let is_right = question.known.verify(question.password.expose());
            if is_right {
                question.user.remember_verified(question.digest);
            }
            is_right
        }
    }
}

/// Whether the password has this hash. A hash that cannot be read matches nothing.
pub fn matches(hash: &PasswordHash, password: &[u8]) -> bool {
    let text = hash.text();
    match hash.scheme() {
        HashScheme::Bcrypt => bcrypt::verify(password, text).unwrap_or(false),
        HashScheme::Argon2 => Argon2::default().verify_password(password, text).is_ok(),
        HashScheme::Sha256Crypt | HashScheme::Sha512Crypt => {
            ShaCrypt::default().verify_password(password, text).is_ok()
        }
        HashScheme::Nt => std::str::from_utf8(password)
            .map(radius::password::mschap::nt_hash)
            .is_ok_and(|octets| {
                hash.nt_octets()
                    .is_some_and(|stored| stored.ct_eq(&octets).into())
            }),
    }
}

impl std::fmt::Debug for RowQuestion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("RowQuestion(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hash: &str, password: &str, expected: bool) {
        let hash: PasswordHash = hash.parse().expect("a valid hash");
        assert_eq!(matches(&hash, password.as_bytes()), expected);
    }

    /// Made with Python's crypt module.
    const SHA256: &str = "$5$saltsalt$gOjOtoMpVhru2uyjeJSEc/JaLQWOXMNmlOnj6T4AtC.";
    const SHA512: &str = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/";
    const NT: &str = "{NT}8846f7eaee8fb117ad06bdd830b7586c";

    #[test]
    fn every_scheme_knows_its_password_and_no_other() {
        let bcrypt = bcrypt::hash("password", 4).expect("a valid cost");
        for hash in [SHA256, SHA512, NT, &bcrypt] {
            check(hash, "password", true);
            check(hash, "passwore", false);
            check(hash, "", false);
        }
    }

    #[test]
    fn an_unreadable_hash_matches_nothing() {
        check("$argon2id$v=19$m=1,t=1,p=1$bad$bad", "password", false);
        check("$5$$$", "", false);
    }
}
