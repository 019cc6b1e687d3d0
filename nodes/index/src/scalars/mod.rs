//! Scalar indexes of sealed segments: each node builds its own, from its own column files.
//!
//! ```text
//! the role looked at what changed --> missing, unwanted (views, catalogue)
//!       +--> unwanted: detach, remove the file
//!       `--> missing: open the file, or build it from the column --> attach
//! ```
//! Unlike an index of vectors, a scalar one is a function of the column file and its answers are those of a scan, so no log
//! names it and no replica asks another for it (docs/adr/0015). It has a loop of its own, because building one takes moments
//! and building a graph takes minutes. A file that is missing, damaged or of another format is built again.

mod store;

pub(crate) use store::ScalarStore;

use crate::error::{Error, Result};
use crate::node::{Failure, IndexNode};
use crate::plan::IndexTarget;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use vecraft_expr::{ColumnValues, FieldIndex};
use vecraft_rpc::memory::Room;
use vecraft_rpc::services::ShardStats;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_scalar::Spec;
use vecraft_segment::{SealedSegment, Segment, ShardView};
use vecraft_types::schema::check_scalar_index;
use vecraft_types::{CollectionDescriptor, CollectionId, FieldId, IndexId, ShardId};

/// What the loop knows beside what segments and files say.
pub(crate) struct Scalars {
    pub store: ScalarStore,
    /// Told when the role has looked at what changed.
    pub changed: Notify,
    /// Set when files that nobody wants are to be looked for.
    wants_sweep: AtomicBool,
    failures: Mutex<BTreeMap<IndexTarget, Failure>>,
    /// Bytes of the files in use.
    files: Mutex<BTreeMap<IndexTarget, u64>>,
}

/// A scalar index that the catalogue wants.
#[derive(Clone)]
struct Wanted {
    index: IndexId,
    field: FieldId,
    spec: Spec,
}

/// One to open or to build.
struct Missing {
    target: IndexTarget,
    wanted: Wanted,
    segment: Arc<SealedSegment>,
    /// Checksum of the column file.
    over: u64,
}

/// The difference between what should be and what is.
#[derive(Default)]
struct Difference {
    missing: Vec<Missing>,
    unwanted: Vec<(IndexId, Arc<SealedSegment>)>,
    /// What the files of each shard shown here may be; none where that cannot be said, so that all stay.
    stays: BTreeMap<ShardId, Option<Vec<(IndexTarget, u64)>>>,
}

impl Scalars {
    pub(crate) fn new(store: ScalarStore) -> Scalars {
        Scalars {
            store,
            changed: Notify::new(),
            wants_sweep: AtomicBool::new(false),
            failures: Mutex::default(),
            files: Mutex::default(),
        }
    }

    /// Indexes in use, and the bytes of their files.
    pub(crate) fn in_use(&self) -> (usize, u64) {
        let files = self.files.lock();
        (files.len(), files.values().sum())
    }
}

/// The scalar indexes of a collection. One that this program cannot read (a newer one wrote the catalogue) is left out:
/// filters scan, which is right if slow.
fn wanted_of(collection: &CollectionDescriptor) -> Vec<Wanted> {
    let read = |index: &vecraft_types::IndexDescriptor| {
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
    /// Opens, builds and lets go; until asked to stop.
    pub(crate) async fn keep_scalars(&self, stop: &Shutdown) {
        while !stop.is_triggered() {
            let difference = self.difference();
            self.let_scalars_go(&difference).await;
            let now = self.clock.monotonic();
            let due = {
                let mut failures = self.scalars.failures.lock();
                let missing: BTreeSet<IndexTarget> =
                    difference.missing.iter().map(|one| one.target).collect();
                failures.retain(|target, _| missing.contains(target));
                let is_due =
                    |one: &Missing| failures.get(&one.target).is_none_or(|failure| failure.retry_at <= now);
                difference.missing.into_iter().find(is_due)
            };
            match due {
                Some(missing) => self.make_scalar(missing, stop).await,
                None => {
                    let _ = stop.unless_triggered(self.scalars_to_do()).await;
                }
            }
        }
    }

    /// A change, or the time to try something again.
    async fn scalars_to_do(&self) {
        let retry_at = self.scalars.failures.lock().values().map(|failure| failure.retry_at).min();
        let changed = self.scalars.changed.notified();
        match retry_at {
            Some(at) => {
                // Either way the next round looks.
                let _ = tokio::time::timeout(at.saturating_sub(self.clock.monotonic()), changed).await;
            }
            None => changed.await,
        }
    }

    /// Compares the catalogue with the views as they are now. Memory only.
    fn difference(&self) -> Difference {
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

    /// Filters scan where nobody wants the index any more; its file goes, and so do those of segments that went.
    async fn let_scalars_go(&self, difference: &Difference) {
        difference.unwanted.iter().for_each(|(id, segment)| segment.detach_scalar(*id));
        let is_used = |target: &IndexTarget| {
            let stays = difference.stays.get(&target.shard);
            stays.is_some_and(|stays| {
                stays.as_ref().is_none_or(|stays| stays.iter().any(|(own, _)| own == target))
            })
        };
        let went = self.scalars.files.lock().extract_if(.., |target, _| !is_used(target)).count();
        if went == 0 && !self.scalars.wants_sweep.swap(false, Ordering::Relaxed) {
            return;
        }
        let (store, ledger, stays) =
            (self.scalars.store.clone(), self.ledger.clone(), difference.stays.clone());
        let sweeping = move || {
            store.sweep(|shard| match stays.get(&shard) {
                Some(stays) => stays.clone(),
                // A shard that is out of service keeps its files (I24).
                None => ledger.builds(shard).ok().map(|_| Vec::new()),
            })
        };
        match self.io.run(sweeping).await {
            Ok(Ok(files)) => self.state.lock().report.scalars_dropped += files as u64,
            Ok(Err(error)) => tracing::warn!(%error, "cannot remove a scalar index, it is swept later"),
            Err(error) => tracing::warn!(%error, "cannot remove a scalar index, it is swept later"),
        }
    }

    async fn make_scalar(&self, missing: Missing, stop: &Shutdown) {
        let (target, started) = (missing.target, self.clock.monotonic());
        let unwanted = Arc::new(AtomicBool::new(false));
        let made = {
            let making = self.open_or_build(&missing, &unwanted);
            tokio::pin!(making);
            loop {
                tokio::select! {
                    made = &mut making => break made,
                    () = stop.triggered(), if !unwanted.load(Ordering::Relaxed) => {
                        unwanted.store(true, Ordering::Relaxed);
                    }
                    () = self.scalars.changed.notified(), if !unwanted.load(Ordering::Relaxed) => {
                        let is_it = |other: &Missing| other.target == target && Arc::ptr_eq(&other.segment, &missing.segment);
                        if !self.difference().missing.iter().any(is_it) {
                            unwanted.store(true, Ordering::Relaxed);
                        }
                    }
                }
            }
        };
        let attached = made.and_then(|(index, bytes, is_new)| {
            missing.segment.attach_scalar(target.index, missing.wanted.field, index)?;
            Ok((bytes, is_new))
        });
        match attached {
            Ok((bytes, is_new)) => {
                self.scalars.failures.lock().remove(&target);
                self.scalars.files.lock().insert(target, bytes);
                let mut state = self.state.lock();
                *(if is_new { &mut state.report.scalars_built } else { &mut state.report.scalars_opened }) +=
                    1;
                tracing::info!(
                    target_index = %target,
                    kind = missing.wanted.spec.kind.name(),
                    is_new,
                    rows = missing.segment.rows(),
                    bytes,
                    took = ?self.clock.monotonic().saturating_sub(started),
                    "scalar index in use"
                );
            }
            Err(error) if error.is_cancelled() => {
                tracing::info!(%target, "scalar index no longer wanted, cancelled")
            }
            Err(error) => {
                self.tell_damage(target.shard, &error);
                let pause = self.put_off_scalar(target);
                tracing::warn!(%target, %error, ?pause, "no scalar index, filters scan; trying again after the pause");
            }
        }
        // What changed meanwhile is looked at next.
    }

    fn put_off_scalar(&self, target: IndexTarget) -> Duration {
        let now = self.clock.monotonic();
        let mut failures = self.scalars.failures.lock();
        let failure = failures.entry(target).or_insert_with(|| Failure::first(now));
        let pause = failure.again(now, self.config.retry_first);
        self.state.lock().report.failed += 1;
        pause
    }

    /// The index, the bytes of its file, and whether it was built now.
    async fn open_or_build(
        &self,
        missing: &Missing,
        unwanted: &Arc<AtomicBool>,
    ) -> Result<(Arc<dyn FieldIndex>, u64, bool)> {
        let Missing { target, wanted, segment, over } = missing;
        let (target, over) = (*target, *over);
        let open = || {
            let (store, spec) = (self.scalars.store.clone(), wanted.spec.clone());
            self.io.run(move || store.open(target, over, &spec))
        };
        match open().await? {
            Ok(Some((index, bytes))) => return Ok((index, bytes, false)),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%target, %error, "scalar index file is of no use, building it again")
            }
        }
        let _room = self.room_for_scalar(wanted, segment).await?;
        let (spec, field, segment, unwanted) =
            (wanted.spec.clone(), wanted.field, segment.clone(), unwanted.clone());
        let building = move || {
            let is_unwanted = || unwanted.load(Ordering::Relaxed);
            segment
                .read_column(field, |column, rows| vecraft_scalar::build(&spec, column, rows, &is_unwanted))
        };
        let bytes = self.pool.run(building).await??.map_err(Error::Scalar)?;
        let store = self.scalars.store.clone();
        self.io.run(move || store.save(target, over, &bytes)).await??;
        let opened = open().await??;
        let (index, bytes) =
            opened.ok_or_else(|| Error::Lost { why: "it was removed as soon as it was there".to_owned() })?;
        Ok((index, bytes, true))
    }

    /// Room for the build (I21). The index itself is read from its file and takes none.
    async fn room_for_scalar(&self, wanted: &Wanted, segment: &Arc<SealedSegment>) -> Result<Room> {
        let (field, column) = (wanted.field, segment.clone());
        let measuring = move || {
            column.read_column(field, |column, rows| match &column.values {
                ColumnValues::VarChar(texts) | ColumnValues::Json(texts) => {
                    (0..rows).map(|row| texts.value(row).len()).sum()
                }
                _ => 0,
            })
        };
        let text_bytes: usize = self.io.run(measuring).await??;
        let bytes = vecraft_scalar::build_bytes(&wanted.spec, segment.rows() as usize, text_bytes);
        Ok(self.memory.room_for_index(bytes)?)
    }

    /// Adds how many sealed rows of a shard wait for each scalar index.
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
        let has = |segment, index| {
            let mut here = view.iter().flat_map(|view| sealed(view));
            here.any(|(here, _)| here.id() == segment && here.scalars().get(index).is_some())
        };
        for Wanted { index, .. } in wanted {
            let waiting = stats.segments.iter().filter(|(id, _, is_sealed)| *is_sealed && !has(*id, index));
            let rows = waiting.map(|(_, rows, _)| *rows).sum();
            stats.pending_index_rows.insert(index, rows);
        }
    }

    /// Lets the loop look for files of scalar indexes that nobody wants: it makes them, so it does not meet itself.
    pub(crate) fn sweep_scalars(&self) {
        self.scalars.wants_sweep.store(true, Ordering::Relaxed);
        self.scalars.changed.notify_one();
    }
}
