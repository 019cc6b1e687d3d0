//! Bit rot: a byte of a log that was synced and marked is another one when the node starts again (I6).

use super::{Machine, World};
use crate::cluster::bug::Bug;
use vecraft_log_store::LogHealth;
use vecraft_storage::{Disk, OpenMode, Result};

const LOG_DIR: &str = "log";

impl Machine {
    /// Kills the process and damages a byte of its log, any byte of any segment. False, and only dead, when the log
    /// was not well: of a batch without a mark a start cannot say whether it is torn or damaged.
    pub fn damage(&mut self, world: &World, is_power_cut: bool) -> bool {
        let is_well = self.process.as_ref().is_some_and(|process| {
            process.log.tick();
            !process.fuse.is_blown() && process.log.health() == LogHealth::Serving
        });
        self.kill(world, is_power_cut);
        let damaged = if is_well { self.damage_log(world.bug).unwrap_or_default() } else { None };
        if let Some((path, at)) = &damaged {
            self.is_damaged = true;
            world.book.note(format!("node {}: byte {at} of {path} is another one", self.id));
        }
        damaged.is_some()
    }

    fn damage_log(&mut self, bug: Option<Bug>) -> Result<Option<(String, u64)>> {
        let names = self.disk.list(LOG_DIR)?.into_iter().map(|file| file.name);
        let mut segments: Vec<String> = names.filter(|name| name.ends_with(".wal")).collect();
        segments.sort();
        let Some(name) = self.rng.pick(&segments).cloned() else { return Ok(None) };
        let path = format!("{LOG_DIR}/{name}");
        let file = self.disk.open(&path, OpenMode::Write)?;
        let len = file.len()?;
        if len == 0 {
            return Ok(None);
        }
        let at = self.rng.below(len);
        if bug == Some(Bug::CutAtDamage) {
            file.write_at(at, &vec![0; (len - at) as usize])?;
            let later = segments.iter().filter(|other| **other > name);
            later.clone().try_for_each(|other| self.disk.remove_file(&format!("{LOG_DIR}/{other}")))?;
        } else {
            let mut byte = [0];
            file.read_at(at, &mut byte)?;
            file.write_at(at, &[byte[0] ^ (1 << self.rng.below(8))])?;
        }
        file.sync_data()?;
        self.disk.sync_dir(LOG_DIR)?;
        Ok(Some((path, at)))
    }
}
