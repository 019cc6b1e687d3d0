//! What the role tells of itself: to metrics, and to who asks how far an index is.

use crate::messages::IndexReport;
use crate::node::IndexNode;
use crate::plan::{IndexTarget, to_build};
use crate::survey::wanted_of;
use vecraft_rpc::services::ShardStats;
use vecraft_types::{SegmentId, ShardId};

impl IndexNode {
    /// How the role is, for health, metrics and tests.
    pub fn report(&self) -> IndexReport {
        let state = self.state.lock();
        let attached = state.living().count();
        let squeezed =
            state.living().filter(|(target, used)| used.is_mapped && state.squeezed.contains(target)).count();
        let file_bytes = state.in_use.values().map(|used| used.build.file_bytes).sum();
        let (awaited, waiting) = (state.awaited.len(), state.waiting.len());
        let graphs = state.graph_rooms.iter().filter(|room| room.is_held()).count();
        let under_way = state.under_way.as_ref();
        let building_rows = under_way.map_or((0, 0), |work| work.watched.progress());
        let building_seconds_left = under_way.and_then(|work| work.seconds_left(self.clock.monotonic()));
        let (scalars_attached, scalar_bytes) = self.scalars.in_use();
        IndexReport {
            attached,
            awaited,
            waiting,
            squeezed,
            graphs,
            file_bytes,
            scalars_attached,
            scalar_bytes,
            building_rows,
            building_seconds_left,
            ..state.report.clone()
        }
    }

    /// Adds to a shard's figures how many of its sealed rows still wait for each wanted index, those that are in one that is being built
    /// left out; and why if that lasts.
    pub(crate) fn add_pending(&self, shard: ShardId, stats: &mut ShardStats) {
        let Some(collection) = self.catalogue.by_id(shard.collection) else { return };
        let now = self.clock.monotonic();
        let state = self.state.lock();
        for index in wanted_of(&collection) {
            let Some(spec) = &index.spec else { continue };
            let target = |segment: &SegmentId| IndexTarget { shard, segment: *segment, index: index.index };
            let waiting = stats.segments.iter().filter(|(segment, rows, is_sealed)| {
                *is_sealed
                    && to_build(spec, *rows, self.config.flat_rows_max).is_some()
                    && !state.is_in_use(&target(segment))
            });
            let (mut pending, mut why) = (0, None);
            for (segment, rows, _) in waiting {
                let target = target(segment);
                let under_way = state.under_way.as_ref().filter(|work| work.target == target);
                pending += rows.saturating_sub(under_way.map_or(0, |work| work.watched.progress().0)).max(1);
                why = why.or_else(|| state.lasting_trouble(&target, now, self.config.calm));
            }
            stats.pending_index_rows.insert(index.index, pending);
            stats.index_failures.extend(why.map(|why| (index.index, why)));
        }
        drop(state);
        self.add_pending_scalars(&collection, shard, stats);
    }
}
