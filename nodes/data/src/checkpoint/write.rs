//! Capturing a position and making it durable.

use super::record::*;
use super::unnamed::remove;
use crate::error::{Error, Result};
use crate::replica::{GroupReplica, ShardReplica};
use crate::snapshot::pins::{Garbage, Pins};
use crate::snapshot::wanted::forget_reached;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use vecraft_segment::{
    Compaction, Deletes, SealedSegment, Segment, SegmentManifest, encode_deletes, write_segment,
};
use vecraft_state::shard::ShardState;
use vecraft_storage::{Disk, KeyRange, Kv, Table, WriteBatch};
use vecraft_types::{CollectionSchema, GroupId, LogPosition, SegmentId, ShardId, Timestamp};

/// A position of a group, held still: states are copied, rows and deletes are bounded by the position.
pub struct Capture {
    group: GroupId,
    position: LogPosition,
    last_timestamp: Timestamp,
    chain: Option<u64>,
    shards: Vec<ShardCapture>,
    dropped: Vec<ShardId>,
    vanished: usize,
    pins: Arc<Pins>,
}

struct ShardCapture {
    state: ShardState,
    schema: Arc<CollectionSchema>,
    segments: Vec<SegmentCapture>,
}

struct SegmentCapture {
    id: SegmentId,
    source: Source,
    rows: u32,
    is_sealed: bool,
    file: Option<SegmentManifest>,
}

/// What a segment's file is written from.
enum Source {
    Segment(Segment),
    /// The output of a compaction that readers do not see yet.
    Compaction(Arc<Compaction>),
}

impl Source {
    fn deletes(&self) -> &Arc<Deletes> {
        match self {
            Source::Segment(segment) => segment.deletes(),
            Source::Compaction(compaction) => compaction.deletes(),
        }
    }
}

/// What a finished write tells the replica.
pub struct Written {
    position: LogPosition,
    dropped: usize,
    vanished: usize,
    shards: Vec<(ShardId, Vec<(SegmentId, WrittenSegment)>)>,
}

struct WrittenSegment {
    file: Option<SegmentManifest>,
    sealed: Option<Arc<SealedSegment>>,
}

impl Capture {
    /// The position captured.
    pub fn position(&self) -> LogPosition {
        self.position
    }

    /// True when nothing but the position would be written.
    pub fn is_clean(&self) -> bool {
        self.shards.is_empty() && self.dropped.is_empty() && self.vanished == 0
    }
}

impl ShardReplica {
    fn source(&self, id: SegmentId) -> Option<(Source, Option<SegmentManifest>)> {
        if let Some(held) = self.segments.get(&id) {
            return Some((Source::Segment(held.segment.clone()), held.file.clone()));
        }
        let output = self.compacting.get(&id)?;
        Some((Source::Compaction(output.compaction.clone()), output.manifest().cloned()))
    }
}

impl GroupReplica {
    /// Holds the applied position still. Cheap: copies states and handles, reads no rows.
    pub fn capture(&self) -> Capture {
        let dirty = self.state.shards.iter().filter_map(|(id, state)| {
            let shard = self.shards.get(id)?;
            (state.last_position > shard.checkpointed).then(|| ShardCapture {
                state: state.clone(),
                schema: shard.schema.clone(),
                segments: state
                    .segments
                    .iter()
                    .filter_map(|(id, segment)| {
                        let (source, file) = shard.source(*id)?;
                        let (rows, is_sealed) = (segment.rows, !segment.phase.is_growing());
                        Some(SegmentCapture { id: *id, source, rows, is_sealed, file })
                    })
                    .collect(),
            })
        });
        Capture {
            group: self.group,
            position: self.applied,
            last_timestamp: self.state.last_timestamp,
            chain: self.digest.chain(),
            shards: dirty.collect(),
            dropped: self.dropped.clone(),
            vanished: self.vanished.len(),
            pins: self.pins.clone(),
        }
    }

    /// Takes note of a durable checkpoint: sealed segments serve from their files from now on. Returns the files
    /// that no checkpoint names any more.
    pub fn install(&mut self, written: Written) -> Vec<String> {
        let vanished = written.vanished.min(self.vanished.len());
        let mut garbage: Vec<String> = self.vanished.drain(..vanished).collect();
        self.dropped.drain(..written.dropped.min(self.dropped.len()));
        // Raft would not install it any more; its files go with the next clean-up.
        self.fetched.take_if(|fetched| fetched.position <= written.position);
        for (id, segments) in written.shards {
            let Some(shard) = self.shards.get_mut(&id) else { continue };
            shard.checkpointed = written.position;
            for (segment, new) in segments {
                if let Some(output) = shard.compacting.get_mut(&segment) {
                    if let (Some(file), Some(sealed)) = (new.file, new.sealed) {
                        output.file = Some((file, sealed));
                    }
                    continue;
                }
                let Some(held) = shard.segments.get_mut(&segment) else {
                    // Dropped since the capture, yet this checkpoint names its file: it goes with the next one (I3).
                    self.vanished.extend(new.file.into_iter().flat_map(paths));
                    continue;
                };
                if held.file != new.file {
                    garbage.extend(held.file.take().into_iter().flat_map(paths));
                    held.file = new.file;
                }
                if let Some(sealed) = new.sealed {
                    shard.swap_in(segment, sealed);
                }
            }
            shard.change_over();
            self.publish(id, self.applied);
        }
        garbage
    }
}

/// The files of a manifest.
pub(crate) fn paths(manifest: SegmentManifest) -> impl Iterator<Item = String> {
    manifest.files.into_iter().map(|file| file.path)
}

/// Makes a capture durable. When this returns, the log at or below its position is no longer needed here.
///
/// # Errors
/// Storage errors; then nothing has changed but perhaps some files that no record names, which the next start
/// removes.
pub fn write(disk: &Arc<dyn Disk>, kv: &dyn Kv, capture: Capture, mark: &[u8]) -> Result<Written> {
    let group = capture.group;
    let mut batch = WriteBatch::new();
    let mut shards = Vec::new();
    for shard in capture.shards {
        let id = shard.state.id;
        let dir = shard_dir(group, id);
        // An empty shard has no directory: making 10,000 of them durable takes seconds.
        if !shard.segments.is_empty() {
            disk.create_dir_all(&dir)?;
        }
        let mut files = BTreeMap::new();
        let mut done = Vec::new();
        for segment in &shard.segments {
            let written = write_one(disk, &dir, segment, &shard.schema, capture.position)?;
            files.extend(written.file.clone().map(|file| (segment.id, file)));
            done.push((segment.id, written));
            let list = segment.source.deletes().list(segment.rows, capture.position);
            if !list.is_empty() {
                batch.put(Table::Deletes, deletes_key(group, id, segment.id), encode_deletes(&list));
            }
        }
        forget_vanished(kv, group, id, &shard.state, &mut batch)?;
        let record = ShardRecord { state: shard.state, files };
        batch.put(Table::Shard, shard_key(group, id), encode("a shard", &record)?);
        shards.push((id, done));
    }
    for id in &capture.dropped {
        batch.delete(Table::Shard, shard_key(group, *id));
        batch.delete_range(Table::Deletes, KeyRange::prefix(&shard_key(group, *id)));
    }
    let record = GroupRecord {
        position: capture.position,
        last_timestamp: capture.last_timestamp,
        mark: mark.to_vec(),
    };
    batch.put(Table::Group, group_key(group), encode("a group", &record)?);
    put_digest(&mut batch, group, capture.chain);
    forget_reached(&mut batch, kv, group, capture.position);
    // I3: files and directories are synced by now; this is the one moment the checkpoint comes to be.
    kv.write(&batch, true)?;
    let dirs = capture.dropped.iter().map(|id| Garbage::Dir(shard_dir(group, *id)));
    remove(disk.as_ref(), &capture.pins.removable(dirs));
    let (position, dropped, vanished) = (capture.position, capture.dropped.len(), capture.vanished);
    Ok(Written { position, dropped, vanished, shards })
}

/// The running hash at C, in the same batch as C.
pub(crate) fn put_digest(batch: &mut WriteBatch, group: GroupId, chain: Option<u64>) {
    match chain {
        Some(chain) => batch.put(Table::Group, digest_key(group), chain.to_be_bytes().to_vec()),
        None => batch.delete(Table::Group, digest_key(group)),
    };
}

/// See [`put_digest`].
///
/// # Errors
/// Storage errors.
pub(crate) fn read_digest(kv: &dyn Kv, group: GroupId) -> Result<Option<u64>> {
    let bytes = kv.get(Table::Group, &digest_key(group))?;
    Ok(bytes.and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?))))
}

fn write_one(
    disk: &Arc<dyn Disk>,
    dir: &str,
    capture: &SegmentCapture,
    schema: &Arc<CollectionSchema>,
    position: LogPosition,
) -> Result<WrittenSegment> {
    let growing = match &capture.source {
        Source::Segment(Segment::Growing(growing)) => growing,
        Source::Compaction(compaction) if capture.file.is_none() => {
            let file = compaction.write(disk, &format!("{dir}/{}.seg", capture.id));
            // The log has the output, and its rows cannot be had here: this replica leaves service (I24).
            let file = file.map_err(|error| match error.is_corrupt() {
                true => {
                    Error::Broken(format!("segment {} cannot be made of its inputs: {error}", capture.id))
                }
                false => error.into(),
            })?;
            let deletes = compaction.deletes().clone();
            let sealed = SealedSegment::open(disk.as_ref(), &file, schema.clone(), deletes)?;
            return Ok(WrittenSegment { file: Some(file), sealed: Some(Arc::new(sealed)) });
        }
        Source::Segment(Segment::Sealed(_)) | Source::Compaction(_) => {
            return Ok(WrittenSegment { file: capture.file.clone(), sealed: None });
        }
    };
    if capture.rows == 0 {
        return Ok(WrittenSegment { file: None, sealed: None });
    }
    if !capture.is_sealed {
        // A tail that has not grown since the last checkpoint is still right.
        if let Some(file) = capture.file.as_ref().filter(|file| file.rows == capture.rows) {
            return Ok(WrittenSegment { file: Some(file.clone()), sealed: None });
        }
        let path = format!("{dir}/tail-{}-{}.seg", capture.id, position.0);
        let file = write_segment(disk, &path, growing, capture.rows)?;
        return Ok(WrittenSegment { file: Some(file), sealed: None });
    }
    let file = write_segment(disk, &format!("{dir}/{}.seg", capture.id), growing, capture.rows)?;
    let sealed = SealedSegment::replacing(disk.as_ref(), &file, schema.clone(), growing)?;
    Ok(WrittenSegment { file: Some(file), sealed: Some(Arc::new(sealed)) })
}

/// Delete lists of segments that the shard no longer has.
fn forget_vanished(
    kv: &dyn Kv,
    group: GroupId,
    shard: ShardId,
    state: &ShardState,
    batch: &mut WriteBatch,
) -> Result<()> {
    let kept: BTreeSet<Vec<u8>> = state.segments.keys().map(|id| deletes_key(group, shard, *id)).collect();
    for (key, _) in kv.scan(Table::Deletes, &KeyRange::prefix(&shard_key(group, shard)))? {
        if !kept.contains(&key) {
            batch.delete(Table::Deletes, key);
        }
    }
    Ok(())
}
