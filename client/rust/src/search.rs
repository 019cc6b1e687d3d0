//! Searches and queries, built step by step. What a search answers: [`Hit`].

use crate::Collection;
use crate::hit::{Hit, hits};
use vecraft_types::api::*;
use vecraft_types::{Metric, QueryVectors, Result};

/// A search about to be sent. Limit 10, the session's consistency, no output fields unless said otherwise.
#[must_use = "a search does nothing until run(), one() or a page is awaited"]
pub struct Search {
    pub(crate) collection: Collection,
    pub(crate) request: SearchRequest,
}

impl Search {
    pub(crate) fn new(collection: Collection, dim: u32, vectors: QueryVectors) -> Search {
        let request = SearchRequest {
            collection: collection.name().to_owned(),
            partitions: Vec::new(),
            field: String::new(),
            dim,
            vectors,
            metric: None,
            limit: 10,
            offset: 0,
            filter: String::new(),
            params: Default::default(),
            output_fields: Vec::new(),
            group_by: None,
            page: None,
            consistency: collection.client().session(),
            moment: Moment::Present,
            seen: Vec::new(),
            explain: None,
        };
        Search { collection, request }
    }

    /// Numbers a vector, when several are searched at once.
    pub fn dim(mut self, dim: u32) -> Search {
        self.request.dim = dim;
        self
    }

    /// The vector field; needed when the collection has several.
    pub fn field(mut self, field: &str) -> Search {
        self.request.field = field.to_owned();
        self
    }

    /// Hits a vector, 1 to 16,384.
    pub fn limit(mut self, limit: usize) -> Search {
        self.request.limit = limit;
        self
    }

    /// Only rows that match.
    pub fn filter(mut self, filter: &str) -> Search {
        self.request.filter = filter.to_owned();
        self
    }

    /// The metric; must equal the index's.
    pub fn metric(mut self, metric: Metric) -> Search {
        self.request.metric = Some(metric);
        self
    }

    /// A parameter of the index's search (`ef`, `nprobe`, ...).
    pub fn param(mut self, name: &str, value: impl ToString) -> Search {
        self.request.params.insert(name.to_owned(), value.to_string());
        self
    }

    /// The share of the true neighbours to be found, above 0 to 1, instead of the index's own parameters: the least work
    /// that finds so many in the mean, by what was measured when the index was built. 1 compares every row.
    pub fn recall(self, share: f32) -> Search {
        self.param("recall", share)
    }

    /// Only hits whose score is nearer than this: with L2, HAMMING and JACCARD less, with IP and COSINE greater.
    pub fn radius(self, radius: f32) -> Search {
        self.param("radius", radius)
    }

    /// Only hits whose score is not nearer than this: with L2, HAMMING and JACCARD at least so much, with IP and COSINE at most.
    pub fn range_filter(self, near: f32) -> Search {
        self.param("range_filter", near)
    }

    /// Groups of rows with the same value in a field (Bool, an integer or VarChar) instead of single rows, at most `size`
    /// of each. The limit counts groups; the hits of a group follow one another, the group with the nearest hit first.
    /// Further rows of a group are those seen on the way; [`fill_groups`](Search::fill_groups) looks for all.
    pub fn group_by(mut self, field: &str, size: usize) -> Search {
        let is_strict = self.request.group_by.is_some_and(|by| by.is_strict);
        self.request.group_by = Some(GroupBy { field: field.to_owned(), size, is_strict });
        self
    }

    /// Every group gets as many rows as it may have, if they are there. Only after [`group_by`](Search::group_by).
    pub fn fill_groups(mut self) -> Search {
        if let Some(by) = &mut self.request.group_by {
            by.is_strict = true;
        }
        self
    }

    /// Fields to return with each hit.
    pub fn output<S: Into<String>>(mut self, fields: impl IntoIterator<Item = S>) -> Search {
        self.request.output_fields = fields.into_iter().map(Into::into).collect();
        self
    }

    /// How fresh the answer must be.
    pub fn consistency(mut self, consistency: Consistency) -> Search {
        self.request.consistency = consistency;
        self
    }

    /// Searches; the hits of each vector, nearest first.
    ///
    /// # Errors
    /// A wrong dimension, filter, field or parameter, and those of any call.
    pub async fn run(self) -> Result<Vec<Vec<Hit>>> {
        let client = self.collection.client();
        hits(client.search(client.inner.call(), self.request).await?)
    }

    /// Searches, and says of each vector which share of its true neighbours to expect among the hits. Nothing is said where
    /// nothing was measured: of groups, of ranges, and of parameters that set what recall depends on by hand.
    ///
    /// # Errors
    /// As [`run`](Search::run).
    pub async fn run_told(self) -> Result<(Vec<Vec<Hit>>, Vec<f32>)> {
        let client = self.collection.client();
        let mut reply = client.search(client.inner.call(), self.request).await?;
        let recalls = std::mem::take(&mut reply.recalls);
        Ok((hits(reply)?, recalls))
    }

    /// Searches for one vector.
    ///
    /// # Errors
    /// As [`run`](Search::run).
    pub async fn one(self) -> Result<Vec<Hit>> {
        Ok(self.run().await?.into_iter().next().unwrap_or_default())
    }
}

/// A query about to be sent.
#[must_use = "a query does nothing until rows() or a page is awaited"]
pub struct Query {
    pub(crate) collection: Collection,
    pub(crate) request: QueryRequest,
}

impl Query {
    pub(crate) fn new(collection: Collection, filter: &str) -> Query {
        let request = QueryRequest {
            collection: collection.name().to_owned(),
            partitions: Vec::new(),
            filter: filter.to_owned(),
            output_fields: Vec::new(),
            limit: None,
            offset: 0,
            consistency: collection.client().session(),
            moment: Moment::Present,
            seen: Vec::new(),
        };
        Query { collection, request }
    }

    /// Fields to return; `*` means all, `count(*)` alone the exact count.
    pub fn output<S: Into<String>>(mut self, fields: impl IntoIterator<Item = S>) -> Query {
        self.request.output_fields = fields.into_iter().map(Into::into).collect();
        self
    }

    /// Most rows returned.
    pub fn limit(mut self, limit: usize) -> Query {
        self.request.limit = Some(limit);
        self
    }

    /// Rows to leave out, in key order.
    pub fn offset(mut self, offset: usize) -> Query {
        self.request.offset = offset;
        self
    }

    /// How fresh the answer must be.
    pub fn consistency(mut self, consistency: Consistency) -> Query {
        self.request.consistency = consistency;
        self
    }

    /// Asks; the rows come in key order.
    ///
    /// # Errors
    /// A bad filter or field, and those of any call.
    pub async fn rows(self) -> Result<QueryReply> {
        let client = self.collection.client();
        client.query(client.inner.call(), self.request).await
    }
}
