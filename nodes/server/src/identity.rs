//! Who this directory is: written once at its first start, only read afterwards (I1).
//!
//! ```text
//! (nothing) ── first start ──> Forming ── every group has its first leader ──> Formed
//! ```
//! A crash in between finds Forming and goes on forming: nothing was acknowledged before Formed. A directory that
//! is Formed is never formed again, so a lost log cannot become a new, empty cluster under the old name.

use crate::Error;
use serde::{Deserialize, Serialize};
use vecraft_rpc::codec;
use vecraft_runtime::random::Random;
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
    /// First start, not finished.
    Forming,
    /// For ever after.
    Formed,
}

impl Identity {
    /// Reads the directory's identity, or gives an empty directory one; `is_empty` says why it is not empty, then no
    /// new identity is made.
    ///
    /// # Errors
    /// An identity of a newer program ([`Error::NewerFormat`]) or one that does not decode; what `is_empty` said.
    pub fn open(
        kv: &dyn Kv,
        random: &dyn Random,
        node: NodeId,
        is_empty: impl FnOnce() -> Result<(), Error>,
    ) -> Result<Identity, Error> {
        match kv.get(Table::Node, KEY)? {
            Some(bytes) => {
                Identity::check(codec::decode(&bytes).map_err(|e| Error::Identity(e.to_string()))?)
            }
            None => {
                is_empty()?;
                let cluster_id = random.next_u128();
                let identity = Identity { format: DATA_FORMAT, cluster_id, node, phase: Phase::Forming };
                identity.store(kv)?;
                Ok(identity)
            }
        }
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
        if self.phase == Phase::Forming {
            self.phase = Phase::Formed;
            self.store(kv)?;
        }
        Ok(())
    }

    fn store(&self, kv: &dyn Kv) -> Result<(), Error> {
        let bytes = codec::encode(self).map_err(|e| Error::Identity(e.to_string()))?;
        let mut batch = WriteBatch::new();
        batch.put(Table::Node, KEY, bytes);
        Ok(kv.write(&batch, true)?)
    }

    /// The cluster id as people see it.
    pub fn cluster_id_text(&self) -> String {
        format!("{:032x}", self.cluster_id)
    }

    /// Whether the groups must still be formed.
    pub fn is_forming(&self) -> bool {
        self.phase == Phase::Forming
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vecraft_runtime::random::SeededRandom;
    use vecraft_storage::SimKv;

    #[test]
    fn i1_a_directory_is_formed_once_and_keeps_its_name() {
        let kv = SimKv::new(1);
        let mut first = Identity::open(&kv, &SeededRandom::new(1), NodeId(1), || Ok(())).unwrap();
        assert_eq!(first.phase, Phase::Forming);
        first.formed(&kv).unwrap();
        kv.crash();
        let again = Identity::open(&kv, &SeededRandom::new(2), NodeId(1), || Ok(())).unwrap();
        assert_eq!(again, first);
    }

    #[test]
    fn a_directory_of_a_newer_program_is_refused() {
        let kv = SimKv::new(1);
        let mut identity = Identity::open(&kv, &SeededRandom::new(1), NodeId(1), || Ok(())).unwrap();
        identity.format = DATA_FORMAT + 1;
        identity.store(&kv).unwrap();
        let refused = Identity::open(&kv, &SeededRandom::new(1), NodeId(1), || Ok(()));
        assert!(matches!(refused, Err(Error::NewerFormat { found: 2, supported: 1 })));
    }
}
