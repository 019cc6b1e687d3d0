//! A single file of another node for another role of this one (index files, I13): over the same wire, at the same pace and
//! with the same care as the files of a snapshot. What it is and whether it counts is that role's.

use super::fetch::room_for;
use super::pull::{Check, Pull};
use crate::error::Error;
use crate::group::{DataGroup, Surroundings};
use crate::node::DataNode;
use std::sync::Arc;
use vecraft_rpc::copies::{ShardMembers, WholeFile};
use vecraft_segment::FileManifest;
use vecraft_storage::{BlockFile, Disk};
use vecraft_types::{Code, GroupId, NodeId, Result, ShardId};

impl DataNode {
    /// Who has a replica of a shard, as the one of `own`, this node, knows it; none when it is not here.
    pub fn shard_members(&self, own: NodeId, shard: ShardId) -> Option<ShardMembers> {
        let group = self.group_of(shard).ok()?;
        let standing = group.raft.standing().borrow().clone();
        let mut leader = standing.leader.map(|leader| leader.node);
        if leader == Some(own) && !group.raft.is_leader() {
            // An earlier life of this node: whoever leads now is not known yet.
            leader = None;
        }
        Some(ShardMembers {
            own,
            leader,
            voters: standing.members.voters.values().copied().collect(),
            learners: standing.members.learners.values().copied().collect(),
            is_changing: standing.members.is_joint,
        })
    }

    /// Brings a file of another node here, under the same path, verified and durable.
    ///
    /// # Errors
    /// [`Code::IndexNotFound`] when what came is not the file, else the other node's refusal as it said it, or what the
    /// disk refused.
    pub async fn pull_file(&self, from: NodeId, shard: ShardId, file: WholeFile) -> Result<()> {
        self.group_of(shard)?.pull_file(from, file).await.map_err(|error| match error {
            // Whole or not, it is not the file that was asked for: that node does not have it.
            Error::Pull { .. } => {
                vecraft_types::Error::new(Code::IndexNotFound, format!("node {from}: {error}"))
            }
            other => other.into(),
        })
    }
}

impl DataGroup {
    async fn pull_file(&self, from: NodeId, file: WholeFile) -> crate::Result<()> {
        let around = self.machine.lock().around.clone();
        pull_whole(self.id(), &around, from, file).await
    }
}

/// Pulls what is missing of a file: one that was cut off goes on where it was, from this node or another.
///
/// # Errors
/// [`Error::Pull`] when it is not the file, and then nothing of it is kept; others, after which it goes on.
pub(super) async fn pull_whole(
    group: GroupId,
    around: &Surroundings,
    from: NodeId,
    file: WholeFile,
) -> crate::Result<()> {
    if let Err(why) = room_for(around.disk.as_ref(), file.bytes) {
        let why = Box::new(vecraft_types::Error::new(Code::DiskFull, why));
        return Err(Error::Elsewhere { path: file.path, why });
    }
    let WholeFile { path, kind, format, bytes, checksum } = file;
    let check: Check = Arc::new(move |disk: &dyn Disk, listed: &FileManifest| {
        let file = BlockFile::open(disk, &listed.path, kind, format)?;
        let info = file.info();
        if (info.file_bytes, info.checksum) != (listed.bytes, listed.checksum) {
            let what = format!(
                "{} bytes with checksum {:016x}, not {} with {:016x}",
                info.file_bytes, info.checksum, listed.bytes, listed.checksum
            );
            return Err(vecraft_storage::Error::corrupt(&listed.path, 0, what).into());
        }
        Ok(file.verify_all()?)
    });
    let listed = FileManifest { path: path.clone(), bytes, checksum };
    let pull = Pull { group, listed, to: path, check };
    pull.run(from, &around.source, &around.disk, &around.io).await
}
