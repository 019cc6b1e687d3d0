//! I11: what is left in the middle is finished, by the same coordinator or by the next.

use super::*;
use vecraft_rpc::services::Catalogue;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_types::{Code, DdlPhase};

/// Runs the reconcile task of a coordinator until nothing is pending.
async fn finish_with(sandbox: &Sandbox, ddl: Arc<Ddl>) {
    let shutdown = Shutdown::new();
    let task = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { ddl.reconcile(shutdown).await }
    });
    until("nothing is pending", || sandbox.metastore.read(|state| state.pending().is_empty())).await;
    shutdown.trigger("done");
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_shard_that_is_busy_is_asked_again() {
    let sandbox = Sandbox::new().await;
    sandbox.shards.fail(Code::ReplicaUnavailable, 3);
    sandbox.ddl.create_collection(request("a")).await.unwrap();
    assert_eq!((sandbox.shards.live(), sandbox.shards.calls()), (2, 5));
}

#[tokio::test]
async fn a_create_that_failed_is_finished_later() {
    let sandbox = Sandbox::new().await;
    sandbox.shards.fail(Code::DiskFull, 2);
    assert_eq!(sandbox.ddl.create_collection(request("a")).await.unwrap_err().code, Code::DiskFull);
    let catalogue = sandbox.metastore.catalogue();
    assert!(catalogue.by_name("a").is_none(), "nobody can use it yet");
    let busy = sandbox.ddl.create_partition(partition("a", "p")).await.unwrap_err();
    assert_eq!(busy.code, Code::NotReady);
    sandbox.shards.fail(Code::DiskFull, 1);
    finish_with(&sandbox, sandbox.ddl.clone()).await;
    assert_eq!((catalogue.by_name("a").unwrap().phase, sandbox.shards.live()), (DdlPhase::Ready, 2));
    sandbox.ddl.create_collection(request("a")).await.unwrap();
}

#[tokio::test]
async fn the_next_coordinator_goes_on() {
    let sandbox = Sandbox::new().await;
    let ddl = &sandbox.ddl;
    ddl.create_collection(request("dropping")).await.unwrap();
    ddl.create_collection(request("partitioned")).await.unwrap();
    ddl.create_partition(partition("partitioned", "p")).await.unwrap();
    sandbox.shards.fail(Code::Internal, 100);
    ddl.create_collection(request("creating")).await.unwrap_err();
    ddl.drop_partition(partition("partitioned", "p")).await.unwrap_err();
    ddl.drop_collection("dropping".into()).await.unwrap();
    assert!(sandbox.metastore.catalogue().by_name("dropping").is_none(), "its name is free at once");
    assert_eq!(sandbox.metastore.read(|state| state.pending().len()), 3);
    sandbox.shards.fail(Code::Internal, 0);
    finish_with(&sandbox, sandbox.next_coordinator()).await;
    let names: Vec<_> = sandbox.metastore.catalogue().list().iter().map(|row| row.name.clone()).collect();
    assert_eq!(names, ["creating", "partitioned"]);
    assert_eq!((sandbox.shards.live(), sandbox.metastore.read(|state| state.collections().count())), (4, 2));
    assert_eq!(sandbox.shards.shards.lock().dropped_partitions.len(), 2);
}

#[tokio::test]
async fn a_new_leader_finishes_what_is_committed_and_not_applied_yet() {
    let sandbox = Sandbox::new().await;
    sandbox.log.delay(1);
    assert_eq!(sandbox.ddl.create_collection(request("a")).await.unwrap_err().code, Code::Unavailable);
    assert!(sandbox.metastore.read(|state| state.pending().is_empty()), "the intent is in the log only");
    let shutdown = Shutdown::new();
    let task = tokio::spawn({
        let (next, shutdown) = (sandbox.next_coordinator(), shutdown.clone());
        async move { next.reconcile(shutdown).await }
    });
    let is_ready =
        || sandbox.metastore.catalogue().by_name("a").is_some_and(|row| row.phase == DdlPhase::Ready);
    until("the collection is made", is_ready).await;
    shutdown.trigger("done");
    task.await.unwrap().unwrap();
    assert_eq!(sandbox.shards.live(), 2);
}

#[tokio::test]
async fn a_done_row_that_got_lost_is_written_again() {
    let sandbox = Sandbox::new().await;
    // The intent is written, both shards are made, then the leader dies before the done row.
    let gate = sandbox.shards.gate.acquire_many(1_000).await.unwrap();
    let create = tokio::spawn({
        let ddl = sandbox.ddl.clone();
        async move { ddl.create_collection(request("a")).await }
    });
    until("the intent", || sandbox.metastore.read(|state| state.pending().len() == 1)).await;
    sandbox.log.lose(1);
    drop(gate);
    assert_eq!(create.await.unwrap().unwrap_err().code, Code::Unavailable);
    assert_eq!(sandbox.shards.live(), 2);
    finish_with(&sandbox, sandbox.next_coordinator()).await;
    assert!(sandbox.metastore.catalogue().by_name("a").is_some());
}

#[tokio::test]
async fn a_drop_during_create_leaves_no_shard() {
    let sandbox = Sandbox::new().await;
    let gate = sandbox.shards.gate.acquire_many(1_000).await.unwrap();
    let create = tokio::spawn({
        let ddl = sandbox.ddl.clone();
        async move { ddl.create_collection(request("a")).await }
    });
    until("the intent", || sandbox.metastore.read(|state| state.pending().len() == 1)).await;
    let drop_it = tokio::spawn({
        let ddl = sandbox.ddl.clone();
        async move { ddl.drop_collection("a".into()).await }
    });
    let is_dropping = |row: &Arc<vecraft_types::CollectionDescriptor>| row.phase == DdlPhase::Dropping;
    until("the drop's intent", || sandbox.metastore.read(|state| state.collections().any(is_dropping))).await;
    drop(gate);
    create.await.unwrap().unwrap();
    drop_it.await.unwrap().unwrap();
    assert_eq!(sandbox.shards.shards.lock().made.len(), 2, "they were made");
    assert_eq!((sandbox.shards.live(), sandbox.metastore.read(|state| state.collections().count())), (0, 0));
    assert_eq!(sandbox.ddl.locks_held(), 0);
}

#[tokio::test]
async fn p11_an_idle_coordinator_does_nothing() {
    let sandbox = Sandbox::new().await;
    sandbox.ddl.create_collection(request("a")).await.unwrap();
    let (shutdown, ddl) = (Shutdown::new(), sandbox.ddl.clone());
    let (calls, proposals) = (sandbox.shards.calls(), sandbox.log.proposals());
    let idle = ddl.reconcile(shutdown.clone());
    tokio::pin!(idle);
    for _ in 0..100 {
        assert!(futures::poll!(&mut idle).is_pending());
    }
    assert_eq!((sandbox.shards.calls(), sandbox.log.proposals()), (calls, proposals));
    shutdown.trigger("done");
    idle.await.unwrap();
}
