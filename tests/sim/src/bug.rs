//! Bugs planted on purpose: a simulation that does not find them proves nothing.

use std::fmt;
use std::str::FromStr;

/// A planted bug. The code under test is the real one; the bug is a switch at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// File syncs answer `Ok` and do nothing.
    SkipFsync,
    /// Synced batches of the key-value store stay volatile.
    SkipKvSync,
    /// Deletes are forgotten while the log is replayed after a start.
    DropDeleteOnReplay,
    /// The log is purged up to the applied entry instead of the checkpoint (against I4).
    PurgeAboveCheckpoint,
    /// Unnamed files are removed while a checkpoint is being written (against I13).
    CleanUpUnderCheckpoint,
    /// A compaction loses the deletes that come after its entry and before its file (against I13).
    LoseDeletesOfOutputs,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 6] = [
        Bug::SkipFsync,
        Bug::SkipKvSync,
        Bug::DropDeleteOnReplay,
        Bug::PurgeAboveCheckpoint,
        Bug::CleanUpUnderCheckpoint,
        Bug::LoseDeletesOfOutputs,
    ];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Bug::SkipFsync => "skip-fsync",
            Bug::SkipKvSync => "skip-kv-sync",
            Bug::DropDeleteOnReplay => "drop-delete-on-replay",
            Bug::PurgeAboveCheckpoint => "purge-above-checkpoint",
            Bug::CleanUpUnderCheckpoint => "clean-up-under-checkpoint",
            Bug::LoseDeletesOfOutputs => "lose-deletes-of-outputs",
        }
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Bug {
    type Err = String;

    fn from_str(name: &str) -> Result<Bug, String> {
        let names = || Bug::ALL.map(Bug::name).join(", ");
        Bug::ALL
            .into_iter()
            .find(|bug| bug.name() == name)
            .ok_or_else(|| format!("no bug {name:?}, there are: {}", names()))
    }
}
