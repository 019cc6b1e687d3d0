#![allow(clippy::unwrap_used)]

use super::*;
use async_trait::async_trait;
use parking_lot::Mutex;
use vecraft_rpc::services::{ShardHits, ShardQuery, ShardReader, ShardRows, ShardSearch};
use vecraft_types::api::Consistency;
use vecraft_types::{CollectionId, RowBatch, Timestamp};

const GROUP: GroupId = GroupId(4);
const SHARD: ShardId = ShardId { collection: CollectionId(1), index: 0 };

/// Node 1 is the own one; node 2 leads.
struct Map {
    leader: Mutex<Option<NodeId>>,
    replicas: Option<usize>,
}

impl Map {
    fn new(leader: Option<u64>, replicas: Option<usize>) -> Arc<Map> {
        Arc::new(Map { leader: Mutex::new(leader.map(NodeId)), replicas })
    }

    fn led_by(leader: Option<u64>) -> Arc<Map> {
        Map::new(leader, None)
    }
}

impl Topology for Map {
    fn own(&self) -> NodeId {
        NodeId(1)
    }

    fn group_of(&self, shard: ShardId) -> Option<GroupId> {
        (shard == SHARD).then_some(GROUP)
    }

    fn leader_of(&self, _: GroupId) -> Option<NodeId> {
        *self.leader.lock()
    }

    fn nodes_of(&self, _: GroupId) -> Vec<NodeId> {
        vec![NodeId(1), NodeId(2), NodeId(3)]
    }

    fn replicas_of(&self, _: ShardId) -> Option<usize> {
        self.replicas
    }

    fn out_of_reach(&self) -> Vec<NodeId> {
        Vec::new()
    }
}

/// Answers with its node as timestamp, or refuses; remembers who was asked and how long they were given.
struct Reader {
    node: NodeId,
    refusal: Option<Code>,
    asked: Arc<Mutex<Vec<(u64, u64)>>>,
}

#[async_trait]
impl ShardReader for Reader {
    async fn search(&self, _: ShardSearch) -> Result<ShardHits> {
        Err(Error::internal("not asked here"))
    }

    async fn query(&self, query: ShardQuery) -> Result<ShardRows> {
        self.asked.lock().push((self.node.0, query.deadline_ms));
        match self.refusal {
            Some(code) => Err(Error::new(code, format!("refused by {}", self.node))),
            None => Ok(ShardRows { count: 0, rows: RowBatch::default(), timestamp: Timestamp(self.node.0) }),
        }
    }
}

fn query() -> ShardQuery {
    ShardQuery {
        shard: SHARD,
        partitions: vec![],
        filter: String::new(),
        output: vec![],
        limit: None,
        consistency: Consistency::Strong,
        at: None,
        deadline_ms: 1_000,
    }
}

/// Who answers when nodes 1, 2 and 3 refuse as given, and who was asked.
async fn ask(leader: Option<u64>, refusals: [Option<Code>; 3]) -> (Result<u64>, Vec<(u64, u64)>) {
    ask_loaded(leader, None, refusals).await
}

/// The same of a collection that was loaded with so many replicas.
async fn ask_loaded(
    leader: Option<u64>,
    replicas: Option<usize>,
    refusals: [Option<Code>; 3],
) -> (Result<u64>, Vec<(u64, u64)>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let reader = {
        let asked = asked.clone();
        move |node: NodeId| -> Arc<dyn ShardReader> {
            Arc::new(Reader { node, refusal: refusals[node.0 as usize - 1], asked: asked.clone() })
        }
    };
    let map = Map::new(leader, replicas);
    let router = ReadRouter(Everywhere::new(map, reader(NodeId(1)), reader));
    let answer = router.query(query()).await.map(|rows| rows.timestamp.0);
    let asked = asked.lock().clone();
    (answer, asked)
}

#[tokio::test(start_paused = true)]
async fn a_read_asks_the_own_replica_first_and_then_the_others_with_the_leader_last() {
    assert_eq!(ask(Some(2), [None; 3]).await, (Ok(1), vec![(1, 1_000)]));
    let lagging = Some(Code::NotReady);
    assert_eq!(ask(Some(2), [lagging, None, None]).await, (Ok(3), vec![(1, 1_000), (3, 1_000)]));
    let (answer, asked) = ask(Some(2), [lagging, None, lagging]).await;
    assert_eq!((answer, asked), (Ok(2), vec![(1, 1_000), (3, 1_000), (2, 1_000)]));
}

#[tokio::test(start_paused = true)]
async fn p5_when_no_replica_can_the_error_names_each_and_what_it_said() {
    let (answer, asked) = ask(None, [Some(Code::Io), Some(Code::NotReady), Some(Code::Unavailable)]).await;
    let error = answer.unwrap_err();
    assert_eq!((error.code, asked.len()), (Code::ReplicaUnavailable, 3));
    assert!((1..=3).all(|node| error.detail.contains(&format!("refused by {node}"))), "{error}");
    assert_eq!(ask(None, [Some(Code::Io); 3]).await.0.unwrap_err().code, Code::Io);
}

#[tokio::test(start_paused = true)]
async fn what_no_other_replica_would_do_better_is_the_answer_at_once() {
    let (answer, asked) = ask(Some(2), [Some(Code::InvalidParameter), None, None]).await;
    assert_eq!((answer.unwrap_err().code, asked.len()), (Code::InvalidParameter, 1));
}

#[test]
fn a_group_without_a_leader_is_unavailable_by_name() {
    let everywhere: Everywhere<u64> = Everywhere::new(Map::led_by(None), Arc::new(1), |_| Arc::new(2));
    let error = everywhere.at_leader(GROUP).unwrap_err();
    assert_eq!(error.code, Code::ReplicaUnavailable);
    assert!(error.context.contains(&("group".to_owned(), "4".to_owned())));
    let led: Everywhere<u64> =
        Everywhere::new(Map::led_by(Some(2)), Arc::new(1), |node| Arc::new(node.0 * 10));
    assert_eq!(*led.at_leader(GROUP).unwrap(), 20);
    assert_eq!((led.hops.here(), led.hops.elsewhere()), (0, 1));
    assert_eq!(led.group_of(ShardId { index: 9, ..SHARD }).unwrap_err().code, Code::ReplicaUnavailable);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_gives_no_answer_is_given_up_when_another_leads() {
    let map = Map::led_by(Some(2));
    let led: Everywhere<u64> = Everywhere::new(map.clone(), Arc::new(1), |node| Arc::new(node.0));
    let hangs = led.ask_leader(GROUP, |_| std::future::pending::<Result<u64>>());
    let deposed = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        // Nobody known to lead is no reason to believe that the old one is gone.
        *map.leader.lock() = None;
        tokio::time::sleep(Duration::from_secs(5)).await;
        *map.leader.lock() = Some(NodeId(3));
        tokio::time::Instant::now()
    };
    let given_up = async { (hangs.await, tokio::time::Instant::now()) };
    let ((answer, ended), changed) = futures::join!(given_up, deposed);
    assert_eq!(answer.unwrap_err().code, Code::ReplicaUnavailable);
    assert!(ended >= changed);
    // A slow one that still leads is waited for.
    let slow = led.ask_leader(GROUP, |leader| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok(*leader)
    });
    assert_eq!(slow.await, Ok(3));
}

#[tokio::test(start_paused = true)]
async fn only_as_many_replicas_as_it_was_loaded_with_answer_unless_none_of_them_can() {
    let map = |replicas| Map::new(Some(2), replicas);
    for wanted in 1..=2 {
        let chosen: Vec<u64> = serving(&*map(Some(wanted)), SHARD, GROUP).iter().map(|node| node.0).collect();
        assert_eq!(chosen.len(), wanted);
        let (answer, _) = ask_loaded(Some(2), Some(wanted), [None; 3]).await;
        assert!(chosen.contains(&answer.unwrap()));
        // Those that serve are away: one of the others answers.
        let away = [1, 2, 3].map(|node| chosen.contains(&node).then_some(Code::Unavailable));
        let (answer, asked) = ask_loaded(Some(2), Some(wanted), away).await;
        assert!(!chosen.contains(&answer.unwrap()));
        assert!(asked[..wanted].iter().all(|(node, _)| chosen.contains(node)), "{asked:?}, {chosen:?}");
    }
    // More than there are: replicas went since.
    assert_eq!(serving(&*map(Some(9)), SHARD, GROUP).len(), 3);
    assert_eq!(serving(&*map(None), SHARD, GROUP).len(), 3);
}

#[test]
fn one_replica_a_collection_is_not_the_same_node_for_all() {
    let map = Map::new(None, Some(1));
    let mut counts = [0; 3];
    for collection in 1..=3_000 {
        let shard = ShardId { collection: CollectionId(collection), index: 0 };
        counts[serving(&*map, shard, GROUP)[0].0 as usize - 1] += 1;
    }
    assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
}

/// Node 1 never answers, the others do.
struct Hangs(NodeId);

#[async_trait]
impl ShardReader for Hangs {
    async fn search(&self, _: ShardSearch) -> Result<ShardHits> {
        Err(Error::internal("not asked here"))
    }

    async fn query(&self, query: ShardQuery) -> Result<ShardRows> {
        match self.0 {
            NodeId(1) => std::future::pending::<()>().await,
            // More than the half of the time that there is.
            _ => tokio::time::sleep(Duration::from_millis(query.deadline_ms * 3 / 4)).await,
        }
        Ok(ShardRows { count: 0, rows: RowBatch::default(), timestamp: Timestamp(self.0.0) })
    }
}

#[tokio::test(start_paused = true)]
async fn beside_a_replica_that_hangs_the_next_is_asked_and_a_slow_one_has_its_time() {
    let hangs = |node: NodeId| -> Arc<dyn ShardReader> { Arc::new(Hangs(node)) };
    for deadline_ms in [4_000, 60_000] {
        let router = ReadRouter(Everywhere::new(Map::led_by(Some(2)), hangs(NodeId(1)), hangs));
        let answer = router.query(ShardQuery { deadline_ms, ..query() }).await;
        assert_eq!(answer.map(|rows| rows.timestamp.0), Ok(3), "within {deadline_ms} ms");
    }
}
