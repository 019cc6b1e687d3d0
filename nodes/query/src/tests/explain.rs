//! What a replica tells of a read beside its rows.

use super::*;
use vecraft_rpc::services::{Nearer, ShardExplain, ShardExplained, ShardReader};
use vecraft_types::api::{KeyVerdict, SearchPage, SegmentStrategy};

fn explained(keys: &[i64], distances: &[f32]) -> ShardSearch {
    let keys = keys.iter().copied().map(PrimaryKey::Int64).collect();
    ShardSearch { explain: Some(ShardExplain { keys, distances: distances.to_vec() }), ..search(7.2) }
}

async fn told(bench: &Bench, asked: ShardSearch) -> ShardExplained {
    *bench.node.search(asked).await.unwrap().explained.unwrap()
}

#[tokio::test]
async fn who_answered_is_told_with_what_its_segments_did_and_only_when_asked() {
    let bench = bench(9, QueryConfig::default());
    assert_eq!(bench.node.search(search(7.2)).await.unwrap().explained, None);
    let told = told(&bench, explained(&[], &[])).await;
    let shard = &told.shard;
    assert_eq!((shard.node, shard.shard, shard.position), (NodeId(3), 1, LogPosition(9)));
    assert_eq!(shard.timestamp, Timestamp(90));
    assert_eq!(shard.segments.iter().map(|told| told.exact_distances).collect::<Vec<_>>(), [10, 10]);
    assert!(shard.segments.iter().all(|told| told.strategy == SegmentStrategy::ExactScan));
    assert!(told.keys.is_empty() && told.nearer.is_empty());
}

#[tokio::test]
async fn the_wait_for_freshness_is_told_apart_from_the_work() {
    let bench = bench(0, QueryConfig::default());
    let reading = tokio::spawn({
        let node = bench.node.clone();
        async move { node.search(explained(&[], &[])).await.unwrap().explained.unwrap().shard }
    });
    while bench.barrier.waited.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    // As long as the system's clock can tell.
    let since = SystemClock::shared();
    let then = since.monotonic();
    while since.monotonic() < then + std::time::Duration::from_millis(2) {
        tokio::task::yield_now().await;
    }
    bench.barrier.passes.add_permits(1);
    let shard = reading.await.unwrap();
    assert!(shard.barrier_us >= 2_000, "{shard:?}");
}

#[tokio::test]
async fn keys_are_told_of_with_the_ranks_of_others_distances() {
    let bench = bench(9, QueryConfig::default());
    // From 7.2 the nearest are 7, 8, 6; then 9, 5, 10.
    let told = told(&bench, explained(&[8, 5, 99], &[1.0, 0.0])).await;
    let verdicts: Vec<_> =
        told.keys.iter().map(|key| (key.told.verdict, key.told.rank, key.told.place)).collect();
    assert_eq!(
        verdicts,
        [
            (KeyVerdict::Found, Some(2), Some(2)),
            (KeyVerdict::BeyondLimit, Some(5), None),
            (KeyVerdict::Absent, None, None)
        ]
    );
    assert_eq!(told.nearer, [Nearer { rows: 2, as_near: 0 }, Nearer::default()]);
    // Nothing is searched for: the count alone.
    let only_count = ShardSearch { k: 0, ..explained(&[], &[1.0]) };
    let hits = bench.node.search(only_count).await.unwrap();
    assert_eq!(
        (hits.counts, hits.explained.unwrap().nearer),
        (vec![0], vec![Nearer { rows: 2, as_near: 0 }])
    );
}

#[tokio::test]
async fn what_cannot_be_told_is_refused() {
    let bench = bench(9, QueryConfig::default());
    let many: Vec<i64> = (0..101).collect();
    let error = bench.node.search(explained(&many, &[])).await.unwrap_err();
    assert!(error.detail.contains("101 keys") && error.detail.contains("100"), "{error}");
    let page = ShardSearch { page: Some(SearchPage::default()), ..explained(&[1], &[]) };
    let error = bench.node.search(page).await.unwrap_err();
    assert!(error.detail.contains("not of groups or pages"), "{error}");
}
