//! The metastore's durable checkpoint: one row a collection and one for the rest, in `Table::Catalog`.
//!
//! ```text
//! "root"               mark, ids, nodes, groups...; behind it the placement, which the first programs did not write,
//!                      and behind that the query-only nodes, the last named requests and the ids passed over, each when
//!                      there are any, or any of the later ones
//! "c" + id (8, BE)     a collection
//! ```
//! A checkpoint writes the root and the rows that changed since the last one, in one synced batch (I3): its cost
//! follows what changed, not how many collections there are.

use crate::error::Error;
use std::collections::BTreeSet;
use std::sync::Arc;
use vecraft_raft_host::Mark;
use vecraft_rpc::codec;
use vecraft_state::meta::{MetaRequests, MetaRoot, MetaState, Placement, Unseen};
use vecraft_storage::{KeyRange, Kv, Table, WriteBatch};
use vecraft_types::{CollectionDescriptor, CollectionId, NodeId};

pub(crate) const ROOT: &[u8] = b"root";
pub(crate) const COLLECTION: &[u8] = b"c";

/// A checkpoint before it is written.
pub(crate) struct Draft {
    pub mark: Mark,
    pub root: MetaRoot,
    pub placement: Placement,
    /// What the last named requests did (I10).
    pub requests: MetaRequests,
    /// Ids that a lost history may have given.
    pub unseen: Unseen,
    /// Rows that changed; `None` when the collection is gone.
    pub rows: Vec<(CollectionId, Option<Arc<CollectionDescriptor>>)>,
    /// Entries since the last checkpoint.
    pub entries: u64,
    /// Bytes of those entries.
    pub bytes: u64,
}

fn key(id: CollectionId) -> Vec<u8> {
    [COLLECTION, &id.0.to_be_bytes()].concat()
}

/// Writes a draft; durable on return.
pub(crate) fn write(kv: &dyn Kv, draft: &Draft) -> Result<(), Error> {
    let mut batch = WriteBatch::new();
    let root = codec::encode(&(draft.mark.encode()?.to_vec(), &draft.root))?;
    // As programs before query-only nodes wrote it, and can read it.
    let (has_unseen, has_requests) = (!draft.unseen.is_empty(), !draft.requests.is_empty());
    let query_only = match draft.placement.query_only.is_empty() && !has_requests && !has_unseen {
        true => Vec::new(),
        false => codec::encode(&draft.placement.query_only)?,
    };
    // As programs before requests had names.
    let requests = if has_requests || has_unseen { codec::encode(&draft.requests)? } else { Vec::new() };
    // And as those before ids were passed over.
    let unseen = if has_unseen { codec::encode(&draft.unseen)? } else { Vec::new() };
    let placement = codec::encode(&draft.placement)?;
    batch.put(Table::Catalog, ROOT, [root, placement, query_only, requests, unseen].concat());
    for (id, row) in &draft.rows {
        match row {
            Some(row) => batch.put(Table::Catalog, key(*id), codec::encode(&**row)?),
            None => batch.delete(Table::Catalog, key(*id)),
        };
    }
    Ok(kv.write(&batch, true)?)
}

/// The checkpoint, if there is one.
pub(crate) fn read(kv: &dyn Kv) -> Result<Option<(Mark, MetaState)>, Error> {
    let Some(root) = kv.get(Table::Catalog, ROOT)? else { return Ok(None) };
    decode(&root, &kv.scan(Table::Catalog, &KeyRange::prefix(COLLECTION))?).map(Some)
}

/// The mark of a checkpoint's root.
pub(crate) fn mark(root: &[u8]) -> Result<Mark, Error> {
    decode_root(root).map(|found| found.mark)
}

/// A checkpoint from its root and the rows of its collections.
pub(crate) fn decode(root: &[u8], collections: &[(Vec<u8>, Vec<u8>)]) -> Result<(Mark, MetaState), Error> {
    let Root { mark, root, placement, requests, unseen } = decode_root(root)?;
    let mut rows = Vec::new();
    for (found, value) in collections {
        let row: CollectionDescriptor =
            codec::decode(value).map_err(|e| corrupt(&format!("{found:02x?}"), e.to_string()))?;
        if *found != key(row.id) {
            return Err(corrupt(&format!("{found:02x?}"), format!("it holds collection {}", row.id)));
        }
        rows.push(row);
    }
    Ok((mark, MetaState::restore(root, rows, placement, requests).with_unseen(unseen)))
}

/// What the record of the root says.
struct Root {
    mark: Mark,
    root: MetaRoot,
    placement: Option<Placement>,
    requests: MetaRequests,
    unseen: Unseen,
}

fn decode_root(bytes: &[u8]) -> Result<Root, Error> {
    let unreadable = |error: codec::Error| corrupt("root", error.to_string());
    let ((mark, root), used): ((Vec<u8>, MetaRoot), usize) =
        codec::decode_start(bytes).map_err(unreadable)?;
    let mark = Mark::decode(&mark).map_err(|error| corrupt("root", error.to_string()))?;
    // Where it ends, an earlier program wrote no more.
    let (mut placement, mut requests, mut unseen) = (None, MetaRequests::default(), Unseen::new());
    let mut rest = bytes.get(used..).unwrap_or_default();
    if !rest.is_empty() {
        let (found, used): (Placement, usize) = codec::decode_start(rest).map_err(unreadable)?;
        rest = rest.get(used..).unwrap_or_default();
        placement = Some(found);
    }
    if !rest.is_empty() {
        let (query_only, used): (BTreeSet<NodeId>, usize) = codec::decode_start(rest).map_err(unreadable)?;
        rest = rest.get(used..).unwrap_or_default();
        placement = placement.map(|placement| Placement { query_only, ..placement });
    }
    if !rest.is_empty() {
        let (found, used): (MetaRequests, usize) = codec::decode_start(rest).map_err(unreadable)?;
        rest = rest.get(used..).unwrap_or_default();
        requests = found;
    }
    if !rest.is_empty() {
        unseen = codec::decode(rest).map_err(unreadable)?;
    }
    Ok(Root { mark, root, placement, requests, unseen })
}

fn corrupt(row: &str, cause: String) -> Error {
    Error::Corrupt { row: row.to_owned(), cause }
}
