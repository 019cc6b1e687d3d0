//! What a checkpoint holds beside the catalogue, and checkpoints of earlier programs.

use super::*;

#[tokio::test]
async fn a_checkpoint_of_a_program_before_placement_decodes() {
    let machine = Machine::new(9);
    let life = machine.start(true).await;
    life.ddl.create_collection(request("a")).await.unwrap();
    assert!(life.metastore.checkpoint().await.unwrap());
    let now = life.metastore.read(|state| state.clone());
    life.metastore.stop().await;
    // The old record ended where the placement begins.
    let root = machine.kv.get(Table::Catalog, checkpoint::ROOT).unwrap().unwrap();
    let (_, used): ((Vec<u8>, MetaRoot), usize) = codec::decode_start(&root).unwrap();
    assert!(used < root.len());
    machine.kv.put(Table::Catalog, checkpoint::ROOT, &root[..used], true).unwrap();
    let old = machine.checkpointed();
    assert_eq!((old.root(), old.placement()), (now.root(), now.placement()));
    assert!(old.placement().formed_below.0 > 1 && old.placement().nodes.len() == 1);
}

#[tokio::test]
async fn a_checkpoint_of_a_program_before_query_only_nodes_decodes() {
    let machine = Machine::new(10);
    let life = machine.start(true).await;
    assert!(life.metastore.checkpoint().await.unwrap());
    let end_of_placement = |root: &[u8]| {
        let (_, used): ((Vec<u8>, MetaRoot), usize) = codec::decode_start(root).unwrap();
        let (_, more): (Placement, usize) = codec::decode_start(&root[used..]).unwrap();
        used + more
    };
    let root = || machine.kv.get(Table::Catalog, checkpoint::ROOT).unwrap().unwrap();
    assert_eq!(root().len(), end_of_placement(&root()), "without such nodes it is what they wrote");
    let node = NodeRow { id: NodeId(2), address: "host2:1".to_owned() };
    let admit = MetaChange::AdmitQueryOnly { node, directory: 5, is_listed: true };
    life.metastore.propose(admit).await.unwrap();
    assert!(life.metastore.checkpoint().await.unwrap());
    let now = life.metastore.read(|state| state.clone());
    life.metastore.stop().await;
    assert_eq!(now.placement().query_only, BTreeSet::from([NodeId(2)]));
    assert_eq!(machine.checkpointed(), now);
    let root = root();
    machine.kv.put(Table::Catalog, checkpoint::ROOT, &root[..end_of_placement(&root)], true).unwrap();
    let old = machine.checkpointed();
    assert_eq!(old.placement().nodes, now.placement().nodes);
    assert!(old.placement().query_only.is_empty());
}

#[tokio::test]
async fn i10_named_requests_are_known_after_a_restart_and_a_checkpoint_without_them_decodes() {
    let machine = Machine::new(11);
    let life = machine.start(true).await;
    assert!(life.metastore.checkpoint().await.unwrap());
    let before = machine.kv.get(Table::Catalog, checkpoint::ROOT).unwrap().unwrap();
    let lost = Named { request: new_request(), wish: request("a") };
    life.ddl.make_collection(lost.clone()).await.unwrap();
    life.ddl.drop_collection("a".into()).await.unwrap();
    assert!(life.metastore.checkpoint().await.unwrap());
    let now = life.metastore.read(|state| state.clone());
    assert_eq!((machine.checkpointed(), now.requests().len()), (now, 1));
    machine.cut_power(life).await;
    let life = machine.start(false).await;
    life.ddl.make_collection(lost).await.unwrap();
    assert_eq!((life.metastore.catalogue().list().len(), machine.shards.live()), (0, 0));
    // A replica that gets it as a snapshot knows them too.
    let offer = MetaMachine::offer(&life.metastore.machine()).unwrap();
    let follower = Follower::open(SimKv::new(9));
    follower.take(&offer).await.unwrap();
    assert_eq!(
        follower.machine.lock().state().requests(),
        &life.metastore.read(|state| state.requests().clone())
    );
    life.metastore.stop().await;
    machine.kv.put(Table::Catalog, checkpoint::ROOT, &before, true).unwrap();
    assert!(machine.checkpointed().requests().is_empty());
}

#[tokio::test]
async fn i11_ids_passed_over_by_a_recovery_are_remembered() {
    let machine = Machine::new(12);
    let life = machine.start(true).await;
    let (cluster, survivor) = (ClusterId(77), life.metastore.root().nodes.keys().next().copied().unwrap());
    life.metastore.propose(MetaChange::Recover { cluster, survivor }).await.unwrap();
    assert!(life.metastore.checkpoint().await.unwrap());
    let now = life.metastore.read(|state| state.clone());
    life.metastore.stop().await;
    assert_eq!(now.unseen().len(), 1);
    assert_eq!(machine.checkpointed(), now);
}
