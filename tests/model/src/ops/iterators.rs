//! Iterators: a moment begins, operations of all kinds follow, and the pages in between are what the twin was when it began.

use super::searches::query_vectors;
use super::{COLLECTION, text_of};
use crate::cell::Cell;
use crate::check::{self, AskedPage};
use crate::fault::Fault;
use crate::life::Life;
use crate::twin::{Selection, Twin};
use crate::{Broken, Step, broken, filter};
use vecraft_types::api::{Moment, QueryRequest, SearchPage, SearchRequest};
use vecraft_types::{Code, Error, Metric, PrimaryKey};

/// Iterators open at once, at most.
const OPEN_MAX: usize = 3;

/// One that has begun and is not at its end.
#[derive(Debug)]
pub struct Open {
    /// The collection as it was.
    then: Twin,
    selection: Selection,
    pages: Pages,
    moment: Moment,
    /// A partition that it reads was dropped: from then on a page may be refused.
    may_miss: bool,
}

#[derive(Debug)]
enum Pages {
    Query { request: QueryRequest, last: Option<PrimaryKey> },
    Search { request: SearchRequest, query: Cell, field: usize, metric: Metric, told: Vec<bool> },
}

impl Life {
    /// Begins an iterator, or asks one for its next page.
    pub(crate) fn iterate(&mut self) -> Step {
        let begins = self.iterators.is_empty() || self.iterators.len() < OPEN_MAX && self.rng.chance(30);
        let mut iterator = match begins {
            // Its first page is asked at once: that is when the moment is.
            true => self.begin_iterator(),
            false => {
                let at = self.rng.below(self.iterators.len() as u64) as usize;
                self.iterators.swap_remove(at)
            }
        };
        let page = match &iterator.pages {
            Pages::Query { .. } => self.query_page(&mut iterator),
            Pages::Search { .. } => self.search_page(&mut iterator),
        };
        match page? {
            Ok(true) => self.iterators.push(iterator),
            Ok(false) => {}
            Err(error) => {
                let is_expected = error.is_input_error() || error.code == Code::PartitionNotFound;
                if !(iterator.may_miss && is_expected) {
                    return broken(format!("a page is refused: {error} (code {})", error.code.number()));
                }
            }
        }
        Ok(())
    }

    fn begin_iterator(&mut self) -> Open {
        let selection = self.draw_selection(60);
        let then = Twin { fault: None, ..self.twin.clone() };
        let pages =
            if self.rng.chance(50) { self.begin_query(&selection) } else { self.begin_search(&selection) };
        Open { then, selection, pages, moment: Moment::Begin, may_miss: false }
    }

    fn begin_query(&mut self, selection: &Selection) -> Pages {
        let request = QueryRequest {
            collection: COLLECTION.to_owned(),
            partitions: selection.partitions.clone(),
            filter: String::new(),
            output_fields: self.draw_output(),
            limit: Some(self.rng.between(1, 40) as usize),
            offset: 0,
            consistency: self.draw_consistency(),
            moment: Moment::Begin,
            seen: Vec::new(),
        };
        Pages::Query { request, last: None }
    }

    fn begin_search(&mut self, selection: &Selection) -> Pages {
        let vectors = self.twin.shape.vectors();
        let field = vectors.start + self.rng.below(vectors.len() as u64) as usize;
        let mut queries = self.draw_queries(field);
        queries.truncate(1);
        let limit = self.rng.between(1, 30) as usize;
        let (metric, _) = self.draw_effort(field, limit);
        let request = SearchRequest {
            collection: COLLECTION.to_owned(),
            partitions: selection.partitions.clone(),
            field: self.twin.shape.fields()[field].name.clone(),
            dim: self.twin.shape.fields()[field].data_type.dim().unwrap_or(0),
            vectors: query_vectors(&queries),
            metric: Some(metric),
            limit,
            offset: 0,
            filter: text_of(selection),
            params: Default::default(),
            output_fields: self.draw_output(),
            group_by: None,
            page: Some(SearchPage::default()),
            consistency: self.draw_consistency(),
            moment: Moment::Begin,
            seen: Vec::new(),
            explain: None,
        };
        let told = vec![false; self.twin.matching(selection).len()];
        Pages::Search { request, query: queries.swap_remove(0), field, metric, told }
    }

    /// The moment of a page as it is asked for.
    fn moment_of(&self, iterator: &Open) -> Moment {
        match self.twin.fault {
            Some(Fault::ForgetMoment) if iterator.moment != Moment::Begin => Moment::Present,
            _ => iterator.moment,
        }
    }

    /// Whether there is another page, or why the server refused this one.
    fn query_page(&mut self, iterator: &mut Open) -> Step<Result<bool, Error>> {
        let moment = self.moment_of(iterator);
        let Pages::Query { request, last } = &mut iterator.pages else { return Ok(Ok(false)) };
        let mut selection = iterator.selection.clone();
        if let Some(last) = last {
            let behind = filter::behind(last);
            selection.filter = Some(match selection.filter.take() {
                Some(own) => filter::Cond::All(vec![behind, own]),
                None => behind,
            });
        }
        (request.filter, request.moment) = (text_of(&selection), moment);
        self.note(format!(
            "page of a query {:?} where {} limit {:?} of {moment:?}",
            request.partitions, request.filter, request.limit
        ));
        let sent = request.clone();
        let reply = self.node.ask("the page", |db, call| async move { db.query(call, sent).await })?;
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => return Ok(Err(error)),
        };
        if iterator.moment == Moment::Begin {
            iterator.moment = Moment::Of(reply.timestamp);
        }
        let shape = &iterator.then.shape;
        let places = check::columns_of(shape, &request.output_fields);
        let matching = iterator.then.matching(&selection);
        check::rows(shape, &places, &matching, 0, request.limit, &reply.rows)?;
        let rows = reply.rows.batch.rows;
        *last = rows.checked_sub(1).and_then(|at| reply.rows.batch.columns.first()?.data.key(at));
        Ok(Ok(Some(rows) == request.limit))
    }

    fn search_page(&mut self, iterator: &mut Open) -> Step<Result<bool, Error>> {
        let moment = self.moment_of(iterator);
        let Pages::Search { request, query, field, metric, told } = &mut iterator.pages else {
            return Ok(Ok(false));
        };
        if self.twin.indexes.get(field).is_some_and(|index| index.metric != *metric) {
            // Another index was made since, and a search may not name another metric than its.
            return Ok(Ok(false));
        }
        request.moment = moment;
        self.note(format!(
            "page of a search of field {field} {metric:?} {:?} limit {} {:?} where {} of {moment:?}",
            request.page, request.limit, request.partitions, request.filter
        ));
        let sent = request.clone();
        let reply = self.node.ask("the page", |db, call| async move { db.search(call, sent).await })?;
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => return Ok(Err(error)),
        };
        if iterator.moment == Moment::Begin {
            iterator.moment = Moment::Of(reply.timestamp);
        }
        let shape = &iterator.then.shape;
        let places = check::columns_of(shape, &request.output_fields);
        let matching = iterator.then.matching(&iterator.selection);
        let asked = AskedPage { query, field: *field, metric: *metric, limit: request.limit };
        let has_more = check::page(shape, &places, &asked, &matching, told, &reply)
            .map_err(|error| Broken(format!("{} rows match; {}", matching.len(), error.0)))?;
        if let Some(last) = reply.scores.last() {
            request.page = Some(SearchPage { after: Some(*last) });
        }
        Ok(Ok(has_more))
    }

    /// A partition was dropped: pages that would show its rows may be refused from now on.
    pub(super) fn iterators_may_miss(&mut self, partition: &str) {
        for iterator in &mut self.iterators {
            let partitions = &iterator.selection.partitions;
            iterator.may_miss |= partitions.is_empty() || partitions.iter().any(|name| name == partition);
        }
    }
}
