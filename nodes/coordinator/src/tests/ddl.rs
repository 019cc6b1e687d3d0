//! The verbs, straight and through the actor.

use super::*;
use crate::actor::Coordinator;
use crate::messages::Named;
use crate::tasks::by_name::new_request;
use futures::future::join_all;
use std::collections::BTreeSet;
use vecraft_rpc::services::{Catalogue, CatalogueWriter, DropTarget, DroppedCollections};
use vecraft_runtime::actors::ActorHost;
use vecraft_runtime::clock::SystemClock;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_runtime::tasks::Tasks;
use vecraft_types::api::{CreateIndex, DropIndex, SetLoaded};
use vecraft_types::{Code, CollectionId, GroupId, Metric};

/// An index on the vectors of the collection `a`.
fn flat_index() -> CreateIndex {
    CreateIndex {
        collection: "a".into(),
        field: "vector".into(),
        name: String::new(),
        index_type: "FLAT".into(),
        metric: Some(Metric::Ip),
        params: BTreeMap::new(),
    }
}

#[tokio::test]
async fn i11_a_created_collection_has_its_shards() {
    let sandbox = Sandbox::new().await;
    sandbox.ddl.create_collection(request("a")).await.unwrap();
    let row = sandbox.metastore.catalogue().by_name("a").unwrap();
    let shards = sandbox.shards.shards.lock().live.clone();
    assert_eq!(shards.len(), 2);
    for placed in &row.shards {
        let (group, creation) = &shards[&placed.shard];
        assert_eq!((*group, &creation.schema), (placed.group, &row.schema));
    }
    assert_eq!(row.shards.iter().map(|placed| placed.group).collect::<Vec<_>>(), [GroupId(1), GroupId(2)]);

    let calls = sandbox.shards.calls();
    sandbox.ddl.create_collection(request("a")).await.unwrap();
    assert_eq!(sandbox.shards.calls(), calls, "the same again asks no shard");
    let mut other = request("a");
    other.shards = 1;
    assert_eq!(sandbox.ddl.create_collection(other).await.unwrap_err().code, Code::InvalidParameter);
    assert_eq!(sandbox.ddl.locks_held(), 0);
}

#[tokio::test]
async fn dropped_collections_leave_nothing() {
    let sandbox = Sandbox::new().await;
    sandbox.ddl.create_collection(request("a")).await.unwrap();
    let catalogue = sandbox.metastore.catalogue();
    let held = catalogue.by_name("a").unwrap();
    sandbox.ddl.drop_collection("a".into()).await.unwrap();
    sandbox.ddl.drop_collection("a".into()).await.unwrap();
    assert!(catalogue.by_name("a").is_none() && catalogue.by_id(held.id).is_none());
    assert_eq!((sandbox.shards.live(), sandbox.metastore.read(|state| state.collections().count())), (0, 0));
    sandbox.ddl.create_collection(request("a")).await.unwrap();
    assert!(catalogue.by_name("a").unwrap().id > held.id, "I11: ids are not reused");
    assert_eq!(held.name, "a", "a reader keeps what it holds");
}

#[tokio::test]
async fn i11_a_dropped_partition_leaves_every_shard() {
    let sandbox = Sandbox::new().await;
    let ddl = &sandbox.ddl;
    ddl.create_collection(request("a")).await.unwrap();
    ddl.create_partition(partition("a", "p")).await.unwrap();
    let row = sandbox.metastore.catalogue().by_name("a").unwrap();
    let id = row.partition("p").unwrap().id;
    ddl.drop_partition(partition("a", "p")).await.unwrap();
    let expected: BTreeSet<_> = row.shards.iter().map(|placed| (placed.shard, id)).collect();
    assert_eq!(sandbox.shards.shards.lock().dropped_partitions, expected);
    assert!(sandbox.metastore.catalogue().by_name("a").unwrap().partition("p").is_none());
    assert!(sandbox.metastore.read(|state| state.pending()).is_empty());
    assert_eq!(
        ddl.drop_partition(partition("a", "_default")).await.unwrap_err().code,
        Code::InvalidParameter
    );
    assert_eq!(ddl.create_partition(partition("b", "p")).await.unwrap_err().code, Code::CollectionNotFound);
}

#[tokio::test]
async fn indexes_and_the_load_flag_are_published() {
    let sandbox = Sandbox::new().await;
    let (ddl, catalogue) = (&sandbox.ddl, sandbox.metastore.catalogue());
    ddl.create_collection(request("a")).await.unwrap();
    let index = flat_index();
    ddl.create_index(index.clone()).await.unwrap();
    assert_eq!(catalogue.by_name("a").unwrap().indexes[0].spec.metric, Metric::Ip);
    let unknown = CreateIndex { index_type: "SCANN".into(), ..index };
    assert_eq!(ddl.create_index(unknown).await.unwrap_err().code, Code::InvalidParameter);
    let load =
        |collection: &str, replicas| SetLoaded { collection: collection.into(), loaded: true, replicas };
    let too_many = ddl.load(load("a", Some(2))).await.unwrap_err();
    assert_eq!(too_many.code, Code::NotEnoughNodes, "{too_many}");
    assert!(!catalogue.by_name("a").unwrap().is_loaded, "a load that is refused changes nothing");
    ddl.load(load("a", Some(1))).await.unwrap();
    let loaded = catalogue.by_name("a").unwrap();
    assert!(loaded.is_loaded && loaded.replicas() == Some(1));
    let release = SetLoaded { collection: "a".into(), loaded: false, replicas: None };
    ddl.load(release).await.unwrap();
    assert_eq!(catalogue.by_name("a").unwrap().replicas(), None);
    ddl.drop_index(DropIndex { collection: "a".into(), field: "vector".into(), name: String::new() })
        .await
        .unwrap();
    assert!(catalogue.by_name("a").unwrap().indexes.is_empty());
    assert_eq!(ddl.load(load("b", None)).await.unwrap_err().code, Code::CollectionNotFound);
}

#[tokio::test]
async fn i10_a_load_that_is_asked_again_does_not_load_what_has_the_name_by_then() {
    let sandbox = Sandbox::new().await;
    let (ddl, catalogue) = (&sandbox.ddl, sandbox.metastore.catalogue());
    ddl.create_collection(request("a")).await.unwrap();
    let load = SetLoaded { collection: "a".into(), loaded: true, replicas: None };
    let first = catalogue.by_name("a").unwrap().id;
    ddl.set_loaded((first, load.clone())).await.unwrap();
    assert!(catalogue.by_name("a").unwrap().is_loaded);
    // The answer was lost. Before the client asks again, another one makes a new collection of that name.
    ddl.drop_collection("a".into()).await.unwrap();
    ddl.create_collection(request("a")).await.unwrap();
    let again = ddl.set_loaded((first, load)).await.unwrap_err();
    assert_eq!(again.code, Code::CollectionNotFound, "{again}");
    assert!(!catalogue.by_name("a").unwrap().is_loaded);
}

#[tokio::test]
async fn row_ids_are_never_given_twice_and_cost_few_entries() {
    let sandbox = Sandbox::new().await;
    let before = sandbox.log.proposals();
    let mut end = 0;
    for round in 0..3 {
        // Each round is a new coordinator, as after a crash.
        let ddl = sandbox.next_coordinator();
        let ranges = join_all((1..50).map(|count| {
            let ddl = ddl.clone();
            async move { (ddl.allocate_ids(count).await.unwrap(), count as i64) }
        }));
        let mut ranges = ranges.await;
        ranges.sort_unstable();
        for (first, count) in ranges {
            assert!(first >= end, "round {round}: {first} is below {end}");
            end = first + count;
        }
    }
    assert_eq!(sandbox.log.proposals() - before, 3);
    assert_eq!(sandbox.ddl.allocate_ids(0).await.unwrap_err().code, Code::InvalidParameter);
    let large = sandbox.ddl.allocate_ids(3 << 20).await.unwrap();
    assert!(large >= end);
    assert!(sandbox.ddl.allocate_ids(1).await.unwrap() >= large + (3 << 20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_actor_serves_many_at_once() {
    let sandbox = Sandbox::new().await;
    let host = ActorHost::new(Handle::current(), SystemClock::shared()).await.unwrap();
    let shutdown = Shutdown::new();
    let tasks = Tasks::new(Handle::current(), shutdown.clone(), |_| {});
    let client = Coordinator::start(
        &host,
        &tasks,
        shutdown.child(),
        sandbox.metastore.clone(),
        sandbox.shards.clone(),
    );
    let client = client.await.unwrap();
    // Every name twice, at the same time: the second one finds the first.
    let creates = (0..64).map(|i| client.create_collection(new_request(), request(&format!("c{}", i % 32))));
    assert!(join_all(creates).await.iter().all(Result::is_ok));
    let catalogue = sandbox.metastore.catalogue();
    catalogue.barrier().await.unwrap();
    let names: Vec<_> = catalogue.list().iter().map(|row| row.name.clone()).collect();
    assert_eq!(names.len(), 32);
    assert!(names.is_sorted());
    assert_eq!(sandbox.shards.live(), 64);
    let loads: Vec<_> = sandbox.metastore.root().groups.values().map(|row| row.shards).collect();
    assert_eq!(loads, [0, 32, 32], "placement balances also what arrives at once");
    let drop = |name: String| async {
        match client.holder_of(name).await? {
            Some(id) => client.drop_exactly(DropTarget::Collection(id)).await,
            None => Ok(()),
        }
    };
    let drops = (0..32).map(|i| drop(format!("c{i}")));
    assert!(join_all(drops).await.iter().all(Result::is_ok));
    assert_eq!((sandbox.shards.live(), catalogue.list().len()), (0, 0));
    client.stop().await;
    assert_eq!(drop("c".into()).await.unwrap_err().code, Code::Unavailable);
    shutdown.trigger("the test is over");
}

#[tokio::test]
async fn i11_dropping_by_id_again_finds_nothing_and_leaves_what_has_the_name_by_then() {
    let sandbox = Sandbox::new().await;
    let ddl = &sandbox.ddl;
    let partition_of = |name: &str| {
        let row = sandbox.metastore.catalogue().by_name(name).unwrap();
        DropTarget::Partition { collection: row.id, partition: row.partition("p").unwrap().id }
    };
    ddl.create_collection(request("a")).await.unwrap();
    let old = ddl.find("a".into()).await.unwrap().unwrap();
    ddl.create_partition(partition("a", "p")).await.unwrap();
    let old_partition = partition_of("a");
    ddl.drop_exactly(old_partition).await.unwrap();
    ddl.create_partition(partition("a", "p")).await.unwrap();
    // The answer was lost, and the coordinator that is asked again is another one.
    sandbox.next_coordinator().drop_exactly(old_partition).await.unwrap();
    assert_ne!(partition_of("a"), old_partition);

    ddl.drop_exactly(DropTarget::Collection(old)).await.unwrap();
    ddl.create_collection(request("a")).await.unwrap();
    let new = ddl.find("a".into()).await.unwrap().unwrap();
    sandbox.next_coordinator().drop_exactly(DropTarget::Collection(old)).await.unwrap();
    sandbox.next_coordinator().drop_exactly(old_partition).await.unwrap();
    assert_eq!(ddl.find("a".into()).await.unwrap(), Some(new));
    assert_eq!(sandbox.shards.live(), 2);
    assert_eq!(ddl.find("b".into()).await.unwrap(), None);
}

#[tokio::test]
async fn i11_dropping_a_partition_again_waits_for_rows_that_the_first_attempt_left() {
    let sandbox = Sandbox::new().await;
    let ddl = &sandbox.ddl;
    ddl.create_collection(request("a")).await.unwrap();
    ddl.create_partition(partition("a", "p")).await.unwrap();
    let row = sandbox.metastore.catalogue().by_name("a").unwrap();
    let target = DropTarget::Partition { collection: row.id, partition: row.partition("p").unwrap().id };
    sandbox.shards.fail(Code::Internal, 100);
    assert!(ddl.drop_exactly(target).await.unwrap_err().may_be_done, "the intent stands");
    sandbox.shards.fail(Code::Internal, 0);
    ddl.drop_exactly(target).await.unwrap();
    assert_eq!(sandbox.shards.shards.lock().dropped_partitions.len(), 2);
}

#[tokio::test]
async fn i11_dropping_an_index_again_leaves_the_one_that_another_user_made_since() {
    let sandbox = Sandbox::new().await;
    let ddl = &sandbox.ddl;
    ddl.create_collection(request("a")).await.unwrap();
    let wish = flat_index();
    let indexes = || sandbox.metastore.catalogue().by_name("a").unwrap().indexes.clone();
    ddl.create_index(wish.clone()).await.unwrap();
    let collection = sandbox.metastore.catalogue().by_name("a").unwrap().id;
    let old = DropTarget::Index { collection, index: indexes()[0].id };
    ddl.drop_exactly(old).await.unwrap();
    assert_eq!(indexes(), []);
    ddl.create_index(wish).await.unwrap();
    // The answer was lost, and the coordinator that is asked again is another one.
    sandbox.next_coordinator().drop_exactly(old).await.unwrap();
    assert_eq!(indexes().len(), 1);
}

#[tokio::test]
async fn i10_a_create_that_comes_again_after_another_users_drop_makes_nothing() {
    let sandbox = Sandbox::new().await;
    let ddl = &sandbox.ddl;
    let lost = Named { request: new_request(), wish: request("a") };
    ddl.make_collection(lost.clone()).await.unwrap();
    ddl.drop_collection("a".into()).await.unwrap();
    // The answer was lost, and the coordinator that is asked again is another one.
    sandbox.next_coordinator().make_collection(lost.clone()).await.unwrap();
    assert_eq!((ddl.find("a".into()).await.unwrap(), sandbox.shards.live()), (None, 0));
    assert!(sandbox.metastore.read(|state| state.pending()).is_empty());

    // In the next user's collection of the name neither a partition nor an index appears.
    ddl.create_collection(request("a")).await.unwrap();
    let collection = ddl.find("a".into()).await.unwrap().unwrap();
    let partition = Named { request: new_request(), wish: (collection, "p".to_owned()) };
    ddl.make_partition(partition.clone()).await.unwrap();
    let wish = flat_index();
    let index = Named { request: new_request(), wish: (collection, wish) };
    ddl.make_index(index.clone()).await.unwrap();
    ddl.drop_collection("a".into()).await.unwrap();
    ddl.create_collection(request("a")).await.unwrap();
    sandbox.next_coordinator().make_partition(partition).await.unwrap();
    sandbox.next_coordinator().make_index(index).await.unwrap();
    let row = sandbox.metastore.catalogue().by_name("a").unwrap();
    assert!(row.partition("p").is_none() && row.indexes.is_empty(), "{row:?}");
    // One that was not done is not done there either.
    let other = Named { request: new_request(), wish: (collection, "q".to_owned()) };
    assert_eq!(ddl.make_partition(other).await.unwrap_err().code, Code::CollectionNotFound);
}

#[tokio::test]
async fn i11_a_collection_counts_as_dropped_from_its_intent_on_and_one_that_is_to_come_never() {
    let sandbox = Sandbox::new().await;
    let ddl = &sandbox.ddl;
    sandbox.shards.fail(Code::Internal, 1);
    ddl.create_collection(request("creating")).await.unwrap_err();
    sandbox.shards.fail(Code::Internal, 0);
    for name in ["ready", "dropping", "gone"] {
        ddl.create_collection(request(name)).await.unwrap();
    }
    ddl.drop_collection("gone".into()).await.unwrap();
    sandbox.shards.fail(Code::Internal, 100);
    ddl.drop_collection("dropping".into()).await.unwrap();
    let all = (1..=6).map(CollectionId).collect();
    let dropped = sandbox.metastore.dropped(all).await.unwrap();
    assert_eq!(dropped, BTreeSet::from([CollectionId(3), CollectionId(4)]));
}
