//! The metastore's durable checkpoint as a snapshot for a replica that the log does not reach any more (I4, I5): its
//! rows as the store has them, the root first. There are no files, so nothing is pinned and nothing is fetched.

use crate::checkpoint::{self, COLLECTION, ROOT};
use crate::error::Error;
use bytes::Bytes;
use vecraft_raft_host::{Mark, Offer};
use vecraft_rpc::rows;
use vecraft_state::meta::MetaState;
use vecraft_storage::{KeyRange, Kv, Table, WriteBatch};

/// A checkpoint that was written while it was read is read again, so often at most.
const READ_TRIES: u32 = 8;

/// The newest durable checkpoint; `None` before the first.
///
/// # Errors
/// Storage errors, a root that does not decode.
pub(crate) fn offer(kv: &dyn Kv) -> Result<Option<Offer>, Error> {
    for _ in 0..READ_TRIES {
        let Some(root) = kv.get(Table::Catalog, ROOT)? else { return Ok(None) };
        let collections = kv.scan(Table::Catalog, &KeyRange::prefix(COLLECTION))?;
        // The rows change in one batch, but are read one by one: the root, which differs in every checkpoint, is
        // looked at before and after.
        if kv.get(Table::Catalog, ROOT)?.as_ref() != Some(&root) {
            continue;
        }
        let mark = checkpoint::mark(&root)?;
        let mut content = Vec::new();
        rows::push(&mut content, ROOT, &root)?;
        for (key, row) in &collections {
            rows::push(&mut content, key, row)?;
        }
        return Ok(Some(Offer { mark, content: content.into(), pin: None }));
    }
    Err(Error::Corrupt {
        row: "root".to_owned(),
        cause: format!("it changed {READ_TRIES} times while it was read"),
    })
}

/// Puts a snapshot in the place of all rows, in one synced batch (I3), and returns its state. Nothing is written when
/// it cannot be read.
///
/// # Errors
/// [`Error::Corrupt`] and [`Error::Rows`] when it is none, or of another position; [`Error::Storage`].
pub(crate) fn install(kv: &dyn Kv, content: &Bytes, mark: &Mark) -> Result<MetaState, Error> {
    let mut content = content.clone();
    let Some((_, root)) = rows::take(&mut content)? else {
        return Err(Error::Corrupt { row: "root".to_owned(), cause: "a snapshot without one".to_owned() });
    };
    let owned = |(key, row): (Bytes, Bytes)| (key.to_vec(), row.to_vec());
    let collections: Vec<(Vec<u8>, Vec<u8>)> = rows::rest(content)?.into_iter().map(owned).collect();
    let (found, state) = checkpoint::decode(&root, &collections)?;
    if found.position() != mark.position() {
        let cause = format!("a snapshot at {} says that it is at {}", mark.position(), found.position());
        return Err(Error::Corrupt { row: "root".to_owned(), cause });
    }
    let mut batch = WriteBatch::new();
    batch.delete_range(Table::Catalog, KeyRange::prefix(COLLECTION));
    for (key, row) in collections {
        batch.put(Table::Catalog, key, row);
    }
    batch.put(Table::Catalog, ROOT, root.to_vec());
    kv.write(&batch, true)?;
    Ok(state)
}
