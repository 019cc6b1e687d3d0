//! One small in-memory cluster behind all four services: it keeps rows by key, refuses wrong schema versions and
//! recognises repeated requests, as the real roles do.

mod catalogue;
mod shards;

use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use vecraft_rpc::services::*;
use vecraft_types::api::{Consistency, CreateIndex};
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
    /// Why the pending rows of its index get none.
    index_failure: Option<String>,
    /// Rows that it says are in memory.
    growing_rows: u64,
    /// Requests as they arrived.
    asked: Vec<RequestId>,
    /// The rows of pinned moments.
    pins: BTreeMap<Timestamp, BTreeMap<PrimaryKey, Row>>,
    /// Sizes that compactions were asked for with.
    compactions: Vec<u64>,
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
    /// Refused, nothing done, while this node learns that the collection is gone.
    Forget(Error),
}

pub(super) struct FakeCluster {
    pub(super) collection: Mutex<CollectionDescriptor>,
    /// What barrier-less look-ups see; `barrier` brings it up to date.
    pub(super) known: Mutex<Option<Arc<CollectionDescriptor>>>,
    shards: Mutex<BTreeMap<ShardId, Shard>>,
    next_id: Mutex<i64>,
    pub(super) barriers: Mutex<usize>,
    /// What every other barrier shows.
    behind_names: Mutex<Option<fn(&mut CollectionDescriptor)>>,
    /// Names of DDL calls that reached the coordinator.
    pub(super) ddl: Mutex<Vec<String>>,
    /// The last index that was asked for.
    pub(super) indexed: Mutex<Option<CreateIndex>>,
    /// Names of the requests of those that make something.
    pub(super) made_under: Mutex<Vec<RequestId>>,
    /// Partitions that the shards have dropped.
    pub(super) gone: Mutex<BTreeSet<PartitionId>>,
    pub(super) asked_shards: Mutex<BTreeSet<ShardId>>,
    /// The level at which each was read last.
    pub(super) levels: Mutex<BTreeMap<ShardId, Consistency>>,
    /// What happens to the next calls of the metastore, barriers and DDL alike; none means they succeed.
    meta_trouble: Mutex<VecDeque<Trouble>>,
    /// Nothing that needs a majority, of any group, is answered while it is set.
    pub(super) lacks_majority: Mutex<bool>,
    /// Reads above Eventually take so long, as on nodes that are stopped.
    pub(super) reads_take: Mutex<std::time::Duration>,
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
            behind_names: Mutex::new(None),
            ddl: Mutex::default(),
            indexed: Mutex::default(),
            made_under: Mutex::default(),
            gone: Mutex::default(),
            asked_shards: Mutex::default(),
            levels: Mutex::default(),
            meta_trouble: Mutex::default(),
            lacks_majority: Mutex::default(),
            reads_take: Mutex::default(),
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

    /// Dropped as soon as the name of a request was looked up: every other barrier shows it.
    pub(super) fn drop_under_way(&self) {
        self.changes_under_way(|collection| collection.phase = DdlPhase::Dropping);
    }

    /// Other than it was when the name of a request was looked up: every other barrier shows it.
    pub(super) fn changes_under_way(&self, change: fn(&mut CollectionDescriptor)) {
        *self.behind_names.lock() = Some(change);
    }

    pub(super) fn shard_id(&self, index: u32) -> ShardId {
        ShardId { collection: CollectionId(5), index }
    }

    pub(super) fn trouble(&self, index: u32, trouble: Trouble) {
        self.shards.lock().get_mut(&self.shard_id(index)).unwrap().trouble.push_back(trouble);
    }

    pub(super) fn meta_trouble(&self, trouble: Trouble) {
        self.meta_trouble.lock().push_back(trouble);
    }

    pub(super) fn forget_meta_trouble(&self) {
        self.meta_trouble.lock().clear();
    }

    pub(super) async fn take_time(&self, level: Consistency) {
        let time = *self.reads_take.lock();
        if level != Consistency::Eventually && !time.is_zero() {
            tokio::time::sleep(time).await;
        }
    }

    /// As the replicas of a group that has lost its majority say it.
    fn check_majority(&self, group: u64) -> Result<()> {
        let text = format!("group {group} is led by nobody");
        let refusal = || Error::new(Code::ReplicaUnavailable, text).with("group", group);
        if *self.lacks_majority.lock() { Err(refusal()) } else { Ok(()) }
    }

    pub(super) fn read_trouble(&self, index: u32, error: Option<Error>) {
        self.shards.lock().get_mut(&self.shard_id(index)).unwrap().read_trouble = error;
    }

    pub(super) fn index_failure(&self, index: u32, why: &str) {
        self.shards.lock().get_mut(&self.shard_id(index)).unwrap().index_failure = Some(why.to_owned());
    }

    /// Has a shard say that so many rows are in memory.
    pub(super) fn grow(&self, index: u32, rows: u64) {
        self.shards.lock().get_mut(&self.shard_id(index)).unwrap().growing_rows = rows;
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

    /// Sizes that compactions of a shard were asked for with.
    pub(super) fn compactions(&self, index: u32) -> Vec<u64> {
        self.shards.lock()[&self.shard_id(index)].compactions.clone()
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
        level: Consistency,
        at: Option<Timestamp>,
    ) -> Result<(RowBatch, Timestamp)> {
        if level != Consistency::Eventually {
            self.check_majority(1)?;
        }
        self.asked_shards.lock().insert(shard);
        let schema = self.collection.lock().schema.clone();
        let filter = vecraft_expr::Filter::parse(filter, &schema)?;
        let shards = self.shards.lock();
        let shard = &shards[&shard];
        if let Some(error) = &shard.read_trouble {
            return Err(error.clone());
        }
        if let Some(gone) = partitions.iter().find(|id| self.gone.lock().contains(id)) {
            return Err(Error::new(Code::PartitionNotFound, "it was dropped").with("partition", gone));
        }
        let shown = match at {
            None => &shard.rows,
            Some(at) => shard.pins.get(&at).ok_or_else(|| Error::invalid("no iterator began there"))?,
        };
        let mut rows = RowBatch::default();
        for row in shown.values() {
            let in_partition = partitions.is_empty() || partitions.contains(&row.partition);
            if in_partition && (filter.matches_all() || filter.evaluate(&row.values, 1)?.get(0)) {
                assert!(rows.extend(&row.values));
            }
        }
        Ok((rows, Timestamp(shard.timestamp)))
    }
}

/// Nobody asks about nodes in these tests.
pub(super) struct NoNodes;

#[async_trait::async_trait]
impl vecraft_rpc::membership::ClusterAdmin for NoNodes {
    async fn cluster(&self, _: api::ClusterRequest) -> Result<api::ClusterReply> {
        Err(Error::internal("not asked here"))
    }

    async fn join(&self, _: vecraft_rpc::membership::JoinRequest) -> Result<vecraft_rpc::membership::Joined> {
        Err(Error::internal("not asked here"))
    }

    async fn moved(&self, _: NodeId, _: String) -> Result<()> {
        Err(Error::internal("not asked here"))
    }
}

/// Node 1 is the own one; node 2 leads every group that has a leader.
#[derive(Default)]
pub(super) struct Places {
    pub(super) has_leader: bool,
    pub(super) out_of_reach: Vec<NodeId>,
}

impl Topology for Places {
    fn own(&self) -> NodeId {
        NodeId(1)
    }

    fn group_of(&self, _: ShardId) -> Option<GroupId> {
        Some(GroupId(1))
    }

    fn leader_of(&self, _: GroupId) -> Option<NodeId> {
        self.has_leader.then_some(NodeId(2))
    }

    fn nodes_of(&self, _: GroupId) -> Vec<NodeId> {
        vec![NodeId(3), NodeId(1), NodeId(2)]
    }

    fn replicas_of(&self, _: ShardId) -> Option<usize> {
        None
    }

    fn out_of_reach(&self) -> Vec<NodeId> {
        self.out_of_reach.clone()
    }
}

#[async_trait::async_trait]
impl vecraft_rpc::client_doors::ClientDoors for Places {
    async fn doors(&self) -> Vec<api::NodeDoor> {
        vec![api::NodeDoor { node: NodeId(1), address: "one:1".to_owned() }]
    }
}
