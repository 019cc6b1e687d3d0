//! What a recovery did to collections, for the log of the node's next start: whoever runs the node need not be the one who
//! ran the command.
//!
//! Written with the new cluster id, before anything is done; a recovery that is cut off and goes on adds to it.

use crate::Error;
use vecraft_rpc::codec;
use vecraft_storage::{Kv, Table, WriteBatch};

const KEY: &[u8] = b"recovery did";

/// Adds sentences to a batch, those that are known already once.
pub(super) fn put(kv: &dyn Kv, batch: &mut WriteBatch, more: &[String]) -> Result<(), Error> {
    let mut all = read(kv)?;
    all.extend(more.iter().filter(|one| !all.contains(one)).cloned().collect::<Vec<_>>());
    if !all.is_empty() {
        batch.put(Table::Node, KEY, codec::encode(&all).map_err(unreadable)?);
    }
    Ok(())
}

/// Says it, at ERROR, and then crosses it out: a crash in between says it twice.
///
/// # Errors
/// Storage errors; a record that does not decode.
pub fn announce(kv: &dyn Kv) -> Result<(), Error> {
    let all = read(kv)?;
    if all.is_empty() {
        return Ok(());
    }
    for what in all {
        tracing::error!(what, "vecraft node recover found the catalogue newer than the rows here");
    }
    let mut batch = WriteBatch::new();
    batch.delete(Table::Node, KEY);
    Ok(kv.write(&batch, true)?)
}

fn read(kv: &dyn Kv) -> Result<Vec<String>, Error> {
    let stored = kv.get(Table::Node, KEY)?.map(|bytes| codec::decode(&bytes).map_err(unreadable));
    Ok(stored.transpose()?.unwrap_or_default())
}

fn unreadable(error: codec::Error) -> Error {
    Error::Identity(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vecraft_storage::SimKv;

    #[test]
    fn what_a_recovery_did_is_kept_over_a_second_try_and_said_once() {
        let kv = SimKv::new(1);
        for more in [["a", "b"], ["b", "c"]] {
            let mut batch = WriteBatch::new();
            put(&kv, &mut batch, &more.map(str::to_owned)).unwrap();
            kv.write(&batch, true).unwrap();
        }
        assert_eq!(read(&kv).unwrap(), ["a", "b", "c"]);
        announce(&kv).unwrap();
        assert!(read(&kv).unwrap().is_empty());
    }
}
