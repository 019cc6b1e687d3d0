//! Views against a naive twin: random appends, deletes, seals and reads; old views keep their answers.
#![allow(clippy::unwrap_used)]

use crate::exec::*;
use crate::testing::{DIM, PACKED, Row, VECTOR, batch, mix, packed, schema};
use crate::{GrowingOptions, GrowingSegment, SealedSegment, Segment, ShardView, write_segment};
use proptest::prelude::*;
use std::cell::Cell;
use std::sync::Arc;
use vecraft_expr::Filter;
use vecraft_index::{IndexSpec, Range, SearchParams, Unwatched};
use vecraft_kernel::PackedQuery;
use vecraft_storage::{Disk, SimDisk};
use vecraft_types::{
    LogPosition, Metric, PartitionId, PrimaryKey, QueryVectors, RowRef, SegmentId, ShardId, Timestamp,
};

/// A row with its whole history.
#[derive(Clone)]
pub(super) struct Naive {
    pub(super) row: Row,
    pub(super) partition: u64,
    pub(super) address: RowAddress,
    pub(super) inserted: u64,
    pub(super) deleted: u64,
}

/// One shard and its twin.
pub(super) struct Shard {
    disk: Arc<dyn Disk>,
    schema: Arc<vecraft_types::CollectionSchema>,
    segments: Vec<Segment>,
    position: u64,
    pub(super) twin: Vec<Naive>,
    views: Vec<Arc<ShardView>>,
    random: Cell<u64>,
}

const FILTERS: [&str; 7] = [
    "",
    "age > 20",
    "age is null",
    "name == \"n17ö\" or id < 400000",
    "not (age < 40) and flag == true",
    "id in [1,2,3]",
    "note[\"k\"] >= 500000",
];

fn filter_twin(number: usize, row: &Row) -> bool {
    match number {
        0 => true,
        1 => row.age.is_some_and(|age| age > 20),
        2 => row.age.is_none(),
        3 => row.name == "n17ö" || row.key < 400_000,
        4 => row.age.is_some_and(|age| age >= 40) && row.key % 2 == 0,
        5 => (1..=3).contains(&row.key),
        _ => row.key >= 500_000,
    }
}

impl Shard {
    fn new(seed: u64) -> Shard {
        let random = Cell::new(seed);
        let disk = Arc::new(SimDisk::new(seed));
        Shard {
            disk,
            schema: Arc::new(schema()),
            segments: vec![],
            position: 0,
            twin: vec![],
            views: vec![],
            random,
        }
    }

    pub(super) fn below(&self, n: usize) -> usize {
        self.random.set(mix(self.random.get()));
        (self.random.get() % n.max(1) as u64) as usize
    }

    fn append(&mut self) {
        self.position += 1;
        let partition = self.below(2) as u64;
        let growing = self.segments.iter().find_map(|segment| match segment {
            Segment::Growing(growing) if growing.partition().0 == partition => Some(Arc::clone(growing)),
            _ => None,
        });
        let growing = growing.unwrap_or_else(|| {
            let options = GrowingOptions { first_chunk_bytes: 4 << 10, chunk_bytes_max: 32 << 10 };
            let id = SegmentId(self.segments.len() as u64 + 1);
            let new =
                GrowingSegment::with_options(id, PartitionId(partition), Arc::clone(&self.schema), options);
            let new = Arc::new(new);
            self.segments.push(Segment::Growing(Arc::clone(&new)));
            new
        });
        let rows: Vec<Row> =
            (0..self.below(150)).map(|_| Row::random(self.below(usize::MAX) as u64)).collect();
        let at = (LogPosition(self.position), Timestamp(self.position * 10));
        let first = growing.append(&batch(&rows), at.0, at.1).unwrap();
        for (i, row) in rows.into_iter().enumerate() {
            let address = RowAddress { segment: growing.id(), row: first + i as u32 };
            self.twin.push(Naive { row, partition, address, inserted: self.position, deleted: 0 });
        }
    }

    fn delete(&mut self) {
        self.position += 1;
        for _ in 0..self.below(60) {
            if self.twin.is_empty() {
                return;
            }
            let at = self.below(self.twin.len());
            let naive = &mut self.twin[at];
            let segment = self.segments.iter().find(|segment| segment.id() == naive.address.segment).unwrap();
            let is_new = segment.delete(naive.address.row, LogPosition(self.position));
            assert_eq!(is_new, naive.deleted == 0, "a row is deleted once");
            if is_new {
                naive.deleted = self.position;
            }
        }
    }

    /// Writes a growing segment to its file and serves from there, sometimes with an index.
    fn seal(&mut self) {
        let at = self.below(self.segments.len());
        let Some(Segment::Growing(growing)) = self.segments.get(at).cloned() else { return };
        let path = format!("segment-{}", growing.id());
        let manifest = write_segment(&self.disk, &path, &growing, growing.rows()).unwrap();
        let deletes = Arc::clone(growing.deletes());
        let sealed = SealedSegment::open(&*self.disk, &manifest, Arc::clone(&self.schema), deletes).unwrap();
        if self.below(2) == 0 && sealed.rows() > 0 {
            let rows = sealed.vector_rows(VECTOR).unwrap();
            let index = vecraft_index::build(&IndexSpec::Flat, Metric::L2, rows, &Unwatched).unwrap();
            sealed.attach_index(VECTOR, index).unwrap();
            // Bits by lists, of which every search below reads all.
            let bits = PACKED[0].0;
            let spec = IndexSpec::BinIvfFlat { nlist: 1 + self.below(9), seed: 1 };
            let metric = [Metric::Hamming, Metric::Jaccard][self.below(2)];
            let rows = sealed.vector_rows(bits).unwrap();
            let index = vecraft_index::build(&spec, metric, rows, &Unwatched).unwrap();
            sealed.attach_index(bits, index).unwrap();
        }
        self.segments[at] = Segment::Sealed(Arc::new(sealed));
    }

    fn publish(&mut self) {
        let (position, timestamp) = (LogPosition(self.position), Timestamp(self.position * 10));
        let shard = ShardId::default();
        let view = ShardView::of(shard, position, timestamp, Arc::clone(&self.schema), self.segments.clone());
        self.views.push(Arc::new(view));
    }

    /// All answers of one view, also of the same view turned back to an earlier position.
    fn check(&self, view: &ShardView) {
        let partition = [PartitionId(1)];
        for (number, text) in FILTERS.iter().enumerate() {
            let filter = Filter::parse(text, &self.schema).unwrap();
            for partitions in [None, Some(&partition[..])] {
                let mut matching: Vec<&Naive> = self
                    .twin
                    .iter()
                    .filter(|naive| naive.inserted <= view.position.0)
                    .filter(|naive| naive.deleted == 0 || naive.deleted > view.position.0)
                    .filter(|naive| partitions.is_none() || naive.partition == 1)
                    .filter(|naive| filter_twin(number, &naive.row))
                    .collect();
                let never = Cancel::never();
                assert_eq!(count(view, partitions, Some(&filter), never).unwrap(), matching.len() as u64);

                let mut found = keys(view, partitions, Some(&filter), never).unwrap();
                let mut wanted: Vec<(PrimaryKey, RowRef)> =
                    matching.iter().map(|naive| reference(naive)).collect();
                found.sort();
                wanted.sort();
                assert_eq!(found, wanted, "I12: keys come with the version the view shows");

                matching.sort_by_key(|naive| (naive.row.key, naive.address));
                let keyed: Vec<KeyedRow> = matching
                    .iter()
                    .map(|naive| KeyedRow { key: PrimaryKey::Int64(naive.row.key), address: naive.address })
                    .collect();
                for (offset, limit) in
                    [(0, None), (3, Some(7)), (0, Some(0)), (self.below(50), Some(self.below(300)))]
                {
                    let plan = ScanPlan { partitions, filter: Some(&filter), limit, offset };
                    let cut = keyed.iter().skip(offset).take(limit.unwrap_or(usize::MAX));
                    assert_eq!(scan(view, &plan, never).unwrap(), cut.cloned().collect::<Vec<_>>());
                }
                self.check_search(view, partitions, &filter, &matching);
                self.check_groups(view, partitions, &filter, &matching);
                self.check_packed_search(view, partitions, &filter, &matching);
                self.check_fetch(view, &matching);
                self.check_pages(view, partitions, &filter, &matching);
                self.check_missing(view, partitions, &filter, &matching);
            }
        }
    }

    fn check_search(
        &self,
        view: &ShardView,
        partitions: Option<&[PartitionId]>,
        filter: &Filter,
        matching: &[&Naive],
    ) {
        for metric in [Metric::L2, Metric::Ip, Metric::Cosine] {
            let queries: Vec<f32> = (0..2 * DIM).map(|_| self.below(4) as f32).collect();
            let k = [1, 10, 5000][self.below(3)];
            let params = SearchParams::default();
            // Distances of these small whole numbers are often equal to the bounds.
            let bounds = [-2.0, 1.0, 3.0, 6.0, 12.0];
            let range = (self.below(2) == 0).then(|| {
                let from = self.below(bounds.len() - 1);
                let below = bounds[from + 1 + self.below(bounds.len() - from - 1)];
                Range { from: bounds[from], below }
            });
            let vectors = QueryVectors::Float(queries.clone());
            let plan = SearchPlan {
                field: VECTOR,
                metric,
                queries: &vectors,
                k,
                partitions,
                filter: Some(filter),
                range,
                params,
            };
            let answers = search(view, &plan, Cancel::never()).unwrap();
            assert_eq!(answers.len(), 2);
            for (hits, query) in answers.iter().zip(queries.chunks(DIM)) {
                let distance = |row: &Row| vecraft_kernel::distance(metric, query, &row.vector);
                check_hits(&plan, hits, matching, distance);
            }
        }
    }

    fn check_packed_search(
        &self,
        view: &ShardView,
        partitions: Option<&[PartitionId]>,
        filter: &Filter,
        matching: &[&Naive],
    ) {
        let (field, kind, dim) = PACKED[self.below(PACKED.len())];
        let metrics = self.schema.field_by_id(field).unwrap().data_type.metrics();
        let metric = metrics[self.below(metrics.len())];
        let rows: Vec<Vec<u8>> = (0..3).map(|_| packed(self.below(50) as i64, kind, dim)).collect();
        let queries = QueryVectors::Packed { kind, bytes: rows.concat() };
        let range = (self.below(2) == 0).then(|| Range { from: 0.0, below: [0.5, 4.0, 9.0][self.below(3)] });
        let plan = SearchPlan {
            field,
            metric,
            queries: &queries,
            k: [1, 10, 5000][self.below(3)],
            partitions,
            filter: Some(filter),
            range,
            params: SearchParams { nprobe: Some(9), ..SearchParams::default() },
        };
        let answers = search(view, &plan, Cancel::never()).unwrap();
        assert_eq!(answers.len(), 3);
        for (hits, query) in answers.iter().zip(&rows) {
            let query = PackedQuery::new(metric, kind, query).unwrap();
            check_hits(&plan, hits, matching, |row| query.distance(&packed(row.key, kind, dim)));
        }
    }

    fn check_fetch(&self, view: &ShardView, matching: &[&Naive]) {
        let chosen: Vec<&&Naive> =
            (0..20.min(matching.len())).map(|_| &matching[self.below(matching.len())]).collect();
        let addresses: Vec<RowAddress> = chosen.iter().map(|naive| naive.address).collect();
        let fields: Vec<_> = self.schema.fields.iter().map(|field| field.id).collect();
        let rows: Vec<Row> = chosen.iter().map(|naive| naive.row.clone()).collect();
        let mut wanted = batch(&rows);
        for column in &mut wanted.columns {
            column.validity.take_if(|valid| valid.all());
        }
        let fetched = fetch(view, &addresses, &fields).unwrap();
        assert_eq!(fetch_bytes(view, &addresses, &fields).unwrap(), fetched.bytes() as u64);
        assert_eq!(fetched, wanted);
    }
}

/// P5: the nearest min(k, matches) of the rows that match, in order, with what Milvus reports.
fn check_hits(plan: &SearchPlan<'_>, hits: &[Hit], matching: &[&Naive], distance: impl Fn(&Row) -> f32) {
    let mut wanted: Vec<(f32, RowAddress)> =
        matching.iter().map(|naive| (distance(&naive.row), naive.address)).collect();
    wanted.retain(|(distance, _)| plan.range.is_none_or(|range| range.contains(*distance)));
    wanted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    wanted.truncate(plan.k);
    let found: Vec<(f32, RowAddress)> = hits.iter().map(|hit| (hit.distance, hit.address)).collect();
    assert_eq!(found, wanted, "P5: min(k, matches) hits, {:?}", plan.metric);
    let is_reported = |hit: &Hit| vecraft_kernel::internal_distance(plan.metric, hit.score) == hit.distance;
    assert!(hits.iter().all(is_reported));
}

fn reference(naive: &Naive) -> (PrimaryKey, RowRef) {
    let RowAddress { segment, row } = naive.address;
    (PrimaryKey::Int64(naive.row.key), RowRef { segment, row, position: LogPosition(naive.inserted) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn views_answer_as_the_twin_and_never_change(seed: u64, steps in prop::collection::vec(0u8..8, 1..40)) {
        let mut shard = Shard::new(seed);
        for step in steps {
            match step {
                0..=3 => shard.append(),
                4 | 5 => shard.delete(),
                6 => shard.publish(),
                _ => shard.seal(),
            }
        }
        shard.publish();
        let newest = Arc::clone(shard.views.last().unwrap());
        shard.views.iter().for_each(|view| shard.check(view));
        // I18: the newest view turned back shows what was there at the time.
        let earlier = shard.below(shard.position as usize + 1) as u64;
        shard.check(&newest.at(LogPosition(earlier), Timestamp(earlier)).unwrap());
    }
}
