//! The clusters that this directory's cluster went on from, so that their nodes can tell its word from a stranger's.
//!
//! Written with the new cluster id, in one batch. A node that joined the new cluster later does not know them, and need
//! not: old nodes know the address of the one that recovered.

use crate::Error;
use vecraft_rpc::codec;
use vecraft_storage::{Kv, Table, WriteBatch};

const KEY: &[u8] = b"recovered from";

/// The ids, oldest first; none when this directory was never recovered.
///
/// # Errors
/// Storage errors; a record that does not decode.
pub fn ancestors(kv: &dyn Kv) -> Result<Vec<u128>, Error> {
    let stored = kv.get(Table::Node, KEY)?.map(|bytes| codec::decode(&bytes).map_err(unreadable));
    Ok(stored.transpose()?.unwrap_or_default())
}

/// Adds one to a batch; one that is known already stays where it is.
pub(super) fn put(kv: &dyn Kv, batch: &mut WriteBatch, was: u128) -> Result<(), Error> {
    let mut all = ancestors(kv)?;
    if !all.contains(&was) {
        all.push(was);
    }
    batch.put(Table::Node, KEY, codec::encode(&all).map_err(unreadable)?);
    Ok(())
}

fn unreadable(error: codec::Error) -> Error {
    Error::Identity(error.to_string())
}
