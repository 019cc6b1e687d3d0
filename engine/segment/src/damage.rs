//! Which shards must not be served here because a file of theirs is damaged (I24).
//!
//! One place for the node: whoever reads a column file reports what it finds (query, index builds, delete by filter), and
//! whoever answers for the node asks (query, data, health, metrics). An entry is about a file, so it goes when the view
//! shows that file no more: the shard, its partition or the segment was dropped, or a snapshot brought another file.
//!
//! What it does *not* do: it finds no damage by itself and mends none.

use crate::{Error, SealedSegment, Segment, ShardView, ViewRegistry};
use std::sync::{Arc, Weak};
use vecraft_types::{Code, ShardId};

/// What was found, and in which segment when the error names its file.
pub(crate) struct Damage {
    why: String,
    segment: Option<Weak<SealedSegment>>,
}

impl Damage {
    /// Whether the view still shows what is damaged.
    fn is_in(&self, view: &ShardView) -> bool {
        let Some(segment) = &self.segment else { return true };
        sealed_of(view).any(|shown| std::ptr::eq(Arc::as_ptr(shown), segment.as_ptr()))
    }
}

impl ViewRegistry {
    /// Takes a shard out of service when the error is about a damaged file that its view shows now; true when it was in
    /// service before. Other errors change nothing, nor does damage of a file that is gone since the caller looked.
    pub fn report_damage(&self, shard: ShardId, error: &Error) -> bool {
        if !error.is_corrupt() {
            return false;
        }
        // Held while looking: a view published meanwhile looks through the entries after this one is there.
        let mut damages = self.damages.write();
        let Some(view) = self.get(shard) else { return false };
        let segment = match error.damaged_file() {
            None => None,
            Some(path) => {
                let is_it =
                    |shown: &&Arc<SealedSegment>| shown.manifest().files.iter().any(|file| file.path == path);
                let Some(shown) = sealed_of(&view).find(is_it) else { return false };
                Some(Arc::downgrade(shown))
            }
        };
        if damages.contains_key(&shard) {
            return false;
        }
        damages.insert(shard, Damage { why: error.to_string(), segment });
        true
    }

    /// What is damaged of a shard; none when nothing is known to be.
    pub fn damage(&self, shard: ShardId) -> Option<String> {
        self.damages.read().get(&shard).map(|damage| damage.why.clone())
    }

    /// What a caller hears who wants something of a shard with a damaged file; none when nothing is known to be.
    pub fn refusal(&self, shard: ShardId) -> Option<vecraft_types::Error> {
        let why = self.damage(shard)?;
        Some(vecraft_types::Error::new(Code::Io, format!("this replica is out of service: {why}")))
    }

    /// The shards with a damaged file, and what was found where.
    pub fn damaged(&self) -> Vec<(ShardId, String)> {
        self.damages.read().iter().map(|(shard, damage)| (*shard, damage.why.clone())).collect()
    }

    /// Forgets what the published view shows no more.
    pub(crate) fn forget_damage_outside(&self, view: &ShardView) {
        let is_over = |damages: &crate::view::Damages| {
            damages.get(&view.shard).is_some_and(|damage| !damage.is_in(view))
        };
        if is_over(&self.damages.read()) {
            let mut damages = self.damages.write();
            if is_over(&damages) {
                damages.remove(&view.shard);
            }
        }
    }
}

fn sealed_of(view: &ShardView) -> impl Iterator<Item = &Arc<SealedSegment>> {
    view.segments.iter().filter_map(|shown| match &shown.segment {
        Segment::Sealed(segment) => Some(segment),
        Segment::Growing(_) => None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
