//! Names (I19): who is answered from what this node knows, and who asks for the newest.

use super::fakes::Trouble;
use super::*;
use std::time::Duration;
use vecraft_runtime::clock::{Clock, SimClock};

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
async fn i19_a_partition_that_another_door_made_anew_is_read_by_a_node_that_knows_the_old_one() {
    let bench = Bench::new(schema(), 2);
    let level = Consistency::Bounded(5_000, Timestamp(0));
    let names = || vec!["old".to_owned()];
    let query = async |level| bench.query(|r| (r.consistency, r.partitions) = (level, names())).await;
    let search = async |level| bench.search(|r| (r.consistency, r.partitions) = (level, names())).await;
    let barriers = || *bench.cluster.barriers.lock();
    let stays_at = |known: &Option<_>| bench.cluster.known.lock().clone_from(known);
    // The shards have applied it, the catalogue of this node has not.
    bench.cluster.gone.lock().insert(fakes::OLD);
    bench.cluster.alter(|docs| {
        let old = docs.partitions.iter_mut().find(|one| one.name == "old");
        old.unwrap().id = PartitionId(77);
    });
    let mut insert = insert_request(rows([1, 2, 3]));
    insert.partition = Some("old".to_owned());
    let known = bench.cluster.known.lock().clone();
    bench.proxy.insert(Call::default(), insert).await.unwrap();
    stays_at(&known);
    let before = barriers();
    assert_eq!(query(level).await.unwrap().rows.batch.rows, 3);
    assert_eq!(barriers(), before + 1);
    // Known now: nobody is asked.
    assert_eq!(query(level).await.unwrap().rows.batch.rows, 3);
    assert_eq!(barriers(), before + 1);
    stays_at(&known);
    assert_eq!(search(Consistency::Eventually).await.unwrap().counts, [3]);
    // A page means what its moment shows, not what has the name now.
    stays_at(&known);
    let page = |r: &mut QueryRequest| (r.moment, r.partitions) = (Moment::Of(Timestamp(1)), names());
    assert_eq!(bench.query(page).await.unwrap_err().code, Code::PartitionNotFound);
    // Gone for good: the shard's words, as ever.
    bench.cluster.alter(|docs| docs.partitions.retain(|one| one.name != "old"));
    for is_query in [true, false] {
        stays_at(&known);
        let error = if is_query { query(level).await.err() } else { search(level).await.err() };
        let error = error.unwrap();
        assert_eq!(error.code, Code::PartitionNotFound, "{error}");
        assert!(error.detail.contains("it was dropped"), "{error}");
    }
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
