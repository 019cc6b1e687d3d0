//! The other replicas, by what a test says of them: who leads, which disks they have, what they refuse.

use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use vecraft_rpc::copies::{HoldIndex, IndexPeers, ShardMembers, WholeFile};
use vecraft_storage::{Disk, OpenMode};
use vecraft_types::{Code, Error, NodeId, Result, ShardId};

pub const OWN: NodeId = NodeId(1);

/// This node alone, until told otherwise.
pub struct Peers {
    own: Arc<dyn Disk>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    leader: Option<NodeId>,
    /// The others' disks; none for one that does not answer.
    others: BTreeMap<NodeId, Option<Arc<dyn Disk>>>,
    /// Those that do not hold what they are asked to.
    refusing: BTreeSet<NodeId>,
    held: Vec<(NodeId, HoldIndex)>,
}

impl Peers {
    pub fn alone(own: Arc<dyn Disk>) -> Peers {
        Peers { own, inner: Mutex::new(Inner { leader: Some(OWN), ..Inner::default() }) }
    }

    pub fn set_leader(&self, leader: u64) {
        self.inner.lock().leader = Some(NodeId(leader));
    }

    pub fn set_other(&self, node: u64, disk: Option<Arc<dyn Disk>>) {
        self.inner.lock().others.insert(NodeId(node), disk);
    }

    pub fn set_refusing(&self, nodes: &[u64]) {
        self.inner.lock().refusing = nodes.iter().map(|node| NodeId(*node)).collect();
    }

    /// Who was asked to hold what, and did.
    pub fn held(&self) -> Vec<(NodeId, HoldIndex)> {
        self.inner.lock().held.clone()
    }
}

#[async_trait]
impl IndexPeers for Peers {
    fn members(&self, _: ShardId) -> Option<ShardMembers> {
        let inner = self.inner.lock();
        Some(ShardMembers {
            own: OWN,
            leader: inner.leader,
            voters: inner.others.keys().copied().chain([OWN]).collect(),
            learners: BTreeSet::new(),
            is_changing: false,
        })
    }

    async fn hold(&self, node: NodeId, hold: HoldIndex) -> Result<()> {
        let mut inner = self.inner.lock();
        if inner.refusing.contains(&node) {
            return Err(Error::new(Code::NotReady, "it refuses, as asked"));
        }
        inner.held.push((node, hold));
        Ok(())
    }

    async fn pull(&self, node: NodeId, _: ShardId, file: WholeFile) -> Result<()> {
        let disk = self.inner.lock().others.get(&node).cloned().flatten();
        let disk = disk.ok_or_else(|| Error::new(Code::Unavailable, "it does not answer, as asked"))?;
        if !disk.exists(&file.path).unwrap() {
            return Err(Error::new(Code::IndexNotFound, format!("{} is not there", file.path)));
        }
        let bytes = disk.read_all(&file.path).unwrap();
        assert_eq!(bytes.len() as u64, file.bytes);
        let dir = file.path.rsplit_once('/').unwrap().0;
        self.own.create_dir_all(dir).unwrap();
        let own = self.own.open(&file.path, OpenMode::Create).unwrap();
        own.write_at(0, &bytes).unwrap();
        own.sync_data().unwrap();
        self.own.sync_dir(dir).unwrap();
        Ok(())
    }
}
