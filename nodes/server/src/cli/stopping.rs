//! Stopping a node for the person in front of it: in order, or at once when they ask a second time.

use crate::Server;
use std::io::Write;
use vecraft_runtime::signals::{Termination, TerminationSignals};

/// How a node was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Drained, with a last checkpoint.
    InOrder,
    /// Somebody asked again while it drained. It still runs: [`end_at_once`] is what is left to do.
    AtOnce(Termination),
}

/// Stops a node in order, unless one more signal comes.
pub async fn stop(server: Server, reason: &str, signals: &mut TerminationSignals) -> Stopped {
    tracing::info!(reason, "stopping");
    tokio::select! {
        () = server.stop(reason) => Stopped::InOrder,
        again = signals.next() => Stopped::AtOnce(again),
    }
}

/// Ends the process where it stands, as a crash would. Safety never depended on the drain (P1).
pub fn end_at_once(signal: Termination) -> ! {
    let _ = writeln!(
        std::io::stderr(),
        "vecraft: {signal} while stopping, ending at once. Nothing acknowledged is lost: the next start has it from the log."
    );
    // SAFETY: ends the process, nothing else. `exit` would run the C++ destructors beside threads that still work.
    unsafe { libc::_exit(signal.exit_status()) }
}
