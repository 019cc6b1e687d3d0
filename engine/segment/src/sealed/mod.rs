//! Rows in one immutable, mapped, checksummed column file, with an index per vector column when one is built, and with
//! those of scalar fields that filters use.
//!
//! **One file per segment**, not one per column: one fsync and one rename publish it, one checksum compares
//! replicas (I22), and a node with 100,000 segments needs as many mappings, not ten times as many. Columns lie in
//! it contiguously at 64-byte boundaries, so that reading one touches nothing of the others.
//!
//! ```text
//! column*      values (text: where each string ends, u32) | text | validity words      each at a multiple of 64
//! positions    u64 a row: the entry that inserted it
//! timestamps   u64 a row
//! directory    JSON: ids, rows, where everything is
//! trailer      start and length of the directory, u64 each
//! ```
//! Around it is `vecraft_storage`'s block file: magic, kind `SEGM`, version, xxh3 per 64 KiB and over those.
//! Deletes are not in the file: they go on after the seal, and the row numbers stay those of the growing segment.

mod file;
mod layout;
mod scalars;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_damage;
mod write;

pub(crate) use file::ColumnFile;
pub use file::{match_file, verify_file};
pub use layout::{FileManifest, SEGMENT_FORMAT, SegmentManifest};
pub use scalars::ScalarIndexes;
pub use write::write_segment;
pub(crate) use write::{Heading, Rows, write_rows};

use crate::{Block, Deletes, Error, GrowingOptions, GrowingSegment, InterimGraphs, Result, materialise};
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vecraft_index::{VectorIndex, VectorRows};
use vecraft_storage::Disk;
use vecraft_types::{CollectionSchema, FieldId, PartitionId, SegmentId};

/// A segment that takes no more rows. Deletes go on; indexes come and go.
pub struct SealedSegment {
    manifest: SegmentManifest,
    schema: Arc<CollectionSchema>,
    file: Arc<ColumnFile>,
    deletes: Arc<Deletes>,
    indexes: Vec<(FieldId, IndexSlot)>,
    interim: Arc<InterimGraphs>,
    scalars: scalars::Slot,
}

/// An index behind a pointer that arc-swap can swap.
struct Attached(Arc<dyn VectorIndex>);

/// Where the index of a vector field comes and goes.
#[derive(Default)]
struct IndexSlot {
    index: ArcSwapOption<Attached>,
    /// Nobody will make one soon.
    is_given_up: AtomicBool,
}

impl SealedSegment {
    /// Opens the file of a manifest. Envelope, block sums and directory are verified now, each column when it is
    /// first used; [`SealedSegment::verify`] does all at once. `deletes` is the map of the growing segment this
    /// one replaces, or a new one filled from the checkpoint's list.
    pub fn open(
        disk: &dyn Disk,
        manifest: &SegmentManifest,
        schema: Arc<CollectionSchema>,
        deletes: Arc<Deletes>,
    ) -> Result<SealedSegment> {
        let file = Arc::new(ColumnFile::open(disk, manifest, &schema)?);
        let indexes = schema.vector_fields().map(|field| (field.id, IndexSlot::default())).collect();
        let interim = Arc::default();
        let scalars = scalars::Slot::default();
        Ok(SealedSegment { manifest: manifest.clone(), schema, file, deletes, indexes, scalars, interim })
    }

    /// Opens the file that was written of a growing segment, to take its place: with its deletes and interim graphs.
    pub fn replacing(
        disk: &dyn Disk,
        manifest: &SegmentManifest,
        schema: Arc<CollectionSchema>,
        growing: &GrowingSegment,
    ) -> Result<SealedSegment> {
        let sealed = SealedSegment::open(disk, manifest, schema, growing.deletes().clone())?;
        Ok(SealedSegment { interim: growing.interim().clone(), ..sealed })
    }

    /// The graphs that serve while it has no index.
    pub fn interim(&self) -> &Arc<InterimGraphs> {
        &self.interim
    }

    /// The segment's id.
    pub fn id(&self) -> SegmentId {
        self.manifest.segment
    }

    /// The partition all its rows belong to.
    pub fn partition(&self) -> PartitionId {
        self.manifest.partition
    }

    /// The schema it was opened with.
    pub fn schema(&self) -> &Arc<CollectionSchema> {
        &self.schema
    }

    /// What it was opened from.
    pub fn manifest(&self) -> &SegmentManifest {
        &self.manifest
    }

    /// Rows, deleted ones included.
    pub fn rows(&self) -> u32 {
        self.manifest.rows
    }

    /// Which rows are deleted since when.
    pub fn deletes(&self) -> &Arc<Deletes> {
        &self.deletes
    }

    /// Verifies every byte of the file. Reads all of it.
    pub fn verify(&self) -> Result<()> {
        self.file.verify()
    }

    /// The first `rows` rows, as one block (none when there are no rows).
    pub fn blocks(&self, rows: u32) -> Vec<Block> {
        let block = Block::from_file(Arc::clone(&self.file), rows);
        if block.rows() == 0 { Vec::new() } else { vec![block] }
    }

    /// A vector column as index builds take it: verified, mapped, not copied.
    pub fn vector_rows(&self, field: FieldId) -> Result<VectorRows> {
        self.file.vector_rows(field)
    }

    /// Uses `index` for searches on a vector field from now on; searches in flight keep what they have. Refuses
    /// an index over another number of rows or dimensions.
    pub fn attach_index(&self, field: FieldId, index: Arc<dyn VectorIndex>) -> Result<()> {
        let slot = self.index_slot(field)?;
        let dim = self.schema.field_by_id(field).and_then(|field| field.data_type.dim()).unwrap_or(0);
        let (rows, wanted) = (index.rows(), self.rows() as usize);
        if rows.len() != wanted || rows.dim() != dim as usize {
            let text = format!("built over {} x {}, the segment is {wanted} x {dim}", rows.len(), rows.dim());
            return Err(vecraft_index::Error::OtherRows(text).into());
        }
        slot.index.store(Some(Arc::new(Attached(index))));
        self.interim.set(field, None);
        Ok(())
    }

    /// Goes back to exact search on a field, which reads the rows in their order, as builds and compactions do.
    pub fn detach_index(&self, field: FieldId) -> Result<()> {
        if let Some(index) = self.index_slot(field)?.index.swap(None) {
            index.0.rows().advise(false);
        }
        Ok(())
    }

    /// Says whether an index on a field is given up: nobody will make one soon, because none is wanted, or because it cannot be made.
    /// Whoever waits for it need not. On what is no vector field nothing happens.
    pub fn give_index_up(&self, field: FieldId, is_given_up: bool) {
        if let Ok(slot) = self.index_slot(field) {
            slot.is_given_up.store(is_given_up, Ordering::Release);
        }
    }

    /// Whether a field has its index, or will have none soon.
    pub fn is_index_settled(&self, field: FieldId) -> bool {
        let settled =
            |slot: &IndexSlot| slot.index.load().is_some() || slot.is_given_up.load(Ordering::Acquire);
        self.index_slot(field).is_ok_and(settled)
    }

    /// The index in use on a field.
    pub fn index(&self, field: FieldId) -> Option<Arc<dyn VectorIndex>> {
        let (_, slot) = self.indexes.iter().find(|(id, _)| *id == field)?;
        slot.index.load().as_ref().map(|attached| Arc::clone(&attached.0))
    }

    fn index_slot(&self, field: FieldId) -> Result<&IndexSlot> {
        let slot = self.indexes.iter().find(|(id, _)| *id == field).map(|(_, slot)| slot);
        slot.ok_or_else(|| Error::Field { field, what: "is no vector field".to_owned() })
    }

    /// Bytes of memory beside the mapped file (whose pages the kernel may drop): deletes, indexes and zone maps.
    pub fn bytes(&self) -> u64 {
        let indexes = self.indexes.iter().filter_map(|(_, slot)| slot.index.load_full());
        let indexes: u64 = indexes.map(|index| index.0.memory_bytes() as u64).sum();
        self.deletes.bytes() + indexes + self.scalar_bytes() + self.file.zone_bytes()
    }

    /// Bytes on disk.
    pub fn file_bytes(&self) -> u64 {
        self.file.file_bytes()
    }
}

impl std::fmt::Debug for SealedSegment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedSegment({}, {} rows)", self.id(), self.rows())
    }
}

/// Rows copied at a time when a tail file becomes a growing segment again.
const RESTORE_ROWS: usize = 16 << 10;

/// Makes a growing segment of a tail file (written by [`write_segment`]): the same rows, numbers, positions and
/// timestamps; appends go on after them. Deletes are in the checkpoint's list: the caller puts them back with
/// [`Deletes::delete`]. Every byte used is verified.
pub fn restore(
    disk: &dyn Disk,
    manifest: &SegmentManifest,
    schema: Arc<CollectionSchema>,
    options: GrowingOptions,
) -> Result<GrowingSegment> {
    let file = Arc::new(ColumnFile::open(disk, manifest, &schema)?);
    let growing =
        GrowingSegment::with_options(manifest.segment, manifest.partition, Arc::clone(&schema), options);
    let blocks = [Block::from_file(file, manifest.rows)];
    let (positions, timestamps) = (blocks[0].positions()?, blocks[0].timestamps()?);
    let fields: Vec<FieldId> = schema.fields.iter().map(|field| field.id).collect();
    let total = manifest.rows as usize;
    for first in (0..total).step_by(RESTORE_ROWS) {
        let range = first..(first + RESTORE_ROWS).min(total);
        let rows: Vec<(usize, usize)> = range.clone().map(|row| (0, row)).collect();
        let batch = materialise(&schema, &blocks, &rows, &fields)?;
        growing.append_each(&batch, &positions[range.clone()], &timestamps[range])?;
    }
    Ok(growing)
}
