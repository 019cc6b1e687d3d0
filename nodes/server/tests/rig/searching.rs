//! Searches, and what they should find.

use super::rows::{distance, noise, vector};
use super::{COLLECTION, DIM, K, QUERIES, Rig, params};
use std::collections::BTreeSet;
use vecraft_types::api::*;
use vecraft_types::*;

impl Rig {
    /// Keys of the nearest rows.
    pub async fn search_one(
        &self,
        query: &[f32],
        metric: Metric,
        limit: usize,
        filter: &str,
        given: &[(&str, &str)],
    ) -> Vec<i64> {
        let request = SearchRequest {
            collection: COLLECTION.into(),
            partitions: vec![],
            field: "v".into(),
            dim: DIM as u32,
            vectors: query.to_vec().into(),
            metric: Some(metric),
            limit,
            offset: 0,
            filter: filter.into(),
            params: params(given),
            output_fields: vec!["id".into()],
            group_by: None,
            page: None,
            consistency: Consistency::Strong,
            moment: Moment::Present,
            seen: Vec::new(),
            explain: None,
        };
        let reply = self.db().search(Call::default(), request).await.unwrap();
        match &reply.rows.column("id").unwrap().data {
            ColumnData::Int64(keys) => keys.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn exact(&self, query: &[f32], matches: impl Fn(i64) -> bool) -> Vec<i64> {
        let live = self.live.iter().copied().filter(|key| matches(*key));
        let mut near: Vec<(f32, i64)> = live.map(|key| (distance(query, &vector(key)), key)).collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        near.into_iter().take(K).map(|(_, key)| key).collect()
    }

    /// Mean share of the exact nearest that a search finds.
    pub async fn recall(&self, given: &[(&str, &str)]) -> f64 {
        let mut found = 0;
        for at in 0..QUERIES {
            // Between the rows, also where rows were deleted.
            let query: Vec<f32> = vector(at as i64 * 37)
                .iter()
                .enumerate()
                .map(|(d, x)| x + noise(at as u64, d as u64))
                .collect();
            let answer = self.search_one(&query, Metric::L2, K, "", given).await;
            assert_eq!(answer.len(), K);
            assert!(answer.iter().all(|key| self.live.contains(key)), "a deleted row was found: {answer:?}");
            let exact = self.exact(&query, |_| true);
            found += exact.iter().filter(|key| answer.contains(key)).count();
        }
        found as f64 / (QUERIES * K) as f64
    }

    /// P5: a filtered search gives min(k, matches) rows, all of which match; `given` is the effort asked for.
    pub async fn check_filters(&self, given: &[(&str, &str)]) {
        let query = vector(4_321);
        let few = self.search_one(&query, Metric::L2, K, "id in [1500, 2500, 19999]", given).await;
        assert_eq!(few.iter().collect::<BTreeSet<_>>(), BTreeSet::from([&1500, &2500, &19999]));
        for (filter, below) in [("tag < 3", 3), ("tag < 30", 30), ("tag < 90", 90)] {
            let answer = self.search_one(&query, Metric::L2, K, filter, given).await;
            assert_eq!(answer.len(), K, "{filter}");
            assert!(answer.iter().all(|key| key % 100 < below && self.live.contains(key)), "{filter}");
            let exact = self.exact(&query, |key| key % 100 < below);
            let found = exact.iter().filter(|key| answer.contains(key)).count();
            assert!(found * 10 >= K * 8, "{filter}: {found} of {K}");
        }
    }
}
