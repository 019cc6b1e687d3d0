//! One small in-memory cluster behind all four services: it keeps rows by key, refuses wrong schema versions and
//! recognises repeated requests, as the real roles do.

use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use vecraft_rpc::services::*;
use vecraft_types::api::*;
use vecraft_types::schema::IndexSpec;
use vecraft_types::*;

/// A living row and its partition.
#[derive(Clone)]
struct Row {
    partition: PartitionId,
    values: RowBatch,
}

#[derive(Default)]
struct Shard {
    rows: BTreeMap<PrimaryKey, Row>,
    timestamp: u64,
    seen: HashMap<RequestId, ShardWritten>,
    /// Entries committed.
    entries: usize,
    /// What happens to the next writes; none means they succeed.
    trouble: VecDeque<Trouble>,
    /// Reads fail with this while it is set.
    read_trouble: Option<Error>,
    /// Requests as they arrived.
    asked: Vec<RequestId>,
}

/// What goes wrong with one write.
pub(super) enum Trouble {
    /// Nothing: the next trouble is for the write after this one.
    Pass,
    /// Refused, nothing done.
    Refuse(Error),
    /// Done, but the answer is lost.
    LoseAnswer(Error),
    /// Never answers.
    Hang,
    /// The schema changes just before the write arrives.
    Alter(fn(&mut CollectionDescriptor)),
}

pub(super) struct FakeCluster {
    pub(super) collection: Mutex<CollectionDescriptor>,
    /// What barrier-less look-ups see; `barrier` brings it up to date.
    known: Mutex<Option<Arc<CollectionDescriptor>>>,
    shards: Mutex<BTreeMap<ShardId, Shard>>,
    next_id: Mutex<i64>,
    pub(super) barriers: Mutex<usize>,
    /// Names of DDL calls that reached the coordinator.
    pub(super) ddl: Mutex<Vec<String>>,
    pub(super) asked_shards: Mutex<BTreeSet<ShardId>>,
}

pub(super) const DEFAULT: PartitionId = PartitionId(1);
pub(super) const OLD: PartitionId = PartitionId(2);

impl FakeCluster {
    pub(super) fn new(schema: CollectionSchema, shards: u32) -> FakeCluster {
        schema.check().unwrap();
        let id = CollectionId(5);
        let shard = |index| ShardId { collection: id, index };
        let place = |index| ShardPlacement { shard: shard(index), group: GroupId(1) };
        let part = |id, name: &str| PartitionDescriptor { id, name: name.into(), created: Timestamp(1) };
        let collection = CollectionDescriptor {
            id,
            name: "docs".into(),
            schema,
            shards: (0..shards).map(place).collect(),
            partitions: vec![part(DEFAULT, "_default"), part(OLD, "old")],
            indexes: vec![],
            properties: BTreeMap::new(),
            default_consistency: 2,
            is_loaded: false,
            created: Timestamp(1),
            updated: Timestamp(10),
            phase: DdlPhase::Ready,
        };
        FakeCluster {
            known: Mutex::new(Some(Arc::new(collection.clone()))),
            collection: Mutex::new(collection),
            shards: Mutex::new((0..shards).map(|index| (shard(index), Shard::default())).collect()),
            next_id: Mutex::new(1_000),
            barriers: Mutex::new(0),
            ddl: Mutex::default(),
            asked_shards: Mutex::default(),
        }
    }

    /// Changes the catalogue; proxies see it after a barrier.
    pub(super) fn alter(&self, change: impl FnOnce(&mut CollectionDescriptor)) {
        change(&mut self.collection.lock());
    }

    /// The node forgets the collection until its next barrier.
    pub(super) fn forget(&self) {
        *self.known.lock() = None;
    }

    pub(super) fn shard_id(&self, index: u32) -> ShardId {
        ShardId { collection: CollectionId(5), index }
    }

    pub(super) fn trouble(&self, index: u32, trouble: Trouble) {
        self.shards.lock().get_mut(&self.shard_id(index)).unwrap().trouble.push_back(trouble);
    }

    pub(super) fn read_trouble(&self, index: u32, error: Option<Error>) {
        self.shards.lock().get_mut(&self.shard_id(index)).unwrap().read_trouble = error;
    }

    /// Living rows of all shards.
    pub(super) fn row_total(&self) -> usize {
        self.shards.lock().values().map(|shard| shard.rows.len()).sum()
    }

    pub(super) fn rows_of(&self, index: u32) -> Vec<PrimaryKey> {
        self.shards.lock()[&self.shard_id(index)].rows.keys().cloned().collect()
    }

    pub(super) fn entries(&self) -> usize {
        self.shards.lock().values().map(|shard| shard.entries).sum()
    }

    /// Requests that arrived at a shard, repeated ones too.
    pub(super) fn asked(&self, index: u32) -> Vec<RequestId> {
        self.shards.lock()[&self.shard_id(index)].asked.clone()
    }

    /// The stored column value of a key.
    pub(super) fn stored(&self, key: &PrimaryKey, field: &str) -> Column {
        let id = self.collection.lock().schema.field(field).unwrap().id;
        let shards = self.shards.lock();
        let row = shards.values().find_map(|shard| shard.rows.get(key)).unwrap();
        row.values.column(id).unwrap().clone()
    }

    pub(super) fn add_index(&self, metric: Metric, index_type: &str) {
        let field = self.collection.lock().schema.field("vector").unwrap().id;
        let spec = IndexSpec {
            name: "vector".into(),
            field,
            index_type: index_type.into(),
            metric,
            params: BTreeMap::new(),
        };
        let index = IndexDescriptor { id: IndexId(1), spec, created: Timestamp(1) };
        self.alter(|collection| collection.indexes = vec![index]);
    }

    fn primary(&self) -> FieldId {
        self.collection.lock().schema.primary_field().unwrap().id
    }

    /// Rows of a shard that match: partitions, and `pk in [...]` filters; any other filter matches all.
    fn matching(
        &self,
        shard: ShardId,
        partitions: &[PartitionId],
        filter: &str,
    ) -> Result<(RowBatch, Timestamp)> {
        self.asked_shards.lock().insert(shard);
        let schema = self.collection.lock().schema.clone();
        let keys = crate::filter::parse_filter(filter, &schema)?.keys;
        let shards = self.shards.lock();
        let shard = &shards[&shard];
        if let Some(error) = &shard.read_trouble {
            return Err(error.clone());
        }
        let mut rows = RowBatch::default();
        for (key, row) in &shard.rows {
            let in_partition = partitions.is_empty() || partitions.contains(&row.partition);
            if in_partition && keys.as_ref().is_none_or(|keys| keys.contains(key)) {
                assert!(rows.extend(&row.values));
            }
        }
        Ok((rows, Timestamp(shard.timestamp)))
    }
}

fn project(rows: &RowBatch, output: &[FieldId]) -> RowBatch {
    if rows.rows == 0 {
        return RowBatch::default();
    }
    // Not in the order asked: nobody promised that.
    let columns = output.iter().rev().map(|field| rows.column(*field).unwrap().clone()).collect();
    RowBatch::new(columns).unwrap()
}

#[async_trait]
impl ShardWriter for FakeCluster {
    async fn write(&self, write: ShardWrite) -> Result<ShardWritten> {
        let trouble = {
            let mut shards = self.shards.lock();
            let shard = shards.get_mut(&write.shard).unwrap();
            shard.asked.push(write.request);
            shard.trouble.pop_front()
        };
        match &trouble {
            Some(Trouble::Refuse(error)) => return Err(error.clone()),
            Some(Trouble::Hang) => std::future::pending::<()>().await,
            Some(Trouble::Alter(change)) => self.alter(change),
            _ => {}
        }
        let version = self.collection.lock().schema.version;
        let primary = self.primary();
        let mut shards = self.shards.lock();
        let shard = shards.get_mut(&write.shard).unwrap();
        if write.schema_version != version {
            return Err(Error::new(Code::SchemaMismatch, "old schema"));
        }
        if let Some(before) = shard.seen.get(&write.request) {
            return Ok(before.clone());
        }
        let mut written = ShardWritten::default();
        let mut earlier_keys = None;
        match write.change {
            RowChange::Insert { partition, batch, .. } => {
                let rows = RowBatch::decode(&batch).unwrap();
                for row in 0..rows.rows {
                    let key = rows.column(primary).unwrap().data.key(row).unwrap();
                    earlier_keys.get_or_insert_with(Vec::new).push(key.clone());
                    let values = rows.take(&[row]);
                    written.inserted += 1;
                    written.deleted += u64::from(shard.rows.insert(key, Row { partition, values }).is_some());
                }
            }
            RowChange::DeleteKeys { partition, keys } => {
                for key in keys {
                    let dies =
                        shard.rows.get(&key).is_some_and(|row| partition.is_none_or(|p| p == row.partition));
                    if dies {
                        shard.rows.remove(&key);
                        written.deleted += 1;
                    }
                }
            }
            RowChange::DeleteWhere { partitions, .. } => {
                let before = shard.rows.len();
                shard.rows.retain(|_, row| !partitions.is_empty() && !partitions.contains(&row.partition));
                written.deleted = (before - shard.rows.len()) as u64;
            }
        }
        shard.entries += 1;
        shard.timestamp += 10 + u64::from(write.shard.index);
        written.timestamp = Timestamp(shard.timestamp);
        shard.seen.insert(write.request, ShardWritten { earlier_keys, ..written.clone() });
        match trouble {
            Some(Trouble::LoseAnswer(error)) => Err(error),
            _ => Ok(written),
        }
    }

    async fn flush(&self, shard: ShardId) -> Result<ShardStats> {
        self.stats(shard).await
    }

    async fn stats(&self, id: ShardId) -> Result<ShardStats> {
        let shards = self.shards.lock();
        let shard = &shards[&id];
        let mut stats = ShardStats { timestamp: Timestamp(shard.timestamp), ..ShardStats::default() };
        for row in shard.rows.values() {
            *stats.rows.entry(row.partition).or_default() += 1;
        }
        stats.segments = vec![(SegmentId(1), shard.rows.len() as u64, true)];
        stats.pending_index_rows.insert(IndexId(1), 1);
        Ok(stats)
    }
}

#[async_trait]
impl ShardReader for FakeCluster {
    async fn search(&self, search: ShardSearch) -> Result<ShardHits> {
        let (rows, timestamp) = self.matching(search.shard, &search.partitions, &search.filter)?;
        let mut hits = ShardHits { counts: vec![], scores: vec![], rows: RowBatch::default(), timestamp };
        let mut picked = vec![];
        for query in search.vectors.chunks(search.dim as usize) {
            let mut scored: Vec<(f32, usize)> = (0..rows.rows)
                .map(|row| {
                    let Some(ColumnData::FloatVector { values, dim }) =
                        rows.column(search.field).map(|c| &c.data)
                    else {
                        panic!("no vectors")
                    };
                    let vector = &values[row * *dim as usize..(row + 1) * *dim as usize];
                    let pairs = query.iter().zip(vector);
                    let score = match search.metric {
                        Metric::L2 => pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f32>(),
                        _ => -pairs.map(|(a, b)| a * b).sum::<f32>(),
                    };
                    (score, row)
                })
                .collect();
            scored.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            scored.truncate(search.k);
            hits.counts.push(scored.len());
            let sign = if search.metric == Metric::L2 { 1.0 } else { -1.0 };
            hits.scores.extend(scored.iter().map(|(score, _)| score * sign));
            picked.extend(scored.iter().map(|(_, row)| *row));
        }
        hits.rows = project(&rows.take(&picked), &search.output);
        Ok(hits)
    }

    async fn query(&self, query: ShardQuery) -> Result<ShardRows> {
        let (mut rows, timestamp) = self.matching(query.shard, &query.partitions, &query.filter)?;
        let count = rows.rows as u64;
        if let Some(limit) = query.limit {
            rows = rows.take(&(0..rows.rows.min(limit)).collect::<Vec<_>>());
        }
        let rows = if query.output.is_empty() { RowBatch::default() } else { project(&rows, &query.output) };
        Ok(ShardRows { count, rows, timestamp })
    }
}

#[async_trait]
impl Catalogue for FakeCluster {
    fn by_name(&self, name: &str) -> Option<Arc<CollectionDescriptor>> {
        self.known.lock().clone().filter(|collection| collection.name == name)
    }

    fn by_id(&self, id: CollectionId) -> Option<Arc<CollectionDescriptor>> {
        self.known.lock().clone().filter(|collection| collection.id == id)
    }

    fn list(&self) -> Vec<Arc<CollectionDescriptor>> {
        self.known.lock().clone().into_iter().collect()
    }

    async fn barrier(&self) -> Result<()> {
        *self.barriers.lock() += 1;
        *self.known.lock() = Some(Arc::new(self.collection.lock().clone()));
        Ok(())
    }
}

#[async_trait]
impl CatalogueWriter for FakeCluster {
    async fn create_collection(&self, request: CreateCollection) -> Result<()> {
        self.ddl.lock().push(format!("create {} {:?}", request.name, request.schema.pk_conflict));
        Ok(())
    }

    async fn drop_collection(&self, name: String) -> Result<()> {
        self.ddl.lock().push(format!("drop {name}"));
        Ok(())
    }

    async fn create_partition(&self, request: PartitionRequest) -> Result<()> {
        self.ddl.lock().push(format!("create partition {}", request.partition));
        Ok(())
    }

    async fn drop_partition(&self, request: PartitionRequest) -> Result<()> {
        self.ddl.lock().push(format!("drop partition {}", request.partition));
        Ok(())
    }

    async fn create_index(&self, request: CreateIndex) -> Result<()> {
        self.ddl.lock().push(format!("create index on {}", request.field));
        Ok(())
    }

    async fn drop_index(&self, request: DropIndex) -> Result<()> {
        self.ddl.lock().push(format!("drop index on {}", request.field));
        Ok(())
    }

    async fn set_loaded(&self, request: SetLoaded) -> Result<()> {
        self.alter(|collection| collection.is_loaded = request.loaded);
        Ok(())
    }

    async fn allocate_ids(&self, count: u64) -> Result<i64> {
        let mut next = self.next_id.lock();
        let first = *next;
        *next += count as i64;
        Ok(first)
    }
}
