//! A request that is under way when its collection is dropped: answered at once, and not taken for a group's silence.

use super::fakes::Trouble;
use super::*;
use std::time::Duration;

/// Far more than an answer takes, far less than a call's time.
const SOON: Duration = Duration::from_secs(10);

fn not_there(bench: &Bench) -> Error {
    Error::unknown_shard("the shard is not on this group", bench.cluster.shard_id(0))
}

/// Every shard call is refused so from now on.
fn refuse(bench: &Bench, error: &Error) {
    bench.cluster.read_trouble(0, Some(error.clone()));
    (0..1_000).for_each(|_| bench.cluster.trouble(0, Trouble::Refuse(error.clone())));
}

fn delete(rows: DeleteRows) -> DeleteRequest {
    DeleteRequest { collection: "docs".into(), partition: None, rows, request: None }
}

/// The refusal of a call that has a minute, within [`SOON`].
async fn soon<T>(what: &str, work: impl Future<Output = Result<T>>) -> Error {
    let answer = tokio::time::timeout(SOON, work).await;
    let answer = answer.unwrap_or_else(|_| panic!("{what} waits for a collection that is gone"));
    answer.err().unwrap_or_else(|| panic!("{what} succeeds"))
}

/// What every verb that asks shards is answered.
async fn answers(proxy: &Proxy) -> Vec<(&'static str, Error)> {
    let call = Call::default;
    let (filter, keys) = (DeleteRows::Filter("year > 2000".into()), DeleteRows::Keys(int_keys([1])));
    let count = RowCount { collection: "docs".into(), partition: None };
    vec![
        ("query", soon("query", proxy.query(call(), query_request())).await),
        ("search", soon("search", proxy.search(call(), search_request(vec![0.0, 0.0]))).await),
        ("insert", soon("insert", proxy.insert(call(), insert_request(rows([1])))).await),
        ("delete", soon("delete", proxy.delete(call(), delete(filter))).await),
        ("delete by key", soon("delete by key", proxy.delete(call(), delete(keys))).await),
        ("flush", soon("flush", proxy.flush(call(), vec!["docs".into()])).await),
        ("statistics", soon("statistics", proxy.row_count(call(), count)).await),
        ("indexes", soon("indexes", proxy.describe_indexes(call(), "docs".into())).await),
    ]
}

#[tokio::test]
async fn i11_a_request_whose_collection_is_dropped_under_way_hears_so_at_once() {
    let bench = Bench::new(schema(), 1);
    bench.cluster.add_index(Metric::L2, "HNSW");
    bench.cluster.drop_under_way();
    refuse(&bench, &not_there(&bench));
    for (what, error) in answers(&bench.proxy).await {
        assert_eq!((error.code, error.may_be_done), (Code::CollectionNotFound, false), "{what}: {error}");
        assert!(error.context.contains(&("collection".to_owned(), "docs".to_owned())), "{what}: {error}");
    }
    let group = GroupId(1);
    let later = bench.proxy.clock.monotonic() + Duration::from_secs(60);
    let silence = crate::outages::Silence { asked: group, silent: group };
    let out_for = bench.proxy.outages.failed(silence, later, |_| false);
    assert_eq!(out_for, crate::outages::OutFor::default(), "counted as the group's silence");
}

#[tokio::test]
async fn what_this_node_knows_to_be_dropped_needs_neither_a_leader_nor_the_metastore() {
    let bench = Bench::new(schema(), 1);
    let nobody = Error::new(Code::ReplicaUnavailable, "the group has no leader now");
    bench.cluster.trouble(0, Trouble::Refuse(nobody.clone()));
    bench.cluster.trouble(0, Trouble::Forget(nobody));
    let writing = bench.proxy.insert(Call::default(), insert_request(rows([1])));
    let error = tokio::time::timeout(SOON, writing).await.expect("it waits").unwrap_err();
    assert_eq!((error.code, error.may_be_done), (Code::CollectionNotFound, false), "{error}");
    assert_eq!(*bench.cluster.barriers.lock(), 1, "that of the name");
}

#[tokio::test]
async fn an_attempt_without_an_answer_before_the_drop_may_be_done() {
    let bench = Bench::new(schema(), 1);
    let lost = Error::new(Code::ReplicaUnavailable, "the connection broke").unanswered();
    bench.cluster.trouble(0, Trouble::LoseAnswer(lost));
    bench.cluster.trouble(0, Trouble::Forget(not_there(&bench)));
    let writing = bench.proxy.insert(Call::default(), insert_request(rows([1])));
    let error = tokio::time::timeout(SOON, writing).await.expect("it waits").unwrap_err();
    assert_eq!((error.code, error.may_be_done), (Code::OutcomeUnknown, true), "{error}");
    assert!(error.detail.contains("collection not found"), "{error}");
}

#[tokio::test]
async fn a_shard_that_is_not_there_yet_is_asked_again_and_looked_up_once() {
    let bench = Bench::new(schema(), 1);
    (0..5).for_each(|_| bench.cluster.trouble(0, Trouble::Refuse(not_there(&bench))));
    bench.insert(rows([1])).await.unwrap();
    assert_eq!(bench.cluster.row_total(), 1);
    assert_eq!(*bench.cluster.barriers.lock(), 2, "one for the name, one for the shard");
    // A metastore that gives no answer keeps nobody from asking again.
    (0..5).for_each(|_| bench.cluster.trouble(0, Trouble::Refuse(not_there(&bench))));
    bench.cluster.meta_trouble(Trouble::Pass);
    bench.cluster.meta_trouble(Trouble::Hang);
    bench.insert(rows([2])).await.unwrap();
    // It never comes: the caller hears that, and nothing of majorities.
    (0..1_000).for_each(|_| bench.cluster.trouble(0, Trouble::Refuse(not_there(&bench))));
    let error = bench.proxy.insert(short(), insert_request(rows([3]))).await.unwrap_err();
    assert_eq!((error.code, error.may_be_done), (Code::ReplicaUnavailable, false), "{error}");
    assert!(error.is_unknown_shard() && !error.detail.contains("majority"), "{error}");
}

#[tokio::test]
async fn p5_a_read_of_a_partition_that_is_dropped_under_way_is_an_error_that_names_it() {
    let bench = Bench::new(schema(), 2);
    bench.insert(rows(0..7)).await.unwrap();
    // As the shard says it that has dropped it already; the other one still has the rows.
    let gone = Error::new(Code::PartitionNotFound, "it was dropped").with("partition", fakes::OLD);
    bench.cluster.read_trouble(1, Some(gone));
    let partitions = vec!["_default".to_owned(), "old".to_owned()];
    let query = QueryRequest { partitions: partitions.clone(), ..query_request() };
    let search = SearchRequest { partitions, ..search_request(vec![0.0, 0.0]) };
    let refused = [
        soon("query", bench.proxy.query(Call::default(), query)).await,
        soon("search", bench.proxy.search(Call::default(), search)).await,
    ];
    bench.cluster.read_trouble(1, None);
    bench.cluster.changes_under_way(|collection| collection.partitions.retain(|part| part.name != "old"));
    let count = RowCount { collection: "docs".into(), partition: Some("old".into()) };
    let counted = soon("statistics", bench.proxy.row_count(Call::default(), count)).await;
    for error in refused.into_iter().chain([counted]) {
        assert_eq!(error.code, Code::PartitionNotFound, "{error}");
        for (key, name) in [("partition", "old"), ("collection", "docs")] {
            assert!(error.context.contains(&(key.to_owned(), name.to_owned())), "{error}");
        }
    }
}
