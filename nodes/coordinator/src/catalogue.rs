//! The catalogue as readers see it. Reading is memory only (I19) and never waits for the machine.

use crate::log::MetaLog;
use async_trait::async_trait;
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use vecraft_rpc::services::Catalogue;
use vecraft_types::{CollectionDescriptor, CollectionId, DdlPhase, Result};

/// The collections that are ready, each an immutable descriptor that a reader keeps as long as it needs.
///
/// Maps under a lock rather than one snapshot behind an atomic pointer: a new collection then costs one row and not
/// a copy of all rows, so ten thousand of them are not a hundred million copies. The lock is held for a look-up.
#[derive(Debug, Default)]
pub struct PublishedCatalogue {
    rows: RwLock<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    by_id: HashMap<CollectionId, Arc<CollectionDescriptor>>,
    by_name: BTreeMap<String, CollectionId>,
}

impl PublishedCatalogue {
    /// Shows a collection as it is now; `None`, or any phase but `Ready`, hides it.
    pub(crate) fn publish(&self, id: CollectionId, row: Option<&Arc<CollectionDescriptor>>) {
        let mut rows = self.rows.write();
        let rows = &mut *rows;
        match row.filter(|row| row.phase == DdlPhase::Ready) {
            Some(row) => {
                rows.by_name.insert(row.name.clone(), id);
                rows.by_id.insert(id, row.clone());
            }
            None => {
                if let Some(old) = rows.by_id.remove(&id) {
                    rows.by_name.remove(&old.name);
                }
            }
        }
    }

    /// Shows exactly these from now on, all at once.
    pub(crate) fn replace<'a>(&self, rows: impl Iterator<Item = &'a Arc<CollectionDescriptor>>) {
        let ready = rows.filter(|row| row.phase == DdlPhase::Ready);
        let by_id: HashMap<_, _> = ready.map(|row| (row.id, row.clone())).collect();
        let by_name = by_id.values().map(|row| (row.name.clone(), row.id)).collect();
        *self.rows.write() = Rows { by_id, by_name };
    }

    /// The collection of a name.
    pub fn by_name(&self, name: &str) -> Option<Arc<CollectionDescriptor>> {
        let rows = self.rows.read();
        rows.by_id.get(rows.by_name.get(name)?).cloned()
    }

    /// The collection of an id.
    pub fn by_id(&self, id: CollectionId) -> Option<Arc<CollectionDescriptor>> {
        self.rows.read().by_id.get(&id).cloned()
    }

    /// All collections, by name.
    pub fn list(&self) -> Vec<Arc<CollectionDescriptor>> {
        let rows = self.rows.read();
        rows.by_name.values().filter_map(|id| rows.by_id.get(id).cloned()).collect()
    }
}

/// The catalogue of this node's replica of group 0.
#[derive(Clone)]
pub struct LocalCatalogue {
    published: Arc<PublishedCatalogue>,
    log: Arc<dyn MetaLog>,
    wait_max: Duration,
}

impl LocalCatalogue {
    /// A barrier waits at most `wait_max` for this replica to catch up.
    pub(crate) fn new(
        published: Arc<PublishedCatalogue>,
        log: Arc<dyn MetaLog>,
        wait_max: Duration,
    ) -> LocalCatalogue {
        LocalCatalogue { published, log, wait_max }
    }
}

#[async_trait]
impl Catalogue for LocalCatalogue {
    fn by_name(&self, name: &str) -> Option<Arc<CollectionDescriptor>> {
        self.published.by_name(name)
    }

    fn by_id(&self, id: CollectionId) -> Option<Arc<CollectionDescriptor>> {
        self.published.by_id(id)
    }

    fn list(&self) -> Vec<Arc<CollectionDescriptor>> {
        self.published.list()
    }

    async fn barrier(&self) -> Result<()> {
        Ok(self.log.catch_up(self.wait_max).await?)
    }
}
