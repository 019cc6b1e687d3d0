//! Searches for groups of rows.

use super::searches::query_vectors;
use super::{COLLECTION, text_of, unexpected};
use crate::check::{self, AskedGroups};
use crate::life::Life;
use crate::{Broken, Step};
use vecraft_types::api::{GroupBy, Moment, SearchRequest};
use vecraft_types::schema::is_scan;

impl Life {
    pub(crate) fn search_groups(&mut self) -> Step {
        let selection = self.draw_selection(55);
        let vectors = self.twin.shape.vectors();
        let field = vectors.start + self.rng.below(vectors.len() as u64) as usize;
        let able: Vec<usize> = self
            .twin
            .shape
            .scalars()
            .filter(|at| self.twin.shape.fields()[*at].data_type.can_group())
            .collect();
        // The key can always group.
        let by = self.rng.pick(&able).copied().unwrap_or(0);
        let queries = self.draw_queries(field);
        let offset = if self.rng.chance(20) { self.rng.below(5) as usize } else { 0 };
        let limit = self.rng.between(1, 30) as usize;
        let (metric, params) = self.draw_effort(field, offset + limit);
        let name = |at: usize| self.twin.shape.fields()[at].name.clone();
        let (field_name, field_by) = (name(field), name(by));
        let group_by = GroupBy {
            field: field_by,
            size: if self.rng.chance(30) { 1 } else { self.rng.between(2, 6) as usize },
            is_strict: self.rng.chance(50),
        };
        let request = SearchRequest {
            collection: COLLECTION.to_owned(),
            partitions: selection.partitions.clone(),
            field: field_name,
            dim: self.twin.shape.fields()[field].data_type.dim().unwrap_or(0),
            vectors: query_vectors(&queries),
            metric: Some(metric),
            limit,
            offset,
            filter: text_of(&selection),
            params,
            output_fields: self.draw_output(),
            group_by: Some(group_by.clone()),
            page: None,
            moment: Moment::Present,
            seen: Vec::new(),
            explain: None,
            consistency: self.draw_consistency(),
        };
        let data_type = self.twin.shape.fields()[field].data_type;
        let is_exact =
            self.twin.indexes.get(&field).is_none_or(|index| is_scan(index.index_type, &data_type));
        self.note(format!(
            "search {limit} groups after {offset}, {group_by:?}, field {field} by {} vectors, {metric:?} {} in {:?} where {}",
            queries.len(),
            if is_exact { "exact" } else { "by index" },
            request.partitions,
            request.filter,
        ));
        let sent = request.clone();
        let reply =
            self.node.ask("the grouped search", |db, call| async move { db.search(call, sent).await })?;
        let reply = reply.map_err(unexpected("the grouped search"))?;
        let places = check::columns_of(&self.twin.shape, &request.output_fields);
        let asked = AskedGroups {
            queries: &queries,
            field,
            by,
            group_by: &group_by,
            metric,
            offset,
            limit,
            is_exact,
        };
        let matching = self.twin.matching(&selection);
        check::groups(&self.twin.shape, &places, &asked, &matching, &reply)
            .map_err(|error| Broken(format!("{} rows match; {}", matching.len(), error.0)))
    }
}
