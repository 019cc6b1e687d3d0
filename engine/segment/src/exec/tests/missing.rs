//! Why rows are missing, against the naive twin; and rows that an index loses.
#![allow(clippy::unwrap_used)]

use super::explain::{plan, shard, spread};
use super::twin::{Naive, Shard};
use crate::exec::*;
use crate::testing::{DIM, VECTOR};
use crate::{Error, ShardView};
use vecraft_expr::Filter;
use vecraft_index::{Range, SearchParams};
use vecraft_kernel::distance;
use vecraft_types::api::KeyVerdict as Verdict;
use vecraft_types::{Metric, PartitionId, PrimaryKey, QueryVectors};

impl Shard {
    /// Each of some keys, and one that is nowhere, has the verdict, rank and place that the twin gives it.
    pub(super) fn check_missing(
        &self,
        view: &ShardView,
        partitions: Option<&[PartitionId]>,
        filter: &Filter,
        matching: &[&Naive],
    ) {
        let query: Vec<f32> = (0..DIM).map(|_| self.below(4) as f32).collect();
        let queries = QueryVectors::Float(query.clone());
        let metric = [Metric::L2, Metric::Ip, Metric::Cosine][self.below(3)];
        let range = [None, Some(Range { from: -0.5, below: 6.0 })][self.below(2)];
        let plan = SearchPlan {
            field: VECTOR,
            metric,
            queries: &queries,
            k: [1, 5, 30][self.below(3)],
            partitions,
            filter: Some(filter),
            range,
            params: SearchParams::default(),
        };
        let far = |naive: &Naive| distance(metric, &query, &naive.row.vector);
        let is_in = |naive: &Naive| range.is_none_or(|range| range.contains(far(naive)));
        let mut ranked: Vec<(f32, RowAddress)> =
            matching.iter().filter(|naive| is_in(naive)).map(|naive| (far(naive), naive.address)).collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let hits = search(view, &plan, Cancel::never()).unwrap().pop().unwrap();
        let mut asked: Vec<i64> =
            (0..6.min(self.twin.len())).map(|_| self.twin[self.below(self.twin.len())].row.key).collect();
        asked.extend(matching.first().map(|naive| naive.row.key));
        asked.push(-1);
        let keys: Vec<PrimaryKey> = asked.iter().copied().map(PrimaryKey::Int64).collect();
        let told = why_missing(view, &plan, &keys, &hits, Cancel::never()).unwrap();
        assert_eq!(told.len(), keys.len());
        for (key, told) in asked.iter().zip(told) {
            let of_key = || self.twin.iter().filter(|naive| naive.row.key == *key);
            let first = ranked.iter().position(|(_, at)| of_key().any(|naive| naive.address == *at));
            let rank = first.map(|rank| rank as u64 + 1);
            let wanted = match first {
                Some(rank) if rank < hits.len() => Verdict::Found,
                Some(_) => Verdict::BeyondLimit,
                None => of_key()
                    .map(|naive| self.verdict(view, partitions, matching, naive))
                    .max_by_key(|v| farness(*v))
                    .unwrap_or(Verdict::Absent),
            };
            assert_eq!((told.told.verdict, told.told.rank), (wanted, rank), "key {key}: {told:?}");
            assert_eq!(told.told.place, rank.filter(|rank| *rank <= hits.len() as u64));
            assert_eq!(told.told.failed.is_empty(), wanted != Verdict::FilteredOut);
            assert_eq!(told.distance, first.map(|rank| ranked[rank].0));
        }
        let distances: Vec<f32> =
            ranked.iter().map(|(distance, _)| *distance).take(3).chain([-7.0, 7.0, 7.0]).collect();
        for (target, told) in distances.iter().zip(before(view, &plan, &distances, Cancel::never()).unwrap())
        {
            let count = |is: fn(std::cmp::Ordering) -> bool| {
                ranked.iter().filter(|(distance, _)| is(distance.total_cmp(target))).count() as u64
            };
            let wanted = Before {
                nearer: count(std::cmp::Ordering::is_lt),
                as_near: count(std::cmp::Ordering::is_eq),
            };
            assert_eq!(told, wanted, "{target}");
        }
    }

    /// Of a row that is not in the answer to any limit.
    fn verdict(
        &self,
        view: &ShardView,
        partitions: Option<&[PartitionId]>,
        matching: &[&Naive],
        naive: &Naive,
    ) -> Verdict {
        let is_shown = view.segments.iter().any(|shown| shown.segment.id() == naive.address.segment);
        if naive.inserted > view.position.0 {
            return if is_shown { Verdict::NotVisibleYet } else { Verdict::Absent };
        }
        if naive.deleted != 0 && naive.deleted <= view.position.0 {
            return Verdict::Deleted;
        }
        if partitions.is_some_and(|wanted| !wanted.contains(&PartitionId(naive.partition))) {
            return Verdict::OtherPartition;
        }
        let is_matching = matching.iter().any(|other| other.address == naive.address);
        if is_matching { Verdict::OutOfRange } else { Verdict::FilteredOut }
    }
}

fn farness(verdict: Verdict) -> usize {
    let order = [
        Verdict::Absent,
        Verdict::Deleted,
        Verdict::NotVisibleYet,
        Verdict::OtherPartition,
        Verdict::FilteredOut,
        Verdict::OutOfRange,
    ];
    order.iter().position(|known| *known == verdict).unwrap()
}

#[test]
fn the_part_of_the_filter_that_fails_is_named_and_whether_it_is_unknown() {
    let view = shard(100, None, 0);
    let query = QueryVectors::Float(vec![0.5; DIM]);
    let told = |filter: &str| {
        let filter = Filter::parse(filter, &view.schema).unwrap();
        let plan = SearchPlan { filter: Some(&filter), ..plan(&query, 10) };
        let sought = why_missing(&view, &plan, &[PrimaryKey::Int64(7)], &[], Cancel::never()).unwrap();
        let failed = sought[0].told.failed.iter();
        failed.map(|part| (part.part.clone(), part.is_unknown)).collect::<Vec<_>>()
    };
    assert_eq!(told("age > 3 and name == \"no\" and id < 50"), [("name == \"no\"".to_owned(), false)]);
    assert_eq!(
        told("note[\"absent\"] > 3 and id < 5"),
        [("id <= 4".to_owned(), false), ("note[\"absent\"] > 3".to_owned(), true)]
    );
}

#[test]
fn several_queries_have_no_ranks() {
    let view = shard(10, None, 0);
    let two = QueryVectors::Float(vec![0.0; 2 * DIM]);
    let error = why_missing(&view, &plan(&two, 1), &[], &[], Cancel::never()).unwrap_err();
    assert!(matches!(error, Error::Field { field: VECTOR, .. }), "{error}");
}

/// Rows that a search of little effort does not return are called lost, each with its rank, and the effort that is said to
/// find them does.
fn check_lost(index: (&str, &[(&str, &str)]), params: SearchParams, k: usize, parameter: &str) {
    let view = shard(5_000, Some(index), 300);
    let (mut lost, mut mended) = (0, 0);
    for at in 0..60u64 {
        let query = spread(1_000_000 + at).vector.to_vec();
        let queries = QueryVectors::Float(query.clone());
        let exact = SearchPlan {
            params: SearchParams { recall: Some(1.0), ..Default::default() },
            ..plan(&queries, k)
        };
        let truth = search(&view, &exact, Cancel::never()).unwrap().pop().unwrap();
        let little = SearchPlan { params, ..plan(&queries, k) };
        let hits = search(&view, &little, Cancel::never()).unwrap().pop().unwrap();
        // Keys are row numbers, one segment after the other.
        let key = |hit: &Hit| {
            PrimaryKey::Int64(i64::from(hit.address.row) + if hit.address.segment.0 == 2 { 5_000 } else { 0 })
        };
        let keys: Vec<PrimaryKey> = truth.iter().map(key).collect();
        let told = why_missing(&view, &little, &keys, &hits, Cancel::never()).unwrap();
        for (rank, (told, truth)) in told.iter().zip(&truth).enumerate() {
            assert_eq!(told.told.rank, Some(rank as u64 + 1), "ranks are real, whatever the index finds");
            if hits.iter().any(|hit| hit.address == truth.address) {
                assert_eq!(told.told.verdict, Verdict::Found);
                continue;
            }
            lost += 1;
            assert_eq!(told.told.verdict, Verdict::LostByIndex, "{told:?}");
            let by = told.told.lost.clone().unwrap();
            assert_eq!((by.kind.as_str(), by.parameter.as_str()), (index.0, parameter));
            let Some(enough) = by.found_with else { continue };
            mended += 1;
            assert!(enough > by.used && by.tried.last() == Some(&enough));
            let more = match parameter {
                "ef" => SearchParams { ef: Some(enough as usize), ..Default::default() },
                _ => SearchParams { nprobe: Some(enough as usize), ..Default::default() },
            };
            let again = search(&view, &SearchPlan { params: more, ..little }, Cancel::never()).unwrap();
            assert!(again[0].iter().any(|hit| hit.address == truth.address), "{by}");
        }
    }
    assert!(lost > 5 && mended > 0, "{index:?}: {lost} lost, {mended} with an effort that finds them");
}

#[test]
fn a_row_that_the_index_lost_is_told_with_the_effort_that_finds_it() {
    let params = SearchParams::default();
    let lists = &[("nlist", "128")][..];
    check_lost(("IVF_FLAT", lists), SearchParams { nprobe: Some(1), ..params }, 10, "nprobe");
    let graph = &[("M", "2"), ("efConstruction", "2")][..];
    check_lost(("HNSW", graph), SearchParams { ef: Some(1), ..params }, 1, "ef");
}
