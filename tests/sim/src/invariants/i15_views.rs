//! I15, published views: an answered write is in the published view, and a view that a reader holds never changes.

use super::{Check, broken, ensure};
use crate::node::Shards;
use crate::picture;
use crate::trace::Hash;
use std::sync::Arc;
use vecraft_segment::ShardView;
use vecraft_state::shard::{ShardEntry, ShardReply};

const NAME: &str = "I15";
/// Views held at a time.
const HELD_MAX: usize = 4;

/// Views that readers hold on to.
#[derive(Default)]
pub struct Held {
    views: Vec<(Arc<ShardView>, Hash)>,
}

impl Held {
    /// A reader takes a view.
    pub fn take(&mut self, view: Arc<ShardView>) -> Check {
        let hash = read(&view)?;
        if self.views.len() == HELD_MAX {
            self.views.remove(0);
        }
        self.views.push((view, hash));
        Ok(())
    }

    /// All views held.
    pub fn views(&self) -> impl Iterator<Item = &Arc<ShardView>> {
        self.views.iter().map(|(view, _)| view)
    }

    /// Readers die with the process.
    pub fn clear(&mut self) {
        self.views.clear();
    }

    /// Every view still shows what it showed.
    pub fn unchanged(&self) -> Check {
        for (view, hash) in &self.views {
            ensure(read(view)? == *hash, NAME, || {
                format!("the view of {} at {} changed", view.shard, view.position)
            })?;
        }
        Ok(())
    }
}

fn read(view: &ShardView) -> Check<Hash> {
    picture::of(view).map(|rows| picture::hash(&rows)).map_err(|what| broken(NAME, what))
}

/// A write that changed rows is in the view before its proposer hears of it.
pub fn published(here: &Shards, entry: &ShardEntry, reply: &ShardReply) -> Check {
    let Ok(applied) = reply else { return Ok(()) };
    if applied.inserted + applied.deleted == 0 {
        return Ok(());
    }
    let Some(view) = here.views.get(entry.shard) else { return Ok(()) };
    ensure(view.position >= applied.position && view.timestamp >= applied.timestamp, NAME, || {
        format!("{} was answered, the view of {} is at {}", applied.position, entry.shard, view.position)
    })
}
