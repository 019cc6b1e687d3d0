//! Checkpoints, one move at a time, so that anything can happen between two of them.
//!
//! ```text
//! Idle -> Captured -> Written -> Installed -> (purge) -> Idle
//! ```

use super::{Simulation, Step, Stop};
use crate::bug::Bug;
use crate::invariants::i3_checkpoint;
use crate::node::MAIN;
use vecraft_data::{Capture, Written, remove_unnamed};
use vecraft_log_store::EntryId;
use vecraft_storage::Disk;

/// How far the checkpoint under way has come.
pub enum Stage {
    /// None is under way.
    Idle,
    /// A position is held still.
    Captured(Capture),
    /// It is durable, the replica does not know yet.
    Written(Written),
    /// The log below it may go.
    Installed,
}

impl Simulation {
    /// The next move of the checkpoint under way, or the first of a new one.
    pub(crate) fn advance_checkpoint(&mut self) -> Step {
        let Some(life) = &mut self.life else { return Ok(()) };
        self.stage = match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Idle => {
                let capture = life.shards.replica.capture();
                if capture.is_clean() {
                    return Ok(());
                }
                self.checkpoints.captured.insert(capture.position(), i3_checkpoint::of_twin(&self.twin));
                self.trace.note(format!("captured {}", capture.position()));
                Stage::Captured(capture)
            }
            Stage::Captured(capture) => return self.write_checkpoint(capture),
            Stage::Written(written) => {
                let garbage = life.shards.replica.install(written);
                self.trace.note(format!("installed, {} files to remove", garbage.len()));
                for file in garbage {
                    // One that stays is removed at the next start.
                    if let Err(error) = self.machine.disk.remove_file(&file) {
                        self.trace.note(format!("cannot remove {file}: {error}"));
                    }
                }
                Stage::Installed
            }
            Stage::Installed => return self.purge_below_checkpoint(),
        };
        Ok(())
    }

    fn write_checkpoint(&mut self, capture: Capture) -> Step {
        let position = capture.position();
        self.checkpoints.in_flight = Some(position);
        match self.machine.write(capture) {
            Ok(written) => {
                self.trace.note(format!("checkpoint {position} is durable"));
                (self.checkpoints.durable, self.checkpoints.in_flight) = (Some(position), None);
                self.is_in_doubt = false;
                self.stage = Stage::Written(written);
            }
            Err(_) if self.machine.fuse.is_blown() => return Err(Stop::Died),
            Err(error) => {
                // A full disk, a failed sync, a store that refuses: the old one stays and the log keeps everything.
                self.trace.note(format!("no checkpoint {position}: {error}"));
                self.checkpoints.in_flight = None;
                self.is_in_doubt = true;
            }
        }
        Ok(())
    }

    /// The hour is over: what nothing names goes. Not while a checkpoint is being written, whose files are not named yet,
    /// and not after one in doubt (I13).
    pub(crate) fn clean_up(&mut self) -> Step {
        let Some(life) = &self.life else { return Ok(()) };
        let is_writing = matches!(self.stage, Stage::Captured(_) | Stage::Written(_));
        if (is_writing || self.is_in_doubt) && self.bug != Some(Bug::CleanUpUnderCheckpoint) {
            return Ok(());
        }
        match remove_unnamed(&self.machine.disk, &life.shards.replica) {
            _ if self.machine.fuse.is_blown() => return Err(Stop::Died),
            Ok(names) => self.trace.note(format!("{names} unnamed files removed")),
            Err(error) => self.trace.note(format!("cannot clean up: {error}")),
        }
        Ok(())
    }

    fn purge_below_checkpoint(&mut self) -> Step {
        let applied = self.life.as_ref().map_or(0, |life| life.shards.replica.applied().0);
        let to = if self.bug == Some(Bug::PurgeAboveCheckpoint) {
            Some(applied)
        } else {
            let checkpoint = self.checkpoints.durable.map_or(0, |position| position.0);
            checkpoint.checked_sub(self.plan.purge_margin)
        };
        let Some(to) = to.filter(|to| Some(*to) > self.main.purged) else { return Ok(()) };
        let term = self.main.entries.get(to as usize).map_or(self.term, |known| known.id.term);
        self.purge(MAIN, EntryId { term, leader: MAIN.replica, index: to })
    }
}
