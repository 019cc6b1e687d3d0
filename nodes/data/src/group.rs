//! One running pool group on this node: its Raft handle, its machine, its checkpoints.

use crate::checkpoint;
use crate::error::{Error, Result};
use crate::machine::{DataMachine, LastWrite, Pressure};
use crate::maintenance::pace::Pace;
use crate::snapshot::Source;
use crate::snapshot::pins::Garbage;
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use vecraft_raft_host::{Group, Mark};
use vecraft_rpc::codec;
use vecraft_runtime::clock::Clock;
use vecraft_runtime::pools::IoPool;
use vecraft_state::shard::{Applied, Refusal, ShardCommand, ShardEntry, ShardReply};
use vecraft_storage::{Disk, Kv};
use vecraft_types::{GroupId, LogPosition, ShardId, Timestamp};

/// A pool group that runs here.
pub struct DataGroup {
    pub(crate) raft: Group,
    pub(crate) machine: Arc<Mutex<DataMachine>>,
    pub(crate) pressure: Arc<Pressure>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) disk: Arc<dyn Disk>,
    kv: Arc<dyn Kv>,
    pub(crate) io: IoPool,
    pub(crate) segments_changed: Arc<Notify>,
    /// One checkpoint or clean-up at a time; shared with the machine, which installs snapshots.
    pub(crate) writing: Arc<tokio::sync::Mutex<LastWrite>>,
    /// When this replica last asked for a read index that it then published (I17), on the monotonic clock.
    pub(crate) asked: Mutex<Option<Duration>>,
    /// One look at a time whether a replica that does not vote has caught up.
    pub(crate) is_proving: AtomicBool,
    /// How long compactions take here.
    pub(crate) pace: Mutex<Pace>,
    /// The log position up to which this replica was found to hold what a majority holds (I22); 0 before.
    pub(crate) compared: AtomicU64,
}

/// What a group needs of its node.
#[derive(Clone)]
pub struct Surroundings {
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// Checkpoint records.
    pub kv: Arc<dyn Kv>,
    /// Time for suggested timestamps and bounded reads.
    pub clock: Arc<dyn Clock>,
    /// Threads for files.
    pub io: IoPool,
    /// Told when segments were swapped to their files, or vanished: indexes may be due.
    pub segments_changed: Arc<Notify>,
    /// Files of other nodes, for a replica that the log does not reach.
    pub source: Source,
}

impl DataGroup {
    /// Wraps a started group.
    pub fn new(
        raft: Group,
        machine: Arc<Mutex<DataMachine>>,
        pressure: Arc<Pressure>,
        around: Surroundings,
    ) -> DataGroup {
        let writing = machine.lock().writing.clone();
        DataGroup {
            raft,
            machine,
            pressure,
            clock: around.clock,
            disk: around.disk,
            kv: around.kv,
            io: around.io,
            segments_changed: around.segments_changed,
            writing,
            asked: Mutex::new(None),
            is_proving: AtomicBool::new(false),
            pace: Mutex::default(),
            compared: AtomicU64::new(0),
        }
    }

    /// Which group.
    pub fn id(&self) -> GroupId {
        self.raft.id()
    }

    /// Tells whoever waits for `told` when this replica begins or ceases to lead, or has other members: whose work it is
    /// to build indexes may change with that (I13). Returns when the replica has ended.
    pub async fn tell_standing(self: Arc<DataGroup>, told: Arc<Notify>) {
        let mut standing = self.raft.standing();
        drop(self);
        let mut last = None;
        loop {
            let now = {
                let standing = standing.borrow_and_update();
                (standing.part, standing.members.clone())
            };
            if last.as_ref() != Some(&now) {
                told.notify_one();
                last = Some(now);
            }
            if standing.changed().await.is_err() {
                return;
            }
        }
    }

    /// Stops this replica.
    pub async fn stop(&self) {
        self.raft.shutdown().await;
    }

    /// Returns when this replica has ended, asked to or not (I24), with the reason when its machine gave one.
    pub async fn ended(&self) -> Option<String> {
        self.raft.ended().await;
        self.machine.lock().broken.clone()
    }

    /// Whether it ended only because the disk was full (P6).
    pub fn lacks_room(&self) -> bool {
        self.machine.lock().lacks_room()
    }

    /// Proposes a command for a shard and waits until it is applied here. A refusal is an error.
    pub(crate) async fn propose(
        &self,
        shard: ShardId,
        command: ShardCommand,
        deadline: Duration,
    ) -> vecraft_types::Result<Applied> {
        self.propose_at(shard, command, deadline).await.map(|(_, applied)| applied)
    }

    /// The same with the entry's own position: another one in the answer says that the request was applied before
    /// (I10).
    pub(crate) async fn propose_at(
        &self,
        shard: ShardId,
        command: ShardCommand,
        deadline: Duration,
    ) -> vecraft_types::Result<(LogPosition, Applied)> {
        let (position, reply) = self.ask(shard, command, deadline).await?;
        reply.map(|applied| (position, applied)).map_err(|refusal| refused(shard, refusal))
    }

    /// Proposes a command for a shard and returns its position and the machine's answer.
    pub(crate) async fn ask(
        &self,
        shard: ShardId,
        command: ShardCommand,
        deadline: Duration,
    ) -> vecraft_types::Result<(LogPosition, ShardReply)> {
        let suggested = Timestamp::from_millis(self.clock.now_ms());
        let bytes = codec::encode(&ShardEntry { shard, suggested, command })
            .map_err(|e| vecraft_types::Error::internal(e.to_string()))?;
        let done = self.raft.propose(Bytes::from(bytes), deadline).await?;
        let reply = codec::decode(&done.reply).map_err(|e| vecraft_types::Error::internal(e.to_string()))?;
        Ok((done.position, reply))
    }

    /// Writes a checkpoint of everything applied so far and lets the log below go. Returns at once when there is
    /// nothing new.
    pub(crate) async fn checkpoint(&self) -> Result<()> {
        let Some(mark) = self.write_checkpoint().await? else { return Ok(()) };
        // Not under the lock: Raft takes note only when it is done installing a snapshot, which waits for the lock.
        self.raft.checkpointed(&mark).await?;
        tracing::debug!(group = %self.raft.id(), position = %mark.position(), "checkpoint");
        Ok(())
    }

    async fn write_checkpoint(&self) -> Result<Option<Mark>> {
        let mut last = self.writing.clone().lock_owned().await;
        let unflushed = self.pressure.unflushed_bytes.load(Ordering::Relaxed);
        let (capture, mark) = {
            let machine = self.machine.lock();
            if let Some(why) = &machine.broken {
                return Err(Error::Broken(why.clone()));
            }
            match &machine.mark {
                Some(mark) => (machine.replica.capture(), mark.clone()),
                None => return Ok(None),
            }
        };
        if capture.is_clean() {
            return Ok(None);
        }
        let (disk, kv, bytes) = (self.disk.clone(), self.kv.clone(), mark.encode()?);
        let (machine, pressure) = (self.machine.clone(), self.pressure.clone());
        let segments_changed = self.segments_changed.clone();
        // The whole of it, and the lock, on an I/O thread: once begun it ends, even when this future is dropped (a flush
        // whose client went away). A snapshot installed in the middle would be overwritten in part.
        let writing = move || {
            last.is_in_doubt = true;
            let written = checkpoint::write(&disk, kv.as_ref(), capture, &bytes)?;
            let garbage = {
                let mut machine = machine.lock();
                let garbage = machine.replica.install(written).into_iter().map(Garbage::File);
                pressure.memory_bytes.store(machine.replica.memory_bytes(), Ordering::Relaxed);
                pressure.file_bytes.store(machine.replica.file_bytes(), Ordering::Relaxed);
                machine.replica.pins.removable(garbage)
            };
            last.is_in_doubt = false;
            segments_changed.notify_one();
            pressure.unflushed_bytes.fetch_sub(unflushed, Ordering::Relaxed);
            checkpoint::remove(disk.as_ref(), &garbage);
            drop(last);
            Ok(Some(mark))
        };
        self.io.run(writing).await.map_err(|e| Error::Broken(format!("checkpoint thread: {e}")))?
    }

    /// Removes files that no checkpoint names and no snapshot pins (I13); answers how many. Waits for a checkpoint under
    /// way, whose files are not named yet; after one that failed nothing is removed, because the store may name its
    /// files after all.
    pub(crate) async fn remove_unnamed(&self) -> Result<usize> {
        let last = self.writing.clone().lock_owned().await;
        if last.is_in_doubt {
            return Ok(0);
        }
        let (machine, disk) = (self.machine.clone(), self.disk.clone());
        let removing = move || {
            let _no_checkpoint = last;
            remove_loose(&machine, disk.as_ref())
        };
        self.io.run(removing).await.map_err(|e| Error::Broken(format!("clean-up thread: {e}")))?
    }
}

/// Removes what neither a checkpoint names nor a snapshot pins. The caller lets no checkpoint be written meanwhile, and
/// none is in doubt.
///
/// # Errors
/// A replica that is broken, a directory that cannot be read.
pub(crate) fn remove_loose(machine: &Mutex<DataMachine>, disk: &dyn Disk) -> Result<usize> {
    let (named, pins) = {
        let machine = machine.lock();
        if let Some(why) = &machine.broken {
            return Err(Error::Broken(why.clone()));
        }
        (machine.replica.named(), machine.replica.pins.clone())
    };
    let garbage = checkpoint::loose(disk, &named, &pins)?;
    checkpoint::remove(disk, &garbage);
    Ok(garbage.len())
}

/// A refusal in the words users get.
pub(crate) fn refused(shard: ShardId, refusal: Refusal) -> vecraft_types::Error {
    use vecraft_types::{Code, Error};
    match refusal {
        Refusal::UnknownShard => Error::unknown_shard("the shard is not on this group", shard),
        Refusal::SchemaMismatch { current } => {
            Error::new(Code::SchemaMismatch, format!("the collection's schema is at version {current}"))
        }
        Refusal::PartitionDropped => Error::new(Code::PartitionNotFound, "it was dropped"),
        Refusal::KeyExists(key) => {
            Error::invalid(format!("primary key {key} exists, and pk.on_conflict is reject"))
        }
        Refusal::OutcomeUnknown => {
            Error::new(Code::OutcomeUnknown, "the request is too old to know whether it was applied")
        }
        Refusal::Malformed(why) => Error::internal(format!("malformed rows: {why}")),
        Refusal::IndexInForce(build) => {
            Error::internal(format!("index {} has version {} of its file", build.index, build.version))
        }
        Refusal::NotCompactable => Error::internal("the segments cannot be compacted".to_owned()),
        Refusal::NotSealed => Error::internal("the segment vanished or takes rows".to_owned()),
        Refusal::TimePassed { last } => {
            Error::internal(format!("a moment to be pinned has passed, the group's time is {last}"))
        }
    }
}
