//! Answers, and why there is none.

use super::*;
use crate::tasks;
use crate::wanted::Wanted;
use std::time::Duration;
use vecraft_rpc::services::ShardReader;
use vecraft_runtime::clock::{Clock, SimClock};
use vecraft_segment::{Deletes, SealedSegment, write_segment};
use vecraft_storage::{Disk, SimDisk};

#[tokio::test]
async fn nearest_rows_come_with_their_columns() {
    let bench = bench(9, QueryConfig::default());
    let hits = bench.node.search(search(7.2)).await.unwrap();
    assert_eq!((ints(&hits.rows, KEY), ints(&hits.rows, YEAR)), (vec![7, 8, 6], vec![2007, 2008, 2006]));
    assert_eq!((hits.counts, hits.timestamp), (vec![3], Timestamp(90)));
    let filtered = ShardSearch { filter: "year < 2004".into(), ..search(7.0) };
    assert_eq!(ints(&bench.node.search(filtered).await.unwrap().rows, KEY), [3, 2, 1]);
    let odd = ShardSearch {
        partitions: vec![PARTITIONS[1]],
        vectors: Arc::new(vec![0.0, 0.0, 19.0, 0.0].into()),
        ..search(0.0)
    };
    let hits = bench.node.search(odd).await.unwrap();
    assert_eq!((ints(&hits.rows, KEY), hits.counts), (vec![1, 3, 5, 19, 17, 15], vec![3, 3]));
    // Fewer matches than k: all of them (P5).
    let few = ShardSearch { filter: "id in [3, 4]".into(), ..search(0.0) };
    assert_eq!(bench.node.search(few).await.unwrap().counts, [2]);
}

#[tokio::test]
async fn rows_by_filter_come_in_key_order_with_an_exact_count() {
    let bench = bench(9, QueryConfig::default());
    let found = bench.node.query(query("year >= 2015")).await.unwrap();
    assert_eq!((ints(&found.rows, KEY), found.count), (vec![15, 16, 17, 18, 19], 5));
    let cut = bench.node.query(ShardQuery { limit: Some(2), ..query("year >= 2015") }).await.unwrap();
    assert_eq!((ints(&cut.rows, KEY), cut.count), (vec![15, 16], 5));
    let count = bench.node.query(ShardQuery { output: vec![], ..query("") }).await.unwrap();
    assert_eq!((count.count, count.rows.columns.len()), (20, 0));
    let even = ShardQuery { output: vec![], partitions: vec![PARTITIONS[0]], ..query("id < 4") };
    assert_eq!(bench.node.query(even).await.unwrap().count, 2);
}

#[tokio::test]
async fn the_view_is_loaded_after_the_barrier() {
    // I15: the write becomes visible while the read waits for it.
    let bench = bench(1, QueryConfig::default());
    *bench.barrier.next.lock() = Some(view(30, 120));
    let level = Consistency::Session(Timestamp(120));
    let asked = ShardQuery { output: vec![], consistency: level, ..query("") };
    let found = bench.node.query(asked).await.unwrap();
    assert_eq!((found.count, found.timestamp), (30, Timestamp(120)));
    assert_eq!(*bench.barrier.waited.lock(), [level]);
}

#[tokio::test]
async fn a_shard_that_is_not_here_is_named() {
    let bench = bench(9, QueryConfig::default());
    let elsewhere = ShardId { index: 3, ..SHARD };
    let error = bench.node.search(ShardSearch { shard: elsewhere, ..search(0.0) }).await.unwrap_err();
    assert_eq!(error.code, Code::ReplicaUnavailable);
    assert!(error.to_string().contains("shard=4/3"), "{error}");
    // Dropped while the read waits.
    bench.views.remove(SHARD);
    assert_eq!(bench.node.query(query("")).await.unwrap_err().code, Code::ReplicaUnavailable);
}

#[tokio::test]
async fn what_does_not_fit_the_view_is_refused() {
    let config = QueryConfig { hits_max: 39, ..QueryConfig::default() };
    let bench = bench(20, config);
    let fails = |asked| {
        let node = bench.node.clone();
        async move { node.search(asked).await.unwrap_err() }
    };
    assert_eq!(fails(ShardSearch { dim: 3, ..search(0.0) }).await.code, Code::SchemaMismatch);
    assert_eq!(fails(ShardSearch { field: KEY, ..search(0.0) }).await.code, Code::SchemaMismatch);
    assert_eq!(
        fails(ShardSearch { filter: "year <".into(), ..search(0.0) }).await.code,
        Code::InvalidParameter
    );
    let params = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    assert!(fails(ShardSearch { params: params("eff", "9"), ..search(0.0) }).await.detail.contains("eff"));
    assert!(
        fails(ShardSearch { params: params("refine_k", "0.5"), ..search(0.0) }).await.detail.contains("0.5")
    );
    let refined = ShardSearch { params: params("refine_k", "1.5"), ..search(0.0) };
    assert!(bench.node.search(refined).await.is_ok());
    for (name, value) in [("reorder_k", "20"), ("rbq_query_bits", "0"), ("rbq_bits_query", "8")] {
        let asked = ShardSearch { params: params(name, value), ..search(0.0) };
        assert!(bench.node.search(asked).await.is_ok(), "{name} = {value}");
    }
    assert!(
        fails(ShardSearch { params: params("reorder_k", "0"), ..search(0.0) })
            .await
            .detail
            .contains("reorder_k")
    );
    assert!(fails(ShardSearch { params: params("ef", "-9"), ..search(0.0) }).await.detail.contains("-9"));
    assert_eq!(
        fails(ShardSearch { output: vec![FieldId(999)], ..search(0.0) }).await.code,
        Code::FieldNotFound
    );
    // Twenty rows: two queries for everything are forty hits, more than 39 were allowed.
    let two = Arc::new(QueryVectors::from(vec![0.0; 4]));
    let all = ShardSearch { vectors: two.clone(), k: 16_384, ..search(0.0) };
    let error = fails(all).await;
    assert_eq!(error.code, Code::ParameterTooLarge, "{error}");
    let fewer = ShardSearch { vectors: two, k: 19, ..search(0.0) };
    assert_eq!(bench.node.search(fewer).await.unwrap().counts, [19, 19]);
}

#[tokio::test]
async fn i21_an_answer_that_would_take_too_much_is_refused_before_it_is_gathered() {
    // A row of the answer has a key and a year: 16 bytes.
    let bench = bench(20, QueryConfig { reply_bytes_max: 159, ..QueryConfig::default() });
    let wide = |limit| ShardQuery { output: vec![KEY, YEAR], limit: Some(limit), ..query("") };
    assert_eq!(bench.node.query(wide(9)).await.unwrap().rows.rows, 9);
    let error = bench.node.query(wide(10)).await.unwrap_err();
    assert_eq!(error.code, Code::ParameterTooLarge);
    assert!(error.detail.contains("160 bytes") && error.detail.contains("159"), "{error}");
    let error = bench.node.search(ShardSearch { k: 10, ..search(0.0) }).await.unwrap_err();
    assert_eq!(error.code, Code::ParameterTooLarge, "{error}");
    assert_eq!(bench.node.search(ShardSearch { k: 9, ..search(0.0) }).await.unwrap().counts, [9]);
    assert_eq!(bench.node.report().answer_bytes, 0, "room is given back, whatever the answer was");
}

#[tokio::test]
async fn a_search_keeps_to_its_range() {
    let bench = bench(20, QueryConfig::default());
    let all = bench.node.search(ShardSearch { k: 20, ..search(0.0) }).await.unwrap();
    let (near, far) = (all.scores[3], all.scores[9]);
    let params = BTreeMap::from([("range_filter", near), ("radius", far)])
        .into_iter()
        .map(|(name, bound)| (name.to_owned(), bound.to_string()))
        .collect();
    let ring = bench.node.search(ShardSearch { k: 20, params, ..search(0.0) }).await.unwrap();
    let wanted: Vec<f32> =
        all.scores.iter().copied().filter(|score| near <= *score && *score < far).collect();
    assert_eq!(ring.scores, wanted);
    assert!(wanted.len() > 1);
}

#[tokio::test]
async fn i21_hits_need_room_before_they_are_looked_for() {
    let bench = bench(20, QueryConfig { answer_bytes_max: 1 << 10, ..QueryConfig::default() });
    // Two queries for 20 rows each, 32 bytes a hit.
    let two = ShardSearch { vectors: Arc::new(vec![0.0; 4].into()), k: 20, ..search(0.0) };
    let error = bench.node.search(two).await.unwrap_err();
    assert_eq!(error.code, Code::ParameterTooLarge, "{error}");
    assert!(error.detail.contains("query.answer_bytes_max"), "{error}");
}

#[tokio::test]
async fn too_many_reads_are_refused_and_places_come_back() {
    let bench = bench(0, QueryConfig { reads_max: 2, ..QueryConfig::default() });
    let waiting = || ShardQuery { deadline_ms: 40, ..query("") };
    let third = async {
        while bench.barrier.waited.lock().len() < 2 {
            tokio::task::yield_now().await;
        }
        let report = bench.node.report();
        assert_eq!((report.under_way, report.running, report.places), (2, 0, 2));
        bench.node.query(query("")).await
    };
    let (first, second, third) =
        tokio::join!(bench.node.query(waiting()), bench.node.query(waiting()), third);
    let third = third.unwrap_err();
    assert_eq!((third.code, third.retry_after_ms), (Code::RateLimited, Some(50)));
    for late in [first, second] {
        let error = late.unwrap_err();
        assert_eq!(error.code, Code::Deadline);
        assert!(error.to_string().contains("40 ms"), "{error}");
    }
    let report = bench.node.report();
    assert_eq!((report.under_way, report.refused), (0, 1));
    bench.barrier.passes.add_permits(1);
    assert_eq!(bench.node.query(query("")).await.unwrap().count, 20);
}

#[tokio::test]
async fn a_read_whose_caller_left_gives_its_place_back() {
    let bench = bench(0, QueryConfig::default());
    let node = bench.node.clone();
    let read = tokio::spawn(async move { node.query(query("")).await });
    while bench.node.report().under_way == 0 {
        tokio::task::yield_now().await;
    }
    read.abort();
    assert!(read.await.unwrap_err().is_cancelled());
    assert_eq!(bench.node.report().under_way, 0);
}

#[test]
fn work_nobody_waits_for_stops() {
    let clock = SimClock::new(0);
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let view = view(20, 90);
    let memory = Arc::new(crate::room::AnswerMemory::new(1 << 20, 1 << 20, 50));
    let run =
        |wanted: &Wanted| tasks::search::run(&view, &search(0.0), 1_000, &wanted.watch(), &mut memory.room());
    let wanted = Wanted::new(&shared, 100);
    assert!(run(&wanted).unwrap().is_ok());
    let watch = wanted.watch();
    drop(wanted);
    let cancelled = tasks::query::run(&view, &query(""), &watch, &mut memory.room()).unwrap_err();
    assert!(matches!(cancelled, vecraft_segment::Error::Cancelled), "{cancelled}");
    let late = Wanted::new(&shared, 100);
    clock.advance(Duration::from_millis(100));
    assert!(matches!(run(&late).unwrap_err(), vecraft_segment::Error::Cancelled));
}

#[tokio::test]
async fn damaged_files_end_the_service_of_the_shard() {
    let bench = bench(9, QueryConfig::default());
    let sim = Arc::new(SimDisk::new(1));
    let disk: Arc<dyn Disk> = sim.clone();
    let keys: Vec<i64> = (0..5_000).collect();
    let manifest = write_segment(&disk, "segment", &growing(1, PARTITIONS[0], &keys), 5_000).unwrap();
    let open = || SealedSegment::open(&*disk, &manifest, schema(), Arc::new(Deletes::new()));
    // Damage that opening does not see, because a column is verified when it is first used.
    let damaged = (4_000..).step_by(512).find_map(|at| {
        sim.corrupt("segment", at, 0xff).unwrap();
        let opened = open();
        if opened.is_err() {
            sim.corrupt("segment", at, 0xff).unwrap();
        }
        opened.ok()
    });
    let segment = Segment::Sealed(Arc::new(damaged.unwrap()));
    let show = |position: u64| {
        let segments = [segment.clone()];
        bench.views.publish(ShardView::of(SHARD, LogPosition(position), Timestamp(1), schema(), segments));
    };
    show(9);
    let all = ShardQuery { output: vec![KEY, YEAR, VECTOR], ..query("year > 0") };
    let error = bench.node.query(all).await.unwrap_err();
    assert_eq!(error.code, Code::Io, "{error}");
    assert!(error.to_string().contains("segment"), "{error}");
    let report = bench.node.report();
    assert_eq!(report.out_of_service.len(), 1);
    assert!(report.out_of_service[0].1.contains("segment"), "{report:?}");
    // Nor for what the damage does not touch, nor under a newer view of the same file.
    show(10);
    let count = || ShardQuery { output: vec![], ..query("") };
    let error = bench.node.query(count()).await.unwrap_err();
    assert_eq!(error.code, Code::Io);
    assert!(error.to_string().contains("out of service"), "{error}");
    assert_eq!(error.context.iter().filter(|(key, _)| key == "shard").count(), 1, "{error}");
    // The file is gone (its segment was dropped, or a snapshot brought another): the damage is, too.
    bench.views.publish(view(20, 90));
    assert_eq!(bench.node.query(count()).await.unwrap().count, 20);
    assert!(bench.node.report().out_of_service.is_empty());
}

#[tokio::test]
async fn i18_a_pinned_moment_is_read_at_its_position_and_believed_missing_only_behind_a_read_index() {
    let bench = bench(9, QueryConfig::default());
    let at = Some(Timestamp(90));
    let asked = || ShardQuery { output: vec![], at, ..query("") };
    let error = bench.node.query(asked()).await.unwrap_err();
    assert!(error.detail.contains("never pinned"));
    let session = Consistency::Session(Timestamp(90));
    assert_eq!(*bench.barrier.waited.lock(), [session, Consistency::Strong]);
    // The even rows of the bench are written by the entry at 1, the odd ones by that at 2.
    for (position, count) in [(0, 0), (1, 10), (2, 20), (9, 20)] {
        bench.barrier.pinned.lock().insert(Timestamp(90), LogPosition(position));
        let found = bench.node.query(asked()).await.unwrap();
        assert_eq!((found.count, found.timestamp), (count, Timestamp(90)), "at {position}");
    }
    let hits = bench.node.search(ShardSearch { at, ..search(7.2) }).await.unwrap();
    assert_eq!(ints(&hits.rows, KEY), [7, 8, 6]);
    // Nothing that the view has not come to.
    bench.barrier.pinned.lock().insert(Timestamp(90), LogPosition(10));
    assert_eq!(bench.node.query(asked()).await.unwrap_err().code, Code::NotReady);
}

#[tokio::test]
async fn a_partition_that_was_dropped_is_an_error_and_not_an_empty_answer() {
    let bench = bench(4, QueryConfig::default());
    let mut without = view(20, 95);
    without.segments.retain(|shown| shown.segment.partition() == PARTITIONS[0]);
    without.gone = Arc::new([PARTITIONS[1]].into());
    // The read was under way when the entry came.
    *bench.barrier.next.lock() = Some(without);
    let both = ShardQuery { partitions: PARTITIONS.to_vec(), ..query("") };
    let only = ShardSearch { partitions: vec![PARTITIONS[1]], ..search(1.0) };
    let refused = [bench.node.query(both).await.map(drop), bench.node.search(only).await.map(drop)];
    for answer in refused {
        let error = answer.unwrap_err();
        assert_eq!(error.code, Code::PartitionNotFound, "{error}");
        assert!(error.context.contains(&("partition".to_owned(), PARTITIONS[1].to_string())), "{error}");
    }
    let there = ShardQuery { partitions: vec![PARTITIONS[0]], ..query("") };
    assert_eq!(bench.node.query(there).await.unwrap().count, 10);
    assert_eq!(bench.node.query(query("")).await.unwrap().count, 10, "of all that are there");
}
