//! The circumstances in which a planted bug has something to break: what a seed draws leans towards them.

use super::bug::Bug;
use super::plan::Plan;
use super::trouble::{ALL, Trouble};
use std::time::Duration;

impl Bug {
    /// Leans a plan towards the bug.
    pub fn temper(self, plan: &mut Plan) {
        let (often, checkpoints) = match self {
            Bug::SkipFsync => (&[Trouble::Death, Trouble::LightsOut][..], false),
            Bug::AckBeforeMajority => (&[Trouble::Transfer][..], false),
            Bug::ReadOnApplied => (&[][..], false),
            Bug::ReuseReplicaId => (&[Trouble::Wipe, Trouble::Partition, Trouble::Death][..], false),
            Bug::PurgeAboveCheckpoint => (&[Trouble::Death, Trouble::LightsOut][..], false),
            Bug::DropDeleteOnReplay => (&[Trouble::Death, Trouble::LightsOut][..], false),
            Bug::DoubleApply => (&[Trouble::Transfer, Trouble::Storm][..], false),
            Bug::BoundedByHeartbeat => (&[Trouble::SlowDisk, Trouble::Storm][..], false),
            Bug::SnapshotWithoutDeletes => (&[Trouble::Wipe, Trouble::Partition][..], true),
            Bug::TimestampBack => (&[Trouble::ClockJump, Trouble::Transfer][..], false),
            Bug::ReplaceInTwoSteps | Bug::ReplaceUnguarded => (&[Trouble::Wipe][..], false),
            Bug::ReplaceTooEarly => (&[Trouble::Wipe][..], true),
            Bug::CutAtDamage => (&[Trouble::Damage][..], false),
            Bug::ResolveOnOldView | Bug::DeleteByKey => (&[][..], false),
            Bug::KeepUnnamed => (&[Trouble::DeathInTheMiddle][..], true),
            Bug::IgnoreSeal => (&[][..], true),
            Bug::ForgetDone => (&[][..], false),
            Bug::SessionByWrites => (&[Trouble::SlowDisk, Trouble::Storm][..], false),
        };
        for (kind, weight) in ALL.iter().zip(&mut plan.kinds) {
            if often.contains(kind) {
                *weight += 10;
            }
        }
        plan.trouble = plan.trouble.max(15);
        if checkpoints {
            plan.reserve_bytes = 0;
            plan.policy.checkpoint_interval = Duration::from_millis(500);
            plan.policy.checkpoint_bytes = 1_000;
            plan.pause_ms_max = 30;
        }
        if self == Bug::PurgeAboveCheckpoint {
            // More entries than the margin below a purge, and no real checkpoint that could excuse it.
            plan.reserve_bytes = 0;
            plan.policy.checkpoint_interval = Duration::from_secs(60);
            plan.policy.checkpoint_bytes = 1 << 20;
            plan.policy.segment_bytes_max = 1 << 20;
            plan.policy.segment_age_max = Duration::from_secs(60);
            plan.pause_ms_max = 30;
            plan.writers = plan.writers.max(3);
        }
    }
}
