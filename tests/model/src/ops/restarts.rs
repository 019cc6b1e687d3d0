//! The server ends and comes back: stopped, killed, killed in the middle of an insert.

use super::inserts::note;
use crate::life::Life;
use crate::{Step, broken};
use std::time::Duration;

/// An insert takes about a millisecond; kills come before, in and after it.
const KILL_WITHIN_US: u64 = 4_000;

impl Life {
    pub(crate) fn restart(&mut self) -> Step {
        self.lived.restarts += 1;
        match self.rng.below(4) {
            0 | 1 => {
                self.note("stop and start".to_owned());
                self.node.stop()?;
                self.node.start_again()?;
            }
            2 => {
                self.note("kill and start".to_owned());
                self.node.kill();
                self.node.start_again()?;
            }
            _ => self.die_writing()?,
        }
        self.look_at_everything()
    }

    /// Nobody knows what became of the insert; sent again under its name it is there once (I10).
    fn die_writing(&mut self) -> Step {
        let is_upsert = self.rng.chance(35);
        let mut draft = self.draft(is_upsert, true)?;
        draft.request.request = Some(self.request_id());
        let after = Duration::from_micros(self.rng.below(KILL_WITHIN_US));
        self.note(format!("kill {after:?} into {}, sent again after the start", note(&draft)));
        let (request, is_upsert) = (draft.request.clone(), draft.is_upsert);
        let sending = |db: std::sync::Arc<dyn vecraft_types::api::Database>, call| async move {
            if is_upsert { db.upsert(call, request).await } else { db.insert(call, request).await }
        };
        let first = self.node.ask_and_kill(sending, after)?;
        self.node.start_again()?;
        let again = self.send(&draft)?;
        if let Some(Ok(first)) = &first
            && again.as_ref() != Ok(first)
        {
            return broken(format!("I10: answered {first:?} before the end and {again:?} after it"));
        }
        self.written(draft, again.map_err(super::unexpected("the insert, sent again"))?)
    }
}
