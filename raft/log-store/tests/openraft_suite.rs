//! openraft's own storage suite, on a real and on a simulated disk, with a writer thread and without.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{Stream, TryStreamExt};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf};
use openraft::{EntryPayload, OptionalSend, StorageError};
use tokio::sync::Mutex;
use vecraft_log_store::{
    GroupLog, LogId, LogOptions, NodeLog, Reply, StoredMembership, TypeConfig, WriterMode,
};
use vecraft_storage::{Disk, RealDisk, SimDisk};
use vecraft_types::{GroupId, ReplicaId};

/// A state machine that remembers positions only: the suite looks at the log.
#[derive(Clone, Default)]
struct Positions {
    last: Option<LogId>,
    membership: StoredMembership,
    snapshot: Option<SnapshotMetaOf<TypeConfig>>,
}

#[derive(Clone, Default)]
struct Machine(Arc<Mutex<Positions>>);

impl RaftSnapshotBuilder<TypeConfig> for Machine {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<TypeConfig, ()>> {
        let mut this = self.0.lock().await;
        let meta =
            SnapshotMetaOf::<TypeConfig> { last_log_id: this.last, last_membership: this.membership.clone() };
        this.snapshot = Some(meta.clone());
        Ok(SnapshotOf::<TypeConfig, ()> { meta, snapshot: () })
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = ();
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let this = self.0.lock().await;
        Ok((this.last, this.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            let mut this = self.0.lock().await;
            this.last = Some(entry.log_id);
            if let EntryPayload::Membership(membership) = entry.payload {
                this.membership = StoredMembership::new(Some(entry.log_id), membership);
            }
            if let Some(responder) = responder {
                responder.send(Reply::default());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMetaOf<TypeConfig>, (): ()) -> io::Result<()> {
        let mut this = self.0.lock().await;
        this.last = meta.last_log_id;
        this.membership = meta.last_membership.clone();
        this.snapshot = Some(meta.clone());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<TypeConfig, ()>>> {
        let this = self.0.lock().await;
        Ok(this.snapshot.clone().map(|meta| SnapshotOf::<TypeConfig, ()> { meta, snapshot: () }))
    }
}

/// Every store is another group of one node's log, so the suite also shows that groups do not disturb each other.
struct Builder {
    log: NodeLog,
    groups: AtomicU64,
}

impl Builder {
    fn new(disk: Arc<dyn Disk>, writer: WriterMode) -> Self {
        let options = LogOptions {
            segment_bytes: 2048,
            preallocate_bytes: 1024,
            reserve_bytes: 1024,
            reserve_segments: 0,
            cache_bytes: 2048,
            writer,
            ..LogOptions::default()
        };
        let (log, recovered) = NodeLog::open(disk, "log", options).unwrap();
        assert!(recovered.is_empty());
        Self { log, groups: AtomicU64::new(0) }
    }
}

impl StoreBuilder<TypeConfig, GroupLog, Machine> for Builder {
    async fn build(&self) -> Result<((), GroupLog, Machine), StorageError<TypeConfig>> {
        let group = GroupId(self.groups.fetch_add(1, Ordering::Relaxed));
        Ok(((), self.log.group(group, ReplicaId(0)), Machine::default()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suite_on_a_real_disk_with_a_writer_thread() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(RealDisk::new(dir.path()).unwrap());
    Suite::test_all(Builder::new(disk, WriterMode::Thread)).await.unwrap();
}

#[tokio::test]
async fn suite_on_a_simulated_disk_without_threads() {
    Suite::test_all(Builder::new(Arc::new(SimDisk::new(0)), WriterMode::Inline)).await.unwrap();
}
