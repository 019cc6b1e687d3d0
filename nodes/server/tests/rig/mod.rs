//! A server on a temporary directory and a collection of clustered vectors: `rows` says which, `files` what is on the disk,
//! `searching` compares answers with the exact ones.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use vecraft_config::Config;
use vecraft_server::Server;
use vecraft_storage::{Disk, RealDisk};
use vecraft_types::api::*;
use vecraft_types::*;

mod files;
mod rows;
mod searching;

// Not every test that includes the rig asks for it.
#[allow(unused_imports)]
pub use rows::vector;

pub const DIM: usize = 32;
pub const ROWS: usize = 20_000;
const COLLECTION: &str = "clustered";
const CLUSTERS: u64 = 200;
const K: usize = 10;
const QUERIES: usize = 60;
/// Longest wait for a build, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub struct Rig {
    server: Option<Server>,
    dir: tempfile::TempDir,
    disk: Arc<dyn Disk>,
    /// Keys that can be read.
    live: BTreeSet<i64>,
}

fn params(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

impl Rig {
    pub async fn start() -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(dir.path()).unwrap());
        let mut rig = Rig { server: None, dir, disk, live: BTreeSet::new() };
        rig.start_again().await;
        rig
    }

    pub async fn start_again(&mut self) {
        let config = Config::embedded(self.dir.path()).with_free_ports();
        self.server = Some(Server::start(&config, 1).await.unwrap());
    }

    pub async fn stop(&mut self) {
        self.server.take().unwrap().stop("the test says so").await;
    }

    pub async fn restart(&mut self) {
        self.stop().await;
        self.start_again().await;
    }

    // Not every test that includes the rig asks for it.
    #[allow(dead_code)]
    pub fn http_address(&self) -> &str {
        &self.server.as_ref().unwrap().addresses().http
    }

    fn db(&self) -> Arc<dyn Database> {
        self.server.as_ref().unwrap().database()
    }

    pub async fn create_collection(&self) {
        let request = CreateCollection {
            name: COLLECTION.into(),
            schema: CollectionSchema::new(vec![
                FieldSchema::new("id", DataType::Int64).primary(false),
                FieldSchema::new("tag", DataType::Int64),
                FieldSchema::new("v", DataType::FloatVector { dim: DIM as u32 }),
            ]),
            shards: 1,
            properties: params(&[]),
            default_consistency: 0,
        };
        self.db().create_collection(Call::default(), request).await.unwrap();
    }

    pub async fn create_index(&self, index_type: &str, given: &[(&str, &str)]) {
        let request = CreateIndex {
            collection: COLLECTION.into(),
            field: "v".into(),
            name: "by_v".into(),
            index_type: index_type.into(),
            metric: Some(Metric::L2),
            params: params(given),
        };
        self.db().create_index(Call::default(), request).await.unwrap();
    }

    pub async fn drop_index(&self) {
        let request = DropIndex { collection: COLLECTION.into(), field: String::new(), name: "by_v".into() };
        self.db().drop_index(Call::default(), request).await.unwrap();
    }

    pub async fn drop_collection(&self) {
        self.db().drop_collection(Call::default(), COLLECTION.into()).await.unwrap();
    }

    pub async fn insert(&mut self, keys: Range<usize>) {
        let keys: Vec<i64> = keys.map(|key| key as i64).collect();
        for some in keys.chunks(2_500) {
            let column = |data| Column::new(FieldId(0), data);
            let values = some.iter().flat_map(|key| vector(*key)).collect();
            let rows = NamedRows::new(vec![
                ("id".into(), column(ColumnData::Int64(some.to_vec()))),
                ("tag".into(), column(ColumnData::Int64(some.iter().map(|key| key % 100).collect()))),
                ("v".into(), column(ColumnData::FloatVector { dim: DIM as u32, values })),
            ]);
            let request = InsertRequest {
                collection: COLLECTION.into(),
                partition: None,
                rows: rows.unwrap(),
                schema_timestamp: None,
                request: None,
            };
            self.db().insert(Call::default(), request).await.unwrap();
        }
        self.live.extend(keys);
    }

    pub async fn delete_below(&mut self, bound: i64) {
        let request = DeleteRequest {
            collection: COLLECTION.into(),
            partition: None,
            rows: DeleteRows::Filter(format!("id < {bound}")),
            request: None,
        };
        self.db().delete(Call::default(), request).await.unwrap();
        self.live.retain(|key| *key >= bound);
    }

    pub async fn flush(&self) {
        self.db().flush(Call::default(), vec![COLLECTION.into()]).await.unwrap();
    }

    /// Indexed, total and pending rows.
    pub async fn progress(&self) -> (u64, u64, u64) {
        let infos = self.db().describe_indexes(Call::default(), COLLECTION.into()).await.unwrap();
        assert_eq!(infos.len(), 1);
        (infos[0].indexed_rows, infos[0].total_rows, infos[0].pending_rows)
    }

    pub async fn wait_until_built(&self) {
        let built = async {
            while self.progress().await.2 > 0 {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(PATIENCE, built).await.expect("the index was not built in time");
    }
}
