//! Searches, with and without filter, index, offset and more than one query vector.

use super::ranges::{self, Bounds};
use super::{COLLECTION, text_of, unexpected};
use crate::cell::Cell;
use crate::check::{self, Asked};
use crate::life::Life;
use crate::make;
use crate::nearest::Score;
use crate::twin::Row;
use crate::{Broken, Step};
use std::collections::BTreeMap;
use vecraft_types::api::{Moment, SearchRequest};
use vecraft_types::schema::is_scan;
use vecraft_types::{Metric, QueryVectors};

impl Life {
    pub(crate) fn search(&mut self) -> Step {
        let selection = self.draw_selection(55);
        let vectors = self.twin.shape.vectors();
        let field = vectors.start + self.rng.below(vectors.len() as u64) as usize;
        let name = self.twin.shape.fields()[field].name.clone();
        let mut queries = self.draw_queries(field);
        let offset = if self.rng.chance(20) { self.rng.below(12) as usize } else { 0 };
        let limit = match self.rng.below(10) {
            0 => self.rng.between(100, 1_000),
            _ => self.rng.between(1, 20),
        } as usize;
        let (metric, mut params) = self.draw_effort(field, offset + limit);
        let mut bounds = Bounds::default();
        if self.rng.chance(25) {
            queries.truncate(1);
            let score = |row: &&Row| Score::of(metric, &queries[0], &row.cells[field]);
            let scores = self.twin.matching(&selection).iter().map(score).collect();
            bounds = ranges::draw(&mut self.rng, metric, scores);
            for (name, bound) in [("radius", bounds.radius), ("range_filter", bounds.near)] {
                params.extend(bound.map(|bound| (name.to_owned(), bound.to_string())));
            }
        }
        let request = SearchRequest {
            collection: COLLECTION.to_owned(),
            partitions: selection.partitions.clone(),
            // The only vector field need not be named.
            field: if vectors.len() == 1 && self.rng.chance(50) { String::new() } else { name },
            dim: self.twin.shape.fields()[field].data_type.dim().unwrap_or(0),
            vectors: query_vectors(&queries),
            metric: if self.twin.indexes.contains_key(&field) && self.rng.chance(50) {
                None
            } else {
                Some(metric)
            },
            limit,
            offset,
            filter: text_of(&selection),
            params,
            output_fields: self.draw_output(),
            group_by: None,
            page: None,
            consistency: self.draw_consistency(),
            moment: Moment::Present,
            seen: Vec::new(),
            explain: None,
        };
        let data_type = self.twin.shape.fields()[field].data_type;
        let is_exact =
            self.twin.indexes.get(&field).is_none_or(|index| is_scan(index.index_type, &data_type));
        self.note(format!(
            "search field {field} by {} vectors, {metric:?} {}, limit {limit} offset {offset} {:?} in {:?} where {} at {:?}: {:?}",
            queries.len(),
            if is_exact { "exact" } else { "by index" },
            request.params,
            request.partitions,
            request.filter,
            request.consistency,
            request.output_fields
        ));
        let sent = request.clone();
        let reply = self.node.ask("the search", |db, call| async move { db.search(call, sent).await })?;
        let reply = reply.map_err(unexpected("the search"))?;
        let shape = &self.twin.shape;
        let places = check::columns_of(shape, &request.output_fields);
        let asked = Asked { queries: &queries, field, metric, bounds, offset, limit, is_exact };
        let matching = self.twin.matching(&selection);
        let found = check::hits(shape, &places, &asked, &matching, &reply)
            .map_err(|error| Broken(format!("{} rows match; {}", matching.len(), error.0)))?;
        self.lived.found += found.found;
        self.lived.wanted += found.wanted;
        Ok(())
    }

    /// Query vectors: random ones, and some that are stored.
    pub(super) fn draw_queries(&mut self, field: usize) -> Vec<Cell> {
        let data_type = self.twin.shape.fields()[field].data_type;
        let mut queries = Vec::new();
        for _ in 0..self.rng.between(1, 3) {
            let at = self.rng.below(self.twin.len() as u64) as usize;
            let stored = self.twin.iter().nth(at).map(|row| row.cells[field].clone());
            queries.push(match stored {
                Some(vector) if self.rng.chance(40) => vector,
                _ => make::vector(&mut self.rng, &self.twin.shape, data_type),
            });
        }
        queries
    }

    /// The metric, and parameters that look hard enough to find nearly everything.
    pub(super) fn draw_effort(&mut self, field: usize, k: usize) -> (Metric, BTreeMap<String, String>) {
        let mut params = BTreeMap::new();
        let Some(index) = self.twin.indexes.get(&field) else {
            let metrics = self.twin.shape.fields()[field].data_type.metrics();
            return (self.rng.pick(metrics).copied().unwrap_or(Metric::L2), params);
        };
        let (name, effort) = match index.index_type {
            "HNSW" | "HNSW_SQ" | "HNSW_PQ" | "HNSWLIB" => ("ef", self.rng.between(100, 200).max(k as u64)),
            "IVF_FLAT" | "IVF_SQ8" | "IVF_PQ" | "IVF_RABITQ" | "SCANN" => {
                ("nprobe", self.rng.between(index.lists.div_ceil(2), index.lists))
            }
            // Random bits are all about as far from one another: only all lists find the nearest.
            "BIN_IVF_FLAT" => ("nprobe", index.lists),
            "AUTOINDEX" => ("level", self.rng.between(3, 10)),
            _ => return (index.metric, params),
        };
        if name == "nprobe" || self.rng.chance(70) {
            params.insert(name.to_owned(), effort.to_string());
        }
        // One bit of a few dimensions says little: more candidates are compared.
        if index.index_type == "IVF_RABITQ" {
            params.insert("refine_k".to_owned(), "40".to_owned());
            params.insert("rbq_query_bits".to_owned(), self.rng.between(0, 8).to_string());
        }
        (index.metric, params)
    }
}

/// The vectors as a request has them; they are of one type.
pub(super) fn query_vectors(queries: &[Cell]) -> QueryVectors {
    match queries.first() {
        Some(Cell::Packed(kind, _)) => {
            let bytes = queries.iter().flat_map(|query| query.bytes().iter().copied()).collect();
            QueryVectors::Packed { kind: *kind, bytes }
        }
        _ => QueryVectors::Float(queries.iter().flat_map(|query| query.floats().iter().copied()).collect()),
    }
}
