#![allow(clippy::unwrap_used)]
//! Scalar indexes as a user meets them: built after a flush, used by filters, kept over a restart, built again when
//! damaged, dropped; and refused where they make no sense.

use std::collections::BTreeMap;
use std::time::Duration;
use vecraft_config::Config;
use vecraft_server::Server;
use vecraft_types::api::*;
use vecraft_types::*;

/// Over two shards: a flush seals from 4,000 rows on; fewer stay in memory and need no index.
const ROWS: i64 = 12_000;
const NAME: &str = "people";
const PATIENCE: Duration = Duration::from_secs(120);

struct Rig {
    server: Option<Server>,
    dir: tempfile::TempDir,
}

fn params(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

impl Rig {
    async fn start() -> Rig {
        let mut rig = Rig { server: None, dir: tempfile::tempdir().unwrap() };
        rig.start_again().await;
        rig
    }

    async fn start_again(&mut self) {
        let config = Config::embedded(self.dir.path()).with_free_ports();
        self.server = Some(Server::start(&config, 1).await.unwrap());
    }

    async fn stop(&mut self) {
        self.server.take().unwrap().stop("the test says so").await;
    }

    fn db(&self) -> std::sync::Arc<dyn Database> {
        self.server.as_ref().unwrap().database()
    }

    async fn create(&self) {
        let mut city = FieldSchema::new("city", DataType::VarChar { max_length: 40 });
        city.nullable = true;
        let schema = CollectionSchema::new(vec![
            FieldSchema::new("id", DataType::Int64).primary(false),
            FieldSchema::new("age", DataType::Int32),
            city,
            FieldSchema::new("doc", DataType::Json),
            FieldSchema::new("v", DataType::FloatVector { dim: 2 }),
        ]);
        let request = CreateCollection {
            name: NAME.into(),
            schema: schema.with_dynamic_field(),
            shards: 2,
            properties: params(&[]),
            default_consistency: 0,
        };
        self.db().create_collection(Call::default(), request).await.unwrap();
    }

    async fn insert(&self) {
        let keys: Vec<i64> = (0..ROWS).collect();
        let column = |data| Column::new(FieldId(0), data);
        let city = |key: &i64| if key % 10 == 0 { String::new() } else { format!("city {}", key % 50) };
        let doc = |key: &i64| format!(r#"{{"a": {{"b": "tag {}"}}, "n": {}}}"#, key % 40, key % 30);
        let cities = Column {
            field: FieldId(0),
            data: ColumnData::VarChar(keys.iter().map(city).collect()),
            validity: Some(keys.iter().map(|key| key % 10 != 0).collect()),
        };
        let rows = NamedRows::new(vec![
            ("id".into(), column(ColumnData::Int64(keys.clone()))),
            ("age".into(), column(ColumnData::Int32(keys.iter().map(|key| (key % 100) as i32).collect()))),
            ("city".into(), cities),
            ("doc".into(), column(ColumnData::Json(keys.iter().map(doc).collect()))),
            (
                "$meta".into(),
                column(ColumnData::Json(
                    keys.iter().map(|key| format!(r#"{{"k": {}}}"#, key % 20)).collect(),
                )),
            ),
            ("v".into(), column(ColumnData::FloatVector { dim: 2, values: vec![1.0; keys.len() * 2] })),
        ]);
        let request = InsertRequest {
            collection: NAME.into(),
            partition: None,
            rows: rows.unwrap(),
            schema_timestamp: None,
            request: None,
        };
        self.db().insert(Call::default(), request).await.unwrap();
        self.db().flush(Call::default(), vec![NAME.into()]).await.unwrap();
    }

    async fn index(&self, field: &str, kind: &str, given: &[(&str, &str)]) -> Result<()> {
        let request = CreateIndex {
            collection: NAME.into(),
            field: field.into(),
            name: String::new(),
            index_type: kind.into(),
            metric: None,
            params: params(given),
        };
        self.db().create_index(Call::default(), request).await
    }

    async fn infos(&self) -> Vec<IndexInfo> {
        self.db().describe_indexes(Call::default(), NAME.into()).await.unwrap()
    }

    async fn until_built(&self, count: usize) {
        let built = async {
            loop {
                let infos = self.infos().await;
                assert_eq!(infos.len(), count);
                if infos.iter().all(|info| info.pending_rows == 0) {
                    assert!(infos.iter().all(|info| info.indexed_rows == ROWS as u64), "{infos:?}");
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, built).await.expect("the indexes were not built in time");
    }

    async fn count(&self, filter: &str) -> usize {
        let request = QueryRequest {
            collection: NAME.into(),
            partitions: vec![],
            filter: filter.into(),
            output_fields: vec!["count(*)".into()],
            limit: None,
            offset: 0,
            consistency: Consistency::Strong,
            moment: Moment::Present,
            seen: Vec::new(),
        };
        let reply = self.db().query(Call::default(), request).await.unwrap();
        reply.count.unwrap() as usize
    }

    async fn check(&self) {
        let expected = |holds: &dyn Fn(i64) -> bool| (0..ROWS).filter(|key| holds(*key)).count();
        for (filter, wanted) in [
            ("age == 7", expected(&|key| key % 100 == 7)),
            ("10 <= age < 12", expected(&|key| (10..12).contains(&(key % 100)))),
            ("city == 'city 7'", expected(&|key| key % 50 == 7)),
            ("city != 'city 7'", expected(&|key| key % 10 != 0 && key % 50 != 7)),
            ("city like '%ty 1%'", expected(&|key| key % 10 != 0 && (key % 50).to_string().starts_with('1'))),
            ("doc['a']['b'] == 'tag 3'", expected(&|key| key % 40 == 3)),
            ("doc['n'] in [1, 2]", expected(&|key| [1, 2].contains(&(key % 30)))),
            ("k == 5 and age < 50", expected(&|key| key % 20 == 5 && key % 100 < 50)),
        ] {
            assert_eq!(self.count(filter).await, wanted, "{filter}");
        }
    }

    fn files(&self) -> Vec<std::path::PathBuf> {
        let list = |dir: &std::path::Path| -> Vec<std::path::PathBuf> {
            // A test may look at the directory of its server.
            #[allow(clippy::disallowed_methods)]
            let entries = std::fs::read_dir(dir);
            entries.into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
        };
        let mut files: Vec<_> =
            list(&self.dir.path().join("scalars")).iter().flat_map(|dir| list(dir)).collect();
        files.sort();
        files
    }

    async fn until_files(&self, count: usize) {
        let there = async {
            while self.files().len() != count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, there).await.unwrap_or_else(|_| panic!("{:?}", self.files()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scalar_indexes_are_built_used_kept_mended_and_dropped() {
    let mut rig = Rig::start().await;
    rig.create().await;
    rig.insert().await;
    rig.check().await;
    rig.index("age", "STL_SORT", &[]).await.unwrap();
    rig.index("city", "NGRAM", &[("min_gram", "2"), ("max_gram", "3")]).await.unwrap();
    let path = [("json_path", "doc[\"a\"][\"b\"]"), ("json_cast_type", "varchar")];
    rig.index("doc", "INVERTED", &path).await.unwrap();
    rig.index("doc", "AUTOINDEX", &[("json_path", "doc['n']"), ("json_cast_type", "double")]).await.unwrap();
    rig.index("k", "", &[("json_cast_type", "double")]).await.unwrap();
    rig.until_built(5).await;
    let told: Vec<(String, String, String)> = rig
        .infos()
        .await
        .into_iter()
        .map(|info| (info.field, info.index.spec.name, info.index.spec.index_type))
        .collect();
    let told: Vec<(&str, &str, &str)> =
        told.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
    let wanted = [
        ("age", "age", "STL_SORT"),
        ("city", "city", "NGRAM"),
        ("doc", "doc_a_b", "INVERTED"),
        ("doc", "doc_n", "AUTOINDEX"),
        ("$meta", "_meta_k", "AUTOINDEX"),
    ];
    assert_eq!(told, wanted);
    // Two shards, a segment each.
    assert_eq!(rig.files().len(), 10);
    rig.check().await;

    // The same again is no error, written in another way or not; something else is one.
    rig.index("doc", "INVERTED", &[("json_path", "doc['a']['b']"), ("json_cast_type", "varchar")])
        .await
        .unwrap();
    let error = rig
        .index("doc", "INVERTED", &[("json_path", "doc['n']"), ("json_cast_type", "bool")])
        .await
        .unwrap_err();
    assert!(error.detail.contains("at most one distinct index is allowed per field"), "{error}");
    assert_eq!(rig.infos().await.len(), 5);

    rig.stop().await;
    let files = rig.files();
    rig.start_again().await;
    rig.until_built(5).await;
    rig.check().await;
    assert_eq!(rig.files(), files);

    rig.stop().await;
    for file in &files[..4] {
        // The file is damaged on purpose, behind the server's back.
        #[allow(clippy::disallowed_methods)]
        {
            let mut bytes = std::fs::read(file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x20;
            std::fs::write(file, bytes).unwrap();
        }
    }
    rig.start_again().await;
    rig.check().await;
    rig.until_built(5).await;
    rig.check().await;

    let drop = |field: &str, name: &str| DropIndex {
        collection: NAME.into(),
        field: field.into(),
        name: name.into(),
    };
    let error = rig.db().drop_index(Call::default(), drop("doc", "")).await.unwrap_err();
    assert!(error.detail.contains("\"doc_a_b\" and \"doc_n\""), "{error}");
    for (field, name) in [("", "doc_a_b"), ("age", ""), ("", "_meta_k")] {
        rig.db().drop_index(Call::default(), drop(field, name)).await.unwrap();
    }
    rig.until_files(4).await;
    rig.check().await;
    rig.db().drop_collection(Call::default(), NAME.into()).await.unwrap();
    rig.until_files(0).await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_scalar_indexes_are_refused_with_what_is_allowed() {
    let mut rig = Rig::start().await;
    rig.create().await;
    let text = ("json_cast_type", "varchar");
    for (field, kind, given, part) in [
        ("age", "TRIE", &[][..], "supported are INVERTED, BITMAP, STL_SORT"),
        ("id", "BITMAP", &[], "which is the primary key"),
        ("doc", "INVERTED", &[], "needs the parameter json_cast_type"),
        (
            "doc",
            "INVERTED",
            &[("json_cast_type", "int64")],
            "allowed with index type INVERTED are bool, double, varchar",
        ),
        ("doc", "INVERTED", &[("json_path", "doc['a'"), text], "filter: "),
        ("doc", "INVERTED", &[("json_path", "city"), text], "no path into a JSON field"),
        ("doc", "INVERTED", &[("json_path", "k"), text], "leads into another field"),
        ("city", "NGRAM", &[("min_gram", "4"), ("max_gram", "3")], "min_gram is 4 and max_gram is 3"),
        ("city", "INVERTED", &[("nlist", "3")], "\"nlist\""),
        ("v", "INVERTED", &[], "INVERTED"),
    ] {
        let error = rig.index(field, kind, given).await.unwrap_err();
        assert_eq!(error.code, Code::InvalidParameter, "{error}");
        assert!(error.detail.contains(part), "{field} {kind} {given:?}: {error}");
    }
    assert_eq!(rig.infos().await.len(), 0, "nothing was written");
    rig.stop().await;
}
