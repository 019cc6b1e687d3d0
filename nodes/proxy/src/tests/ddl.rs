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
    assert!(make(index("title", "TRIE")).await.unwrap_err().detail.contains("TRIE"));
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
