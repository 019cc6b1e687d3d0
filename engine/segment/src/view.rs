//! What readers see of a shard: an immutable picture at an applied position, swapped as a whole.
//!
//! Order (I15): apply changes segments, publishes the changed views here, then the group's published index, then
//! answers the client. A reader that waited for the index and loads the view afterwards sees the write.

use crate::damage::Damage;
use crate::{Compaction, Error, Result, SealedSegment, Segment};
use arc_swap::ArcSwap;
use parking_lot::RwLock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use vecraft_types::{CollectionSchema, LogPosition, PartitionId, SegmentId, ShardId, Timestamp};

/// One segment as a view shows it.
#[derive(Clone, Debug)]
pub struct SegmentView {
    /// The rows.
    pub segment: Segment,
    /// Rows inserted up to the view's position; later ones are not looked at.
    pub rows: u32,
    /// Set when a compaction took the segment in whose output is not served yet: what its rows are called there.
    pub renamed: Option<Renamed>,
}

/// The names of an input's rows in the output of its compaction: those that the log knows (I13).
#[derive(Clone, Debug)]
pub struct Renamed {
    /// The compaction.
    pub compaction: Arc<Compaction>,
    /// Which of its parts the segment is.
    pub part: usize,
}

impl SegmentView {
    /// What the log calls a row of this segment; `None` when it is gone.
    pub fn name(&self, row: u32) -> Option<(SegmentId, u32)> {
        match &self.renamed {
            None => Some((self.segment.id(), row)),
            Some(Renamed { compaction, part }) => Some((compaction.id(), compaction.place(*part, row)?)),
        }
    }
}

/// A shard at one applied position. Whoever holds it keeps getting the same answers, whatever is appended,
/// deleted, sealed or swapped later. Cloning costs one reference count a segment; share it in an `Arc`.
#[derive(Clone, Debug)]
pub struct ShardView {
    /// The shard.
    pub shard: ShardId,
    /// Everything up to this entry is in the view, nothing after it.
    pub position: LogPosition,
    /// Timestamp of the shard's last entry up to `position`.
    pub timestamp: Timestamp,
    /// The schema at that position.
    pub schema: Arc<CollectionSchema>,
    /// In order of segment id.
    pub segments: Vec<SegmentView>,
    /// Outputs of compactions whose files are here and which are not read yet, because their indexes are not: until
    /// then their inputs are in `segments`.
    pub coming: Vec<Arc<SealedSegment>>,
    /// Partitions whose rows were dropped: who asks for one of them is not answered "none".
    pub gone: Arc<BTreeSet<PartitionId>>,
}

impl ShardView {
    /// A picture of what the segments hold now; the caller is the writer, so nothing moves meanwhile.
    pub fn of(
        shard: ShardId,
        position: LogPosition,
        timestamp: Timestamp,
        schema: Arc<CollectionSchema>,
        segments: impl IntoIterator<Item = Segment>,
    ) -> ShardView {
        let picture = |segment: Segment| SegmentView { rows: segment.rows(), segment, renamed: None };
        let mut segments: Vec<SegmentView> = segments.into_iter().map(picture).collect();
        segments.sort_by_key(|view| view.segment.id());
        ShardView { shard, position, timestamp, schema, segments, coming: Vec::new(), gone: Arc::default() }
    }

    /// Shows the inputs of a compaction whose output is not read yet, and the output if it is `coming`.
    pub fn with(mut self, compaction: &Arc<Compaction>, coming: Option<Arc<SealedSegment>>) -> ShardView {
        for (part, input) in compaction.parts().iter().enumerate() {
            let segment = input.segment().clone();
            let renamed = Some(Renamed { compaction: compaction.clone(), part });
            self.segments.push(SegmentView { rows: segment.rows(), segment, renamed });
        }
        self.segments.sort_by_key(|view| view.segment.id());
        self.coming.extend(coming);
        self
    }

    /// The view of one segment.
    pub fn segment(&self, id: SegmentId) -> Result<&SegmentView> {
        let at = self.segments.binary_search_by_key(&id, |view| view.segment.id());
        at.map(|at| &self.segments[at]).map_err(|_| Error::UnknownSegment(id))
    }

    /// The same shard as it was at the position of an earlier entry, which has this timestamp (I18). Deletes up to the
    /// view's position are looked at by position anyway; rows inserted later are left out here. The caller knows that
    /// nothing has dropped what was there.
    ///
    /// # Errors
    /// [`Error::NotReached`] when the view has not come so far; damaged files.
    pub fn at(&self, position: LogPosition, timestamp: Timestamp) -> Result<ShardView> {
        if position > self.position {
            return Err(Error::NotReached { wanted: position, position: self.position });
        }
        let mut earlier = ShardView { position, timestamp, ..self.clone() };
        for view in &mut earlier.segments {
            let mut rows = 0;
            for block in view.segment.blocks(view.rows) {
                // Rows are in log order, so positions ascend.
                let positions = block.positions()?;
                let inserted = positions.partition_point(|at| *at <= position.0);
                if inserted > 0 {
                    rows = block.first_row() + inserted as u32;
                }
                if inserted < positions.len() {
                    break;
                }
            }
            view.rows = rows;
        }
        Ok(earlier)
    }

    /// Whether a search of a growing segment compared many rows for want of an interim graph, and nobody has looked since.
    pub fn misses_graph(&self) -> bool {
        let is_growing = |view: &&SegmentView| !view.segment.is_sealed();
        self.segments.iter().filter(is_growing).any(|view| view.segment.interim().is_missed())
    }

    /// Bytes of memory its segments use.
    pub fn bytes(&self) -> u64 {
        let coming = self.coming.iter().map(|segment| segment.bytes());
        self.segments.iter().map(|view| view.segment.bytes()).chain(coming).sum()
    }
}

/// The current view of every shard of this node: written by the data actor, read by the query actor, made by
/// the wiring. Reading takes a short shared lock and a reference count; it never waits for apply.
///
/// Beside each view stands whether a file of it is known to be damaged ([`ViewRegistry::report_damage`]).
#[derive(Default)]
pub struct ViewRegistry {
    views: RwLock<BTreeMap<ShardId, Arc<ArcSwap<ShardView>>>>,
    pub(crate) damages: RwLock<Damages>,
}

pub(crate) type Damages = BTreeMap<ShardId, Damage>;

impl ViewRegistry {
    /// No shards.
    pub fn new() -> ViewRegistry {
        ViewRegistry::default()
    }

    /// Shows a view from now on; adds the shard when it is new.
    pub fn publish(&self, view: ShardView) {
        let view = Arc::new(view);
        self.show(view.clone());
        self.forget_damage_outside(&view);
    }

    fn show(&self, view: Arc<ShardView>) {
        if let Some(slot) = self.views.read().get(&view.shard) {
            return slot.store(view);
        }
        self.views.write().insert(view.shard, Arc::new(ArcSwap::new(view)));
    }

    /// The current view of a shard; `None` when this node does not serve it.
    pub fn get(&self, shard: ShardId) -> Option<Arc<ShardView>> {
        self.views.read().get(&shard).map(|slot| slot.load_full())
    }

    /// Stops showing a shard. Views already held stay readable; what was known of its files is forgotten.
    pub fn remove(&self, shard: ShardId) {
        self.views.write().remove(&shard);
        self.damages.write().remove(&shard);
    }

    /// The shards shown, in order.
    pub fn shards(&self) -> Vec<ShardId> {
        self.views.read().keys().copied().collect()
    }

    /// All current views, in order of shard.
    pub fn list(&self) -> Vec<Arc<ShardView>> {
        self.views.read().values().map(|slot| slot.load_full()).collect()
    }
}

impl std::fmt::Debug for ViewRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.views.read().keys()).finish()
    }
}
