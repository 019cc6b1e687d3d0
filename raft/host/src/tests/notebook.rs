//! A small key-value machine whose checkpoints and snapshots are one blob.

use crate::{Committed, Failed, Incoming, Machine, Mark, Offer};
use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use vecraft_rpc::codec;
use vecraft_storage::SimDisk;

pub type Pages = BTreeMap<String, String>;

/// What a node's disk keeps of its machine.
#[derive(Clone, Default)]
pub struct Shelf {
    checkpoint: Arc<Mutex<Option<(Mark, Bytes)>>>,
    /// How many fetches are to fail yet, and how many snapshots were installed.
    pub failing_fetches: Arc<AtomicU32>,
    pub installed: Arc<AtomicU32>,
    /// Why the replica may not be started again.
    pub forfeited: Arc<Mutex<Option<String>>>,
    /// A disk that loses power the moment a snapshot is durable.
    pub dies_installed: Arc<Mutex<Option<SimDisk>>>,
}

/// The machine.
pub struct Notebook {
    pub pages: Pages,
    last: Option<Mark>,
    restored: Option<Mark>,
    shelf: Shelf,
    fetched: Option<Pages>,
}

impl Notebook {
    pub fn open(shelf: &Shelf) -> Notebook {
        let kept = shelf.checkpoint.lock().clone();
        let restored = kept.as_ref().map(|(mark, _)| mark.clone());
        let pages = kept.map(|(_, bytes)| codec::decode(&bytes).unwrap()).unwrap_or_default();
        Notebook { pages, last: restored.clone(), restored, shelf: shelf.clone(), fetched: None }
    }

    /// Makes a durable checkpoint of everything applied.
    pub fn checkpoint_now(&mut self) -> Mark {
        let mark = self.last.clone().unwrap();
        let bytes = Bytes::from(codec::encode(&self.pages).unwrap());
        *self.shelf.checkpoint.lock() = Some((mark.clone(), bytes));
        mark
    }
}

impl Machine for Notebook {
    fn apply(&mut self, entry: Committed) -> Result<Bytes, Failed> {
        let (key, value): (String, String) =
            codec::decode(&entry.command).map_err(|e| Failed(e.to_string()))?;
        self.pages.insert(key, value);
        self.last = Some(entry.mark);
        Ok(Bytes::new())
    }

    fn advance(&mut self, mark: Mark) {
        self.last = Some(mark);
    }

    fn checkpoint(&self) -> Option<Mark> {
        self.restored.clone()
    }

    fn forfeit(&mut self, why: &str) -> Result<(), Failed> {
        *self.shelf.forfeited.lock() = Some(why.to_owned());
        Ok(())
    }

    fn offer(machine: &Arc<Mutex<Notebook>>) -> Option<Offer> {
        let shelf = machine.lock().shelf.clone();
        let (mark, content) = shelf.checkpoint.lock().clone()?;
        Some(Offer { mark, content, pin: None })
    }

    fn fetch(machine: Arc<Mutex<Notebook>>, snapshot: Incoming) -> BoxFuture<'static, Result<(), Failed>> {
        Box::pin(async move {
            let mut notebook = machine.lock();
            let left = notebook.shelf.failing_fetches.load(Ordering::SeqCst);
            if left > 0 {
                notebook.shelf.failing_fetches.store(left - 1, Ordering::SeqCst);
                return Err(Failed("the source did not answer".to_owned()));
            }
            notebook.fetched = Some(codec::decode(&snapshot.content).map_err(|e| Failed(e.to_string()))?);
            Ok(())
        })
    }

    fn install(machine: Arc<Mutex<Notebook>>, snapshot: Incoming) -> BoxFuture<'static, Result<(), Failed>> {
        Box::pin(async move {
            let mut notebook = machine.lock();
            notebook.pages = notebook.fetched.take().ok_or_else(|| Failed("not fetched".to_owned()))?;
            notebook.last = Some(snapshot.mark.clone());
            *notebook.shelf.checkpoint.lock() = Some((snapshot.mark, snapshot.content));
            if let Some(disk) = notebook.shelf.dies_installed.lock().take() {
                disk.crash();
            }
            notebook.shelf.installed.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    }
}
