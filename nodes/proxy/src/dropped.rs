//! A request that is under way when its collection is dropped: who drops it answers for what happens then.
//!
//! ```text
//!  an attempt is refused -> does this node know that the collection is gone?     -> "collection not found", at once
//!                        -> the shard is not there: a barrier, once (I19), again -> the same
//!                        -> neither: the shard is not there yet, or moves        -> asked again, as ever
//! ```
//! A collection that this node has once known and knows no more is gone for good: ids are never given twice (I11). What it does
//! *not* do: look the name up anew. Another collection may have it by now, and the request meant the old one.

use crate::Proxy;
use crate::deadline::{Ask, Deadline, is_unavailable};
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vecraft_types::limits::DEFAULT_DATABASE;
use vecraft_types::{Code, CollectionDescriptor, DdlPhase, Error, Result};

/// How long the metastore's newest word is waited for. Without its majority there is none, and what is known here must do.
const BARRIER_MAX: Duration = Duration::from_secs(1);

impl Proxy {
    /// [`Deadline::retry`] for what is asked of a shard, which ends when the shard's collection is gone.
    pub(crate) async fn retry_in<T, F, Fut>(
        &self,
        collection: &CollectionDescriptor,
        deadline: &Deadline,
        ask: Ask<'_>,
        again: fn(&Error) -> bool,
        mut attempt: F,
    ) -> Result<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let has_looked = AtomicBool::new(false);
        let has_looked = &has_looked;
        let attempt = || {
            let answer = attempt();
            async move {
                match answer.await {
                    Err(error) if is_unavailable(&error) => {
                        Err(self.or_dropped(collection, deadline, error, has_looked).await)
                    }
                    answer => answer,
                }
            }
        };
        deadline.retry(ask, again, attempt).await
    }

    /// This error, or the one that says that the collection was dropped.
    async fn or_dropped(
        &self,
        collection: &CollectionDescriptor,
        deadline: &Deadline,
        error: Error,
        has_looked: &AtomicBool,
    ) -> Error {
        let is_unknown = error.is_unknown_shard();
        if is_unknown && !self.is_dropped(collection) && !has_looked.swap(true, Ordering::Relaxed) {
            // Less than there is left, or the attempt would be taken for one that had no answer.
            let wait = BARRIER_MAX.min(deadline.left() / 2);
            let _ = tokio::time::timeout(wait, self.catalogue.barrier()).await;
        }
        if !self.is_dropped(collection) {
            return error;
        }
        let gone = Error::new(Code::CollectionNotFound, "it was dropped while the request was under way")
            .with("database", DEFAULT_DATABASE)
            .with("collection", &collection.name);
        // An attempt that had no answer may have been done before the drop.
        if error.may_be_done { gone.unanswered() } else { gone }
    }

    fn is_dropped(&self, collection: &CollectionDescriptor) -> bool {
        self.catalogue.by_id(collection.id).is_none_or(|now| now.phase == DdlPhase::Dropping)
    }
}
