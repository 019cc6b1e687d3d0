//! A replica that its group has let go of: stopped for ever, and then nothing of it stays (I1, I6).
//!
//! ```text
//! stop the core ─> no checkpoint any more ─> the log forgets the replica, synced ─> records, one synced batch ─> files
//! ```
//! The order is the caller's ([`DataGroup::retire`], the log, [`erase`]); each step may be done again after a crash.

use crate::checkpoint::{digest_key, fetch_key, group_dir, group_key};
use crate::error::Result;
use crate::failures;
use crate::group::DataGroup;
use crate::node::DataNode;
use vecraft_raft_host::Group;
use vecraft_storage::{Disk, KeyRange, Kv, Table, WriteBatch};
use vecraft_types::GroupId;

impl DataGroup {
    /// Stops this replica; when it returns, it writes nothing any more.
    pub async fn retire(&self) {
        self.raft.shutdown().await;
        let _no_checkpoint = self.writing.clone().lock_owned().await;
        self.machine.lock().broken.get_or_insert_with(|| "its group has let this replica go".to_owned());
    }

    /// Its Raft group.
    pub fn raft(&self) -> &Group {
        &self.raft
    }
}

impl DataNode {
    /// The Raft groups that run here.
    pub fn rafts(&self) -> Vec<Group> {
        self.groups().iter().map(|group| group.raft.clone()).collect()
    }

    /// A Raft group that runs here.
    pub fn raft(&self, id: GroupId) -> Option<Group> {
        self.groups.read().get(&id).map(|group| group.raft.clone())
    }

    /// Whether this node's replica of a group counts for its majority, as far as it knows. One that does not may be
    /// far behind.
    pub fn votes_in(&self, id: GroupId) -> bool {
        self.raft(id).is_some_and(|raft| raft.members().voters.contains_key(&raft.replica()))
    }

    /// Forgets a group whose replica is wanted here no more: its shards are simply not here.
    pub fn let_go(&self, id: GroupId) {
        self.remove_group(id);
        self.outages.forget(id);
        self.forget_differing(id);
        for shard in self.routes.of_group(id) {
            self.routes.remove(shard);
            self.views.remove(shard);
        }
    }
}

/// Removes the records and the files of a replica that is gone. Done again without harm.
///
/// # Errors
/// Storage errors: try again.
pub fn erase(disk: &dyn Disk, kv: &dyn Kv, group: GroupId) -> Result<()> {
    let prefix = KeyRange::prefix(&group_key(group));
    let mut batch = WriteBatch::new();
    batch.delete_range(Table::Shard, prefix.clone());
    batch.delete_range(Table::Deletes, prefix);
    batch.delete(Table::Group, group_key(group));
    batch.delete(Table::Group, digest_key(group));
    batch.delete(Table::Group, fetch_key(group));
    failures::forget(&mut batch, group);
    kv.write(&batch, true)?;
    disk.remove_dir_all(&group_dir(group))?;
    Ok(())
}
