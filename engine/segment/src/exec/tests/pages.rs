//! Pages of random views against the naive twin: every matching row once, in order of distance.
#![allow(clippy::unwrap_used)]

use super::twin::{Naive, Shard};
use crate::exec::*;
use crate::testing::{DIM, VECTOR};
use crate::{Error, ShardView};
use vecraft_expr::Filter;
use vecraft_index::{Range, SearchParams};
use vecraft_kernel::{distance, reported_score};
use vecraft_types::{Metric, PartitionId, QueryVectors};

impl Shard {
    pub(super) fn check_pages(
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
        let k = [1, 3, 40, 5_000][self.below(4)];
        let plan = SearchPlan {
            field: VECTOR,
            metric,
            queries: &queries,
            k,
            partitions,
            filter: Some(filter),
            range,
            params: SearchParams::default(),
        };
        let mut rows: Vec<(f32, RowAddress)> = matching
            .iter()
            .map(|naive| (distance(metric, &query, &naive.row.vector), naive.address))
            .collect();
        rows.retain(|(distance, _)| range.is_none_or(|range| range.contains(*distance)));
        rows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));

        let (mut told, mut after) = (Vec::new(), None);
        loop {
            let bounds = PageBounds { after, rows_max: usize::MAX };
            let page = search_page(view, &plan, bounds, Cancel::never(), None).unwrap();
            let left = rows.len() - told.len();
            assert!(page.len() >= k.min(left), "{} rows of {left} that are left, {k} asked", page.len());
            let Some(last) = page.last() else { break };
            // No longer than it must be.
            assert!(page.len() <= k || page[k - 1].distance == last.distance);
            assert!(page.iter().all(|hit| hit.score == reported_score(metric, hit.distance)));
            after = Some(last.score);
            told.extend(page.iter().map(|hit| (hit.distance, hit.address)));
        }
        assert_eq!(told, rows);
        // A bound on the rows is one on the memory, not on the answer.
        let bounds = PageBounds { after: None, rows_max: 2 };
        match search_page(view, &plan, bounds, Cancel::never(), None) {
            Ok(page) => assert!(page.len() <= 2 * view.segments.len()),
            Err(error) => assert!(matches!(error, Error::TooManyAlike { rows_max: 2 }), "{error}"),
        }
    }
}
