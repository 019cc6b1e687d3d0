//! Grouped searches of random views against the naive twin.
#![allow(clippy::unwrap_used)]

use super::twin::{Naive, Shard};
use crate::ShardView;
use crate::exec::groups::GroupSearch;
use crate::exec::*;
use crate::testing::{AGE, DIM, KEY, NAME, VECTOR};
use std::collections::BTreeMap;
use vecraft_expr::Filter;
use vecraft_index::SearchParams;
use vecraft_types::{FieldId, Metric, PartitionId, QueryVectors};

const FLAG: FieldId = FieldId(104);

fn value(naive: &Naive, field: FieldId) -> Option<String> {
    let row = &naive.row;
    match field {
        KEY => Some(row.key.to_string()),
        NAME => Some(row.name.clone()),
        AGE => row.age.map(|age| age.to_string()),
        _ => Some((row.key % 2 == 0).to_string()),
    }
}

impl Shard {
    pub(super) fn check_groups(
        &self,
        view: &ShardView,
        partitions: Option<&[PartitionId]>,
        filter: &Filter,
        matching: &[&Naive],
    ) {
        let field = [KEY, NAME, AGE, FLAG][self.below(4)];
        let query: Vec<f32> = (0..DIM).map(|_| self.below(4) as f32).collect();
        let queries = QueryVectors::Float(query.clone());
        let (k, size, is_strict) = ([1, 3, 5000][self.below(3)], 1 + self.below(4), self.below(2) == 0);
        let by = GroupBy { field, size, is_strict };
        let plan = SearchPlan {
            field: VECTOR,
            metric: Metric::L2,
            queries: &queries,
            k,
            partitions,
            filter: Some(filter),
            range: None,
            params: SearchParams::default(),
        };
        // Small segments: the scan behind the wider and wider looks is reached at once, soon, or never.
        let widest = [0, 20, 1 << 14][self.below(3)];
        let cancel = Cancel::never();
        let found = GroupSearch { view, plan: &plan, by: &by, widest, cancel, notes: None }
            .run()
            .unwrap()
            .pop()
            .unwrap();

        let mut rows: Vec<(f32, RowAddress, Option<String>)> = matching
            .iter()
            .map(|naive| {
                let distance = vecraft_kernel::distance(Metric::L2, &query, &naive.row.vector);
                (distance, naive.address, value(naive, field))
            })
            .collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut order = Vec::new();
        let mut groups: BTreeMap<&Option<String>, Vec<RowAddress>> = BTreeMap::new();
        for (_, address, value) in &rows {
            let group = groups.entry(value).or_default();
            if group.is_empty() {
                order.push(value);
            }
            group.push(*address);
        }
        order.truncate(k);
        let of: BTreeMap<RowAddress, &Option<String>> =
            rows.iter().map(|(_, address, value)| (*address, value)).collect();
        let mut answered: Vec<(&Option<String>, Vec<RowAddress>)> = Vec::new();
        for hit in &found {
            let value = of[&hit.address];
            match answered.last_mut().filter(|(last, _)| *last == value) {
                Some((_, members)) => members.push(hit.address),
                None => answered.push((value, vec![hit.address])),
            }
        }
        // All members are only promised where every group fits.
        let is_whole = size == 1 || (is_strict && groups.len() <= k);
        assert_eq!(
            answered.iter().map(|(value, _)| *value).collect::<Vec<_>>(),
            order,
            "min(k, groups) groups"
        );
        for (value, members) in answered {
            let all = &groups[value];
            assert_eq!(members[0], all[0], "the nearest row stands first");
            assert!(members.len() <= size && members.len() <= all.len());
            if is_whole {
                assert_eq!(members, all[..size.min(all.len())], "filled, nearest first");
            }
            let places: Vec<_> =
                members.iter().map(|row| all.iter().position(|other| other == row).unwrap()).collect();
            assert!(places.is_sorted_by(|a, b| a < b), "nearest first, each once");
        }
    }
}
