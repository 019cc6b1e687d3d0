//! Who this directory is: written once at its first start, only read afterwards (I1).
//!
//! ```text
//! Empty ── named by itself, or by the node that leads the forming ──> Forming ── all listed nodes are named ──> Told
//!   │                                                                                  every group here has members │
//!   └───── taken in by a cluster that exists ─────────────────────────────────────────────────────────> Formed <────┘
//! ```
//! A crash in between finds Forming or Told and goes on from there: this node acknowledged nothing before Formed. In a
//! cluster of several no replica starts, so nobody votes, before Told. A directory that
//! is Formed is never formed again, so a lost log cannot become a new, empty cluster under the old name.

use crate::Error;
use crate::member_record::{MetaReplica, put_meta_replica};
use serde::{Deserialize, Serialize};
use vecraft_rpc::codec;
use vecraft_storage::{Kv, Table, WriteBatch};
use vecraft_types::NodeId;

const KEY: &[u8] = b"identity";
/// Version of everything in a data directory. A newer one is refused.
pub const DATA_FORMAT: u32 = 1;

/// What a data directory knows about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Version of the data directory's layout.
    pub format: u32,
    /// 128 random bits, the same on every node of a cluster.
    pub cluster_id: u128,
    /// This node.
    pub node: NodeId,
    /// Whether the groups have been formed.
    pub phase: Phase,
}

/// See the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The cluster has its name here. Of several nodes none has started a replica because of this.
    Forming,
    /// For ever after.
    Formed,
    /// Until a cluster of several nodes has its name. Nothing was promised to anybody.
    Empty,
    /// Every listed node has the name: replicas may start, and a node that is empty from now on has lost its directory.
    Told,
}

impl Identity {
    /// Reads the directory's identity; gives it one of phase `Empty` when it has none yet. `is_empty` says why it is not
    /// empty: then it must have one.
    ///
    /// # Errors
    /// An identity of a newer program ([`Error::NewerFormat`]), of another node ([`Error::OtherNode`]), or one that does
    /// not decode; what `is_empty` said.
    pub fn open(
        kv: &dyn Kv,
        node: NodeId,
        is_empty: impl FnOnce() -> Result<(), Error>,
    ) -> Result<Identity, Error> {
        let identity = match Identity::read(kv)? {
            Some(identity) => identity,
            None => {
                is_empty()?;
                let identity = Identity { format: DATA_FORMAT, cluster_id: 0, node, phase: Phase::Empty };
                // Before anything else is made here: what is made later then has an owner.
                identity.store(kv)?;
                identity
            }
        };
        if identity.node != node {
            return Err(Error::OtherNode { found: identity.node, asked: node });
        }
        Ok(identity)
    }

    /// The identity of a directory, if it has one.
    ///
    /// # Errors
    /// One of a newer program, or one that does not decode.
    pub fn read(kv: &dyn Kv) -> Result<Option<Identity>, Error> {
        let Some(bytes) = kv.get(Table::Node, KEY)? else { return Ok(None) };
        Identity::check(codec::decode(&bytes).map_err(|e| Error::Identity(e.to_string()))?).map(Some)
    }

    /// Adds it to a batch.
    ///
    /// # Errors
    /// A bug of the codec.
    pub fn put(&self, batch: &mut WriteBatch) -> Result<(), Error> {
        batch.put(Table::Node, KEY, codec::encode(self).map_err(|e| Error::Identity(e.to_string()))?);
        Ok(())
    }

    /// Gives an empty directory its cluster. Durable when it returns.
    ///
    /// # Errors
    /// Storage errors. A directory that has a cluster keeps it, and the same one again is no error (I1).
    pub fn begin(&mut self, kv: &dyn Kv, cluster_id: u128) -> Result<(), Error> {
        if self.phase == Phase::Empty {
            let begun = Identity { cluster_id, phase: Phase::Forming, ..self.clone() };
            begun.store(kv)?;
            *self = begun;
        }
        match self.cluster_id == cluster_id {
            true => Ok(()),
            false => {
                Err(Error::Identity(format!("it belongs to cluster {} already", self.cluster_id_text())))
            }
        }
    }

    /// Makes an empty directory a member of a cluster that exists, with its replica of group 0 there. Durable when it
    /// returns; what a crash leaves is empty still, and asks again.
    ///
    /// # Errors
    /// Storage errors; a directory that has a cluster.
    pub fn join(&mut self, kv: &dyn Kv, cluster_id: u128, replica: MetaReplica) -> Result<(), Error> {
        if self.phase != Phase::Empty {
            return Err(Error::Identity(format!("it belongs to cluster {} already", self.cluster_id_text())));
        }
        let joined = Identity { cluster_id, phase: Phase::Formed, ..self.clone() };
        let mut batch = WriteBatch::new();
        put_meta_replica(&mut batch, replica)?;
        joined.put(&mut batch)?;
        kv.write(&batch, true)?;
        *self = joined;
        Ok(())
    }

    /// Every listed node has the cluster's name. Durable when it returns, and only then may a replica start (I1).
    ///
    /// # Errors
    /// Storage errors.
    pub fn told(&mut self, kv: &dyn Kv) -> Result<(), Error> {
        match self.phase {
            Phase::Forming => self.enter(kv, Phase::Told),
            Phase::Empty | Phase::Told | Phase::Formed => Ok(()),
        }
    }

    fn enter(&mut self, kv: &dyn Kv, phase: Phase) -> Result<(), Error> {
        let entered = Identity { phase, ..self.clone() };
        entered.store(kv)?;
        *self = entered;
        Ok(())
    }

    fn check(identity: Identity) -> Result<Identity, Error> {
        if identity.format > DATA_FORMAT {
            return Err(Error::NewerFormat { found: identity.format, supported: DATA_FORMAT });
        }
        Ok(identity)
    }

    /// Every group has been formed.
    ///
    /// # Errors
    /// Storage errors.
    pub fn formed(&mut self, kv: &dyn Kv) -> Result<(), Error> {
        match self.phase {
            Phase::Forming | Phase::Told => self.enter(kv, Phase::Formed),
            Phase::Empty | Phase::Formed => Ok(()),
        }
    }

    fn store(&self, kv: &dyn Kv) -> Result<(), Error> {
        let mut batch = WriteBatch::new();
        self.put(&mut batch)?;
        Ok(kv.write(&batch, true)?)
    }

    /// The cluster id as people see it.
    pub fn cluster_id_text(&self) -> String {
        format!("{:032x}", self.cluster_id)
    }

    /// Whether the groups must still be formed.
    pub fn is_forming(&self) -> bool {
        self.phase != Phase::Formed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vecraft_storage::SimKv;

    fn open(kv: &SimKv, node: u64) -> Result<Identity, Error> {
        Identity::open(kv, NodeId(node), || Ok(()))
    }

    #[test]
    fn i1_a_directory_is_formed_once_and_keeps_its_name() {
        let kv = SimKv::new(1);
        let mut first = open(&kv, 1).unwrap();
        assert_eq!(first.phase, Phase::Empty);
        first.begin(&kv, 7).unwrap();
        kv.crash();
        let mut again = open(&kv, 1).unwrap();
        assert_eq!((again.phase, again.cluster_id), (Phase::Forming, 7));
        again.begin(&kv, 7).unwrap();
        assert!(again.begin(&kv, 8).is_err());
        again.told(&kv).unwrap();
        kv.crash();
        let mut again = open(&kv, 1).unwrap();
        assert_eq!((again.phase, again.cluster_id, again.is_forming()), (Phase::Told, 7, true));
        again.begin(&kv, 7).unwrap();
        assert_eq!(again.phase, Phase::Told, "nobody is told again");
        again.formed(&kv).unwrap();
        kv.crash();
        assert_eq!(open(&kv, 1).unwrap(), again);
        assert!(matches!(open(&kv, 2), Err(Error::OtherNode { .. })));
    }

    #[test]
    fn i1_a_directory_joins_once_and_remembers_its_replica() {
        let kv = SimKv::new(1);
        let mut first = open(&kv, 4).unwrap();
        let replica = MetaReplica { replica: vecraft_types::ReplicaId(9), joins: true };
        first.join(&kv, 7, replica).unwrap();
        assert!(first.join(&kv, 8, replica).is_err() && first.begin(&kv, 8).is_err());
        kv.crash();
        let again = open(&kv, 4).unwrap();
        assert_eq!((again.phase, again.cluster_id), (Phase::Formed, 7));
        assert_eq!(crate::member_record::meta_replica(&kv).unwrap(), Some(replica));
    }

    /// A directory that an earlier program left in the middle of forming is read as it was meant.
    #[test]
    fn phases_keep_their_numbers() {
        let number = |phase: Phase| codec::encode(&phase).unwrap().pop().unwrap();
        assert_eq!([Phase::Forming, Phase::Formed, Phase::Empty, Phase::Told].map(number), [0, 1, 2, 3]);
    }

    #[test]
    fn a_directory_of_a_newer_program_is_refused() {
        let kv = SimKv::new(1);
        let mut identity = open(&kv, 1).unwrap();
        identity.format = DATA_FORMAT + 1;
        identity.store(&kv).unwrap();
        assert!(matches!(open(&kv, 1), Err(Error::NewerFormat { .. })));
    }
}
