//! Changes of the catalogue whose answer was lost: asked again they hit nothing else (I10, I11).

use super::ddl::creation;
use super::fakes::Trouble;
use super::*;

#[tokio::test]
async fn i11_a_drop_whose_answer_was_lost_never_hits_what_another_user_made_under_the_name_since() {
    let bench = Bench::new(schema(), 1);
    bench.cluster.meta_trouble(Trouble::Pass);
    bench.cluster.meta_trouble(Trouble::Alter(|docs| docs.partitions[1].id = PartitionId(9)));
    let partition = PartitionRequest { collection: "docs".into(), partition: "old".into() };
    bench.proxy.drop_partition(Call::default(), partition).await.unwrap();
    bench.cluster.meta_trouble(Trouble::Pass);
    bench.cluster.meta_trouble(Trouble::Alter(|docs| docs.id = CollectionId(6)));
    bench.proxy.drop_collection(Call::default(), "docs".into()).await.unwrap();
    let ddl = bench.cluster.ddl.lock().clone();
    assert_eq!(ddl, ["drop partition 5/2", "drop partition 5/2", "drop 5", "drop 5"]);
}

#[tokio::test]
async fn i11_a_drop_of_an_index_whose_answer_was_lost_never_hits_the_next_one_of_the_name() {
    let bench = Bench::new(schema(), 1);
    bench.cluster.add_index(Metric::L2, "HNSW");
    let (first, name) = {
        let collection = bench.cluster.collection.lock();
        (collection.indexes[0].id, collection.indexes[0].spec.name.clone())
    };
    bench.cluster.meta_trouble(Trouble::Pass);
    bench.cluster.meta_trouble(Trouble::Alter(|docs| docs.indexes[0].id = IndexId(99)));
    let drop = |field: &str, name: &str| {
        let request = DropIndex { collection: "docs".into(), field: field.into(), name: name.into() };
        bench.proxy.drop_index(Call::default(), request)
    };
    drop("", &name).await.unwrap();
    drop("vector", "").await.unwrap();
    let ddl = bench.cluster.ddl.lock().clone();
    let gone = format!("drop index 5/{first}");
    assert_eq!(ddl, [gone.as_str(), gone.as_str(), "drop index 5/99"]);
}

#[tokio::test]
async fn i11_a_load_whose_answer_was_lost_never_loads_the_next_collection_of_the_name() {
    let bench = Bench::new(schema(), 1);
    bench.cluster.meta_trouble(Trouble::Pass);
    bench.cluster.meta_trouble(Trouble::Alter(|docs| {
        (docs.id, docs.is_loaded) = (CollectionId(6), false);
    }));
    let load = SetLoaded { collection: "docs".into(), loaded: true, replicas: None };
    let error = bench.proxy.set_loaded(Call::default(), load).await.unwrap_err();
    // The first attempt did it, and nobody can know (I10).
    assert_eq!((error.code, error.may_be_done), (Code::OutcomeUnknown, true), "{error}");
    assert!(error.detail.contains("collection not found"), "{error}");
    assert!(!bench.cluster.collection.lock().is_loaded, "it belongs to another user");
}

#[tokio::test]
async fn i10_what_is_made_after_a_lost_answer_is_asked_for_under_the_same_name_and_in_the_same_collection() {
    let bench = Bench::new(schema(), 1);
    let call = |request| Call { request, ..Call::default() };
    let own = RequestId { client: ClientId(3), sequence: 8, part: 0 };
    let lose = || bench.cluster.meta_trouble(Trouble::Alter(|docs| docs.id = CollectionId(docs.id.0 + 1)));
    lose();
    bench.proxy.create_collection(call(Some(own)), creation("more")).await.unwrap();
    bench.cluster.meta_trouble(Trouble::Pass);
    lose();
    let partition = PartitionRequest { collection: "docs".into(), partition: "new".into() };
    bench.proxy.create_partition(call(None), partition).await.unwrap();
    bench.cluster.meta_trouble(Trouble::Pass);
    lose();
    let index = CreateIndex {
        collection: "docs".into(),
        field: "vector".into(),
        name: String::new(),
        index_type: "FLAT".into(),
        metric: None,
        params: BTreeMap::new(),
    };
    bench.proxy.create_index(call(None), index).await.unwrap();
    let (ddl, names) = (bench.cluster.ddl.lock().clone(), bench.cluster.made_under.lock().clone());
    let made = ["create more Replace", "create partition 6/new", "create index on 7/vector"];
    assert_eq!(ddl, made.into_iter().flat_map(|what| [what, what]).collect::<Vec<_>>());
    let [first, again, partition, partition_again, index, index_again] = names[..] else {
        panic!("{names:?}")
    };
    assert_eq!((first, again, partition, index), (own, own, partition_again, index_again));
    assert_ne!(partition, index, "each request has a name of its own");
    let named_part = Some(RequestId { part: 1, ..own });
    let refused = bench.proxy.create_collection(call(named_part), creation("more")).await.unwrap_err();
    assert_eq!(refused.code, Code::InvalidParameter);
}
