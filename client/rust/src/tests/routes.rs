//! Three doors of one cluster: which of them hears a call, and what happens when one closes.

use super::fake::{Fake, Trouble};
use super::retries::until;
use super::*;
use vecraft_types::api::{Call, CollectionPlace, Database, NodeDoor, ShardPlace, TopologyReply};
use vecraft_types::{Code, Error, NodeId, RequestId};

/// Three nodes, each with a fake of its own so that it shows who heard what. Node 2 leads the only shard of `c`.
struct Three {
    fakes: Vec<Arc<Fake>>,
    doors: Vec<Option<Door>>,
}

impl Three {
    async fn open() -> Three {
        let fakes: Vec<Arc<Fake>> = (0..3).map(|_| Fake::new([])).collect();
        let mut doors = Vec::new();
        for fake in &fakes {
            doors.push(Some(Door::open(fake).await));
        }
        let three = Three { fakes, doors };
        three.lead(2);
        three
    }

    /// From now on every node says that this one leads.
    fn lead(&self, leader: u64) {
        for (fake, node) in self.fakes.iter().zip(1..) {
            fake.tells(self.told(node, leader, "one"));
        }
    }

    fn told(&self, node: u64, leader: u64, cluster: &str) -> TopologyReply {
        let doors = self.doors.iter().zip(1..).filter_map(|(door, node)| {
            let address = door.as_ref()?.address.to_string();
            Some(NodeDoor { node: NodeId(node), address })
        });
        let shard = ShardPlace { leader: Some(NodeId(leader)), readers: (1..=3).map(NodeId).collect() };
        TopologyReply {
            cluster_id: cluster.to_owned(),
            node: NodeId(node),
            doors: doors.collect(),
            collection: Some(CollectionPlace { key_field: Some("id".to_owned()), shards: vec![shard] }),
        }
    }

    /// A client that was told of node 1 only, and the collection on every node.
    async fn client(&self) -> (Client, Collection) {
        let client = self.doors[0].as_ref().unwrap().client().await;
        for door in self.doors.iter().flatten() {
            collection(&door.builder().follow_topology(false).connect().await.unwrap()).await;
        }
        let c = client.collection("c");
        (client, c)
    }

    fn writes(&self) -> Vec<u64> {
        self.fakes.iter().map(|fake| fake.writes_done()).collect()
    }

    /// Names of the writes that all fakes but this one heard.
    fn names_elsewhere(&self, but: usize) -> Vec<Option<RequestId>> {
        let others = self.fakes.iter().enumerate().filter(|(at, _)| *at != but);
        others.flat_map(|(_, fake)| fake.names()).collect()
    }

    fn reads(&self) -> Vec<usize> {
        self.fakes.iter().map(|fake| fake.levels().len()).collect()
    }
}

#[tokio::test]
async fn from_one_address_writes_go_to_the_leader_and_reads_to_every_replica() {
    let three = Three::open().await;
    let (_client, c) = three.client().await;
    for id in 0..6 {
        c.insert(row(id)).await.unwrap();
        c.query("").limit(1).rows().await.unwrap();
    }
    assert_eq!((three.writes(), three.reads()), (vec![0, 6, 0], vec![2, 2, 2]));
}

#[tokio::test]
async fn i10_a_write_whose_door_closes_goes_under_the_same_name_to_another() {
    let mut three = Three::open().await;
    let (_client, c) = three.client().await;
    c.insert(row(0)).await.unwrap();
    three.fakes[1].trouble(Trouble::LoseAnswer);
    let writing = {
        let c = c.clone();
        tokio::spawn(async move { c.insert(row(1)).await })
    };
    until("the write", || three.fakes[1].writes_done() == 2).await;
    three.doors[1].take().unwrap().crash().await;
    writing.await.unwrap().unwrap();
    let lost = three.fakes[1].names()[1];
    assert!(lost.is_some());
    assert_eq!(three.names_elsewhere(1), [lost]);
}

#[tokio::test]
async fn the_door_that_was_named_may_close_for_ever() {
    let mut three = Three::open().await;
    let (client, c) = three.client().await;
    c.insert(row(0)).await.unwrap();
    three.doors[0].take().unwrap().crash().await;
    for id in 1..4 {
        c.insert(row(id)).await.unwrap();
        c.query("").limit(1).rows().await.unwrap();
        client.server_info(Call::default()).await.unwrap();
    }
    assert_eq!(three.writes(), [0, 4, 0]);
    assert_eq!(three.reads().iter().sum::<usize>(), 3);
}

#[tokio::test]
async fn who_cannot_serve_now_is_passed_over_and_the_map_asked_anew() {
    let three = Three::open().await;
    let (_client, c) = three.client().await;
    c.insert(row(0)).await.unwrap();
    three.lead(3);
    three.fakes[1].trouble(Trouble::Refuse(Error::new(Code::ReplicaUnavailable, "no leader now")));
    c.insert(row(1)).await.unwrap();
    assert_eq!((three.writes()[1], three.writes().iter().sum::<u64>()), (1, 2), "node 2 refused it");
    // Doubted, the place is asked for behind the calls; soon they go to the new leader.
    let until = tokio::time::Instant::now() + Duration::from_secs(10);
    let mut id = 2;
    loop {
        let before = three.writes()[2];
        c.insert(row(id)).await.unwrap();
        if three.writes()[2] > before {
            break;
        }
        assert!(tokio::time::Instant::now() < until, "{:?}", three.writes());
        id += 1;
    }
}

#[tokio::test]
async fn a_door_into_another_cluster_is_never_used() {
    let three = Three::open().await;
    three.fakes[1].tells(three.told(2, 2, "another"));
    let (client, c) = three.client().await;
    c.insert(row(0)).await.unwrap();
    c.insert(row(1)).await.unwrap();
    assert_eq!(three.writes()[1], 0, "it was told as the leader's address, and leads elsewhere");
    assert_eq!(three.writes().iter().sum::<u64>(), 2);
    drop(client);
    let both = Client::builder()
        .address(three.doors[1].as_ref().unwrap().address.to_string())
        .address(three.doors[0].as_ref().unwrap().address.to_string());
    // The first that answers says which cluster is meant.
    let other = both.connect().await.unwrap();
    other.collection("c").insert(row(2)).await.unwrap();
    assert_eq!(three.writes()[1], 1);
}

#[tokio::test]
async fn a_client_may_stay_at_the_addresses_it_was_given() {
    let three = Three::open().await;
    let (_client, _) = three.client().await;
    let stays = three.doors[0].as_ref().unwrap().builder().follow_topology(false).connect().await.unwrap();
    for id in 0..3 {
        stays.collection("c").insert(row(id)).await.unwrap();
    }
    assert_eq!(three.writes(), [3, 0, 0]);
}

#[tokio::test]
async fn i10_a_node_that_falls_silent_does_not_cost_the_whole_deadline() {
    let three = Three::open().await;
    let (client, c) = three.client().await;
    c.insert(row(0)).await.unwrap();
    three.fakes[1].falls_silent();
    three.fakes[1].trouble(Trouble::LoseAnswer);
    let began = tokio::time::Instant::now();
    c.insert(row(1)).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(6), "{:?} of 10 s", began.elapsed());
    // It was done there too, under the same name, as far as anybody can tell.
    assert_eq!(three.names_elsewhere(1), [three.fakes[1].names()[1]]);
    // The next one does not go there again.
    let began = tokio::time::Instant::now();
    client.collection("c").insert(row(2)).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_slow_answer_of_a_living_node_is_waited_for() {
    let three = Three::open().await;
    let (_client, c) = three.client().await;
    three.fakes[1].trouble(Trouble::Slow(Duration::from_millis(2_500)));
    c.insert(row(1)).await.unwrap();
    assert_eq!(three.writes(), [0, 1, 0]);
}

#[tokio::test]
async fn doors_that_open_and_then_fail_take_turns() {
    let three = Three::open().await;
    let (_client, _) = three.client().await;
    let mut all = Client::builder().follow_topology(false).deadline(Duration::from_secs(5));
    for door in three.doors.iter().flatten() {
        all = all.address(door.address.to_string());
    }
    let client = all.connect().await.unwrap();
    let refuses = || Trouble::Refuse(Error::new(Code::NotReady, "starting"));
    // The first two would refuse for longer than the call waits.
    for fake in &three.fakes[..2] {
        (0..100).for_each(|_| fake.trouble(refuses()));
    }
    three.fakes[2].trouble(refuses());
    three.fakes[2].trouble(refuses());
    client.collection("c").insert(row(1)).await.unwrap();
    assert_eq!(three.writes(), [0, 0, 1]);
}
