//! Insert and upsert.
//!
//! ```text
//!  check and complete -> made keys -> which rows -> cut -> lanes -> (schema changed: adapt, lanes again) -> reply
//! ```
//! Nothing is written before everything is checked.

use crate::Proxy;
use crate::deadline::{Ask, Deadline, Shows, is_unavailable};
use crate::ids::{Home, IdWish};
use crate::lanes::{Lanes, Outcome};
use crate::names::{NameFreshness, partition_id, primary_field};
use crate::rows::{
    Piece, Purpose, adapt, add_made_keys, complete, keys, needs_made_keys, rows_to_write, split_rows,
};
use std::sync::Arc;
use vecraft_rpc::services::{RowChange, ShardWritten};
use vecraft_types::api::{Call, InsertRequest, MutationReply};
use vecraft_types::limits::DEFAULT_PARTITION;
use vecraft_types::{
    Code, CollectionDescriptor, DataType, Error, PartitionId, PrimaryKey, RequestId, Result, RowBatch,
    Timestamp,
};

/// How often a schema may change under one request before it is given back to the client.
const SCHEMA_CHANGES_MAX: usize = 3;

/// A request whose rows have passed every check.
struct Prepared {
    collection: Arc<CollectionDescriptor>,
    partition: PartitionId,
    rows: RowBatch,
    /// Of all rows, in request order.
    keys: Vec<PrimaryKey>,
    pieces: Vec<Piece>,
    request: RequestId,
}

impl Proxy {
    pub(crate) async fn write_rows(
        &self,
        call: Call,
        asked: InsertRequest,
        purpose: Purpose,
    ) -> Result<MutationReply> {
        let deadline = self.deadline(&call);
        let bytes = asked.rows.batch.bytes();
        self.admission.check(bytes)?;
        let _room = self.admission.enter(bytes)?;
        let prepared = self.prepare(&call, &deadline, asked, purpose).await?;
        self.write_prepared(&deadline, prepared, purpose).await
    }

    async fn prepare(
        &self,
        call: &Call,
        deadline: &Deadline,
        asked: InsertRequest,
        purpose: Purpose,
    ) -> Result<Prepared> {
        let collection =
            self.collection_named(call, deadline, &asked.collection, NameFreshness::Latest).await?;
        check_client_schema(&collection, asked.schema_timestamp)?;
        let schema = &collection.schema;
        let name = asked.partition.as_deref().filter(|name| !name.is_empty()).unwrap_or(DEFAULT_PARTITION);
        let partition = partition_id(&collection, name)?;
        let request = self.request_id(asked.request)?;
        let mut rows = complete(schema, asked.rows, purpose)?;
        if needs_made_keys(schema, purpose)? {
            let wish = id_wish(&collection, rows.rows, asked.request)?;
            // Some are at hand.
            let ask = Ask { shows: Shows::Absence, ..Ask::look_up("making keys") };
            let ids = deadline.retry(ask, is_unavailable, || self.ids.take(&wish)).await?;
            rows = add_made_keys(schema, rows, &ids)?;
        }
        let keys = keys(schema, &rows)?;
        let wanted = rows_to_write(&keys, schema.pk_conflict, purpose)?;
        let pieces = split_rows(&collection, &rows, &keys, &wanted, self.config.piece_bytes_max);
        Ok(Prepared { collection, partition, rows, keys, pieces, request })
    }

    async fn write_prepared(
        &self,
        deadline: &Deadline,
        prepared: Prepared,
        purpose: Purpose,
    ) -> Result<MutationReply> {
        let Prepared { mut collection, partition, mut rows, mut keys, pieces, request } = prepared;
        let mut outcome = Outcome::default();
        let mut pending = pieces;
        for attempt in 0.. {
            let lanes =
                Lanes { proxy: self, collection: &collection, deadline, request, verb: verb(purpose) };
            let encode = |piece: &Piece| RowChange::Insert {
                partition,
                batch: if piece.rows.len() == rows.rows {
                    rows.encode()
                } else {
                    rows.take(&piece.rows).encode()
                },
                is_upsert: purpose == Purpose::Upsert,
            };
            let round = lanes.write(pending, encode).await;
            outcome.written.extend(round.written);
            let is_stale = |(_, error): &(Piece, Error)| error.code == Code::SchemaMismatch;
            let newer = if !round.failed.is_empty()
                && round.failed.iter().all(is_stale)
                && attempt < SCHEMA_CHANGES_MAX
            {
                // The shards know a newer schema than this node did: learn it and encode again (I11).
                self.newer(deadline, &collection).await
            } else {
                None
            };
            let Some(newer) = newer else {
                outcome.failed = round.failed;
                outcome.unsent = round.unsent;
                break;
            };
            rows = adapt(&newer.schema, rows)?;
            collection = newer;
            // The cut stays as it is, so the pieces keep their names.
            pending = round.failed.into_iter().map(|(piece, _)| piece).chain(round.unsent).collect();
            pending.sort_by_key(|piece| (piece.shard, piece.part));
        }
        let written = outcome.finish(verb(purpose))?;
        if needs_made_keys(&collection.schema, purpose)? {
            take_earlier_keys(&mut keys, &written)?;
        }
        let written: Vec<ShardWritten> = written.into_iter().map(|(_, written)| written).collect();
        let added = written.iter().map(|shard| shard.inserted).sum();
        Ok(MutationReply {
            keys,
            inserted: if purpose == Purpose::Insert { added } else { 0 },
            deleted: written.iter().map(|shard| shard.deleted).sum(),
            upserted: if purpose == Purpose::Upsert { added } else { 0 },
            timestamp: written.iter().map(|shard| shard.timestamp).max().unwrap_or_default(),
        })
    }

    /// The same collection under another schema version, if there is one now.
    async fn newer(
        &self,
        deadline: &Deadline,
        old: &CollectionDescriptor,
    ) -> Option<Arc<CollectionDescriptor>> {
        deadline.run("refreshing the schema", self.catalogue.barrier()).await.ok()?;
        self.catalogue.by_id(old.id).filter(|collection| collection.schema.version != old.schema.version)
    }
}

/// Ids for some rows; those of a request that the client named all have the same home.
fn id_wish(collection: &CollectionDescriptor, rows: usize, request: Option<RequestId>) -> Result<IdWish> {
    let shards = u32::try_from(collection.shards.len()).unwrap_or(u32::MAX);
    let has_text_keys = primary_field(&collection.schema)?.data_type != DataType::Int64;
    let home = request.map(|request| Home::new(request, shards, has_text_keys));
    Ok(IdWish { count: rows as u64, home })
}

/// Puts in the keys that rows got when their piece was applied the first time, before this node was started (I10).
fn take_earlier_keys(keys: &mut [PrimaryKey], written: &[(Piece, ShardWritten)]) -> Result<()> {
    for (piece, written) in written {
        let Some(earlier) = &written.earlier_keys else { continue };
        if earlier.len() != piece.rows.len() {
            let text = "the rows were inserted before, and those that got a key then are no longer there";
            return Err(Error::new(Code::OutcomeUnknown, text).with("shard", piece.shard));
        }
        piece.rows.iter().zip(earlier).for_each(|(row, key)| keys[*row] = key.clone());
    }
    Ok(())
}

fn verb(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Insert => "insert",
        Purpose::Upsert => "upsert",
    }
}

/// Clients cache the schema and send back when it last changed; a stale one describes again and retries.
fn check_client_schema(collection: &CollectionDescriptor, known: Option<Timestamp>) -> Result<()> {
    match known {
        Some(known) if known != Timestamp::ZERO && known != collection.updated => {
            let text =
                format!("the client knows the schema of {known}, it changed at {}", collection.updated);
            Err(Error::new(Code::SchemaMismatch, text).with("collection", &collection.name))
        }
        _ => Ok(()),
    }
}
