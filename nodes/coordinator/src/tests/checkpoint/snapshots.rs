//! I5: a follower that the log does not reach takes a checkpoint of the leader.

use super::*;

#[tokio::test]
async fn i5_a_follower_takes_the_newest_checkpoint_and_forgets_what_it_does_not_have() {
    let machine = Machine::new(5);
    let life = machine.start(true).await;
    let leader = life.metastore.machine();
    assert!(MetaMachine::offer(&leader).is_none(), "no checkpoint yet");
    life.ddl.create_collection(request("a")).await.unwrap();
    life.ddl.create_collection(request("b")).await.unwrap();
    life.metastore.checkpoint().await.unwrap();
    let first = MetaMachine::offer(&leader).unwrap();

    let follower = Follower::open(SimKv::new(9));
    let changed = Arc::new(tokio::sync::Notify::new());
    follower.machine.lock().tell_changes(changed.clone());
    follower.take(&first).await.unwrap();
    assert_eq!(follower.state(), life.metastore.read(|state| state.clone()));
    assert_eq!(follower.names(), ["a", "b"]);
    tokio::time::timeout(Duration::from_secs(20), changed.notified()).await.unwrap();

    // The name of one that is gone belongs to another one by now.
    life.ddl.drop_collection("a".into()).await.unwrap();
    life.ddl.create_collection(request("a")).await.unwrap();
    life.ddl.drop_collection("b".into()).await.unwrap();
    life.ddl.create_collection(request("c")).await.unwrap();
    life.metastore.checkpoint().await.unwrap();
    let second = MetaMachine::offer(&leader).unwrap();
    let old = follower.machine.lock().catalogue().by_name("a").unwrap().id;

    // A store that refuses: nothing has changed, also after a power cut.
    follower.kv.fail_writes(1);
    follower.take(&second).await.unwrap_err();
    follower.kv.crash();
    let follower = Follower::open(follower.kv);
    assert_eq!(follower.names(), ["a", "b"]);

    follower.take(&second).await.unwrap();
    follower.kv.crash();
    for follower in [follower.machine.clone(), Follower::open(follower.kv.clone()).machine] {
        let follower = follower.lock();
        assert_eq!(follower.state(), &life.metastore.read(|state| state.clone()));
        assert_eq!(follower.checkpoint().as_ref(), Some(&second.mark));
        let names: Vec<_> = follower.catalogue().list().iter().map(|row| row.name.clone()).collect();
        assert_eq!(names, ["a", "c"]);
        let found = follower.catalogue().by_name("a").unwrap().id;
        assert!(found != old && follower.catalogue().by_id(old).is_none());
    }
    life.metastore.stop().await;
}

#[tokio::test]
async fn a_snapshot_that_is_none_changes_nothing() {
    let machine = Machine::new(6);
    let life = machine.start(true).await;
    life.ddl.create_collection(request("a")).await.unwrap();
    life.metastore.checkpoint().await.unwrap();
    let offer = MetaMachine::offer(&life.metastore.machine()).unwrap();
    life.ddl.create_collection(request("b")).await.unwrap();
    life.metastore.checkpoint().await.unwrap();
    let newer = MetaMachine::offer(&life.metastore.machine()).unwrap();
    let follower = Follower::open(SimKv::new(9));
    let torn = Offer { content: offer.content.slice(..offer.content.len() - 3), ..offer.clone() };
    follower.take(&torn).await.unwrap_err();
    let swapped = Offer { mark: newer.mark, ..offer };
    let why = follower.take(&swapped).await.unwrap_err().to_string();
    assert!(why.contains("says that it is at"), "{why}");
    assert!(follower.names().is_empty() && MetaMachine::checkpoint(&follower.machine.lock()).is_none());
    life.metastore.stop().await;
}
