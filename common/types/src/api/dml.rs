//! Requests and replies that change rows.

use super::NamedRows;
use crate::{PrimaryKey, RequestId, Timestamp};
use serde::{Deserialize, Serialize};

/// Adds rows (insert or upsert).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InsertRequest {
    /// The collection.
    pub collection: String,
    /// The partition; none means the default one.
    pub partition: Option<String>,
    /// The rows. Dynamic values come as a JSON column called `$meta`, one object a row.
    pub rows: NamedRows,
    /// The schema's `updated` timestamp the client knows; a stale one is answered with a schema mismatch.
    pub schema_timestamp: Option<Timestamp>,
    /// Names the request so that a retry is recognised (I10). None: the server gives one.
    pub request: Option<RequestId>,
}

/// Deletes rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeleteRequest {
    /// The collection.
    pub collection: String,
    /// Only in this partition.
    pub partition: Option<String>,
    /// Which rows.
    pub rows: DeleteRows,
    /// As in [`InsertRequest::request`].
    pub request: Option<RequestId>,
}

/// Which rows a delete means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum DeleteRows {
    /// By primary key.
    Keys(Vec<PrimaryKey>),
    /// By filter expression.
    Filter(String),
}

/// What a write did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MutationReply {
    /// Keys of the rows written, in request order (given or made by the server). Empty for deletes.
    pub keys: Vec<PrimaryKey>,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows deleted (also those replaced by an upsert).
    pub deleted: u64,
    /// Rows upserted.
    pub upserted: u64,
    /// Largest timestamp of the shards written; a later Session read carries it.
    pub timestamp: Timestamp,
}
