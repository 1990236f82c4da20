//! A terminal that does not show what is typed, while a secret is.

use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

/// Dropped, it lets the terminal show again what is typed.
pub(crate) struct Hush<'t> {
    terminal: BorrowedFd<'t>,
    before: Termios,
}

/// Calls `read` with standard input hushed, after asking for what is to be typed. A pipe or a file
/// is read as it is.
pub(crate) fn read_hidden<T>(prompt: &str, read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let input = io::stdin();
    if !input.is_terminal() {
        return read();
    }
    let hush = Hush::over(input.as_fd())?;
    let mut stderr = io::stderr().lock();
    write!(stderr, "{prompt}: ")?;
    stderr.flush()?;
    let typed = read();
    drop(hush);
    // The end of the line was not shown either.
    writeln!(stderr)?;
    typed
}

impl<'t> Hush<'t> {
    fn over(terminal: BorrowedFd<'t>) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut hushed = before.clone();
        hushed.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(terminal, SetArg::TCSAFLUSH, &hushed)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hush<'_> {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing.
        let _ = tcsetattr(self.terminal, SetArg::TCSANOW, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use nix::pty::openpty;

    use super::*;

    #[test]
    fn a_terminal_is_silent_while_it_is_hushed_and_not_after() {
        let pair = openpty(None, None).expect("the system has a terminal to spare");
        let terminal = pair.slave.as_fd();
        let shows = || {
            let state = tcgetattr(terminal).expect("it is a terminal");
            state.local_flags.contains(LocalFlags::ECHO)
        };
        assert!(shows());
        let hush = Hush::over(terminal).expect("it is a terminal");
        assert!(!shows());
        drop(hush);
        assert!(shows());
    }
}
