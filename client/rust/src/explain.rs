//! Searches that tell how their answer came about, and why rows are missing from it.

use crate::Search;
use crate::hit::{Hit, hits};
use vecraft_types::api::{Database, Explain, Explanation};
use vecraft_types::{Error, PrimaryKey, Result};

/// A search about to be sent that tells how its answer comes about.
#[must_use = "a search does nothing until run() is awaited"]
pub struct ExplainedSearch {
    search: Search,
    explain: Explain,
}

/// The hits of each vector, and how they came about.
#[derive(Clone, Debug)]
pub struct Explained {
    /// As [`Search::run`] gives them.
    pub hits: Vec<Vec<Hit>>,
    /// How they came about.
    pub explanation: Explanation,
}

impl Search {
    /// Tells with the hits how they came about: of each segment the strategy, distances, bytes and time, of each replica what it
    /// waited for.
    ///
    /// ```no_run
    /// # async fn example(books: vecraft_client::Collection) -> vecraft_client::types::Result<()> {
    /// use vecraft_client::types::PrimaryKey;
    ///
    /// let search = books.search(&[0.1, 0.2, 0.3]).filter("year > 1900").limit(10);
    /// let explained = search.explain().why_missing([PrimaryKey::Int64(42)]).run().await?;
    /// for shard in &explained.explanation.shards {
    ///     println!("node {}: {} us, waited {} us", shard.node, shard.execute_us, shard.barrier_us);
    ///     for segment in &shard.segments {
    ///         println!("  {}: {}, {}", segment.segment, segment.strategy.words(), segment.why);
    ///     }
    /// }
    /// for key in &explained.explanation.keys {
    ///     println!("{}: {key}", key.key);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn explain(self) -> ExplainedSearch {
        ExplainedSearch { search: self, explain: Explain::default() }
    }
}

impl ExplainedSearch {
    /// Tells of these keys what became of them: found, at which rank beyond the limit, filtered out, not visible, or lost by the
    /// index. At most 100, of a search with one vector, not for groups. Every matching row is compared for it.
    pub fn why_missing(mut self, keys: impl IntoIterator<Item = PrimaryKey>) -> ExplainedSearch {
        self.explain.why_missing.extend(keys);
        self
    }

    /// Searches.
    ///
    /// # Errors
    /// As [`Search::run`]; keys that cannot be explained.
    pub async fn run(self) -> Result<Explained> {
        let client = self.search.collection.client();
        let mut request = self.search.request;
        request.explain = Some(self.explain);
        let mut reply = client.search(client.inner.call(), request).await?;
        let explanation = reply.explanation.take();
        let explanation = explanation.ok_or_else(|| Error::internal("the server explained nothing"))?;
        Ok(Explained { hits: hits(reply)?, explanation: *explanation })
    }
}
