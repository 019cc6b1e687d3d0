//! What a user hears when a group has no leader, or one that does not answer: which group, why, and whether it may be done.

use super::fakes::Trouble;
use super::*;
use crate::deadline::{Ask, Deadline, is_unavailable};
use crate::outages::Outages;
use std::time::Duration;
use vecraft_rpc::services::Topology;
use vecraft_runtime::clock::{Clock, SimClock};

/// As a replica says it of its group.
fn led_by_nobody(group: u64) -> Error {
    Error::new(Code::ReplicaUnavailable, format!("group {group} is led by nobody")).with("group", group)
}

fn group_of(error: &Error) -> Vec<&str> {
    error.context.iter().filter(|(key, _)| key == "group").map(|(_, id)| id.as_str()).collect()
}

/// The group, what its replica said, what this node knows, where to look.
fn check_told(error: &Error, group: &str, why: &str) {
    assert_eq!(group_of(error), [group], "{error}");
    let known = if group == "0" { "group 0 (the metastore)" } else { &format!("group {group}") };
    let leader = format!("node 1 takes node 2 for the leader of {known}");
    for part in [why, leader.as_str(), "on nodes 1, 2, 3"] {
        assert!(error.detail.contains(part), "{part:?} is not in {error}");
    }
}

fn create_request() -> CreateCollection {
    CreateCollection {
        name: "new".into(),
        schema: schema(),
        shards: 1,
        properties: BTreeMap::new(),
        default_consistency: 2,
    }
}

#[tokio::test]
async fn a_write_whose_last_attempt_is_cut_off_tells_what_the_earlier_ones_were_told_and_may_be_done() {
    let bench = Bench::new(schema(), 1);
    bench.cluster.trouble(0, Trouble::Refuse(led_by_nobody(1)));
    bench.cluster.trouble(0, Trouble::Hang);
    let error = bench.proxy.insert(short(), insert_request(rows([1]))).await.unwrap_err();
    assert_eq!((error.code, error.may_be_done), (Code::Deadline, true), "{error}");
    check_told(&error, "1", "group 1 is led by nobody");
    assert!(error.detail.contains("insert took longer than 60 ms"), "{error}");
}

#[tokio::test]
async fn a_write_that_is_refused_until_the_end_names_its_group_and_is_not_done() {
    let bench = Bench::new(schema(), 1);
    (0..100).for_each(|_| bench.cluster.trouble(0, Trouble::Refuse(led_by_nobody(1))));
    let delete = DeleteRequest {
        collection: "docs".into(),
        partition: None,
        rows: DeleteRows::Filter("year > 2000".into()),
        request: None,
    };
    for error in [
        bench.proxy.insert(short(), insert_request(rows([1]))).await.unwrap_err(),
        bench.proxy.delete(short(), delete).await.unwrap_err(),
    ] {
        assert_eq!((error.code, error.may_be_done), (Code::ReplicaUnavailable, false), "{error}");
        check_told(&error, "1", &led_by_nobody(1).detail);
    }
}

#[tokio::test]
async fn i19_a_write_whose_name_cannot_be_looked_up_is_refused_by_the_metastores_name_and_was_not_begun() {
    let bench = Bench::new(schema(), 1);
    bench.cluster.meta_trouble(Trouble::Refuse(led_by_nobody(0)));
    bench.cluster.meta_trouble(Trouble::Hang);
    let error = bench.proxy.insert(short(), insert_request(rows([1]))).await.unwrap_err();
    assert_eq!((error.code, error.may_be_done), (Code::ReplicaUnavailable, false), "{error}");
    check_told(&error, "0", "group 0 is led by nobody");
    // Nobody said anything: the group is named all the same.
    bench.cluster.meta_trouble(Trouble::Hang);
    let error = bench.proxy.insert(short(), insert_request(rows([1]))).await.unwrap_err();
    assert_eq!((error.code, error.may_be_done), (Code::Deadline, false), "{error}");
    check_told(&error, "0", "looking up the collection took longer than 60 ms");
    assert!(bench.cluster.asked(0).is_empty());
}

#[tokio::test]
async fn ddl_without_an_answer_names_the_metastore_or_the_group_that_the_metastore_could_not_ask() {
    let bench = Bench::new(schema(), 1);
    let refused = async |troubles: Vec<Trouble>| {
        troubles.into_iter().for_each(|trouble| bench.cluster.meta_trouble(trouble));
        bench.proxy.create_collection(short(), create_request()).await.unwrap_err()
    };
    let error = refused(vec![Trouble::Refuse(led_by_nobody(0)), Trouble::Hang]).await;
    assert_eq!((error.code, error.may_be_done), (Code::Deadline, true), "{error}");
    check_told(&error, "0", "group 0 is led by nobody");
    let forever = |error: &Error| (0..100).map(|_| Trouble::Refuse(error.clone())).collect::<Vec<_>>();
    let error = refused(forever(&led_by_nobody(0))).await;
    assert_eq!((error.code, error.may_be_done), (Code::ReplicaUnavailable, false), "{error}");
    check_told(&error, "0", "group 0 is led by nobody");
    bench.cluster.forget_meta_trouble();
    // The intent stands, a shard's group has no leader: it will be done when it has (I11).
    let error = refused(forever(&led_by_nobody(4).unanswered())).await;
    assert_eq!((error.code, error.may_be_done), (Code::OutcomeUnknown, true), "{error}");
    check_told(&error, "4", "create collection may have been done");
}

#[tokio::test]
async fn a_read_names_the_group_that_could_not_serve_it_and_blames_none_for_taking_long() {
    let bench = Bench::new(schema(), 1);
    let read = || bench.proxy.query(short(), query_request());
    bench.cluster.read_trouble(0, Some(led_by_nobody(1)));
    let error = read().await.unwrap_err();
    assert_eq!(error.code, Code::ReplicaUnavailable);
    check_told(&error, "1", "group 1 is led by nobody");
    bench.cluster.read_trouble(0, Some(Error::new(Code::Deadline, "the read took longer than it had left")));
    let error = read().await.unwrap_err();
    assert_eq!((error.code, group_of(&error).len()), (Code::Deadline, 0), "{error}");
}

#[test]
fn roles_are_given_less_than_the_caller_waits_so_that_the_reason_arrives() {
    let places: Arc<dyn Topology> = Arc::new(fakes::Places::default());
    let clock = SystemClock::shared();
    let left = |ms| Deadline::new(&clock, &places, &Arc::default(), Duration::from_millis(ms)).left();
    assert!(left(1_600) <= Duration::from_millis(1_500));
    // Riding over an election takes about two seconds: a long call keeps nearly all its time.
    assert!(left(60_000) <= Duration::from_millis(59_800) && left(60_000) > Duration::from_secs(59));
    assert_eq!(left(0), Duration::ZERO);
}

/// The metastore refuses each attempt, which takes half a second by the clock. How long a call with half a minute goes on.
async fn refused_after(outages: &Arc<Outages>, clock: &Arc<SimClock>) -> (Duration, Error) {
    let places: Arc<dyn Topology> = Arc::new(fakes::Places { has_leader: true, ..fakes::Places::default() });
    let time: Arc<dyn Clock> = clock.clone();
    let deadline = Deadline::new(&time, &places, outages, Duration::from_secs(30));
    let attempt = || async {
        clock.advance(Duration::from_millis(500));
        Err::<(), Error>(led_by_nobody(0))
    };
    let began = clock.monotonic();
    let error = deadline.retry(Ask::ddl("create collection"), is_unavailable, attempt).await.unwrap_err();
    (clock.monotonic() - began, error)
}

#[tokio::test(start_paused = true)]
async fn a_group_that_has_answered_nobody_for_long_is_waited_for_as_long_as_some_elections() {
    let (outages, clock): (Arc<Outages>, _) = (Arc::default(), Arc::new(SimClock::new(0)));
    let (waited, error) = refused_after(&outages, &clock).await;
    assert!(
        (Duration::from_secs(10)..Duration::from_secs(12)).contains(&waited),
        "there when it went: {waited:?}"
    );
    check_told(&error, "0", "it has answered nobody here for 10 s");
    let (waited, error) = refused_after(&outages, &clock).await;
    assert!((Duration::from_secs(5)..Duration::from_secs(7)).contains(&waited), "{waited:?}");
    assert_eq!((error.code, error.may_be_done), (Code::ReplicaUnavailable, false), "{error}");
    check_told(&error, "0", "it has answered nobody here for 15 s");
    // It answers once: the next call waits as long as the first again.
    outages.answered(GroupId::META);
    let (waited, _) = refused_after(&outages, &clock).await;
    assert!(waited >= Duration::from_secs(10), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn an_error_that_no_leader_gave_does_not_end_an_outage() {
    let (outages, clock): (Arc<Outages>, _) = (Arc::default(), Arc::new(SimClock::new(0)));
    refused_after(&outages, &clock).await;
    let places: Arc<dyn Topology> = Arc::new(fakes::Places { has_leader: true, ..fakes::Places::default() });
    let time: Arc<dyn Clock> = clock.clone();
    let deadline = Deadline::new(&time, &places, &outages, Duration::from_secs(30));
    // As this node answers by itself: a database that is not there, its own mailbox full.
    for code in [Code::DatabaseNotFound, Code::RateLimited] {
        let wrong = || async move { Err::<(), Error>(Error::new(code, "")) };
        deadline.retry(Ask::ddl("create collection"), is_unavailable, wrong).await.unwrap_err();
    }
    let (waited, error) = refused_after(&outages, &clock).await;
    assert!(waited < Duration::from_secs(7), "{waited:?}: {error}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stops_waits_for_an_election_and_no_longer() {
    let (outages, clock): (Arc<Outages>, _) = (Arc::default(), Arc::new(SimClock::new(0)));
    outages.stop(clock.monotonic());
    let (waited, error) = refused_after(&outages, &clock).await;
    assert!((Duration::from_secs(2)..Duration::from_secs(4)).contains(&waited), "{waited:?}");
    assert_eq!((error.code, error.may_be_done), (Code::ReplicaUnavailable, false), "{error}");
    check_told(&error, "0", "this node stops; ");
}

#[tokio::test]
async fn all_of_a_groups_nodes_that_do_not_answer_are_named_and_not_only_the_one_that_was_asked() {
    let given = Duration::from_millis(50);
    for (out_of_reach, told) in [
        (vec![], "needs a majority of them: try again"),
        (vec![3], "needs a majority of them, and node 3 does not answer this one: try again"),
        // Node 9 has no replica of the group.
        (vec![3, 9, 2], "needs a majority of them, and nodes 2, 3 do not answer this one: try again"),
    ] {
        let out_of_reach = out_of_reach.into_iter().map(NodeId).collect();
        let places: Arc<dyn Topology> = Arc::new(fakes::Places { has_leader: true, out_of_reach });
        let clock: Arc<dyn Clock> = Arc::new(SimClock::new(0));
        let deadline = Deadline::new(&clock, &places, &Arc::new(Outages::default()), given);
        let broken =
            || async { Err::<(), _>(Error::new(Code::Unavailable, "the connection to node 2 broke")) };
        let error = deadline.retry(Ask::ddl("create"), |_| false, broken).await.unwrap_err();
        assert!(error.detail.contains(told), "{error}");
    }
}
