//! Being asked to end by the operating system.
//!
//! Who listens must go on listening until the process ends: once a handler is installed the signal no longer ends
//! the process by itself, so a person who presses Ctrl-C twice would be ignored.

use std::fmt;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal that asks the process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Termination {
    /// SIGTERM, as service managers send it.
    Terminate,
    /// SIGINT, as by Ctrl-C.
    Interrupt,
}

impl Termination {
    /// The status with which a process says that this signal ended it: 128 and the signal's number, as in a shell.
    pub fn exit_status(self) -> i32 {
        let kind = match self {
            Termination::Terminate => SignalKind::terminate(),
            Termination::Interrupt => SignalKind::interrupt(),
        };
        128 + kind.as_raw_value()
    }
}

impl fmt::Display for Termination {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Termination::Terminate => "SIGTERM",
            Termination::Interrupt => "SIGINT",
        })
    }
}

/// The signals that ask the process to end, from when this was made.
#[derive(Debug)]
pub struct TerminationSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl TerminationSignals {
    /// Listens from now on.
    ///
    /// # Errors
    /// When no handler can be installed.
    pub fn listen() -> io::Result<TerminationSignals> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(TerminationSignals { terminate, interrupt })
    }

    /// The next one. Dropping the future loses none.
    pub async fn next(&mut self) -> Termination {
        tokio::select! {
            _ = self.terminate.recv() => Termination::Terminate,
            _ = self.interrupt.recv() => Termination::Interrupt,
        }
    }
}
