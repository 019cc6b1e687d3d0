//! Which build of an index counts (I13): the log decides, so all replicas serve from equal files.
//!
//! An index entry needs no request name (I10): repeated, it finds its own build in force and changes nothing.

use super::{Applied, Effect, Outcome, Refusal, SegmentPhase, ShardState};
use std::collections::BTreeMap;
use vecraft_types::{IndexBuild, IndexId, SegmentId};

impl ShardState {
    /// The first build of a version is in force from here on, and until a higher version comes.
    pub(super) fn index_ready(&mut self, segment: SegmentId, build: IndexBuild, applied: Applied) -> Outcome {
        let Some(segment) = self.segments.get_mut(&segment) else {
            return Outcome::refused(Refusal::NotSealed);
        };
        match &mut segment.phase {
            SegmentPhase::Growing => return Outcome::refused(Refusal::NotSealed),
            SegmentPhase::Sealed(sealed) => {
                let builds = BTreeMap::from([(build.index, build)]);
                segment.phase = SegmentPhase::Indexed { sealed: *sealed, builds };
            }
            SegmentPhase::Indexed { builds, .. } => match builds.get(&build.index) {
                Some(now) if *now == build => return Outcome { reply: Ok(applied), effects: Vec::new() },
                Some(now) if now.version >= build.version => {
                    return Outcome::refused(Refusal::IndexInForce(Box::new(*now)));
                }
                _ => {
                    builds.insert(build.index, build);
                }
            },
        }
        Outcome { reply: Ok(applied), effects: vec![Effect::BuildsChanged { shard: self.id }] }
    }

    pub(super) fn index_dropped(&mut self, index: IndexId, applied: Applied) -> Outcome {
        let mut is_changed = false;
        for segment in self.segments.values_mut() {
            let SegmentPhase::Indexed { sealed, builds } = &mut segment.phase else { continue };
            is_changed |= builds.remove(&index).is_some();
            if builds.is_empty() {
                segment.phase = SegmentPhase::Sealed(*sealed);
            }
        }
        let effects = if is_changed { vec![Effect::BuildsChanged { shard: self.id }] } else { Vec::new() };
        Outcome { reply: Ok(applied), effects }
    }
}
