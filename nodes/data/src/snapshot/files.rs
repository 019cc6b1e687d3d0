//! Which bytes of this node another one may read: those below `groups/<group>/`, and nothing else.

use crate::checkpoint::group_dir;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use vecraft_rpc::files::{FileRange, GroupFiles, RANGE_BYTES_MAX};
use vecraft_runtime::pools::IoPool;
use vecraft_storage::Disk;
use vecraft_types::{Code, Error, GroupId, Result};

/// The files of this node's groups.
pub struct DiskFiles {
    disk: Arc<dyn Disk>,
    io: IoPool,
}

impl DiskFiles {
    /// On this disk, read by these threads.
    pub fn new(disk: Arc<dyn Disk>, io: IoPool) -> DiskFiles {
        DiskFiles { disk, io }
    }
}

#[async_trait]
impl GroupFiles for DiskFiles {
    async fn read(&self, range: FileRange) -> Result<Bytes> {
        let disk = self.disk.clone();
        let read = self.io.run(move || read(disk.as_ref(), &range)).await;
        read.map_err(|error| Error::new(Code::NotReady, error.to_string()))?
    }
}

/// Whether a path is one of the group's files, whatever a peer may send.
pub(super) fn is_of_group(group: GroupId, path: &str) -> bool {
    let below = path.strip_prefix(&group_dir(group)).and_then(|rest| rest.strip_prefix('/'));
    let is_name = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']);
    below.is_some_and(|below| below.split('/').all(is_name))
}

fn read(disk: &dyn Disk, range: &FileRange) -> Result<Bytes> {
    let FileRange { group, path, offset, bytes } = range;
    if !is_of_group(*group, path) {
        return Err(Error::invalid(format!("{path:?} is no file of group {group}")));
    }
    let read = disk.read_range(path, *offset, (*bytes).min(RANGE_BYTES_MAX));
    read.map(Bytes::from).map_err(|error| Error::new(Code::Io, error.to_string()))
}
