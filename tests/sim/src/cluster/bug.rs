//! Bugs planted in the simulated cluster: a simulation that does not find them proves nothing.

use std::fmt;
use std::str::FromStr;

macro_rules! bugs {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// A planted bug. The code under test is the real one; the bug is a switch at run time.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug { $($(#[$doc])* $name,)+ }

        impl Bug {
            /// All of them.
            pub const ALL: &[Bug] = &[$(Bug::$name,)+];

            /// Name on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Bug::$name => $text,)+ }
            }
        }
    };
}

bugs! {
    /// File syncs answer `Ok` and do nothing (against P1).
    SkipFsync = "skip-fsync",
    /// A follower's word is taken for granted: its answer is made up and the entries do not reach it.
    AckBeforeMajority = "ack-before-majority",
    /// Reads wait for what openraft has applied, while the views are published a moment later (against I15).
    ReadOnApplied = "read-on-applied",
    /// A node that lost its disk comes back as the replica it was (against I1).
    ReuseReplicaId = "reuse-replica-id",
    /// The log goes up to the applied entry instead of the checkpoint (against I4).
    PurgeAboveCheckpoint = "purge-above-checkpoint",
    /// Deletes are forgotten while the log is replayed after a start (against I3).
    DropDeleteOnReplay = "drop-delete-on-replay",
    /// Nobody remembers which requests were answered (against I10).
    DoubleApply = "double-apply",
    /// Hearing the leader within the bound is taken for having asked it (against I17).
    BoundedByHeartbeat = "bounded-by-heartbeat",
    /// A snapshot lacks the delete log (against I5).
    SnapshotWithoutDeletes = "snapshot-without-deletes",
    /// An entry gets the timestamp that its proposer's clock suggests (against I9).
    TimestampBack = "timestamp-back",
    /// The newcomer becomes a voter first and the old replica leaves later: four voters with one dead (against I2).
    ReplaceInTwoSteps = "replace-in-two-steps",
    /// The newcomer becomes a voter as soon as it is a learner (against I2).
    ReplaceTooEarly = "replace-too-early",
    /// What was decided on old members is done to whatever they are by then (against I2).
    ReplaceUnguarded = "replace-unguarded",
    /// A log with a damaged record is cut there, whatever follows (against I6).
    CutAtDamage = "cut-at-damage",
    /// A delete by filter looks at views that are behind (against I12).
    ResolveOnOldView = "resolve-on-old-view",
    /// A resolved delete takes what is there under its keys (against I12).
    DeleteByKey = "delete-by-key",
    /// Files that nothing names are not removed (against I13).
    KeepUnnamed = "keep-unnamed",
    /// A replica goes on with a segment that the log has sealed (against I13).
    IgnoreSeal = "ignore-seal",
    /// That a compaction which was asked for is done, nobody takes note of.
    ForgetDone = "forget-done",
    /// A session's token moves with its writes and not with its reads (against I20).
    SessionByWrites = "session-by-writes",
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Bug {
    type Err = String;

    fn from_str(name: &str) -> Result<Bug, String> {
        let names = || Bug::ALL.iter().map(|bug| bug.name()).collect::<Vec<_>>().join(", ");
        Bug::ALL
            .iter()
            .find(|bug| bug.name() == name)
            .copied()
            .ok_or_else(|| format!("no bug {name:?} of a cluster, there are: {}", names()))
    }
}
