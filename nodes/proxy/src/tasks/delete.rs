//! Delete: by key on the shards that own the keys, by any other filter on every shard.

use crate::Proxy;
use crate::deadline::Deadline;
use crate::filter::parse_filter;
use crate::lanes::Lanes;
use crate::names::{NameFreshness, partition_id, primary_field};
use crate::rows::{Piece, split_keys};
use std::collections::BTreeSet;
use std::sync::Arc;
use vecraft_rpc::services::RowChange;
use vecraft_types::api::{Call, DeleteRequest, DeleteRows, MutationReply};
use vecraft_types::{
    Code, CollectionDescriptor, CollectionSchema, DataType, Error, PartitionId, PrimaryKey, RequestId, Result,
};

const VERB: &str = "delete";

/// A checked delete.
struct Prepared {
    collection: Arc<CollectionDescriptor>,
    partition: Option<PartitionId>,
    rows: Rows,
    request: RequestId,
}

enum Rows {
    Keys(Vec<PrimaryKey>),
    Where(String),
}

impl Proxy {
    pub(crate) async fn delete_rows(&self, call: Call, asked: DeleteRequest) -> Result<MutationReply> {
        let deadline = self.deadline(&call);
        let _room = self.admission.enter(bytes(&asked.rows))?;
        let prepared = self.prepare_delete(&call, &deadline, asked).await?;
        self.delete_prepared(&deadline, prepared).await
    }

    async fn prepare_delete(
        &self,
        call: &Call,
        deadline: &Deadline,
        asked: DeleteRequest,
    ) -> Result<Prepared> {
        let collection =
            self.collection_named(call, deadline, &asked.collection, NameFreshness::Latest).await?;
        let name = asked.partition.as_deref().filter(|name| !name.is_empty());
        let partition = name.map(|name| partition_id(&collection, name)).transpose()?;
        let request = self.request_id(asked.request)?;
        let rows = match asked.rows {
            DeleteRows::Keys(keys) if keys.is_empty() => {
                return Err(Error::new(Code::MissingParameter, "a delete by keys names none"));
            }
            DeleteRows::Keys(keys) => Rows::Keys(check_keys(&collection.schema, keys)?),
            DeleteRows::Filter(filter) if filter.trim().is_empty() => {
                let text =
                    "a delete needs a filter or keys; to remove every row, drop the collection or partition";
                return Err(Error::invalid(text).with("collection", &collection.name));
            }
            DeleteRows::Filter(filter) => match parse_filter(&filter, &collection.schema)?.keys {
                Some(keys) => Rows::Keys(check_keys(&collection.schema, keys)?),
                None => Rows::Where(filter),
            },
        };
        Ok(Prepared { collection, partition, rows, request })
    }

    async fn delete_prepared(&self, deadline: &Deadline, prepared: Prepared) -> Result<MutationReply> {
        let Prepared { collection, partition, rows, request } = prepared;
        let lanes = Lanes { proxy: self, collection: &collection, deadline, request, verb: VERB };
        let outcome = match rows {
            Rows::Keys(keys) => {
                let pieces = split_keys(&collection, &keys);
                let change = |piece: &Piece| RowChange::DeleteKeys {
                    partition,
                    keys: piece.rows.iter().map(|&nth| keys[nth].clone()).collect(),
                };
                lanes.write(pieces, change).await
            }
            Rows::Where(filter) => {
                let whole = |shard| Piece { shard, part: 0, rows: Vec::new() };
                let pieces = collection.shards.iter().map(|placement| whole(placement.shard)).collect();
                let partitions: Vec<PartitionId> = partition.into_iter().collect();
                let change = |_: &Piece| RowChange::DeleteWhere {
                    partitions: partitions.clone(),
                    filter: filter.clone(),
                };
                lanes.write(pieces, change).await
            }
        };
        let written = outcome.finish(VERB)?;
        Ok(MutationReply {
            deleted: written.iter().map(|(_, shard)| shard.deleted).sum(),
            timestamp: written.iter().map(|(_, shard)| shard.timestamp).max().unwrap_or_default(),
            ..MutationReply::default()
        })
    }
}

fn bytes(rows: &DeleteRows) -> usize {
    match rows {
        DeleteRows::Keys(keys) => keys.iter().map(key_bytes).sum(),
        DeleteRows::Filter(filter) => filter.len(),
    }
}

fn key_bytes(key: &PrimaryKey) -> usize {
    size_of::<PrimaryKey>() + if let PrimaryKey::VarChar(text) = key { text.len() } else { 0 }
}

/// Keys of the right type, each once.
fn check_keys(schema: &CollectionSchema, keys: Vec<PrimaryKey>) -> Result<Vec<PrimaryKey>> {
    let primary = primary_field(schema)?;
    let fits = |key: &PrimaryKey| {
        matches!(
            (key, primary.data_type),
            (PrimaryKey::Int64(_), DataType::Int64) | (PrimaryKey::VarChar(_), DataType::VarChar { .. })
        )
    };
    if let Some(nth) = keys.iter().position(|key| !fits(key)) {
        let text = format!("key {} is not of type {}", keys[nth], primary.data_type.name());
        return Err(Error::invalid(text).with("field", &primary.name).with("row", nth));
    }
    let unique: BTreeSet<PrimaryKey> = keys.into_iter().collect();
    Ok(unique.into_iter().collect())
}
