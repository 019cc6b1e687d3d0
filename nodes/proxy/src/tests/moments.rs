//! I18: one moment of all shards, which any proxy reads again.

use super::*;
use vecraft_rpc::services::{PinReply, ShardPin, ShardWriter};
use vecraft_runtime::clock::SimClock;

/// `docs` on four shards with keys 0..40.
async fn filled() -> Bench {
    let bench = Bench::new(schema(), 4);
    bench.insert(rows(0..40)).await.unwrap();
    bench
}

fn page(after: i64, moment: Moment) -> impl FnOnce(&mut QueryRequest) {
    move |request| {
        request.filter = format!("id > {after}");
        request.limit = Some(15);
        request.moment = moment;
    }
}

#[tokio::test]
async fn i18_pages_of_one_moment_fit_together_whatever_is_written_between_and_whoever_serves_them() {
    let bench = filled().await;
    let first = bench.query(page(-1, Moment::Begin)).await.unwrap();
    let mut told = int_column(&first.rows, "id");
    for round in 0..3 {
        bench.insert(rows(100 + round * 10..105 + round * 10)).await.unwrap();
        let gone = DeleteRows::Filter(format!("id in [{}, {}]", 16 + round, 36 + round));
        let request = DeleteRequest { collection: "docs".into(), partition: None, rows: gone, request: None };
        bench.proxy.delete(Call::default(), request).await.unwrap();
        let proxy = Bench::proxy(&bench.cluster, ProxyConfig::default());
        let other_node = Bench { proxy, cluster: bench.cluster.clone() };
        let next = other_node.query(page(told[told.len() - 1], Moment::Of(first.timestamp))).await.unwrap();
        assert_eq!(next.timestamp, first.timestamp);
        told.extend(int_column(&next.rows, "id"));
    }
    assert_eq!(told, (0..40).collect::<Vec<_>>());
    let other = bench.query(page(-1, Moment::Of(first.timestamp.next()))).await.unwrap_err();
    assert!(other.detail.contains("no iterator") && other.is_input_error(), "{other}");
}

#[tokio::test]
async fn i18_a_moment_begins_in_every_shard_whatever_the_filter_names() {
    let bench = filled().await;
    let before = bench.cluster.entries();
    let one = |request: &mut QueryRequest| {
        request.filter = "id == 3".to_owned();
        request.moment = Moment::Begin;
    };
    let moment = bench.query(one).await.unwrap().timestamp;
    assert_eq!(bench.cluster.entries(), before + 4);
    let all = bench.query(page(-1, Moment::Of(moment))).await.unwrap();
    assert_eq!(all.rows.batch.rows, 15);
    assert_eq!(bench.cluster.entries(), before + 4, "pages write nothing");
}

#[tokio::test]
async fn i18_where_a_shard_is_ahead_of_the_clock_the_moment_lies_behind_its_time() {
    let mut bench = filled().await;
    bench.use_clock(Arc::new(SimClock::new(1_000)));
    // Another node's clock was fast.
    let ahead = Timestamp::from_millis(1 << 42);
    let shard = bench.cluster.shard_id(2);
    let pin = ShardPin { shard, timestamp: ahead, newest_partition: PartitionId(9), deadline_ms: 100 };
    assert_eq!(bench.cluster.pin(pin).await.unwrap(), PinReply::Pinned);
    let first = bench.query(page(-1, Moment::Begin)).await.unwrap();
    assert!(first.timestamp > ahead && first.timestamp.millis() < ahead.millis() + 100);
    let again = bench.query(page(-1, Moment::Of(first.timestamp))).await.unwrap();
    assert_eq!(again.rows, first.rows);
}

#[tokio::test]
async fn i18_two_that_begin_have_two_moments() {
    let bench = filled().await;
    let first = bench.query(page(-1, Moment::Begin)).await.unwrap().timestamp;
    bench.insert(rows(40..41)).await.unwrap();
    let second = bench.query(page(38, Moment::Begin)).await.unwrap();
    assert!(second.timestamp > first);
    assert_eq!(int_column(&second.rows, "id"), [39, 40]);
    let of_first = bench.query(page(38, Moment::Of(first))).await.unwrap();
    assert_eq!(int_column(&of_first.rows, "id"), [39]);
}

#[tokio::test]
async fn i19_names_are_the_newest_where_a_moment_begins_and_those_known_here_for_its_pages() {
    let bench = filled().await;
    let barriers = || *bench.cluster.barriers.lock();
    let before = barriers();
    let moment = bench.query(page(-1, Moment::Begin)).await.unwrap().timestamp;
    assert_eq!(barriers(), before + 1);
    bench.query(page(-1, Moment::Of(moment))).await.unwrap();
    assert_eq!(barriers(), before + 1);
}

#[tokio::test]
async fn pages_of_a_search_have_whole_distances_over_all_shards() {
    let bench = Bench::new(schema(), 4);
    // Keys 0 to 39 at [key, 0]: 21 distances from the query, two keys at most of them.
    bench.insert(rows(0..40)).await.unwrap();
    for (metric, query) in [(Metric::L2, vec![20.0, 0.0]), (Metric::Ip, vec![0.25, 0.0])] {
        let (mut told, mut after, mut moment) = (vec![], None, Moment::Begin);
        loop {
            let reply = bench
                .search(|r| {
                    r.vectors = query.clone().into();
                    r.metric = Some(metric);
                    (r.limit, r.moment, r.page) = (4, moment, Some(SearchPage { after }));
                })
                .await
                .unwrap();
            assert_eq!(reply.counts, [reply.scores.len()]);
            let Some(last) = reply.scores.last() else { break };
            (after, moment) = (Some(*last), Moment::Of(reply.timestamp));
            assert!(reply.scores.len() <= 5, "four, and one more that is as near: {:?}", reply.scores);
            told.extend(int_column(&reply.rows, "id").into_iter().zip(reply.scores));
            bench.insert(rows(50..51)).await.unwrap();
        }
        let mut keys: Vec<i64> = told.iter().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        let all = if metric == Metric::L2 {
            (0..40).collect()
        } else {
            [&(0..40).collect::<Vec<_>>()[..], &[50]].concat()
        };
        assert_eq!(keys, all, "each once; the second moment has the row that was written after the first");
        let is_sorted = |a: f32, b: f32| if metric == Metric::L2 { a <= b } else { a >= b };
        assert!(told.windows(2).all(|two| is_sorted(two[0].1, two[1].1)));
    }
}

#[tokio::test]
async fn what_pages_of_a_search_cannot_be_is_refused() {
    let bench = filled().await;
    let page = |after| Some(SearchPage { after });
    let refuses = async |change: &dyn Fn(&mut SearchRequest), word: &str| {
        let error = bench.search(|r| change(r)).await.unwrap_err();
        assert!(error.is_input_error() && error.detail.contains(word), "{error}");
    };
    refuses(&|r| (r.page, r.vectors) = (page(None), vec![0.0; 4].into()), "one query vector").await;
    refuses(&|r| (r.page, r.offset) = (page(None), 2), "offset").await;
    refuses(&|r| r.page = page(Some(f32::NAN)), "no number").await;
    let by = GroupBy { field: "id".to_owned(), size: 1, is_strict: false };
    refuses(&|r| (r.page, r.group_by) = (page(None), Some(by.clone())), "cannot group").await;
}
