//! All rows of one moment, page by page.
//!
//! ```text
//! first page   the moment begins (I18); the reply's timestamp is its name
//! query        the next page: keys greater than the last one        search: hits behind the last score
//! ```
//! Every page is a read like any other: sent again to another node when one cannot be reached, or does not lead any more.
//! The first one may begin two moments then, and the pages are of the second.
//!
//! It holds one page at a time, and nothing at the server: pages not asked for cost nothing.

use crate::Collection;
use crate::hit::{Hit, hits};
use crate::search::{Query, Search};
use std::fmt::Write;
use vecraft_types::api::*;
use vecraft_types::{PrimaryKey, Result, Timestamp};

/// Pages of a query, in key order. See [`Query::pages`].
pub struct QueryPages {
    collection: Collection,
    request: QueryRequest,
    page_rows: usize,
    /// Rows that may still be told.
    left: usize,
    /// The key field and the last key told.
    last: Option<(String, PrimaryKey)>,
    is_over: bool,
}

/// Pages of a search, nearest first. See [`Search::pages`].
pub struct SearchPages {
    collection: Collection,
    request: SearchRequest,
    is_over: bool,
}

impl Query {
    /// All matching rows of one moment, at most `rows` (1 to 16,384) a page, in key order: what is written meanwhile changes
    /// nothing. The moment has everything that was acknowledged before the first page, whatever the consistency, and ends
    /// an hour after it. The query's limit is that of all pages together, an offset is left out once.
    ///
    /// Where a collection allows several rows of one key (`pk.on_conflict = allow`), those that do not fit on the page with
    /// the first of them are not told.
    ///
    /// ```no_run
    /// # async fn example(books: vecraft_client::Collection) -> vecraft_client::types::Result<()> {
    /// let mut pages = books.query("year > 1900").output(["title"]).pages(1_000);
    /// while let Some(page) = pages.next().await? {
    ///     println!("{} rows of the moment {:?}", page.rows.batch.rows, pages.moment());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn pages(self, rows: usize) -> QueryPages {
        let Query { collection, mut request } = self;
        let left = request.limit.unwrap_or(usize::MAX);
        request.moment = Moment::Begin;
        QueryPages { collection, request, page_rows: rows, left, last: None, is_over: false }
    }
}

impl QueryPages {
    /// The next page; `None` when there are no more rows. After an error the same page can be asked for again.
    ///
    /// # Errors
    /// A moment that ended, and those of [`Query::rows`].
    pub async fn next(&mut self) -> Result<Option<QueryReply>> {
        if self.is_over || self.left == 0 {
            return Ok(None);
        }
        let wanted = self.page_rows.min(self.left);
        let mut request = self.request.clone();
        request.limit = Some(wanted);
        if let Some((field, key)) = &self.last {
            request.filter = behind(&request.filter, field, key);
        }
        let client = self.collection.client();
        let reply = client.query(client.inner.call(), request).await?;
        self.request.moment = Moment::Of(reply.timestamp);
        let rows = reply.rows.batch.rows;
        let last = reply.rows.column(&reply.primary_field).zip(rows.checked_sub(1));
        let key = last.and_then(|(column, last)| column.data.key(last));
        self.is_over = key.is_none() || rows < wanted;
        self.left = self.left.saturating_sub(rows);
        self.last = key.map(|key| (reply.primary_field.clone(), key));
        self.request.offset = 0;
        Ok((rows > 0).then_some(reply))
    }

    /// The moment that the pages are of; `None` before the first.
    pub fn moment(&self) -> Option<Timestamp> {
        named(self.request.moment)
    }
}

impl Search {
    /// All matching rows of one moment, nearest first, at least `rows` (1 to 16,384) a page: with the last row of a page come
    /// all that are as near, so that none is lost or told twice. The moment is that of [`Query::pages`]. The search's limit
    /// does not count here. Every page compares every matching row, whatever index there is.
    ///
    /// ```no_run
    /// # async fn example(books: vecraft_client::Collection) -> vecraft_client::types::Result<()> {
    /// let mut pages = books.search(&[0.1, 0.2, 0.3]).filter("year > 1900").pages(100);
    /// while let Some(page) = pages.next().await? {
    ///     page.iter().for_each(|hit| println!("{} {}", hit.key, hit.score));
    /// }
    /// # Ok(()) }
    /// ```
    pub fn pages(self, rows: usize) -> SearchPages {
        let Search { collection, mut request } = self;
        request.moment = Moment::Begin;
        request.page = Some(SearchPage::default());
        request.limit = rows;
        SearchPages { collection, request, is_over: false }
    }
}

impl SearchPages {
    /// The next page; `None` when there are no more rows. After an error the same page can be asked for again.
    ///
    /// # Errors
    /// A moment that ended, more than one vector, and those of [`Search::run`].
    pub async fn next(&mut self) -> Result<Option<Vec<Hit>>> {
        if self.is_over {
            return Ok(None);
        }
        let client = self.collection.client();
        let reply = client.search(client.inner.call(), self.request.clone()).await?;
        let moment = reply.timestamp;
        let page = hits(reply)?.into_iter().next().unwrap_or_default();
        self.request.moment = Moment::Of(moment);
        self.is_over = page.len() < self.request.limit;
        if let Some(last) = page.last() {
            self.request.page = Some(SearchPage { after: Some(last.score) });
        }
        Ok((!page.is_empty()).then_some(page))
    }

    /// The moment that the pages are of; `None` before the first.
    pub fn moment(&self) -> Option<Timestamp> {
        named(self.request.moment)
    }
}

fn named(moment: Moment) -> Option<Timestamp> {
    match moment {
        Moment::Of(at) => Some(at),
        Moment::Present | Moment::Begin => None,
    }
}

/// The filter, and only keys greater than this one.
pub(crate) fn behind(filter: &str, field: &str, key: &PrimaryKey) -> String {
    let mut text = format!("{field} > ");
    // Writing to a string cannot fail.
    match key {
        PrimaryKey::Int64(key) => _ = write!(text, "{key}"),
        PrimaryKey::VarChar(key) => {
            text.push('"');
            for letter in key.chars() {
                match letter {
                    '"' | '\\' => text.extend(['\\', letter]),
                    '\n' => text.push_str("\\n"),
                    '\r' => text.push_str("\\r"),
                    other => text.push(other),
                }
            }
            text.push('"');
        }
    }
    if !filter.trim().is_empty() {
        _ = write!(text, " and ({filter})");
    }
    text
}
