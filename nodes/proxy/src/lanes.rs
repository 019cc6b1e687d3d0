//! Writing the pieces of a request: all shards at once, one after another within a shard.
//!
//! ```text
//!   shard 0:  part 0 -> part 1 -> part 2         a lane stops at its first failure, so what a shard
//!   shard 1:  part 0 -> part 1                   committed is always the head of its pieces
//! ```
//! A piece that nobody could take is sent again under the same name until the deadline (I10). What was committed
//! when something failed is part of the error (I20). An answer for another number of rows than the piece has is one for
//! a piece that another node cut from the same request: nobody knows here which rows are stored.

use crate::Proxy;
use crate::deadline::{Ask, Deadline, is_unavailable};
use crate::rows::Piece;
use futures::future::join_all;
use std::fmt::Write;
use vecraft_rpc::services::{RowChange, ShardWrite, ShardWritten};
use vecraft_types::{Code, CollectionDescriptor, Error, RequestId, Result, ShardId};

/// A write under way.
pub(crate) struct Lanes<'a> {
    pub(crate) proxy: &'a Proxy,
    pub(crate) collection: &'a CollectionDescriptor,
    pub(crate) deadline: &'a Deadline,
    /// The request's name; the part is given by each piece.
    pub(crate) request: RequestId,
    /// For messages: insert, upsert, delete.
    pub(crate) verb: &'static str,
}

/// What became of the pieces.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Committed ones with the shards' answers.
    pub(crate) written: Vec<(Piece, ShardWritten)>,
    /// The first failure of each lane.
    pub(crate) failed: Vec<(Piece, Error)>,
    /// Those behind a failure, never sent.
    pub(crate) unsent: Vec<Piece>,
}

impl Lanes<'_> {
    /// Writes all pieces; `encode` makes a piece's change when its turn comes, so that only one encoded piece a
    /// shard is in memory.
    pub(crate) async fn write(&self, pieces: Vec<Piece>, encode: impl Fn(&Piece) -> RowChange) -> Outcome {
        let mut lanes: Vec<(ShardId, Vec<Piece>)> = Vec::new();
        for piece in pieces {
            match lanes.iter_mut().find(|(shard, _)| *shard == piece.shard) {
                Some((_, lane)) => lane.push(piece),
                None => lanes.push((piece.shard, vec![piece])),
            }
        }
        let encode = &encode;
        let outcomes = join_all(lanes.into_iter().map(|(_, lane)| self.lane(lane, encode))).await;
        let mut all = Outcome::default();
        for outcome in outcomes {
            all.written.extend(outcome.written);
            all.failed.extend(outcome.failed);
            all.unsent.extend(outcome.unsent);
        }
        all
    }

    async fn lane(&self, pieces: Vec<Piece>, encode: &impl Fn(&Piece) -> RowChange) -> Outcome {
        let mut outcome = Outcome::default();
        let mut pieces = pieces.into_iter();
        for piece in pieces.by_ref() {
            match self.piece(&piece, encode(&piece)).await {
                Ok(written) => outcome.written.push((piece, written)),
                Err(error) => {
                    outcome.failed.push((piece, error));
                    break;
                }
            }
        }
        outcome.unsent.extend(pieces);
        outcome
    }

    async fn piece(&self, piece: &Piece, change: RowChange) -> Result<ShardWritten> {
        // Once a request has begun, being asked to slow down is no reason to leave it half done.
        let adds_rows = matches!(change, RowChange::Insert { .. });
        let again = if piece.part == 0 { is_unavailable } else { is_unavailable_or_busy };
        let group = self.proxy.topology.group_of(piece.shard);
        let asking = Ask::write(self.verb, group);
        // An earlier attempt may be done yet, whatever the last one was told (I10): then the outcome is unknown.
        let written = self.deadline.retry(asking, again, || {
            self.proxy.shard_writer.write(ShardWrite {
                shard: piece.shard,
                schema_version: self.collection.schema.version,
                request: RequestId { part: piece.part, ..self.request },
                deadline_ms: self.deadline.left_ms(),
                change: change.clone(),
            })
        });
        let written = written.await?;
        // I10: every part before this one had the right number of rows, so this one begins at the same row as the part
        // that was answered; only its end can differ.
        if adds_rows && written.inserted != piece.rows.len() as u64 {
            let text = format!(
                "part {} of the request was stored before with {} rows, cut elsewhere under another schema or \
                 proxy.entry_bytes_max, and has {} rows here; some rows are stored",
                piece.part,
                written.inserted,
                piece.rows.len()
            );
            return Err(Error::new(Code::OutcomeUnknown, text).with("shard", piece.shard));
        }
        Ok(written)
    }
}

fn is_unavailable_or_busy(error: &Error) -> bool {
    is_unavailable(error) || error.code == Code::RateLimited
}

impl Outcome {
    /// The answers when everything was written; otherwise the first failure, telling what is committed (I20).
    pub(crate) fn finish(self, verb: &str) -> Result<Vec<(Piece, ShardWritten)>> {
        let Outcome { written, failed, unsent } = self;
        // What may be done yet weighs more than what was refused.
        let is_open = |error: &Error| matches!(error.code, Code::Deadline | Code::OutcomeUnknown);
        let open = failed.iter().find(|(_, error)| is_open(error));
        let Some((_, first)) = open.or(failed.first()) else {
            return Ok(written);
        };
        let mut error = first.clone();
        if written.is_empty() && failed.len() == 1 && unsent.is_empty() {
            return Err(error.with("shard", failed[0].0.shard));
        }
        let mut text = std::mem::take(&mut error.detail);
        let separator = if text.is_empty() { "" } else { "; " };
        let _ =
            write!(text, "{separator}{verb} by parts: committed [{}]", list(written.iter().map(|(p, _)| p)));
        let _ = write!(text, ", failed [{}]", list(failed.iter().map(|(piece, _)| piece)));
        let _ = write!(text, ", not sent [{}]", list(unsent.iter()));
        error.detail = text;
        Err(error)
    }
}

fn list<'a>(pieces: impl Iterator<Item = &'a Piece>) -> String {
    let names: Vec<String> = pieces
        .map(|piece| match piece.rows.len() {
            0 => format!("shard {}", piece.shard),
            rows => format!("shard {} part {}: {rows} rows", piece.shard, piece.part),
        })
        .collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
