//! Names (I19), DDL checks, figures.

use super::fakes::Trouble;
use super::*;
use std::time::Duration;
use vecraft_runtime::clock::{Clock, SimClock};

fn creation(name: &str) -> CreateCollection {
    CreateCollection {
        name: name.into(),
        schema: schema(),
        shards: 1,
        properties: BTreeMap::new(),
        default_consistency: 2,
    }
}

#[tokio::test]
async fn writes_and_strong_reads_take_the_barrier_others_only_before_not_found() {
    let bench = Bench::new(schema(), 1);
    let barriers = || *bench.cluster.barriers.lock();
    bench.query(|r| r.consistency = Consistency::Eventually).await.unwrap();
    bench.search(|r| r.consistency = Consistency::Session(Timestamp(1))).await.unwrap();
    assert_eq!(barriers(), 0);
    bench.query(|r| r.consistency = Consistency::Strong).await.unwrap();
    bench.insert(rows([1])).await.unwrap();
    assert_eq!(barriers(), 2);
    // A node that is behind must not answer "not found" by itself.
    bench.cluster.forget();
    bench.query(|r| r.consistency = Consistency::Bounded(5_000, Timestamp(0))).await.unwrap();
    assert_eq!(barriers(), 3);
    let error = bench.query(|r| r.collection = "nothing".into()).await.unwrap_err();
    assert_eq!((error.code, barriers()), (Code::CollectionNotFound, 4));
}

#[tokio::test]
async fn i19_what_a_read_names_and_this_node_does_not_know_is_looked_up_before_not_found() {
    let bench = Bench::new(schema(), 1);
    let barriers = || *bench.cluster.barriers.lock();
    let level = Consistency::Bounded(5_000, Timestamp(0));
    let in_partition =
        |name: &'static str| bench.query(move |r| (r.consistency, r.partitions) = (level, vec![name.into()]));
    // Known: nobody is asked.
    in_partition("old").await.unwrap();
    assert_eq!(barriers(), 0);
    // Another door took the DDL a moment ago.
    let new = PartitionDescriptor { id: PartitionId(77), name: "new".into(), created: Timestamp(1) };
    bench.cluster.alter(|collection| collection.partitions.push(new));
    in_partition("new").await.unwrap();
    assert_eq!((in_partition("none").await.unwrap_err().code, barriers()), (Code::PartitionNotFound, 2));
    // Loading, where reads need it.
    let strict = || ("milvus.strict_load".to_owned(), "true".to_owned());
    bench.cluster.alter(|collection| collection.properties.extend([strict()]));
    assert_eq!(bench.query(|_| {}).await.unwrap_err().code, Code::CollectionNotLoaded);
    bench.cluster.alter(|collection| collection.is_loaded = true);
    bench.query(|r| r.consistency = level).await.unwrap();
}

#[tokio::test]
async fn i19_a_search_that_leaves_the_metric_to_an_index_does_not_guess_it() {
    let bench = Bench::new(schema(), 1);
    bench.insert(rows([1, 2])).await.unwrap();
    let session = Consistency::Session(Timestamp(1));
    let search = |level| bench.search(move |r| (r.consistency, r.metric) = (level, None));
    search(session).await.unwrap();
    let barriers = *bench.cluster.barriers.lock();
    search(session).await.unwrap();
    assert_eq!(*bench.cluster.barriers.lock(), barriers + 1, "an index may have been made elsewhere");
    search(Consistency::Eventually).await.unwrap();
    bench.search(|r| r.consistency = session).await.unwrap();
    assert_eq!(*bench.cluster.barriers.lock(), barriers + 1);
}

#[tokio::test]
async fn a_door_may_look_at_what_is_known_without_a_barrier() {
    let bench = Bench::new(schema(), 1);
    let known = |name: &str| bench.proxy.known_collection(Call::default(), CollectionName::Name(name.into()));
    assert_eq!(known("docs").await.unwrap().name, "docs");
    assert_eq!(*bench.cluster.barriers.lock(), 0);
    bench.cluster.forget();
    assert_eq!(known("docs").await.unwrap().name, "docs");
    assert_eq!(known("nothing").await.unwrap_err().code, Code::CollectionNotFound);
    assert_eq!(*bench.cluster.barriers.lock(), 2);
}

#[tokio::test(start_paused = true)]
async fn i19_describe_tells_the_newest_through_an_election_and_what_is_known_without_a_majority() {
    let mut bench = Bench::new(schema(), 1);
    let clock = Arc::new(SimClock::new(0));
    bench.use_clock(clock.clone());
    let describe = async |name: &str| {
        let describing = bench.proxy.describe_collection(Call::default(), CollectionName::Name(name.into()));
        let mut describing = std::pin::pin!(describing);
        let began = clock.monotonic();
        // The proxy's clock goes as the timers do.
        let step = Duration::from_millis(50);
        loop {
            tokio::select! {
                biased;
                found = &mut describing => return (clock.monotonic() - began, found),
                () = tokio::time::sleep(step) => clock.advance(step),
            }
        }
    };
    let away = || Trouble::Refuse(Error::new(Code::ReplicaUnavailable, "led by nobody").with("group", 0));
    // Another door took a DDL, and then the metastore's leader went: its successor knows of it.
    bench.cluster.alter(|docs| docs.is_loaded = true);
    (0..20).for_each(|_| bench.cluster.meta_trouble(away()));
    let (waited, found) = describe("docs").await;
    assert!(found.unwrap().is_loaded && waited > Duration::from_secs(1), "{waited:?}");

    // The majority is gone. The first ones hope for an election; then it is plain.
    bench.cluster.alter(|docs| docs.is_loaded = false);
    (0..2_000).for_each(|_| bench.cluster.meta_trouble(away()));
    for longest in [6_000, 6_000, 6_000, 1_000, 1_000] {
        let (waited, found) = describe("docs").await;
        assert!(found.unwrap().is_loaded, "as this node knows it");
        assert!(waited < Duration::from_millis(longest), "{waited:?} {longest}");
    }
    // Nor does silence take it away; but "not found" is never said without asking.
    bench.cluster.forget_meta_trouble();
    bench.cluster.meta_trouble(Trouble::Hang);
    assert!(describe("docs").await.1.unwrap().is_loaded);
    (0..2_000).for_each(|_| bench.cluster.meta_trouble(away()));
    assert_eq!(describe("nothing").await.1.unwrap_err().code, Code::ReplicaUnavailable);
    // It is back: the next answer is the newest again.
    bench.cluster.forget_meta_trouble();
    assert!(!describe("docs").await.1.unwrap().is_loaded);
}

#[tokio::test(start_paused = true)]
async fn i19_what_clients_ask_around_reads_is_told_as_known_when_the_metastore_has_no_majority() {
    let mut bench = Bench::new(schema(), 1);
    let clock = Arc::new(SimClock::new(0));
    bench.use_clock(clock.clone());
    bench.insert(rows(0..7)).await.unwrap();
    bench.cluster.add_index(Metric::L2, "HNSW");
    bench.proxy.list_collections(Call::default()).await.unwrap();
    let away = || Trouble::Refuse(Error::new(Code::ReplicaUnavailable, "led by nobody").with("group", 0));
    (0..10_000).for_each(|_| bench.cluster.meta_trouble(away()));
    // The proxy's clock goes as the timers do.
    let going = tokio::spawn({
        let clock = clock.clone();
        async move {
            let step = Duration::from_millis(50);
            loop {
                tokio::time::sleep(step).await;
                clock.advance(step);
            }
        }
    });
    for longest in [6, 6, 6, 1] {
        let longest = Duration::from_secs(longest);
        let began = clock.monotonic();
        let listed = bench.proxy.list_collections(Call::default()).await.unwrap();
        assert_eq!(listed.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(), ["docs"]);
        assert!(clock.monotonic() - began < longest);
        let count = RowCount { collection: "docs".into(), partition: None };
        assert_eq!(bench.proxy.row_count(Call::default(), count).await.unwrap(), 7);
        let indexes = bench.proxy.describe_indexes(Call::default(), "docs".into()).await.unwrap();
        assert_eq!((indexes.len(), indexes[0].total_rows), (1, 7));
        assert!(clock.monotonic() - began < 3 * longest);
    }
    // What is not known here is not said to be missing.
    let call = Call { deadline_ms: Some(2_000), ..Call::default() };
    let unknown = bench.proxy.describe_indexes(call, "nothing".into()).await.unwrap_err();
    assert_eq!(unknown.code, Code::ReplicaUnavailable);
    going.abort();
}

#[tokio::test]
async fn collections_that_are_not_ready_cannot_be_used() {
    let bench = Bench::new(schema(), 1);
    for phase in [DdlPhase::Creating, DdlPhase::Dropping] {
        bench.cluster.alter(|collection| collection.phase = phase);
        let error = bench.insert(rows([1])).await.unwrap_err();
        assert_eq!(error.code, Code::CollectionNotFound);
        assert_eq!(bench.proxy.list_collections(Call::default()).await.unwrap(), vec![]);
    }
    bench.cluster.alter(|collection| collection.phase = DdlPhase::Ready);
    let by_id = CollectionName::Id(CollectionId(5));
    assert_eq!(bench.proxy.describe_collection(Call::default(), by_id).await.unwrap().name, "docs");
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

#[tokio::test]
async fn figures_are_summed_over_shards() {
    let bench = Bench::new(schema(), 4);
    bench.insert(rows(0..40)).await.unwrap();
    let mut request = insert_request(rows(100..110));
    request.partition = Some("old".into());
    bench.proxy.insert(Call::default(), request).await.unwrap();
    let count = |partition: Option<&str>| {
        let request = RowCount { collection: "docs".into(), partition: partition.map(str::to_owned) };
        bench.proxy.row_count(Call::default(), request)
    };
    assert_eq!(count(None).await.unwrap(), 50);
    assert_eq!(count(Some("_default")).await.unwrap(), 40);
    assert_eq!(count(Some("old")).await.unwrap(), 10);
    assert_eq!(count(Some("nowhere")).await.unwrap_err().code, Code::PartitionNotFound);
    assert_eq!(count(Some("")).await.unwrap_err().code, Code::InvalidParameter, "not the whole collection");
    bench.cluster.add_index(Metric::L2, "HNSW");
    let infos = bench.proxy.describe_indexes(Call::default(), "docs".into()).await.unwrap();
    let [info] = &infos[..] else { panic!("{infos:?}") };
    assert_eq!(
        (info.field.as_str(), info.total_rows, info.pending_rows, info.indexed_rows),
        ("vector", 50, 4, 46)
    );
    let flushed = bench.proxy.flush(Call::default(), vec!["docs".into()]).await.unwrap();
    assert_eq!((flushed.len(), flushed[0].segments.len()), (1, 4));
    let both = vec!["docs".into(), "nothing".into()];
    assert_eq!(bench.proxy.flush(Call::default(), both).await.unwrap_err().code, Code::CollectionNotFound);
}

#[tokio::test]
async fn server_timestamps_rise() {
    let bench = Bench::new(schema(), 1);
    let first = bench.proxy.server_info(Call::default()).await.unwrap();
    let second = bench.proxy.server_info(Call::default()).await.unwrap();
    assert!(first.is_healthy && first.version == "test" && second.now > first.now);
}
