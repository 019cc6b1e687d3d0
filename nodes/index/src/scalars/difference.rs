//! Which segment wants which scalar index, and what there is to do about it. Memory only.

use crate::node::IndexNode;
use crate::plan::IndexTarget;
use std::collections::BTreeMap;
use std::sync::Arc;
use vecraft_rpc::services::ShardStats;
use vecraft_scalar::Spec;
use vecraft_segment::{SealedSegment, Segment, ShardView};
use vecraft_types::schema::check_scalar_index;
use vecraft_types::{CollectionDescriptor, CollectionId, FieldId, IndexDescriptor, IndexId, ShardId};

/// A scalar index that the catalogue wants.
#[derive(Clone)]
pub(super) struct Wanted {
    pub index: IndexId,
    pub field: FieldId,
    pub spec: Spec,
}

/// One to open or to build.
pub(super) struct Missing {
    pub target: IndexTarget,
    pub wanted: Wanted,
    pub segment: Arc<SealedSegment>,
    /// Checksum of the column file.
    pub over: u64,
}

/// The difference between what should be and what is.
#[derive(Default)]
pub(super) struct Difference {
    pub missing: Vec<Missing>,
    pub unwanted: Vec<(IndexId, Arc<SealedSegment>)>,
    /// What the files of each shard shown here may be; none where that cannot be said, so that all stay.
    pub stays: BTreeMap<ShardId, Option<Vec<(IndexTarget, u64)>>>,
}

/// The scalar indexes of a collection. One that this program cannot read (a newer one wrote the catalogue) is left out:
/// filters scan, which is right if slow.
fn wanted_of(collection: &CollectionDescriptor) -> Vec<Wanted> {
    let read = |index: &IndexDescriptor| {
        let field = collection.schema.field_by_id(index.spec.field)?;
        if field.data_type.is_vector() {
            return None;
        }
        let spec = check_scalar_index(field, &index.spec.index_type, &index.spec.params)
            .and_then(|found| Spec::of(&found, field.id, &collection.schema));
        let spec = spec.inspect_err(|error| {
            tracing::debug!(collection = %collection.id, index = %index.id, %error, "scalar index of an unknown kind");
        });
        Some(Wanted { index: index.id, field: field.id, spec: spec.ok()? })
    };
    collection.indexes.iter().filter_map(read).collect()
}

/// The sealed segments of a view that are read, now or as soon as their indexes are there; and whether the log still names
/// the segment.
fn sealed(view: &ShardView) -> impl Iterator<Item = (&Arc<SealedSegment>, bool)> {
    let shown = view.segments.iter().filter_map(|shown| match &shown.segment {
        Segment::Sealed(segment) => Some((segment, shown.renamed.is_none())),
        Segment::Growing(_) => None,
    });
    shown.chain(view.coming.iter().map(|segment| (segment, true))).filter(|(segment, _)| segment.rows() > 0)
}

impl IndexNode {
    /// Compares the catalogue with the views as they are now.
    pub(super) fn difference(&self) -> Difference {
        let mut difference = Difference::default();
        let mut wanted: BTreeMap<CollectionId, Option<Vec<Wanted>>> = BTreeMap::new();
        for view in self.views.list() {
            let shard = view.shard;
            // Ten thousand shards without a sealed segment cost a look at their views.
            if sealed(&view).next().is_none() {
                difference.stays.insert(shard, Some(Vec::new()));
                continue;
            }
            let read = || self.catalogue.by_id(shard.collection).map(|row| wanted_of(&row));
            // Of a collection that is being made or dropped nothing is decided.
            let Some(wanted) = wanted.entry(shard.collection).or_insert_with(read) else {
                difference.stays.insert(shard, None);
                continue;
            };
            let mut stays = Vec::new();
            for (segment, is_named) in sealed(&view) {
                let Some(over) = segment.manifest().files.first().map(|file| file.checksum) else { continue };
                let has = segment.scalars();
                for one in wanted.iter() {
                    let target = IndexTarget { shard, segment: segment.id(), index: one.index };
                    stays.push((target, over));
                    if is_named && has.get(one.index).is_none() {
                        let (wanted, segment) = (one.clone(), segment.clone());
                        difference.missing.push(Missing { target, wanted, segment, over });
                    }
                }
                let is_unwanted = |id: &IndexId| wanted.iter().all(|one| one.index != *id);
                difference.unwanted.extend(has.ids().filter(is_unwanted).map(|id| (id, segment.clone())));
            }
            difference.stays.insert(shard, Some(stays));
        }
        // The largest first: scanning it costs most.
        difference
            .missing
            .sort_by(|a, b| b.segment.rows().cmp(&a.segment.rows()).then(a.target.cmp(&b.target)));
        difference
    }

    /// Adds how many sealed rows of a shard wait for each scalar index, and what keeps them waiting for good.
    pub(crate) fn add_pending_scalars(
        &self,
        collection: &CollectionDescriptor,
        shard: ShardId,
        stats: &mut ShardStats,
    ) {
        let wanted = wanted_of(collection);
        if wanted.is_empty() {
            return;
        }
        let view = self.views.get(shard);
        let failures = self.scalars.failures.lock();
        let has = |segment, index| {
            let mut here = view.iter().flat_map(|view| sealed(view));
            here.any(|(here, _)| here.id() == segment && here.scalars().get(index).is_some())
        };
        for Wanted { index, .. } in wanted {
            let waiting = stats.segments.iter().filter(|(id, _, is_sealed)| *is_sealed && !has(*id, index));
            let rows = waiting.map(|(_, rows, _)| *rows).sum();
            stats.pending_index_rows.insert(index, rows);
            let mut sealed = stats.segments.iter().filter(|(_, _, is_sealed)| *is_sealed);
            let why = sealed.find_map(|(segment, _, _)| {
                let failed = failures.get(&IndexTarget { shard, segment: *segment, index })?;
                failed.is_lasting().then(|| failed.why.clone())
            });
            stats.index_failures.extend(why.map(|why| (index, why)));
        }
    }
}
