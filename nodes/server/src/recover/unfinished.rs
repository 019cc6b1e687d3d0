//! A recovery that was begun: written down with the new cluster id before the log is touched, crossed out after.
//!
//! A crash in between leaves a node of the new cluster whose groups still wait for the old members. Nobody speaks to it,
//! so nothing is lost; it does not start, and the same command goes on where it was.

use super::{ancestry, notice};
use crate::Error;
use crate::identity::Identity;
use serde::{Deserialize, Serialize};
use std::path::Path;
use vecraft_rpc::codec;
use vecraft_storage::{Kv, Table, WriteBatch};

const KEY: &[u8] = b"recovery";

/// See the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// The cluster whose majority is gone.
    pub was: u128,
    /// The cluster that this node becomes.
    pub becomes: u128,
}

impl Unfinished {
    /// The one of a directory.
    ///
    /// # Errors
    /// Storage errors; a record that does not decode.
    pub fn read(kv: &dyn Kv) -> Result<Option<Unfinished>, Error> {
        let unreadable = |error: codec::Error| Error::Identity(error.to_string());
        kv.get(Table::Node, KEY)?.map(|bytes| codec::decode(&bytes).map_err(unreadable)).transpose()
    }

    /// Refuses to serve a directory with one.
    ///
    /// # Errors
    /// The command that ends it.
    pub fn check(kv: &dyn Kv, dir: &Path) -> Result<(), Error> {
        let Some(Unfinished { was, .. }) = Unfinished::read(kv)? else { return Ok(()) };
        let why = format!(
            "vecraft node recover was begun and did not end; run it again: vecraft node recover --data-dir {} --unsafe \
             --cluster-id {was:032x}",
            dir.display()
        );
        Err(Error::Other { what: "unfinished recovery", why })
    }

    /// Writes it down together with the node's new identity, the old one's id and what is about to be done to collections,
    /// synced.
    ///
    /// # Errors
    /// Storage errors.
    pub fn begin(self, kv: &dyn Kv, identity: &Identity, done: &[String]) -> Result<(), Error> {
        let mut batch = WriteBatch::new();
        Identity { cluster_id: self.becomes, ..identity.clone() }.put(&mut batch)?;
        ancestry::put(kv, &mut batch, self.was)?;
        notice::put(kv, &mut batch, done)?;
        batch.put(Table::Node, KEY, codec::encode(&self).map_err(|e| Error::Identity(e.to_string()))?);
        Ok(kv.write(&batch, true)?)
    }

    /// Crosses it out, synced.
    ///
    /// # Errors
    /// Storage errors.
    pub fn end(kv: &dyn Kv) -> Result<(), Error> {
        let mut batch = WriteBatch::new();
        batch.delete(Table::Node, KEY);
        Ok(kv.write(&batch, true)?)
    }
}
