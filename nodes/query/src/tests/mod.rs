#![allow(clippy::unwrap_used)]
//! The read path over real views, with a barrier that does what the test says.

mod explain;
mod life;
mod reads;

use crate::{QueryConfig, QueryNode, QueryParts};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Semaphore;
use vecraft_rpc::services::{ReadBarrier, ShardQuery, ShardSearch};
use vecraft_runtime::clock::SystemClock;
use vecraft_runtime::pools::CpuPool;
use vecraft_segment::{GrowingSegment, Segment, ShardView, ViewRegistry};
use vecraft_types::api::Consistency;
use vecraft_types::*;

const SHARD: ShardId = ShardId { collection: CollectionId(4), index: 1 };
const KEY: FieldId = FieldId(100);
const YEAR: FieldId = FieldId(101);
const VECTOR: FieldId = FieldId(102);
const PARTITIONS: [PartitionId; 2] = [PartitionId(1), PartitionId(2)];

fn schema() -> Arc<CollectionSchema> {
    Arc::new(CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("year", DataType::Int64),
        FieldSchema::new("vector", DataType::FloatVector { dim: 2 }),
    ]))
}

/// Keys `keys`; year is 2000 + key, the vector `[key, 0]`.
fn batch(keys: &[i64]) -> RowBatch {
    RowBatch::new(vec![
        Column::new(KEY, ColumnData::Int64(keys.to_vec())),
        Column::new(YEAR, ColumnData::Int64(keys.iter().map(|key| 2000 + key).collect())),
        Column::new(
            VECTOR,
            ColumnData::FloatVector {
                dim: 2,
                values: keys.iter().flat_map(|key| [*key as f32, 0.0]).collect(),
            },
        ),
    ])
    .unwrap()
}

fn growing(id: u64, partition: PartitionId, keys: &[i64]) -> Arc<GrowingSegment> {
    let segment = GrowingSegment::new(SegmentId(id), partition, schema());
    segment.append(&batch(keys), LogPosition(id), Timestamp(id * 10)).unwrap();
    Arc::new(segment)
}

/// Even keys below `n` in the first partition, odd ones in the second; timestamp `at`.
fn view(n: i64, at: u64) -> ShardView {
    let part = |rest: i64| (0..n).filter(|key| key % 2 == rest).collect::<Vec<_>>();
    let segments = [growing(1, PARTITIONS[0], &part(0)), growing(2, PARTITIONS[1], &part(1))];
    ShardView::of(SHARD, LogPosition(9), Timestamp(at), schema(), segments.map(Segment::Growing))
}

/// Waits for a pass, then publishes the next view, if there is one.
struct TestBarrier {
    views: Arc<ViewRegistry>,
    passes: Semaphore,
    next: Mutex<Option<ShardView>>,
    waited: Mutex<Vec<Consistency>>,
    /// What is pinned.
    pinned: Mutex<BTreeMap<Timestamp, LogPosition>>,
}

#[async_trait]
impl ReadBarrier for TestBarrier {
    async fn wait(&self, _: ShardId, consistency: Consistency, _: u64) -> Result<()> {
        self.waited.lock().push(consistency);
        self.passes.acquire().await.unwrap().forget();
        if let Some(view) = self.next.lock().take() {
            self.views.publish(view);
        }
        Ok(())
    }

    fn pinned(&self, _: ShardId, at: Timestamp, _: &[PartitionId]) -> Result<LogPosition> {
        self.pinned.lock().get(&at).copied().ok_or_else(|| Error::invalid("never pinned"))
    }
}

struct Bench {
    node: Arc<QueryNode>,
    barrier: Arc<TestBarrier>,
    views: Arc<ViewRegistry>,
}

/// A node that shows twenty rows and lets `passes` reads through its barrier.
fn bench(passes: usize, config: QueryConfig) -> Bench {
    let views = Arc::new(ViewRegistry::new());
    views.publish(view(20, 90));
    let barrier = Arc::new(TestBarrier {
        views: views.clone(),
        passes: Semaphore::new(passes),
        next: Mutex::default(),
        waited: Mutex::default(),
        pinned: Mutex::default(),
    });
    let node = QueryNode::new(QueryParts {
        node: NodeId(3),
        views: views.clone(),
        barrier: barrier.clone(),
        pool: CpuPool::new("test", 1).unwrap(),
        graphs_missed: Arc::default(),
        clock: SystemClock::shared(),
        config,
    });
    Bench { node: Arc::new(node), barrier, views }
}

fn search(x: f32) -> ShardSearch {
    ShardSearch {
        shard: SHARD,
        partitions: vec![],
        field: VECTOR,
        metric: Metric::L2,
        dim: 2,
        vectors: Arc::new(vec![x, 0.0].into()),
        k: 3,
        filter: String::new(),
        params: BTreeMap::new(),
        output: vec![KEY, YEAR],
        group_by: None,
        page: None,
        consistency: Consistency::Strong,
        at: None,
        deadline_ms: 10_000,
        explain: None,
    }
}

fn query(filter: &str) -> ShardQuery {
    ShardQuery {
        shard: SHARD,
        partitions: vec![],
        filter: filter.into(),
        output: vec![KEY],
        limit: None,
        consistency: Consistency::Strong,
        at: None,
        deadline_ms: 10_000,
    }
}

fn ints(rows: &RowBatch, field: FieldId) -> Vec<i64> {
    match &rows.column(field).unwrap().data {
        ColumnData::Int64(values) => values.clone(),
        other => panic!("{other:?}"),
    }
}
