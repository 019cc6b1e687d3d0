//! How long each kind of request waits once it is known that no majority answers, and what it hears.

use super::fakes::Trouble;
use super::*;
use std::time::Duration;

/// Goes as the timers do.
struct TimerClock(tokio::time::Instant);

impl Clock for TimerClock {
    fn now_ms(&self) -> u64 {
        0
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A minute, as Milvus's client gives it.
fn minute() -> Call {
    Call { deadline_ms: Some(60_000), ..Call::default() }
}

const BOUNDED: Consistency = Consistency::Bounded(5_000, Timestamp::ZERO);
const LATER: Consistency = Consistency::Session(Timestamp(1_000_000));

/// Seven rows; then the majority is lost.
async fn lost() -> Bench {
    let mut bench = Bench::new(schema(), 2);
    bench.use_clock(Arc::new(TimerClock(tokio::time::Instant::now())));
    bench.insert(rows(0..7)).await.unwrap();
    bench.cluster.add_index(Metric::L2, "HNSW");
    bench.proxy.list_collections(Call::default()).await.unwrap();
    *bench.cluster.lacks_majority.lock() = true;
    bench
}

async fn query(bench: &Bench, consistency: Consistency) -> Result<u64> {
    let output_fields = vec!["count(*)".to_owned()];
    let request = QueryRequest { consistency, output_fields, limit: None, ..query_request() };
    bench.proxy.query(minute(), request).await.map(|reply| reply.count.unwrap())
}

async fn search(bench: &Bench, consistency: Consistency) -> Result<()> {
    let request = SearchRequest { consistency, ..search_request(vec![0.0, 0.0]) };
    bench.proxy.search(minute(), request).await.map(drop)
}

fn count() -> RowCount {
    RowCount { collection: "docs".into(), partition: None }
}

/// Whether the request was there when the majority went, as far as this node could know: it is refused once the group has
/// answered nobody for ten seconds, and not at the end of its minute.
fn saw_it_go(waited: Duration) -> bool {
    (Duration::from_secs(9)..Duration::from_secs(17)).contains(&waited)
}

/// How long it took.
async fn timed<T>(work: impl Future<Output = Result<T>>) -> (Duration, Result<T>) {
    let began = tokio::time::Instant::now();
    let answer = work.await;
    (began.elapsed(), answer)
}

/// Refused after the time of some elections, by the name of a group.
async fn check_refused<T: std::fmt::Debug>(what: &str, work: impl Future<Output = Result<T>>) -> Error {
    let (waited, answer) = timed(work).await;
    let error = answer.unwrap_err();
    assert!(waited < Duration::from_secs(7), "{what} waited {waited:?}: {error}");
    assert_eq!(error.code, Code::ReplicaUnavailable, "{what}: {error}");
    assert!(error.context.iter().any(|(key, _)| key == "group"), "{what}: {error}");
    assert!(error.detail.contains("needs a majority of them"), "{what}: {error}");
    error
}

#[tokio::test(start_paused = true)]
async fn without_a_majority_every_read_is_refused_as_soon_as_writes_are_and_eventually_is_answered() {
    let bench = lost().await;
    let (waited, first) = timed(query(&bench, BOUNDED)).await;
    let first = first.unwrap_err();
    assert!(saw_it_go(waited) && first.code == Code::ReplicaUnavailable, "{waited:?}: {first}");
    let error = check_refused("a query at Bounded", query(&bench, BOUNDED)).await;
    for part in ["it has answered nobody here for 1", "reads at Eventually are answered", "recover.md"] {
        assert!(error.detail.contains(part), "{part} is not in {error}");
    }
    check_refused("a query at Session", query(&bench, LATER)).await;
    check_refused("a search at Bounded", search(&bench, BOUNDED)).await;
    check_refused("a search at Session", search(&bench, LATER)).await;
    // The metastore is on the same nodes: it need not be missed for long by itself.
    check_refused("a query at Strong", query(&bench, Consistency::Strong)).await;
    check_refused("an insert", bench.proxy.insert(minute(), insert_request(rows([1])))).await;
    check_refused("statistics", bench.proxy.row_count(minute(), count())).await;
    check_refused("index progress", bench.proxy.describe_indexes(minute(), "docs".into())).await;
    check_refused("a flush", bench.proxy.flush(minute(), vec!["docs".into()])).await;
    let unknown = QueryRequest { collection: "new".into(), consistency: BOUNDED, ..query_request() };
    check_refused("a query of what is not known here", bench.proxy.query(minute(), unknown)).await;
    let unknown = CollectionName::Name("new".into());
    check_refused("a door's look-up", bench.proxy.known_collection(minute(), unknown)).await;
    for _ in 0..3 {
        let (waited, found) = timed(query(&bench, Consistency::Eventually)).await;
        assert_eq!((found, waited), (Ok(7), Duration::ZERO));
        let (waited, found) = timed(search(&bench, Consistency::Eventually)).await;
        assert_eq!((found, waited), (Ok(()), Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn i10_a_write_that_waits_as_the_majority_goes_is_told_within_seconds_that_it_may_be_done() {
    let bench = lost().await;
    *bench.cluster.lacks_majority.lock() = false;
    let unconfirmed =
        Error::new(Code::ReplicaUnavailable, "no majority has confirmed the entry").unanswered();
    (0..2).for_each(|shard| bench.cluster.trouble(shard, Trouble::LoseAnswer(unconfirmed.clone())));
    let goes = async {
        // Between the first attempt and the second.
        tokio::time::sleep(Duration::from_millis(1)).await;
        *bench.cluster.lacks_majority.lock() = true;
    };
    let insert = bench.proxy.insert(minute(), insert_request(rows([1])));
    let ((waited, answer), ()) = tokio::join!(timed(insert), goes);
    let error = answer.unwrap_err();
    assert!(saw_it_go(waited), "{waited:?}: {error}");
    assert_eq!((error.code, error.may_be_done), (Code::OutcomeUnknown, true), "{error}");
    assert!(error.context.iter().any(|(key, group)| key == "group" && group == "1"), "{error}");
    assert!(error.detail.contains("needs a majority of them"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_is_served_at_strong_or_bounded_ends_the_outage_and_at_eventually_or_in_a_session_does_not() {
    let bench = lost().await;
    query(&bench, BOUNDED).await.unwrap_err();
    let ends_the_outage = async |level| {
        *bench.cluster.lacks_majority.lock() = false;
        query(&bench, level).await.unwrap();
        *bench.cluster.lacks_majority.lock() = true;
        let (waited, answer) = timed(query(&bench, BOUNDED)).await;
        answer.unwrap_err();
        saw_it_go(waited)
    };
    for level in [
        Consistency::Eventually,
        Consistency::Session(Timestamp(1)),
        Consistency::Bounded(86_400_000, Timestamp(0)),
    ] {
        assert!(!ends_the_outage(level).await, "{level:?}");
    }
    for level in [BOUNDED, Consistency::Strong] {
        assert!(ends_the_outage(level).await, "{level:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn statistics_are_not_given_their_time_twice() {
    let bench = lost().await;
    let (waited, answer) = timed(bench.proxy.row_count(minute(), count())).await;
    answer.unwrap_err();
    assert!(saw_it_go(waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_hangs_at_stopped_nodes_is_given_up_as_soon_and_a_slow_one_is_not() {
    let bench = lost().await;
    *bench.cluster.reads_take.lock() = Duration::from_secs(600);
    let (waited, first) = timed(query(&bench, BOUNDED)).await;
    assert!(first.is_err() && saw_it_go(waited), "{waited:?}: {first:?}");
    check_refused("a query at Bounded", query(&bench, BOUNDED)).await;
    check_refused("a search at Session", search(&bench, LATER)).await;
    assert_eq!(query(&bench, Consistency::Eventually).await, Ok(7));
    // The majority is back, and reads are slow: the outage is over, and nobody cuts them.
    *bench.cluster.lacks_majority.lock() = false;
    *bench.cluster.reads_take.lock() = Duration::from_secs(30);
    for _ in 0..2 {
        assert_eq!(query(&bench, BOUNDED).await, Ok(7));
        search(&bench, Consistency::Strong).await.unwrap();
    }
}
