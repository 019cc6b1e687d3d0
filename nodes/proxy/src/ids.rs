//! Row ids made by the server (`auto_id`): ranges from the catalogue, handed out here.
//!
//! An id is fixed before the first proposal and never given twice (I10). A request that the client named gets the same
//! ids when it comes again to this process. To another one (this node was started anew) its ids are not known, so all
//! ids of a named request belong to one shard, its **home**, which the name decides: the home recognises every piece
//! that it has, and tells which keys the rows got. Were the rows spread by new ids, a shard could take for new what
//! another one has.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::Mutex;
use vecraft_rpc::services::CatalogueWriter;
use vecraft_types::{ClientId, Error, PrimaryKey, RequestId, Result};

/// Named requests whose ids are remembered. A client retries within its deadline; 16,384 requests of one node
/// are far more than that.
const REMEMBERED_MAX: usize = 16_384;

/// A client's name for a request, without the piece.
type RequestName = (ClientId, u64);

/// Which ids a request wants.
pub(crate) struct IdWish {
    pub(crate) count: u64,
    /// None: any ids, spread over all shards.
    pub(crate) home: Option<Home>,
}

/// The shard that all rows of a named request go to.
pub(crate) struct Home {
    request: RequestId,
    shards: u32,
    has_text_keys: bool,
}

impl Home {
    pub(crate) fn new(request: RequestId, shards: u32, has_text_keys: bool) -> Home {
        Home { request, shards, has_text_keys }
    }

    /// A function of the name alone.
    pub(crate) fn shard(&self) -> u32 {
        let RequestId { client, sequence, .. } = self.request;
        let mixed = (client.0 as u64) ^ ((client.0 >> 64) as u64) ^ sequence;
        PrimaryKey::Int64(mixed as i64).shard_index(self.shards)
    }

    fn owns(&self, id: i64) -> bool {
        made_key(id, self.has_text_keys).shard_index(self.shards) == self.shard()
    }
}

/// The key of an id; a varchar key is its decimal text.
pub(crate) fn made_key(id: i64, is_text: bool) -> PrimaryKey {
    if is_text { PrimaryKey::VarChar(id.to_string().into()) } else { PrimaryKey::Int64(id) }
}

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

    /// The wished ids, ascending.
    ///
    /// # Errors
    /// Those of the catalogue; [`vecraft_types::Code::InvalidParameter`] when a named request comes again with another number of rows.
    pub(crate) async fn take(&self, wish: &IdWish) -> Result<Vec<i64>> {
        // The lock is held while a range is fetched: the others need it just as much.
        let mut state = self.state.lock().await;
        let name = wish.home.as_ref().map(|home| (home.request.client, home.request.sequence));
        if let Some(&(first, given)) = name.and_then(|name| state.given.get(&name)) {
            if given == wish.count {
                return Ok(wish.ids_from(first));
            }
            let text = format!(
                "request {} came again with {} rows instead of {given}",
                name.map_or(0, |n| n.1),
                wish.count
            );
            return Err(Error::invalid(text));
        }
        let mut ids = wish.ids_from(state.next);
        // Where ids have to be passed over, twice the mean is nearly always enough; if not, the next range is larger.
        let shards = wish.home.as_ref().map_or(1, |home| u64::from(home.shards));
        let mut size = self.range.max(wish.count.saturating_mul(2 * shards - 1));
        while state.passed_by(&ids) > state.left {
            state.next = self.catalogue.allocate_ids(size).await?;
            state.left = size;
            ids = wish.ids_from(state.next);
            size = size.saturating_mul(2);
        }
        let first = state.next;
        let passed = state.passed_by(&ids);
        state.left -= passed;
        state.next = first.saturating_add_unsigned(passed);
        if let Some(name) = name {
            state.remember(name, (first, wish.count));
        }
        Ok(ids)
    }
}

impl IdWish {
    /// The first wished ids from `first` on.
    fn ids_from(&self, first: i64) -> Vec<i64> {
        let is_wished = |id: &i64| self.home.as_ref().is_none_or(|home| home.owns(*id));
        (first..).filter(is_wished).take(self.count as usize).collect()
    }
}

impl State {
    /// How many ids of the range these use up, those between them included.
    fn passed_by(&self, ids: &[i64]) -> u64 {
        ids.last().map_or(0, |last| last.abs_diff(self.next).saturating_add(1))
    }

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
