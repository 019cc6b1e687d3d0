//! Who a node is towards other nodes, and the secret that only members of the cluster know.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;
use vecraft_types::NodeId;

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 32;
/// Bytes of a proof.
pub const PROOF_BYTES: usize = 32;
/// A shorter secret can be guessed from one recorded handshake.
pub const SECRET_BYTES_MIN: usize = 16;

/// A source of 64 unpredictable bits, the caller's: this crate draws no random numbers. A repeated nonce would let a
/// recorded handshake be played again.
pub type Nonces = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Who we are.
#[derive(Clone)]
pub struct Identity {
    /// The cluster's random id, given at its forming (I1).
    pub cluster: u128,
    /// This node.
    pub node: NodeId,
    /// The newest feature level this program speaks; told to the peer, decided by others.
    pub level: u32,
    /// How a peer proves that it belongs to the cluster.
    pub trust: Trust,
    /// Fresh random bits.
    pub nonces: Nonces,
}

impl Identity {
    pub(super) fn nonce(&self) -> [u8; NONCE_BYTES] {
        let mut nonce = [0; NONCE_BYTES];
        nonce.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&(self.nonces)().to_le_bytes()));
        nonce
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} of cluster {:032x}, {:?}", self.node, self.cluster, self.trust)
    }
}

/// What is asked of a peer.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The proof that it knows the cluster's secret.
    Secret(Secret),
    /// Nothing: whoever reaches the port is taken for the node it says to be. Only for hosts that are all loopback.
    Open,
}

/// The cluster's shared secret. Never shown.
#[derive(Clone)]
pub struct Secret(Arc<[u8]>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// A secret of these bytes; `None` when they are fewer than [`SECRET_BYTES_MIN`].
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Secret> {
        (bytes.len() >= SECRET_BYTES_MIN).then(|| Secret(bytes.into()))
    }

    fn mac(&self, side: Side, transcript: &[&[u8]]) -> Hmac<Sha256> {
        // HMAC takes keys of any length.
        #[allow(clippy::expect_used)]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("any key length");
        mac.update(side.label());
        transcript.iter().for_each(|part| mac.update(part));
        mac
    }

    /// What `side` shows after these bytes went over the wire.
    pub(super) fn proof(&self, side: Side, transcript: &[&[u8]]) -> [u8; PROOF_BYTES] {
        self.mac(side, transcript).finalize().into_bytes().into()
    }

    /// Whether that is `side`'s proof. Takes the same time for any wrong one.
    pub(super) fn is_proof(&self, side: Side, transcript: &[&[u8]], shown: &[u8; PROOF_BYTES]) -> bool {
        self.mac(side, transcript).verify_slice(shown).is_ok()
    }
}

/// Which end proves. In the proof, so that one end's cannot be shown as the other's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Dialer,
    Listener,
}

impl Side {
    fn label(self) -> &'static [u8] {
        match self {
            Side::Dialer => b"vecraft peer dialer 1",
            Side::Listener => b"vecraft peer listen 1",
        }
    }
}
