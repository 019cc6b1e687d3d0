//! Row ids made by the server (`auto_id`): ranges from the catalogue, handed out here.
//!
//! An id is fixed before the first proposal and never given twice (I10). A request that the client named gets
//! the same ids when it comes again, or its pieces would no longer be recognised by the shards.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::Mutex;
use vecraft_rpc::services::CatalogueWriter;
use vecraft_types::{ClientId, Error, RequestId, Result};

/// Named requests whose ids are remembered. A client retries within its deadline; 16,384 requests of one node
/// are far more than that.
const REMEMBERED_MAX: usize = 16_384;

/// A client's name for a request, without the piece.
type RequestName = (ClientId, u64);

pub(crate) struct IdSource {
    catalogue: Arc<dyn CatalogueWriter>,
    range: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: i64,
    left: u64,
    given: HashMap<RequestName, (i64, u64)>,
    order: VecDeque<RequestName>,
}

impl IdSource {
    pub(crate) fn new(catalogue: Arc<dyn CatalogueWriter>, range: u64) -> IdSource {
        IdSource { catalogue, range: range.max(1), state: Mutex::default() }
    }

    /// The first of `count` ids in a row. `request` is the client's own name for the request, if it has one.
    ///
    /// # Errors
    /// Those of the catalogue; [`vecraft_types::Code::InvalidParameter`] when a named request comes again with another number of rows.
    pub(crate) async fn take(&self, count: u64, request: Option<RequestId>) -> Result<i64> {
        // The lock is held while a range is fetched: the others need it just as much.
        let mut state = self.state.lock().await;
        let name = request.map(|request| (request.client, request.sequence));
        if let Some(&(first, given)) = name.and_then(|name| state.given.get(&name)) {
            if given == count {
                return Ok(first);
            }
            let text = format!(
                "request {} came again with {count} rows instead of {given}",
                name.map_or(0, |n| n.1)
            );
            return Err(Error::invalid(text));
        }
        if state.left < count {
            let size = self.range.max(count);
            state.next = self.catalogue.allocate_ids(size).await?;
            state.left = size;
        }
        let first = state.next;
        state.left -= count;
        state.next = first.saturating_add_unsigned(count);
        if let Some(name) = name {
            state.remember(name, (first, count));
        }
        Ok(first)
    }
}

impl State {
    fn remember(&mut self, name: RequestName, ids: (i64, u64)) {
        if self.order.len() == REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.given.remove(&oldest);
        }
        self.given.insert(name, ids);
        self.order.push_back(name);
    }
}
