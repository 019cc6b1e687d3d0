//! Letting go of indexes that nobody wants any more.

use crate::node::IndexNode;
use crate::plan::IndexTarget;
use std::sync::Weak;

impl IndexNode {
    /// Searches go back to scanning first, then record and file go. A file that cannot be removed is one that no
    /// record names, and goes at the next start.
    pub(crate) async fn drop_unwanted(&self, drops: &[IndexTarget]) {
        for target in drops {
            let Some(built) = self.state.lock().built.remove(target) else { continue };
            // Drops run before jobs, so the index on the segment is the one that goes.
            if let Some(segment) = built.attached.as_ref().and_then(Weak::upgrade)
                && let Err(error) = segment.detach_index(built.record.field)
            {
                tracing::warn!(%target, %error, "cannot detach an index");
            }
            let (store, target) = (self.store.clone(), *target);
            let removed = self.io.run(move || store.remove(target, &built.record)).await;
            match removed {
                Ok(Ok(())) => tracing::info!(%target, "index dropped"),
                Ok(Err(error)) => tracing::warn!(%target, %error, "cannot remove an index file"),
                Err(error) => tracing::warn!(%target, %error, "cannot remove an index file"),
            }
            self.state.lock().report.dropped += 1;
        }
    }
}
