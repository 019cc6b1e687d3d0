//! What users notice about reads: order, offset, columns, and that no shard is ever left out.

use super::*;

/// `docs` on four shards with keys 0..40 at `[key, 0]`.
async fn filled() -> Bench {
    let bench = Bench::new(schema(), 4);
    bench.insert(rows(0..40)).await.unwrap();
    bench
}

#[tokio::test]
async fn hits_of_all_shards_are_merged_nearest_first() {
    let bench = filled().await;
    let reply = bench
        .search(|r| {
            r.vectors = vec![10.0, 0.0, 39.0, 0.0].into();
            r.limit = 5;
            r.output_fields = vec!["title".into()];
        })
        .await
        .unwrap();
    assert_eq!(reply.counts, [5, 5]);
    // Equal distances are ordered by shard.
    let by_shard = |mut keys: [i64; 2]| {
        keys.sort_by_key(|key| PrimaryKey::Int64(*key).shard_index(4));
        keys
    };
    let expected = [&[10][..], &by_shard([9, 11]), &by_shard([8, 12]), &[39, 38, 37, 36, 35]].concat();
    assert_eq!(int_column(&reply.rows, "id"), expected);
    assert_eq!(reply.scores, [0.0, 1.0, 1.0, 4.0, 4.0, 0.0, 1.0, 4.0, 9.0, 16.0]);
    assert_eq!(reply.rows.names, ["id", "title"]);
    assert_eq!(reply.rows.column("title").unwrap().data.key(5), Some(PrimaryKey::VarChar("t39".into())));
    assert_eq!((reply.primary_field.as_str(), reply.output_fields), ("id", vec!["title".to_owned()]));
    assert_eq!(reply.timestamp, Timestamp(13));
}

#[tokio::test]
async fn larger_is_nearer_for_inner_product() {
    let bench = filled().await;
    let reply = bench
        .search(|r| {
            r.vectors = vec![1.0, 0.0].into();
            r.metric = Some(Metric::Ip);
            r.limit = 3;
        })
        .await
        .unwrap();
    assert_eq!((int_column(&reply.rows, "id"), reply.scores), (vec![39, 38, 37], vec![39.0, 38.0, 37.0]));
}

#[tokio::test]
async fn pages_by_offset_fit_together() {
    let bench = filled().await;
    let mut seen = vec![];
    for page in 0..5 {
        let reply = bench
            .search(|r| {
                r.limit = 9;
                r.offset = page * 9;
            })
            .await
            .unwrap();
        seen.extend(int_column(&reply.rows, "id"));
    }
    assert_eq!(seen, (0..40).collect::<Vec<_>>());
    let beyond = bench.search(|r| r.offset = 100).await.unwrap();
    assert_eq!((beyond.counts, beyond.rows.batch.rows), (vec![0], 0));
}

#[tokio::test]
async fn pages_fit_together_among_equal_scores() {
    let bench = Bench::new(schema(), 4);
    let mut same = rows(0..30);
    same.batch.columns[2].data = vectors(vec![1.0; 60]).data;
    bench.insert(same).await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for page in 0..10 {
        let reply = bench
            .search(|r| {
                r.limit = 3;
                r.offset = page * 3;
            })
            .await
            .unwrap();
        seen.extend(int_column(&reply.rows, "id"));
    }
    assert_eq!(seen.len(), 30);
}

#[tokio::test]
async fn queries_come_in_key_order_with_offset_and_limit() {
    let bench = filled().await;
    let reply = bench
        .query(|r| {
            r.offset = 7;
            r.limit = Some(5);
        })
        .await
        .unwrap();
    assert_eq!(int_column(&reply.rows, "id"), [7, 8, 9, 10, 11]);
    assert_eq!((reply.output_fields, reply.count), (vec!["id".to_owned()], None));
    let reply = bench.query(|r| r.output_fields = vec!["*".into()]).await.unwrap();
    assert_eq!(reply.rows.names, ["id", "title", "year", "rank", "vector", "$meta"]);
    assert_eq!(reply.rows.batch.rows, 40);
    let reply = bench.query(|r| r.output_fields = vec!["color".into(), "title".into()]).await.unwrap();
    assert_eq!(reply.rows.names, ["id", "$meta", "title"]);
    assert_eq!(reply.output_fields, ["id", "color", "title"]);
}

#[tokio::test]
async fn counts_are_summed() {
    let bench = filled().await;
    let count = |filter: &'static str| {
        let bench = &bench;
        async move {
            let reply = bench.query(|r| {
                r.output_fields = vec!["count(*)".into()];
                r.limit = None;
                r.filter = filter.into();
            });
            reply.await.unwrap().count
        }
    };
    assert_eq!(count("").await, Some(40));
    assert_eq!(count("id in [1, 2, 77]").await, Some(2));
    assert_eq!(count("id in []").await, Some(0));
}

#[tokio::test]
async fn a_get_by_key_asks_only_the_owners() {
    let bench = filled().await;
    bench.cluster.asked_shards.lock().clear();
    let reply = bench
        .query(|r| {
            r.filter = "id == 17".into();
            r.limit = None;
        })
        .await
        .unwrap();
    assert_eq!(int_column(&reply.rows, "id"), [17]);
    assert_eq!(bench.cluster.asked_shards.lock().len(), 1);
}

#[tokio::test]
async fn an_empty_collection_answers_with_empty_columns() {
    let bench = Bench::new(schema(), 3);
    let reply = bench.search(|r| r.vectors = vec![0.0; 4].into()).await.unwrap();
    assert_eq!((reply.counts, reply.rows.names), (vec![0, 0], vec!["id".to_owned()]));
    let reply = bench.query(|r| r.output_fields = vec!["title".into()]).await.unwrap();
    assert_eq!((reply.rows.batch.rows, reply.rows.names.len()), (0, 2));
}

#[tokio::test]
async fn a_missing_shard_is_an_error_that_names_it() {
    let bench = filled().await;
    bench.cluster.read_trouble(2, Some(Error::new(Code::ReplicaUnavailable, "gone")));
    // P5: three of four shards are not an answer.
    let error = bench.proxy.search(short(), search_request(vec![0.0, 0.0])).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("no available shard leader: gone; ") && text.ends_with("[group=1][shard=5/2]"),
        "{text}"
    );
    let error = bench.proxy.query(short(), query_request()).await.unwrap_err();
    assert!(error.to_string().contains("[shard=5/2]"), "{error}");
    // It comes back while a read waits for it.
    let waiting = bench.search(|r| r.limit = 40);
    let healing = async {
        tokio::task::yield_now().await;
        bench.cluster.read_trouble(2, None);
    };
    let (reply, ()) = tokio::join!(waiting, healing);
    assert_eq!(reply.unwrap().counts, [40]);
}

#[tokio::test]
async fn partitions_narrow_a_read() {
    let bench = filled().await;
    let mut request = insert_request(rows(50..55));
    request.partition = Some("old".into());
    bench.proxy.insert(Call::default(), request).await.unwrap();
    let reply = bench.query(|r| r.partitions = vec!["old".into()]).await.unwrap();
    assert_eq!(int_column(&reply.rows, "id"), [50, 51, 52, 53, 54]);
}

#[tokio::test]
async fn a_reply_that_is_too_large_is_an_error() {
    let bench =
        Bench::with_config(schema(), 2, ProxyConfig { reply_bytes_max: 200, ..ProxyConfig::default() });
    bench.insert(rows(0..40)).await.unwrap();
    let error = bench.query(|r| r.output_fields = vec!["vector".into()]).await.unwrap_err();
    assert_eq!(error.code, Code::ParameterTooLarge, "{error}");
    assert!(bench.query(|r| r.limit = Some(5)).await.is_ok());
}

#[tokio::test]
async fn i20_each_shard_is_asked_for_what_the_session_has_seen_of_it() {
    let bench = filled().await;
    let shards: Vec<ShardId> = bench.cluster.collection.lock().shards.iter().map(|at| at.shard).collect();
    let foreign = ShardId { collection: CollectionId(6), index: 0 };
    let seen = |shard, at| Seen { shard, timestamp: Timestamp(at) };
    let told = vec![seen(shards[0], 90), seen(shards[1], 5), seen(shards[0], 80), seen(foreign, 1_000)];
    let level_of = |asked: Consistency, shard: ShardId| {
        let own = if shard == shards[0] {
            90
        } else if shard == shards[1] {
            5
        } else {
            0
        };
        asked.at_least(Timestamp(own))
    };
    let (session, bounded) = (Consistency::Session(Timestamp(7)), Consistency::Bounded(50, Timestamp::ZERO));
    for level in [session, bounded, Consistency::Strong, Consistency::Eventually] {
        let expected: BTreeMap<_, _> = shards.iter().map(|shard| (*shard, level_of(level, *shard))).collect();
        let searched = bench.search(|r| (r.consistency, r.seen) = (level, told.clone())).await.unwrap();
        assert_eq!(std::mem::take(&mut *bench.cluster.levels.lock()), expected, "search at {level:?}");
        let queried = bench.query(|r| (r.consistency, r.seen) = (level, told.clone())).await.unwrap();
        assert_eq!(*bench.cluster.levels.lock(), expected, "query at {level:?}");
        assert_eq!(searched.seen, queried.seen);
        assert_eq!(searched.seen.iter().map(|seen| seen.shard).collect::<Vec<_>>(), shards);
        assert_eq!(searched.seen.iter().map(|seen| seen.timestamp).max(), Some(searched.timestamp));
        assert!(searched.seen.iter().any(|seen| seen.timestamp < searched.timestamp), "each its own");
    }
    // A read by key shows nothing of the other shards.
    let one = bench.query(|r| r.filter = "id == 1".into()).await.unwrap();
    assert_eq!(one.seen.len(), 1);
}
