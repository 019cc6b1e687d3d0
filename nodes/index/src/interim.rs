//! Graphs for rows that have no index yet: over growing segments that are searched, and over sealed ones until their index comes.
//!
//! A second loop beside the role's, because a build may take minutes and rows keep coming. It sleeps until a search has
//! compared many rows ([`vecraft_segment::GRAPH_ROWS_MIN`]) for want of a graph, or the role has looked at what changed; a bulk load
//! that nobody searches costs nothing. What it makes is of this node alone: no file, no entry in a log, gone with the process.

use crate::node::IndexNode;
use crate::plan::{WantedIndex, to_build};
use crate::survey::wanted_of;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;
use vecraft_index::{BuildMonitor, GrowingHnsw, IndexSpec, VectorRows};
use vecraft_rpc::memory::Room;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_segment::{GRAPH_ROWS_MIN, GrowingSegment, InterimGraphs, SealedSegment, Segment};
use vecraft_types::{CollectionId, FieldId, Metric};

/// Between two looks, so that searches that come by the thousand do not make as many.
const PAUSE: Duration = Duration::from_millis(200);
/// Links a node and breadth of the search for them, for indexes that say nothing of the kind or want more: a graph that lives for
/// minutes must be cheap.
const M: usize = 16;
const EF_CONSTRUCTION_MAX: usize = 100;
/// Rows that a graph takes in at a time, before searches use it with them and other segments' graphs have their turn: a second's
/// work, about, of a core that does nothing else.
const STEP: u32 = 8_192;
/// What a row costs beside its `8 * M` bytes of links: where it is, its norm, its level, its part of the upper levels.
const ROW_BYTES: u64 = 24;

/// One graph to begin or to extend.
struct GraphJob {
    interim: Arc<InterimGraphs>,
    field: FieldId,
    metric: Metric,
    m: usize,
    ef_construction: usize,
    over: Over,
}

/// The first rows of a segment, which a graph is to have.
#[derive(Clone)]
enum Over {
    Growing(Arc<GrowingSegment>, u32),
    /// The mapped file in place of the memory that the growing segment had.
    Sealed(Arc<SealedSegment>, u32),
}

impl Over {
    fn rows(&self) -> u32 {
        match self {
            Over::Growing(_, rows) | Over::Sealed(_, rows) => *rows,
        }
    }

    /// No more than so many of them.
    fn up_to(&self, most: u32) -> Over {
        match self {
            Over::Growing(segment, rows) => Over::Growing(segment.clone(), most.min(*rows)),
            Over::Sealed(segment, rows) => Over::Sealed(segment.clone(), most.min(*rows)),
        }
    }

    fn has_index(&self, field: FieldId) -> bool {
        match self {
            Over::Growing(..) => false,
            Over::Sealed(segment, _) => segment.index(field).is_some(),
        }
    }

    fn vectors(&self, field: FieldId) -> vecraft_segment::Result<VectorRows> {
        match self {
            Over::Growing(segment, rows) => segment.vector_rows(field, *rows),
            Over::Sealed(segment, rows) => Ok(segment.vector_rows(field)?.first(*rows as usize)),
        }
    }
}

/// A graph's room in memory. The graph itself holds it: it is given back when nobody has the graph any more, a search that still
/// walks it included, or an index needs it more.
pub(crate) struct GraphRoom {
    graph: Weak<GrowingHnsw>,
    room: Weak<Mutex<Room>>,
}

struct Stopping(Shutdown);

impl BuildMonitor for Stopping {
    fn cancelled(&self) -> bool {
        self.0.is_triggered()
    }
}

impl IndexNode {
    /// Extends graphs while there are some to extend, then waits; until asked to stop.
    pub(crate) async fn keep_graphs(&self, stop: &Shutdown) {
        while !stop.is_triggered() {
            let looked = self.looked.notified();
            let jobs = self.graph_jobs();
            for job in &jobs {
                if let Err(error) = self.extend(job, stop).await {
                    tracing::debug!(field = %job.field, %error, "no interim graph");
                    // Of a growing segment the next search that compares asks again. Of a sealed one the graph would keep the
                    // memory that the rows were in before, which nobody counts any more.
                    if let Over::Sealed(..) = job.over {
                        job.interim.set(job.field, None);
                    }
                }
            }
            if jobs.is_empty() {
                let change = async {
                    tokio::select! {
                        () = self.graphs_missed.notified() => {}
                        () = looked => {}
                    }
                };
                let _ = stop.unless_triggered(change).await;
            }
            let _ = stop.unless_triggered(tokio::time::sleep(PAUSE)).await;
        }
    }

    /// What searches missed, and graphs whose segment was sealed. Graphs that nobody wants any more are let go.
    fn graph_jobs(&self) -> Vec<GraphJob> {
        self.state.lock().graph_rooms.retain(GraphRoom::is_held);
        let mut wanted: BTreeMap<CollectionId, Vec<WantedIndex>> = BTreeMap::new();
        let mut jobs = Vec::new();
        for view in self.views.list() {
            for shown in view.segments.iter().filter(|shown| shown.renamed.is_none()) {
                let interim = shown.segment.interim();
                let is_missed = interim.take_missed();
                if interim.fields().is_empty() && (!is_missed || shown.segment.is_sealed()) {
                    continue;
                }
                let over = match &shown.segment {
                    Segment::Growing(segment) => Over::Growing(segment.clone(), shown.rows),
                    Segment::Sealed(segment) => Over::Sealed(segment.clone(), segment.rows()),
                };
                let collection = view.shard.collection;
                let indexes = wanted.entry(collection).or_insert_with(|| {
                    self.catalogue.by_id(collection).map(|row| wanted_of(&row)).unwrap_or_default()
                });
                self.add_jobs(indexes, interim, &over, is_missed, &mut jobs);
            }
        }
        jobs
    }

    fn add_jobs(
        &self,
        wanted: &[WantedIndex],
        interim: &Arc<InterimGraphs>,
        over: &Over,
        is_missed: bool,
        jobs: &mut Vec<GraphJob>,
    ) {
        let mut unwanted = interim.fields();
        for index in wanted {
            let rows = u64::from(over.rows());
            let spec = index.spec.as_ref().and_then(|spec| to_build(spec, rows, self.config.flat_rows_max));
            let Some(spec) = spec else { continue };
            if over.has_index(index.field) || matches!(index.metric, Metric::Hamming | Metric::Jaccard) {
                continue;
            }
            let now = interim.get(index.field).filter(|graph| graph.metric() == index.metric);
            if now.is_some() {
                unwanted.retain(|field| *field != index.field);
            }
            let covered = now.as_ref().map_or(0, |graph| graph.covered() as u32);
            let is_wanting = match over {
                Over::Growing(..) => is_missed && over.rows().saturating_sub(covered) >= GRAPH_ROWS_MIN,
                Over::Sealed(..) => now.is_some() && !interim.is_mapped(index.field),
            };
            if !is_wanting {
                continue;
            }
            let (m, ef_construction) = match spec {
                IndexSpec::Hnsw { m, ef_construction, .. }
                | IndexSpec::HnswSq { m, ef_construction, .. }
                | IndexSpec::HnswPq { m, ef_construction, .. }
                | IndexSpec::AutoGraph { m, ef_construction, .. } => {
                    (m.min(M), ef_construction.min(EF_CONSTRUCTION_MAX))
                }
                _ => (M, EF_CONSTRUCTION_MAX),
            };
            let (interim, over) = (interim.clone(), over.up_to(covered.saturating_add(STEP)));
            let (field, metric) = (index.field, index.metric);
            jobs.push(GraphJob { interim, field, metric, m, ef_construction, over });
        }
        unwanted.into_iter().for_each(|field| interim.set(field, None));
    }

    async fn extend(&self, job: &GraphJob, stop: &Shutdown) -> crate::Result<()> {
        let GraphJob { interim, field, metric, m, ef_construction, over } = job;
        let (field, metric, m, ef_construction) = (*field, *metric, *m, *ef_construction);
        let read = over.clone();
        let vectors = self.pool.run(move || read.vectors(field)).await??;
        let known = interim.get(field).filter(|graph| graph.metric() == metric);
        let graph = match known.clone() {
            Some(graph) => graph,
            None => Arc::new(GrowingHnsw::new(metric, &vectors, m, ef_construction)?),
        };
        // Links are in whole cache lines, and may have moved to twice their room.
        let row_bytes = (2 * m as u64).next_multiple_of(16) * 4 * 2 + ROW_BYTES;
        let more = self.more_room(&graph, u64::from(over.rows()) * row_bytes)?;
        let (building, monitor) = (graph.clone(), Stopping(stop.clone()));
        let done = self.pool.run(move || building.extend(vectors, &monitor)).await?;
        if known.is_some() && !interim.get(field).is_some_and(|now| Arc::ptr_eq(&now, &graph)) {
            // It gave way to the index meanwhile, and its room with it.
            return Ok(());
        }
        self.settle_room(&graph, more);
        done?;
        match over {
            Over::Growing(..) => interim.set(field, Some(graph)),
            // Unless its index came meanwhile.
            Over::Sealed(segment, rows) if *rows == segment.rows() => interim.set_mapped(field),
            // The rest is the next job.
            Over::Sealed(..) => {}
        }
        Ok(())
    }

    /// Room for what a graph takes beyond what it has, while it grows to so many bytes (I21).
    fn more_room(&self, graph: &Arc<GrowingHnsw>, bytes: u64) -> crate::Result<Room> {
        let has = self.room_of(graph).map_or(0, |room| room.lock().bytes());
        self.memory.room_for_index(bytes.saturating_sub(has)).map_err(crate::Error::Room)
    }

    /// What the graph takes in the end counts.
    fn settle_room(&self, graph: &Arc<GrowingHnsw>, more: Room) {
        let bytes = graph.memory_bytes() as u64 + graph.covered() as u64 * size_of::<usize>() as u64;
        match self.room_of(graph) {
            Some(room) => room.lock().settle(bytes),
            None => {
                let room = Arc::new(Mutex::new(more));
                room.lock().settle(bytes);
                let known = GraphRoom { graph: Arc::downgrade(graph), room: Arc::downgrade(&room) };
                self.state.lock().graph_rooms.push(known);
                graph.live_with(Box::new(room));
            }
        }
    }

    fn room_of(&self, graph: &Arc<GrowingHnsw>) -> Option<Arc<Mutex<Room>>> {
        let rooms = &self.state.lock().graph_rooms;
        rooms.iter().find(|room| std::ptr::eq(room.graph.as_ptr(), Arc::as_ptr(graph)))?.room.upgrade()
    }

    /// Lets the graph of a segment go if that makes the room which its index lacks; whether it did.
    pub(crate) fn give_way(&self, segment: &SealedSegment, field: FieldId, wanted: u64) -> bool {
        let Some(graph) = segment.interim().get(field) else { return false };
        let Some(room) = self.room_of(&graph) else { return false };
        let has = room.lock().bytes();
        if has == 0 || self.memory.room_for_index(wanted.saturating_sub(has)).is_err() {
            return false;
        }
        segment.interim().set(field, None);
        // Searches under way may keep it for moments.
        room.lock().settle(0);
        true
    }
}

impl GraphRoom {
    /// Somebody has the graph.
    pub(crate) fn is_held(&self) -> bool {
        self.graph.strong_count() > 0
    }
}
