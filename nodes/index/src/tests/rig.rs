//! A node with one shard, whose disk and store lose power on request.

use super::ledger::Ledger;
use super::peers::Peers;
use crate::{IndexActor, IndexConfig, IndexNode, IndexParts, IndexReport};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use vecraft_index::{GrowingHnsw, SearchParams};
use vecraft_rpc::memory::{MemoryGovernor, Room};
use vecraft_rpc::services::Catalogue;
use vecraft_runtime::actors::{ActorHost, RoleAddr, RolePolicy};
use vecraft_runtime::clock::SystemClock;
use vecraft_runtime::pools::{CpuPool, IoPool};
use vecraft_runtime::random::OsRandom;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_segment::{
    Deletes, GrowingSegment, SealedSegment, Segment, SegmentManifest, ShardView, ViewRegistry, write_segment,
};
use vecraft_storage::{Disk, SimDisk};
use vecraft_types::schema::{IndexSpec, MMAP_ENABLED};
use vecraft_types::*;

pub const SHARD: ShardId = ShardId { collection: CollectionId(3), index: 0 };
pub const KEY: FieldId = FieldId(100);
pub const VECTOR: FieldId = FieldId(101);
const DIM: usize = 4;
pub const CALM: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);

/// What survives a restart.
pub struct Rig {
    pub disk: SimDisk,
    pub ledger: Arc<Ledger>,
    pub peers: Arc<Peers>,
    pub wishes: Arc<Wishes>,
    pub memory: Arc<Memory>,
    manifests: Vec<SegmentManifest>,
}

/// A node of the present life.
pub struct Life {
    pub node: Arc<IndexNode>,
    pub views: Arc<ViewRegistry>,
    pub role: RoleAddr<IndexActor>,
    _actors: ActorHost,
}

/// A memory limit for indexes alone.
pub struct Memory {
    pub limit: AtomicU64,
    pub used: Arc<AtomicU64>,
    pub pressed: Arc<Notify>,
}

impl MemoryGovernor for Memory {
    fn room_for_index(&self, bytes: u64) -> Result<Room> {
        let room = Room::take(&self.used, bytes);
        if self.used.load(Ordering::Relaxed) <= self.limit.load(Ordering::Relaxed) {
            return Ok(room);
        }
        Err(Error::new(Code::OutOfMemory, format!("{bytes} bytes")))
    }

    fn index_room(&self) -> u64 {
        self.limit.load(Ordering::Relaxed).saturating_sub(self.used.load(Ordering::Relaxed))
    }

    fn take_index_excess(&self) -> u64 {
        self.used.load(Ordering::Relaxed).saturating_sub(self.limit.load(Ordering::Relaxed))
    }

    fn is_tight(&self) -> bool {
        false
    }

    fn pressed(&self) -> Arc<Notify> {
        self.pressed.clone()
    }
}

/// A catalogue of one collection: what this node sees, and what it sees after it asked for the newest.
#[derive(Default)]
pub struct Wishes(Mutex<Row>, Mutex<Option<Row>>);

type Row = Option<Arc<CollectionDescriptor>>;

impl Wishes {
    pub fn set(&self, indexes: &[(u64, &str)]) {
        *self.0.lock() = row(indexes);
    }

    /// This node's catalogue is behind: it knows no index before its next barrier.
    pub fn set_after_barrier(&self, indexes: &[(u64, &str)]) {
        self.set(&[]);
        *self.1.lock() = Some(row(indexes));
    }

    pub fn drop_collection(&self) {
        *self.0.lock() = None;
    }
}

fn row(indexes: &[(u64, &str)]) -> Row {
    // The names of scalar indexes stand for ones on the key.
    let field = |index_type: &str| if matches!(index_type, "INVERTED" | "STL_SORT") { KEY } else { VECTOR };
    let index = |(id, index_type): &(u64, &str)| IndexDescriptor {
        id: IndexId(*id),
        spec: IndexSpec {
            name: "v".into(),
            field: field(index_type),
            index_type: index_type.trim_end_matches(" mapped").into(),
            metric: Metric::L2,
            params: index_type
                .ends_with(" mapped")
                .then(|| (MMAP_ENABLED.to_owned(), "true".to_owned()))
                .into_iter()
                .collect(),
        },
        created: Timestamp(1),
    };
    Some(Arc::new(CollectionDescriptor {
        id: SHARD.collection,
        name: "c".into(),
        schema: (*schema()).clone(),
        shards: vec![],
        partitions: vec![],
        indexes: indexes.iter().map(index).collect(),
        properties: BTreeMap::new(),
        default_consistency: 0,
        is_loaded: true,
        created: Timestamp(1),
        updated: Timestamp(1),
        phase: DdlPhase::Ready,
    }))
}

#[async_trait]
impl Catalogue for Wishes {
    fn by_name(&self, _: &str) -> Option<Arc<CollectionDescriptor>> {
        self.0.lock().clone()
    }
    fn by_id(&self, _: CollectionId) -> Option<Arc<CollectionDescriptor>> {
        self.0.lock().clone()
    }
    fn list(&self) -> Vec<Arc<CollectionDescriptor>> {
        self.0.lock().clone().into_iter().collect()
    }
    async fn barrier(&self) -> Result<()> {
        if let Some(row) = self.1.lock().take() {
            *self.0.lock() = row;
        }
        Ok(())
    }
}

pub fn schema() -> Arc<CollectionSchema> {
    Arc::new(CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("v", DataType::FloatVector { dim: DIM as u32 }),
    ]))
}

/// Row `row`: points on a curve, so that neighbours are known.
pub fn vector(row: usize) -> [f32; DIM] {
    let at = row as f32 * 0.01;
    [at.sin() * 10.0, at.cos() * 10.0, at, (row % 7) as f32 * 0.001]
}

/// Appends so many rows.
pub fn append(growing: &GrowingSegment, rows: usize) {
    let first = growing.rows() as usize;
    let values = (first..first + rows).flat_map(vector).collect();
    let batch = RowBatch::new(vec![
        Column::new(KEY, ColumnData::Int64((first as i64..(first + rows) as i64).collect())),
        Column::new(VECTOR, ColumnData::FloatVector { dim: DIM as u32, values }),
    ]);
    growing.append(&batch.unwrap(), LogPosition(1), Timestamp(1)).unwrap();
}

impl Rig {
    pub fn new() -> Rig {
        let ledger = Arc::new(Ledger::default());
        ledger.create((*schema()).clone());
        let memory = Arc::new(Memory {
            limit: AtomicU64::new(u64::MAX),
            used: Arc::default(),
            pressed: Arc::default(),
        });
        let disk = SimDisk::new(1);
        let peers = Arc::new(Peers::alone(Arc::new(disk.clone())));
        Rig { disk, ledger, peers, wishes: Arc::default(), memory, manifests: Vec::new() }
    }

    pub fn files(&self) -> Arc<dyn Disk> {
        Arc::new(self.disk.clone())
    }

    /// Writes the column file of a new sealed segment.
    pub fn seal(&mut self, segment: u64, rows: usize) {
        let growing = GrowingSegment::new(SegmentId(segment), PartitionId(1), schema());
        append(&growing, rows);
        self.write(&growing);
    }

    /// Writes the column file of a segment, which is sealed from now on.
    pub fn write(&mut self, growing: &GrowingSegment) -> SegmentManifest {
        self.files().create_dir_all("groups").unwrap();
        let path = format!("groups/{}.seg", growing.id());
        let manifest = write_segment(&self.files(), &path, growing, growing.rows()).unwrap();
        self.manifests.push(manifest.clone());
        self.ledger.seal(growing.id().0, growing.rows() as usize);
        manifest
    }

    pub fn crash(&self) {
        self.disk.crash();
    }

    /// Shows all segments but those in `hidden`.
    pub fn show(&self, views: &ViewRegistry, hidden: &[u64]) {
        let files = self.files();
        let kept = self.manifests.iter().filter(|manifest| !hidden.contains(&manifest.segment.0));
        let old = views.get(SHARD);
        let open = |manifest: &SegmentManifest| {
            let shown = old.as_ref().and_then(|view| view.segment(manifest.segment).ok());
            shown.map(|view| view.segment.clone()).unwrap_or_else(|| {
                let deletes = Arc::new(Deletes::new());
                Segment::Sealed(Arc::new(
                    SealedSegment::open(files.as_ref(), manifest, schema(), deletes).unwrap(),
                ))
            })
        };
        let segments: Vec<Segment> = kept.map(open).collect();
        views.publish(ShardView::of(SHARD, LogPosition(9), Timestamp(9), schema(), segments));
    }

    /// Shows a segment as the output of a compaction that no search sees yet, and no other.
    pub fn show_coming(&self, views: &ViewRegistry, segment: u64) -> Arc<SealedSegment> {
        let manifest = self.manifests.iter().find(|manifest| manifest.segment.0 == segment).unwrap();
        let deletes = Arc::new(Deletes::new());
        let files = self.files();
        let coming = Arc::new(SealedSegment::open(files.as_ref(), manifest, schema(), deletes).unwrap());
        let view = ShardView::of(SHARD, LogPosition(10), Timestamp(10), schema(), vec![]);
        views.publish(ShardView { coming: vec![coming.clone()], ..view });
        coming
    }

    /// Starts a node over what is on the disk.
    pub async fn live(&self) -> Life {
        let views = Arc::new(ViewRegistry::new());
        self.show(&views, &[]);
        let clock = SystemClock::shared();
        let changed = Arc::new(Notify::new());
        self.ledger.watched_by(changed.clone());
        let node = Arc::new(IndexNode::new(IndexParts {
            catalogue: self.wishes.clone(),
            ledger: self.ledger.clone(),
            peers: self.peers.clone(),
            views: views.clone(),
            changed,
            graphs_missed: Arc::default(),
            memory: self.memory.clone(),
            disk: self.files(),
            pool: CpuPool::new("test-index", 1).unwrap(),
            io: IoPool::new("test-io", Handle::current(), 2),
            clock: clock.clone(),
            random: OsRandom::shared(),
            config: IndexConfig { flat_rows_max: 100, retry_first: Duration::from_millis(5), calm: CALM },
        }));
        let actors = ActorHost::new(Handle::current(), clock).await.unwrap();
        let (stop, made) = (Shutdown::new(), node.clone());
        let runtime = Handle::current();
        let role = actors
            .start("index", RolePolicy::default(), move || {
                IndexActor::new(made.clone(), runtime.clone(), &stop)
            })
            .await
            .unwrap();
        Life { node, views, role, _actors: actors }
    }

    /// Checksum of a segment's column file.
    pub fn column_file(&self, segment: u64) -> u64 {
        let manifest = self.manifests.iter().find(|manifest| manifest.segment.0 == segment).unwrap();
        manifest.files[0].checksum
    }

    /// Path of the file of the build in force.
    pub fn named_file(&self, segment: u64, index: u64) -> String {
        let build = self.ledger.build(segment, index).unwrap();
        format!("indexes/3-0/{segment}-{index}-{:016x}.idx", build.checksum)
    }

    /// Paths of the index files there are.
    pub fn index_files(&self) -> Vec<String> {
        self.files_below("indexes")
    }

    /// Paths of the files of scalar indexes.
    pub fn scalar_files(&self) -> Vec<String> {
        self.files_below("scalars")
    }

    fn files_below(&self, root: &str) -> Vec<String> {
        let disk = self.files();
        let list = |dir: &str| if disk.exists(dir).unwrap() { disk.list(dir).unwrap() } else { vec![] };
        let dirs = list(root).into_iter().map(|dir| format!("{root}/{}", dir.name));
        dirs.flat_map(|dir| list(&dir).into_iter().map(move |file| format!("{dir}/{}", file.name))).collect()
    }
}

impl Life {
    /// The first segment's index is in use, and right.
    #[track_caller]
    pub fn answers(&self) {
        let index = self.segment(1).index(VECTOR).unwrap();
        let hits = index.search(&vector(123), 1, &SearchParams::default(), None).unwrap();
        assert_eq!(hits[0].row, 123);
    }

    /// Waits until the report is as wished.
    pub async fn until(&self, is_reached: impl Fn(&IndexReport) -> bool) -> IndexReport {
        let reached = async {
            loop {
                let report = self.node.report();
                if is_reached(&report) && report.working_on.is_none() {
                    return report;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, reached).await;
        waited.unwrap_or_else(|_| panic!("stuck at {:?}", self.node.report()))
    }

    /// Waits until there is something.
    pub async fn until_some<T>(&self, find: impl Fn() -> Option<T>) -> T {
        let found = async {
            loop {
                match find() {
                    Some(found) => return found,
                    None => tokio::time::sleep(Duration::from_millis(2)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect("what the test waits for")
    }

    /// Waits until the first segment's interim graph covers so many rows.
    pub async fn until_graph(&self, rows: usize) -> Arc<GrowingHnsw> {
        let reached = async {
            loop {
                match self.segment(1).interim().get(VECTOR) {
                    Some(graph) if graph.covered() == rows => return graph,
                    _ => tokio::time::sleep(Duration::from_millis(2)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("a graph over all rows")
    }

    /// Waits until the graph has all rows of the column file, and reads them there.
    pub async fn until_mapped(&self) {
        let reached = async {
            while !self.segment(1).interim().is_mapped(VECTOR) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("a graph over the file");
    }

    /// Waits until the role has looked whether a segment needs a graph.
    pub async fn until_nobody_misses(&self, growing: &GrowingSegment) {
        let looked = async {
            while growing.interim().is_missed() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, looked).await.expect("a look");
    }

    pub fn segment(&self, id: u64) -> Segment {
        self.views.get(SHARD).unwrap().segment(SegmentId(id)).unwrap().segment.clone()
    }

    pub async fn end(self) {
        self.role.ask(crate::Drain, PATIENCE).await.unwrap();
        self.role.stop().await;
    }
}
