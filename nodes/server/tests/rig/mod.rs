//! A server on a temporary directory, a collection of clustered vectors, and the exact answers to compare with.

use std::collections::BTreeSet;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;
use vecraft_config::Config;
use vecraft_server::Server;
use vecraft_storage::{Disk, OpenMode, RealDisk};
use vecraft_types::api::*;
use vecraft_types::*;

pub const DIM: usize = 32;
pub const ROWS: usize = 20_000;
const COLLECTION: &str = "clustered";
const CLUSTERS: u64 = 200;
const K: usize = 10;
const QUERIES: usize = 60;
/// Longest wait for a build, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// An index file as the file system knows it: a file written again has another inode or time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFile {
    pub path: String,
    identity: (u64, i64, i64),
}

pub struct Rig {
    server: Option<Server>,
    dir: tempfile::TempDir,
    disk: Arc<dyn Disk>,
    /// Keys that can be read.
    pub live: BTreeSet<i64>,
}

/// Uniform in 0..1, a function of two numbers.
fn noise(a: u64, b: u64) -> f32 {
    let mut x = a.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ b.wrapping_mul(0xD1B5_4A32_D192_ED03);
    for _ in 0..3 {
        x ^= x >> 31;
        x = x.wrapping_mul(0x94D0_49BB_1331_11EB);
    }
    (x >> 40) as f32 / (1u64 << 24) as f32
}

/// Row `key`: a point near one of the cluster centres.
pub fn vector(key: i64) -> Vec<f32> {
    let cluster = key as u64 % CLUSTERS;
    let centre = |d: usize| noise(cluster + 1_000_000_000, d as u64) * 10.0;
    (0..DIM).map(|d| centre(d) + noise(key as u64 + 1, d as u64) * 2.0).collect()
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
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

    /// Number and bytes of the column files, tails included.
    // Not every test that includes the rig asks for it.
    #[allow(dead_code)]
    pub fn column_files(&self) -> (usize, u64) {
        let mut found = (0, 0);
        for group in self.disk.list("groups").unwrap() {
            for shard in self.disk.list(&format!("groups/{}", group.name)).unwrap() {
                let dir = format!("groups/{}/{}", group.name, shard.name);
                for file in self.disk.list(&dir).unwrap() {
                    found.0 += 1;
                    found.1 +=
                        self.dir.path().join(&dir).join(&file.name).metadata().map_or(0, |about| about.len());
                }
            }
        }
        found
    }

    // Not every test that includes the rig asks for it.
    #[allow(dead_code)]
    pub fn name(&self) -> &'static str {
        COLLECTION
    }

    pub fn db(&self) -> Arc<dyn Database> {
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

    pub fn index_files(&self) -> Vec<IndexFile> {
        let mut files = Vec::new();
        if !self.disk.exists("indexes").unwrap() {
            return files;
        }
        for dir in self.disk.list("indexes").unwrap() {
            for file in self.disk.list(&format!("indexes/{}", dir.name)).unwrap() {
                let path = format!("indexes/{}/{}", dir.name, file.name);
                let about = self.dir.path().join(&path).metadata().unwrap();
                files.push(IndexFile { path, identity: (about.ino(), about.mtime(), about.mtime_nsec()) });
            }
        }
        files
    }

    pub async fn wait_until_no_files(&self) {
        let gone = async {
            while !self.index_files().is_empty() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.expect("index files stay");
    }

    pub async fn wait_until_one_file(&self) -> IndexFile {
        let swept = async {
            loop {
                match self.index_files().as_slice() {
                    [file] => return file.clone(),
                    _ => tokio::time::sleep(LOOK_EVERY).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, swept).await.expect("files that nobody names stay")
    }

    /// An index file as a crash leaves it: durable, and named by no log.
    pub fn leave_beside(&self, path: &str) {
        let (dir, _) = path.rsplit_once('/').unwrap();
        let bytes = self.disk.read_all(path).unwrap();
        let file = self.disk.open(&format!("{dir}/77-1-0123456789abcdef.idx"), OpenMode::Create).unwrap();
        file.write_at(0, &bytes).unwrap();
    }

    pub fn flip_a_byte(&self, path: &str) {
        let file = self.disk.open(path, OpenMode::Write).unwrap();
        let middle = file.len().unwrap() / 2;
        let mut byte = [0];
        file.read_at(middle, &mut byte).unwrap();
        file.write_at(middle, &[byte[0] ^ 0x40]).unwrap();
        file.sync_data().unwrap();
    }

    /// Keys of the nearest rows.
    pub async fn search_one(
        &self,
        query: &[f32],
        metric: Metric,
        limit: usize,
        filter: &str,
        given: &[(&str, &str)],
    ) -> Vec<i64> {
        let request = SearchRequest {
            collection: COLLECTION.into(),
            partitions: vec![],
            field: "v".into(),
            dim: DIM as u32,
            vectors: query.to_vec().into(),
            metric: Some(metric),
            limit,
            offset: 0,
            filter: filter.into(),
            params: params(given),
            output_fields: vec!["id".into()],
            group_by: None,
            page: None,
            consistency: Consistency::Strong,
            moment: Moment::Present,
            seen: Vec::new(),
        };
        let reply = self.db().search(Call::default(), request).await.unwrap();
        match &reply.rows.column("id").unwrap().data {
            ColumnData::Int64(keys) => keys.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn exact(&self, query: &[f32], matches: impl Fn(i64) -> bool) -> Vec<i64> {
        let live = self.live.iter().copied().filter(|key| matches(*key));
        let mut near: Vec<(f32, i64)> = live.map(|key| (distance(query, &vector(key)), key)).collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        near.into_iter().take(K).map(|(_, key)| key).collect()
    }

    /// Mean share of the exact nearest that a search finds.
    pub async fn recall(&self, given: &[(&str, &str)]) -> f64 {
        let mut found = 0;
        for at in 0..QUERIES {
            // Between the rows, also where rows were deleted.
            let query: Vec<f32> = vector(at as i64 * 37)
                .iter()
                .enumerate()
                .map(|(d, x)| x + noise(at as u64, d as u64))
                .collect();
            let answer = self.search_one(&query, Metric::L2, K, "", given).await;
            assert_eq!(answer.len(), K);
            assert!(answer.iter().all(|key| self.live.contains(key)), "a deleted row was found: {answer:?}");
            let exact = self.exact(&query, |_| true);
            found += exact.iter().filter(|key| answer.contains(key)).count();
        }
        found as f64 / (QUERIES * K) as f64
    }

    /// P5: a filtered search gives min(k, matches) rows, all of which match; `given` is the effort asked for.
    pub async fn check_filters(&self, given: &[(&str, &str)]) {
        let query = vector(4_321);
        let few = self.search_one(&query, Metric::L2, K, "id in [1500, 2500, 19999]", given).await;
        assert_eq!(few.iter().collect::<BTreeSet<_>>(), BTreeSet::from([&1500, &2500, &19999]));
        for (filter, below) in [("tag < 3", 3), ("tag < 30", 30), ("tag < 90", 90)] {
            let answer = self.search_one(&query, Metric::L2, K, filter, given).await;
            assert_eq!(answer.len(), K, "{filter}");
            assert!(answer.iter().all(|key| key % 100 < below && self.live.contains(key)), "{filter}");
            let exact = self.exact(&query, |key| key % 100 < below);
            let found = exact.iter().filter(|key| answer.contains(key)).count();
            assert!(found * 10 >= K * 8, "{filter}: {found} of {K}");
        }
    }
}
