//! Graphs that serve until a segment has its index: over the rows of a growing segment, and of the sealed one that takes its place
//! while its index is being built.
//!
//! ```text
//! growing            covered rows: graph | newer rows: compared
//! sealed, no index   the same graph, over the mapped file from now on
//! sealed, index      attached: the graph goes
//! ```
//! Each replica has its own or none, as it likes: a graph changes how rows are found, never which rows there are. Searches tell
//! that they missed one by comparing many rows ([`InterimGraphs::note_missed`]); who builds them looks for that.

use crate::{Block, Error, GrowingSegment, Result, Values};
use bytes::Bytes;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vecraft_index::{GrowingHnsw, VectorRows};
use vecraft_types::{FieldId, Metric};

/// Rows that a search compares without asking for a graph.
pub const GRAPH_ROWS_MIN: u32 = 4_000;

/// The graphs of one segment, at most one a vector field. Shared by both phases of the segment.
#[derive(Debug, Default)]
pub struct InterimGraphs {
    graphs: RwLock<Vec<Slot>>,
    is_missed: AtomicBool,
}

#[derive(Debug)]
struct Slot {
    field: FieldId,
    graph: Arc<GrowingHnsw>,
    /// The rows are those of the column file.
    is_mapped: bool,
}

impl InterimGraphs {
    /// The graph of a field.
    pub fn get(&self, field: FieldId) -> Option<Arc<GrowingHnsw>> {
        self.graphs.read().iter().find(|slot| slot.field == field).map(|slot| slot.graph.clone())
    }

    /// The graph of a field for a metric, if it covers rows.
    pub(crate) fn usable(&self, field: FieldId, metric: Metric) -> Option<Arc<GrowingHnsw>> {
        self.get(field).filter(|graph| graph.metric() == metric && graph.covered() > 0)
    }

    /// Searches use this graph from now on; `None`: they compare. It takes the place of an older one.
    pub fn set(&self, field: FieldId, graph: Option<Arc<GrowingHnsw>>) {
        let mut graphs = self.graphs.write();
        graphs.retain(|slot| slot.field != field);
        graphs.extend(graph.map(|graph| Slot { field, graph, is_mapped: false }));
    }

    /// The fields that have one.
    pub fn fields(&self) -> Vec<FieldId> {
        self.graphs.read().iter().map(|slot| slot.field).collect()
    }

    /// Whether the graph of a field has all rows of the column file, and reads them there.
    pub fn is_mapped(&self, field: FieldId) -> bool {
        self.graphs.read().iter().any(|slot| slot.field == field && slot.is_mapped)
    }

    /// The graph of a field, if it is still there, has all rows of the column file and reads them there.
    pub fn set_mapped(&self, field: FieldId) {
        self.graphs
            .write()
            .iter_mut()
            .filter(|slot| slot.field == field)
            .for_each(|slot| slot.is_mapped = true);
    }

    /// A search compared so many rows that a graph would have been better.
    pub(crate) fn note_missed(&self) {
        // Mostly it is set already, and many threads search.
        if !self.is_missed.load(Ordering::Relaxed) {
            self.is_missed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a search missed a graph since the last [`InterimGraphs::take_missed`].
    pub fn is_missed(&self) -> bool {
        self.is_missed.load(Ordering::Relaxed)
    }

    /// The same, and forgets it.
    pub fn take_missed(&self) -> bool {
        self.is_missed.swap(false, Ordering::Relaxed)
    }

    /// Bytes of memory beside the rows.
    pub fn bytes(&self) -> u64 {
        self.graphs.read().iter().map(|slot| slot.graph.memory_bytes() as u64).sum()
    }
}

/// The vectors of a chunk, which stay where they are.
struct Run {
    block: Block,
    field: FieldId,
}

impl AsRef<[u8]> for Run {
    fn as_ref(&self) -> &[u8] {
        match self.block.column(self.field).ok().flatten().map(|column| column.values) {
            Some(Values::FloatVector { values, .. }) => bytemuck::cast_slice(values),
            Some(Values::PackedVector { bytes, .. }) => bytes,
            _ => &[],
        }
    }
}

impl GrowingSegment {
    /// The first `rows` vectors of a field, read in place. They keep the chunks' memory.
    ///
    /// # Errors
    /// The field has no vectors, or bits.
    pub fn vector_rows(&self, field: FieldId, rows: u32) -> Result<VectorRows> {
        let data_type = self.schema().field_by_id(field).map(|field| field.data_type);
        let Some((data_type, dim)) = data_type.and_then(|data_type| Some((data_type, data_type.dim()?)))
        else {
            return Err(Error::Field { field, what: "is no vector column of this segment".to_owned() });
        };
        let runs =
            self.blocks(rows).into_iter().map(|block| Bytes::from_owner(Run { block, field })).collect();
        Ok(VectorRows::from_runs(data_type.packed().map(|(kind, _)| kind), dim as usize, runs)?)
    }
}
