//! Figures: rows, index progress, segments, time.

use super::*;

#[tokio::test]
async fn figures_are_summed_over_shards() {
    let bench = Bench::new(schema(), 4);
    bench.insert(rows(0..40)).await.unwrap();
    let mut request = insert_request(rows(100..110));
    request.partition = Some("old".into());
    bench.proxy.insert(Call::default(), request).await.unwrap();
    let count = |partition: Option<&str>| {
        let request = RowCount { collection: "docs".into(), partition: partition.map(str::to_owned) };
        bench.proxy.row_count(Call::default(), request)
    };
    assert_eq!(count(None).await.unwrap(), 50);
    assert_eq!(count(Some("_default")).await.unwrap(), 40);
    assert_eq!(count(Some("old")).await.unwrap(), 10);
    assert_eq!(count(Some("nowhere")).await.unwrap_err().code, Code::PartitionNotFound);
    assert_eq!(count(Some("")).await.unwrap_err().code, Code::InvalidParameter, "not the whole collection");
    bench.cluster.add_index(Metric::L2, "HNSW");
    let infos = bench.proxy.describe_indexes(Call::default(), "docs".into()).await.unwrap();
    let [info] = &infos[..] else { panic!("{infos:?}") };
    assert_eq!(
        (info.field.as_str(), info.total_rows, info.pending_rows, info.indexed_rows),
        ("vector", 50, 4, 46)
    );
    assert_eq!(info.failure, None);
    bench.cluster.index_failure(2, "no room");
    let infos = bench.proxy.describe_indexes(Call::default(), "docs".into()).await.unwrap();
    assert_eq!((infos[0].failure.as_deref(), infos[0].pending_rows), (Some("no room"), 4));
    // Rows in memory have no graph yet; a comparison of all rows needs none.
    bench.cluster.grow(1, 1 << 20);
    for (index_type, indexed) in [("HNSW", 0), ("FLAT", 46)] {
        bench.cluster.add_index(Metric::L2, index_type);
        let infos = bench.proxy.describe_indexes(Call::default(), "docs".into()).await.unwrap();
        assert_eq!(infos[0].indexed_rows, indexed, "{index_type}");
    }
    bench.cluster.grow(1, 0);
    let flushed = bench.proxy.flush(Call::default(), vec!["docs".into()]).await.unwrap();
    assert_eq!((flushed.len(), flushed[0].segments.len()), (1, 4));
    let both = vec!["docs".into(), "nothing".into()];
    assert_eq!(bench.proxy.flush(Call::default(), both).await.unwrap_err().code, Code::CollectionNotFound);
}

#[tokio::test]
async fn server_timestamps_rise() {
    let bench = Bench::new(schema(), 1);
    let first = bench.proxy.server_info(Call::default()).await.unwrap();
    let second = bench.proxy.server_info(Call::default()).await.unwrap();
    assert!(first.is_healthy && first.version == "test" && second.now > first.now);
}
