//! Rows in memory, covered by the log: where an insert becomes searchable.
//!
//! One writer (apply) and many readers. Readers take no lock: a chunk's memory never moves, chunks are added
//! behind an arc-swap, and rows count as soon as the row count is published. A batch becomes visible whole.
//!
//! Cost: 16 bytes a row beside its data (insert position and timestamp). Chunks begin at 64 KiB and double to
//! 16 MiB, so that 10,000 nearly empty collections stay small; memory is touched only as rows arrive.

mod chunk;
mod column;
#[cfg(test)]
mod tests;

pub(crate) use chunk::Chunk;

use crate::{Block, Deletes, Error, InterimGraphs, Result, SEGMENT_ROWS_MAX};
use arc_swap::ArcSwap;
use chunk::{Stamps, text_len};
use parking_lot::Mutex;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use vecraft_types::{
    CollectionSchema, Column, ColumnData, DataType, LogPosition, Packed, PartitionId, RowBatch, SegmentId,
    Timestamp,
};

/// Sizes of a growing segment's chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrowingOptions {
    /// Bytes of the first chunk, doubled for each next one. Default 64 KiB.
    pub first_chunk_bytes: usize,
    /// Bytes of the largest chunks. Default 16 MiB.
    pub chunk_bytes_max: usize,
}

impl Default for GrowingOptions {
    fn default() -> Self {
        GrowingOptions { first_chunk_bytes: 64 << 10, chunk_bytes_max: 16 << 20 }
    }
}

/// Fewest rows of a chunk: one bitmap word.
const CHUNK_ROWS_MIN: usize = 64;
/// Text bytes a row and text column that are reserved before anything is known.
const TEXT_BYTES_GUESS: usize = 32;

/// A segment that still takes rows: one writer, readers without locks, memory that never moves.
pub struct GrowingSegment {
    id: SegmentId,
    partition: PartitionId,
    schema: Arc<CollectionSchema>,
    options: GrowingOptions,
    chunks: ArcSwap<Vec<Arc<Chunk>>>,
    /// Rows that may be read; never more than are written.
    rows: AtomicU32,
    data_bytes: AtomicU64,
    deletes: Arc<Deletes>,
    interim: Arc<InterimGraphs>,
    /// Held by the one appender; readers never take it.
    writer: Mutex<()>,
}

impl GrowingSegment {
    /// An empty segment; reserves no memory before the first row.
    pub fn new(id: SegmentId, partition: PartitionId, schema: Arc<CollectionSchema>) -> GrowingSegment {
        Self::with_options(id, partition, schema, GrowingOptions::default())
    }

    /// An empty segment with other chunk sizes.
    pub fn with_options(
        id: SegmentId,
        partition: PartitionId,
        schema: Arc<CollectionSchema>,
        options: GrowingOptions,
    ) -> GrowingSegment {
        GrowingSegment {
            id,
            partition,
            schema,
            options,
            chunks: ArcSwap::from_pointee(Vec::new()),
            rows: AtomicU32::new(0),
            data_bytes: AtomicU64::new(0),
            deletes: Arc::new(Deletes::new()),
            interim: Arc::default(),
            writer: Mutex::new(()),
        }
    }

    /// The segment's id.
    pub fn id(&self) -> SegmentId {
        self.id
    }

    /// The partition all its rows belong to.
    pub fn partition(&self) -> PartitionId {
        self.partition
    }

    /// The schema its rows were written under.
    pub fn schema(&self) -> &Arc<CollectionSchema> {
        &self.schema
    }

    /// Rows appended so far, deleted ones included.
    pub fn rows(&self) -> u32 {
        self.rows.load(Ordering::Acquire)
    }

    /// When its first row was written; `None` while it has none.
    pub fn first_timestamp(&self) -> Option<Timestamp> {
        let first = self.blocks(1).pop()?;
        first.timestamps().ok()?.first().copied().map(Timestamp)
    }

    /// Which rows are deleted since when.
    pub fn deletes(&self) -> &Arc<Deletes> {
        &self.deletes
    }

    /// The graphs that serve before it is sealed, and until it has its index.
    pub fn interim(&self) -> &Arc<InterimGraphs> {
        &self.interim
    }

    /// Appends the rows of the entry at `position`, applied with `timestamp`, and returns the first one's number.
    /// All or nothing: on an error no row was added.
    ///
    /// The batch holds a column for every field of the schema, in any order. Positions and timestamps must not
    /// go back from one append to the next. Errors: [`Error::Schema`], [`Error::Full`], [`Error::OutOfMemory`].
    pub fn append(&self, batch: &RowBatch, position: LogPosition, timestamp: Timestamp) -> Result<u32> {
        self.append_stamped(batch, &Stamps::Same { position: position.0, timestamp: timestamp.0 })
    }

    /// Appends rows each of which brings its own position and timestamp (restore).
    pub(crate) fn append_each(&self, batch: &RowBatch, positions: &[u64], timestamps: &[u64]) -> Result<u32> {
        if positions.len() != batch.rows || timestamps.len() != batch.rows {
            return Err(Error::Schema(format!("{} positions for {} rows", positions.len(), batch.rows)));
        }
        self.append_stamped(batch, &Stamps::Each { positions, timestamps })
    }

    fn append_stamped(&self, batch: &RowBatch, stamps: &Stamps<'_>) -> Result<u32> {
        let columns = self
            .schema
            .fields
            .iter()
            .map(|field| column::check(field, batch.column(field.id), batch.rows))
            .collect::<Result<Vec<&Column>>>()?;
        let _writer = self.writer.lock();
        let first = self.rows.load(Ordering::Relaxed);
        let total = u64::from(first) + batch.rows as u64;
        if total > u64::from(SEGMENT_ROWS_MAX) {
            return Err(Error::Full { segment: self.id, rows: total, limit: SEGMENT_ROWS_MAX });
        }
        // First all memory, then all rows: an error leaves nothing half written.
        let pieces = self.reserve(&columns, first, batch.rows)?;
        for (chunk, rows) in pieces {
            // SAFETY: the writer lock is held. `reserve` made sure that the rows fit.
            unsafe { chunk.append(&columns, rows, stamps) };
        }
        self.data_bytes.fetch_add((batch.bytes() + batch.rows * 16) as u64, Ordering::Relaxed);
        self.rows.store(total as u32, Ordering::Release);
        Ok(first)
    }

    /// Splits a batch over the last chunk and new ones, and adds these to the list.
    fn reserve(
        &self,
        columns: &[&Column],
        first: u32,
        rows: usize,
    ) -> Result<Vec<(Arc<Chunk>, Range<usize>)>> {
        let old = self.chunks.load_full();
        let mut chunks = Vec::new();
        let mut pieces = Vec::new();
        let mut from = 0;
        if let Some(last) = old.last() {
            from = last.fitting(columns, 0, rows);
            if from > 0 {
                pieces.push((Arc::clone(last), 0..from));
            }
        }
        while from < rows {
            let number = old.len() + chunks.len();
            let chunk = Arc::new(self.new_chunk(number, first + from as u32, columns, from, rows)?);
            let fitting = chunk.fitting(columns, from, rows);
            if fitting == 0 {
                return Err(Error::Schema("a row's text is larger than a chunk can be".to_owned()));
            }
            pieces.push((Arc::clone(&chunk), from..from + fitting));
            chunks.push(chunk);
            from += fitting;
        }
        if !chunks.is_empty() {
            let all = old.iter().cloned().chain(chunks).collect();
            self.chunks.store(Arc::new(all));
        }
        Ok(pieces)
    }

    fn new_chunk(
        &self,
        number: usize,
        first_row: u32,
        columns: &[&Column],
        from: usize,
        rows: usize,
    ) -> Result<Chunk> {
        let row_bytes =
            16 + self.schema.fields.iter().map(|field| fixed_bytes(&field.data_type)).sum::<usize>();
        let doubled = self.options.first_chunk_bytes.saturating_mul(1 << number.min(20));
        let wanted = doubled.max((rows - from).saturating_mul(row_bytes)).min(self.options.chunk_bytes_max);
        let capacity = (wanted / row_bytes).max(CHUNK_ROWS_MIN).next_multiple_of(64);
        let at_hand = (rows - from).min(capacity);
        let text_bytes: Vec<usize> = columns
            .iter()
            .map(|column| {
                if !matches!(column.data, ColumnData::VarChar(_) | ColumnData::Json(_)) {
                    return 0;
                }
                let now: usize = (from..from + at_hand).map(|row| text_len(column, row)).sum();
                // Half as much again as this batch's average, for all rows of the chunk.
                let average = now / at_hand.max(1);
                let guess = capacity.saturating_mul((average + average / 2).max(TEXT_BYTES_GUESS));
                now.max(guess.min(self.options.chunk_bytes_max)).min(u32::MAX as usize)
            })
            .collect();
        Chunk::new(&self.schema, first_row, capacity, &text_bytes)
    }

    /// The first `rows` rows as blocks in row order. Rows past [`GrowingSegment::rows`] are left out.
    pub fn blocks(&self, rows: u32) -> Vec<Block> {
        let rows = rows.min(self.rows());
        // Loaded after the row count, so the list holds every chunk that has those rows.
        let chunks = self.chunks.load_full();
        let mut blocks = Vec::with_capacity(chunks.len());
        for (i, chunk) in chunks.iter().enumerate() {
            if chunk.first_row >= rows {
                break;
            }
            let end = chunks.get(i + 1).map_or(rows, |next| next.first_row.min(rows));
            blocks.push(Block::from_chunk(Arc::clone(chunk), end - chunk.first_row));
        }
        blocks
    }

    /// Bytes in use: rows and deletes. What sealing by size and the memory governor count.
    pub fn bytes(&self) -> u64 {
        self.data_bytes.load(Ordering::Relaxed) + self.deletes.bytes()
    }

    /// Bytes reserved for chunks; more than [`GrowingSegment::bytes`], but untouched pages cost no memory.
    pub fn reserved_bytes(&self) -> u64 {
        self.chunks.load().iter().map(|chunk| chunk.capacity_bytes() as u64).sum()
    }
}

impl std::fmt::Debug for GrowingSegment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GrowingSegment({}, {} rows)", self.id, self.rows())
    }
}

/// Bytes a value takes in a chunk beside its text.
fn fixed_bytes(data_type: &DataType) -> usize {
    match data_type {
        DataType::Bool | DataType::Int8 => 1,
        DataType::Int16 => 2,
        DataType::Int32 | DataType::Float | DataType::VarChar { .. } | DataType::Json => 4,
        DataType::Int64 | DataType::Double => 8,
        DataType::FloatVector { dim } => *dim as usize * 4,
        DataType::BinaryVector { dim } => Packed::Bit.row_bytes(*dim),
        DataType::Float16Vector { dim } => Packed::Float16.row_bytes(*dim),
        DataType::BFloat16Vector { dim } => Packed::BFloat16.row_bytes(*dim),
        DataType::Int8Vector { dim } => Packed::Int8.row_bytes(*dim),
    }
}
