//! Explanations of searches over several shards: whole, with real ranks, and only when asked for.

use super::*;
use crate::ProxyConfig;

async fn filled(shards: u32) -> Bench {
    let bench = Bench::with_config(schema(), shards, ProxyConfig::default());
    bench.insert(rows(0..40)).await.unwrap();
    bench
}

fn why(keys: impl IntoIterator<Item = i64>) -> Option<Explain> {
    Some(Explain { why_missing: int_keys(keys) })
}

#[tokio::test]
async fn each_shard_tells_where_it_was_read_and_nothing_is_told_unasked() {
    let bench = filled(3).await;
    assert_eq!(bench.search(|_| {}).await.unwrap().explanation, None);
    let reply = bench
        .search(|request| {
            request.explain = why([]);
            request.filter = "year is null or id >= 0".into();
            request.limit = 3;
            request.offset = 1;
        })
        .await
        .unwrap();
    let told = reply.explanation.unwrap();
    assert_eq!(
        (told.collection.as_str(), told.field.as_str(), told.metric.as_str()),
        ("docs", "vector", "L2")
    );
    assert_eq!((told.limit, told.offset, told.queries, told.answers), (3, 1, 1, AnswerKind::Nearest));
    assert_eq!(told.filter.as_deref(), Some("or(year is null, id >= 0)"));
    assert_eq!((told.consistency.as_str(), told.index), ("strong", None));
    let nodes: Vec<_> =
        told.shards.iter().map(|shard| (shard.shard, shard.node.0, shard.group, shard.round)).collect();
    let group = Some(GroupId(1));
    assert_eq!(nodes, [(0, 10, group, 1), (1, 11, group, 1), (2, 12, group, 1)]);
    assert!(told.total_us >= told.plan_us + told.shards.iter().map(|shard| shard.proxy_us).max().unwrap());
}

#[tokio::test]
async fn ranks_count_the_rows_of_all_shards_in_the_order_of_the_answer() {
    for shards in [1, 4] {
        let bench = filled(shards).await;
        let search = |limit: usize, offset: usize| {
            let bench = &bench;
            async move {
                let asked = |request: &mut SearchRequest| {
                    // Between rows, so that every distance comes twice.
                    request.vectors = vec![19.5, 0.0].into();
                    (request.limit, request.offset, request.explain) = (limit, offset, why(0..40));
                };
                bench.search(asked).await.unwrap()
            }
        };
        // What every row's rank is: its place in the answer of all.
        let order = int_column(&search(40, 0).await.rows, "id");
        let reply = search(6, 4).await;
        let hits = int_column(&reply.rows, "id");
        let told = reply.explanation.unwrap();
        for (key, told) in (0..40i64).zip(&told.keys) {
            let rank = order.iter().position(|other| *other == key).unwrap() as u64 + 1;
            assert_eq!(
                (told.key.clone(), told.rank),
                (PrimaryKey::Int64(key), Some(rank)),
                "{shards} shards"
            );
            let wanted = match rank {
                1..=4 => KeyVerdict::BeforeOffset,
                5..=10 => KeyVerdict::Found,
                _ => KeyVerdict::BeyondLimit,
            };
            assert_eq!((told.verdict, told.place.is_some()), (wanted, hits.contains(&key)), "{told:?}");
            assert_eq!(told.place, (5..=10).contains(&rank).then_some(rank));
            assert_eq!((told.partition.as_deref(), told.is_of_one_view), (Some("_default"), true));
            assert!(told.words.contains(&format!("real rank {rank}")), "{}", told.words);
        }
        let rounds = told.shards.iter().filter(|shard| shard.round == 2).count();
        assert_eq!(rounds, if shards > 1 { 4 } else { 0 });
    }
}

#[tokio::test]
async fn keys_that_the_filter_does_not_name_and_keys_that_are_not_there_are_told() {
    let bench = filled(4).await;
    let asked = |filter: &'static str| {
        let bench = &bench;
        async move {
            let asked = |request: &mut SearchRequest| {
                (request.filter, request.explain) = (filter.into(), why([7, 99]));
            };
            bench.search(asked).await.unwrap().explanation.unwrap().keys
        }
    };
    let keys = asked("").await;
    assert_eq!((keys[0].verdict, keys[1].verdict), (KeyVerdict::Found, KeyVerdict::Absent));
    // Only one shard is asked, which owns neither.
    let other = (0..40).find(|key| {
        let shard = |key: i64| PrimaryKey::Int64(key).shard_index(4);
        shard(*key) != shard(7) && shard(*key) != shard(99)
    });
    assert_eq!(other, Some(0), "the filter below names it");
    let keys = asked("id == 0").await;
    assert!(keys.iter().all(|told| told.verdict == KeyVerdict::FilteredOut), "{keys:?}");
    assert_eq!(keys[0].words, "filtered out: id == 0 is false");
}

#[tokio::test]
async fn keys_that_nothing_can_be_told_of_are_refused() {
    let bench = filled(2).await;
    let refusal = |change: fn(&mut SearchRequest)| {
        let bench = &bench;
        async move { bench.search(change).await.unwrap_err().to_string() }
    };
    let many = refusal(|request| request.explain = why(0..101)).await;
    assert!(many.contains("101 keys") && many.contains("at most 100"), "{many}");
    let text = refusal(|request| {
        request.explain = Some(Explain { why_missing: vec![PrimaryKey::VarChar("a".into())] });
    });
    let text = text.await;
    assert!(text.contains("Int64") && text.contains("\"a\""), "{text}");
    let several = refusal(|request| {
        (request.vectors, request.explain) = (vec![0.0; 4].into(), why([1]));
    });
    let several = several.await;
    assert!(several.contains("one query vector") && several.contains("has 2"), "{several}");
    let grouped = refusal(|request| {
        request.explain = why([1]);
        request.group_by = Some(GroupBy { field: "title".into(), size: 1, is_strict: false });
    });
    let grouped = grouped.await;
    assert!(grouped.contains("why_missing of a search for groups"), "{grouped}");
    // Without keys both are explained.
    let reply = bench
        .search(|request| {
            request.explain = why([]);
            request.group_by = Some(GroupBy { field: "title".into(), size: 2, is_strict: true });
        })
        .await
        .unwrap();
    let told = reply.explanation.unwrap();
    assert_eq!(told.answers, AnswerKind::Groups);
    assert!(told.shards.iter().any(|shard| shard.round == 2), "filled by a second round");
}
