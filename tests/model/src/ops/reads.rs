//! Gets, queries, counts, and the look at everything.

use super::{COLLECTION, text_of, unexpected};
use crate::life::Life;
use crate::twin::Selection;
use crate::{Step, broken, check, filter};
use std::collections::BTreeSet;
use vecraft_types::api::{Consistency, Moment, QueryReply, QueryRequest, RowCount};
use vecraft_types::limits::TOPK_MAX;
use vecraft_types::{PrimaryKey, api::CollectionName};

impl Life {
    pub(crate) fn get(&mut self) -> Step {
        let keys = self.draw_keys(8);
        let selection = Selection { partitions: Vec::new(), filter: Some(filter::by_keys(&keys)) };
        self.read(&selection, None, 0)
    }

    pub(crate) fn query(&mut self) -> Step {
        let selection = self.draw_selection(85);
        let limit =
            (selection.filter.is_none() || self.rng.chance(40)).then(|| self.rng.between(1, 60) as usize);
        let offset = if self.rng.chance(30) { self.rng.below(20) as usize } else { 0 };
        self.read(&selection, limit, offset)
    }

    fn read(&mut self, selection: &Selection, limit: Option<usize>, offset: usize) -> Step {
        let request = QueryRequest {
            collection: COLLECTION.to_owned(),
            partitions: selection.partitions.clone(),
            filter: text_of(selection),
            output_fields: self.draw_output(),
            limit,
            offset,
            consistency: self.draw_consistency(),
            moment: Moment::Present,
            seen: Vec::new(),
        };
        self.note(format!(
            "query {:?} where {} limit {limit:?} offset {offset} at {:?}: {:?}",
            request.partitions, request.filter, request.consistency, request.output_fields
        ));
        let reply = self.send_query(request.clone())?;
        let shape = &self.twin.shape;
        let places = check::columns_of(shape, &request.output_fields);
        check::rows(shape, &places, &self.twin.matching(selection), offset, limit, &reply.rows)
    }

    pub(crate) fn count(&mut self) -> Step {
        let selection = self.draw_selection(60);
        let wanted = self.twin.matching(&selection).len() as u64;
        let request = QueryRequest {
            collection: COLLECTION.to_owned(),
            partitions: selection.partitions.clone(),
            filter: text_of(&selection),
            output_fields: vec!["count(*)".to_owned()],
            limit: None,
            offset: 0,
            consistency: self.draw_consistency(),
            moment: Moment::Present,
            seen: Vec::new(),
        };
        self.note(format!("count {:?} where {}", request.partitions, request.filter));
        let found = self.send_query(request)?.count;
        if found != Some(wanted) {
            return broken(format!("count(*) is {found:?}, {wanted} is right"));
        }
        if selection.filter.is_some() || selection.partitions.len() > 1 {
            return Ok(());
        }
        let request =
            RowCount { collection: COLLECTION.to_owned(), partition: selection.partitions.first().cloned() };
        let found =
            self.node.ask("the row count", |db, call| async move { db.row_count(call, request).await })?;
        match found.map_err(unexpected("the row count"))? {
            found if found == wanted => Ok(()),
            found => broken(format!("the row count is {found}, {wanted} is right")),
        }
    }

    /// Everything there is: each row with each field, the count, the catalogue.
    pub(crate) fn look_at_everything(&mut self) -> Step {
        self.note("look at everything".to_owned());
        let all = |output: &str, limit| QueryRequest {
            collection: COLLECTION.to_owned(),
            partitions: Vec::new(),
            filter: String::new(),
            output_fields: vec![output.to_owned()],
            limit,
            offset: 0,
            consistency: Consistency::Strong,
            moment: Moment::Present,
            seen: Vec::new(),
        };
        let rows = self.send_query(all("*", Some(TOPK_MAX)))?.rows;
        let shape = &self.twin.shape;
        let places = check::columns_of(shape, &["*".to_owned()]);
        let matching = self.twin.matching(&Selection::default());
        check::rows(shape, &places, &matching, 0, Some(TOPK_MAX), &rows)?;
        let (count, wanted) = (self.send_query(all("count(*)", None))?.count, matching.len() as u64);
        if count != Some(wanted) {
            return broken(format!("count(*) is {count:?}, {wanted} is right"));
        }
        self.look_at_catalogue()
    }

    fn look_at_catalogue(&self) -> Step {
        let name = CollectionName::Name(COLLECTION.to_owned());
        let told =
            self.node.ask("describe", |db, call| async move { db.describe_collection(call, name).await })?;
        let told = told.map_err(unexpected("describe"))?;
        let partitions: Vec<&str> = told.partitions.iter().map(|partition| partition.name.as_str()).collect();
        if partitions != self.twin.partitions || told.schema != self.twin.shape.schema {
            return broken(format!("the catalogue tells {partitions:?} and {:?}", told.schema));
        }
        let listed = self.node.ask("list", |db, call| async move { db.list_collections(call).await })?;
        match listed.map_err(unexpected("list"))?.as_slice() {
            [only] if only.id == told.id => {}
            other => return broken(format!("{} collections are listed", other.len())),
        }
        self.look_at_indexes()
    }

    /// Which of these keys the server has.
    pub(super) fn keys_there(&self, keys: &BTreeSet<PrimaryKey>) -> Step<BTreeSet<PrimaryKey>> {
        let keys: Vec<PrimaryKey> = keys.iter().cloned().collect();
        let reply = self.send_query(QueryRequest {
            collection: COLLECTION.to_owned(),
            partitions: Vec::new(),
            filter: filter::by_keys(&keys).to_string(),
            output_fields: Vec::new(),
            limit: None,
            offset: 0,
            consistency: Consistency::Strong,
            moment: Moment::Present,
            seen: Vec::new(),
        })?;
        let column = reply.rows.batch.columns.first();
        let key = |row| column.and_then(|column| column.data.key(row));
        Ok((0..reply.rows.batch.rows).filter_map(key).collect())
    }

    fn send_query(&self, request: QueryRequest) -> Step<QueryReply> {
        let reply = self.node.ask("the query", |db, call| async move { db.query(call, request).await })?;
        reply.map_err(unexpected("the query"))
    }
}
