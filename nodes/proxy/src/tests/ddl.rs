//! Changes of the catalogue: what is checked before the coordinator hears of them.

use super::*;

pub(super) fn creation(name: &str) -> CreateCollection {
    CreateCollection {
        name: name.into(),
        schema: schema(),
        shards: 1,
        properties: BTreeMap::new(),
        default_consistency: 2,
    }
}

#[tokio::test]
async fn bad_ddl_never_reaches_the_coordinator() {
    let bench = Bench::new(schema(), 1);
    let create = |request: CreateCollection| bench.proxy.create_collection(Call::default(), request);
    assert!(create(creation("9lives")).await.unwrap_err().detail.contains("begin with a letter"));
    assert!(create(creation("")).await.unwrap_err().detail.contains("empty"));
    let many = CreateCollection { shards: 17, ..creation("many") };
    assert!(create(many).await.unwrap_err().detail.contains("17 shards, at most 16"));
    let keyless = CreateCollection { schema: CollectionSchema::new(vec![]), ..creation("keyless") };
    assert_eq!(create(keyless).await.unwrap_err().code, Code::IllegalSchema);
    let ttl = BTreeMap::from([("collection.ttl.seconds".into(), "9".into())]);
    let error = create(CreateCollection { properties: ttl, ..creation("ttl") }).await.unwrap_err();
    assert!(error.detail.contains("collection.ttl.seconds"), "{error}");
    let partition = |name: &str| PartitionRequest { collection: "docs".into(), partition: name.into() };
    assert!(bench.proxy.create_partition(Call::default(), partition("a b")).await.is_err());
    assert!(bench.proxy.drop_partition(Call::default(), partition("_default")).await.is_err());
    let index = |field: &str, index_type: &str| CreateIndex {
        collection: "docs".into(),
        field: field.into(),
        name: String::new(),
        index_type: index_type.into(),
        metric: None,
        params: BTreeMap::new(),
    };
    let make = |request| bench.proxy.create_index(Call::default(), request);
    assert_eq!(make(index("nope", "FLAT")).await.unwrap_err().code, Code::FieldNotFound);
    assert!(make(index("title", "HNSW")).await.unwrap_err().detail.contains("TRIE"));
    assert!(make(index("vector", "DISKANN")).await.unwrap_err().detail.contains("HNSW"));
    let parts = BTreeMap::from([("m".to_owned(), "3".to_owned())]);
    for kind in ["IVF_PQ", "HNSW_PQ"] {
        let uneven = CreateIndex { params: parts.clone(), ..index("vector", kind) };
        let error = make(uneven).await.unwrap_err();
        assert!(error.detail.contains("m = 3: must divide the dimension"), "{error}");
        assert_eq!(error.code, Code::InvalidParameter);
    }
    assert!(make(index("vector", "IVF_PQ")).await.unwrap_err().detail.contains("m = (not given)"));
    assert_eq!(*bench.cluster.ddl.lock(), Vec::<String>::new());
}

#[tokio::test]
async fn a_scalar_index_gets_its_field_its_path_and_a_name() {
    let bench = Bench::new(schema().with_dynamic_field(), 1);
    let make = async |field: &str, name: &str, pairs: &[(&str, &str)]| {
        let request = CreateIndex {
            collection: "docs".into(),
            field: field.into(),
            name: name.into(),
            index_type: "INVERTED".into(),
            metric: None,
            params: pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        };
        bench.proxy.create_index(Call::default(), request).await?;
        Ok::<_, Error>(bench.cluster.indexed.lock().take().unwrap())
    };
    let text = ("json_cast_type", "varchar");
    let path = |index: &CreateIndex| index.params["json_path"].clone();
    let made = make("title", "", &[]).await.unwrap();
    assert_eq!((made.field.as_str(), made.name.as_str()), ("title", ""));
    // A key of the dynamic field, whether the path says more or nothing.
    let made = make("color", "", &[text]).await.unwrap();
    assert_eq!(
        (made.field.as_str(), made.name.as_str(), path(&made)),
        ("$meta", "_meta_color", "color".to_owned())
    );
    let made = make("color", "", &[text, ("json_path", "color['a b']")]).await.unwrap();
    assert_eq!((made.name.as_str(), path(&made)), ("_meta_color_a_b", "color['a b']".to_owned()));

    bench.cluster.alter(|docs| {
        let field = docs.schema.dynamic_field().unwrap().id;
        let spec = schema::IndexSpec {
            name: "_meta_color".into(),
            field,
            index_type: "INVERTED".into(),
            metric: Metric::Cosine,
            params: BTreeMap::from([("json_path".into(), "$meta[\"color\"]".into())]),
        };
        docs.indexes.push(IndexDescriptor { id: IndexId(7), spec, created: Timestamp(1) });
    });
    // It is dropped by the field that it was made with; another key, or none, is nothing to drop.
    let ddl = || std::mem::take(&mut *bench.cluster.ddl.lock());
    ddl();
    let drop_index = async |field: &str| {
        let request = DropIndex { collection: "docs".into(), field: field.into(), name: String::new() };
        bench.proxy.drop_index(Call::default(), request).await.unwrap();
        ddl().len()
    };
    assert_eq!(drop_index("shape").await, 0);
    assert_eq!(drop_index("color").await, 1);
    assert_eq!(drop_index("$meta").await, 1);
    // The same path is written as it is known, and keeps its name; another path with that name gets a number.
    let made = make("color", "", &[text]).await.unwrap();
    assert_eq!((made.name.as_str(), path(&made)), ("", "$meta[\"color\"]".to_owned()));
    bench.cluster.alter(|docs| {
        docs.indexes[0].spec.params.insert("json_path".into(), "shape".into()).map(drop).unwrap()
    });
    let made = make("color", "", &[text]).await.unwrap();
    assert_eq!((made.name.as_str(), path(&made)), ("_meta_color_2", "color".to_owned()));
    for (field, pairs, part) in [
        ("color", &[][..], "color"),
        ("title", &[("json_path", "title")], "json_path"),
        ("$meta", &[text, ("json_path", "title")], "no path into a JSON field"),
    ] {
        let error = make(field, "", pairs).await.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
    let with_metric = CreateIndex {
        collection: "docs".into(),
        field: "title".into(),
        name: String::new(),
        index_type: "TRIE".into(),
        metric: Some(Metric::L2),
        params: BTreeMap::new(),
    };
    let error = bench.proxy.create_index(Call::default(), with_metric).await.unwrap_err();
    assert!(error.detail.contains("metric_type L2 compares vectors"), "{error}");
}

#[tokio::test]
async fn dropping_what_is_not_there_succeeds_and_what_can_be_no_name_is_refused() {
    let bench = Bench::new(schema(), 1);
    let drop = |name: &str| bench.proxy.drop_collection(Call::default(), name.into());
    let drop_partition = |name: &str| {
        let request = PartitionRequest { collection: "docs".into(), partition: name.into() };
        bench.proxy.drop_partition(Call::default(), request)
    };
    let drop_index = |field: &str, name: &str| {
        let request = DropIndex { collection: "docs".into(), field: field.into(), name: name.into() };
        bench.proxy.drop_index(Call::default(), request)
    };
    for bad in ["", "a b", "9lives"] {
        for refused in [drop(bad).await, drop_partition(bad).await] {
            assert_eq!(refused.unwrap_err().code, Code::InvalidParameter, "{bad:?}");
        }
    }
    for (field, name) in [("a b", ""), ("", "a-b"), ("vector", "a b")] {
        let error = drop_index(field, name).await.unwrap_err();
        assert_eq!(error.code, Code::InvalidParameter, "{field:?} {name:?}");
    }
    assert_eq!(*bench.cluster.ddl.lock(), Vec::<String>::new());
    drop("nothing").await.unwrap();
    drop_partition("nothing").await.unwrap();
    drop_index("nothing", "").await.unwrap();
    drop_index("", "nothing").await.unwrap();
    assert_eq!(*bench.cluster.ddl.lock(), Vec::<String>::new());
}

#[tokio::test]
async fn good_ddl_does() {
    let bench = Bench::new(schema(), 1);
    let properties = BTreeMap::from([
        ("pk.on_conflict".into(), "reject".into()),
        ("milvus.strict_load".into(), "true".into()),
        ("mmap.enabled".into(), "true".into()),
    ]);
    let call = Call::default;
    bench.proxy.create_collection(call(), CreateCollection { properties, ..creation("more") }).await.unwrap();
    let partition = PartitionRequest { collection: "docs".into(), partition: "new".into() };
    bench.proxy.create_partition(call(), partition.clone()).await.unwrap();
    bench.cluster.alter(|docs| docs.partitions.push(partition_row(3, "new")));
    // It is there already: nothing to do.
    let old = PartitionRequest { partition: "old".into(), ..partition.clone() };
    bench.proxy.create_partition(call(), old).await.unwrap();
    bench.proxy.drop_partition(call(), partition).await.unwrap();
    bench.proxy.drop_collection(call(), "docs".into()).await.unwrap();
    let ddl = bench.cluster.ddl.lock().clone();
    assert_eq!(ddl, ["create more Reject", "create partition 5/new", "drop partition 5/3", "drop 5"]);
}

fn partition_row(id: u64, name: &str) -> PartitionDescriptor {
    PartitionDescriptor { id: PartitionId(id), name: name.into(), created: Timestamp(1) }
}
