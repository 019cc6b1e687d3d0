//! The bytes that open a connection. Every message has a fixed length, so a stranger cannot make us allocate.
//!
//! ```text
//! hello    magic "VCPN" | version u16 | cluster u128 | from u64 | to u64 | channel u8 | lane u8 | level u32
//!          | has_secret u8 | nonce 32                                                         little-endian
//! answer   magic "VCPN" | version u16 | code u8 | level u32 | nonce 32 | proof 32
//! proof    32 bytes, only with a secret
//! verdict  code u8
//! ```
//! Magic, version and code stay where they are in every version, so that any two versions can say that they differ.

use super::identity::{NONCE_BYTES, PROOF_BYTES};
use std::fmt;
use vecraft_types::NodeId;

/// The version of these bytes and of everything that follows on the channels, of the entries of the logs, and of what goes
/// into [`NodeHello::config_hash`](crate::node::NodeHello). Two programs of different versions refuse each other at the first
/// hello. It goes up by one, once a release, with the first change of any of them that the release before would not read:
/// a field, a verb that is not at the end or that others are asked without being offered it, another meaning.
///
/// | version | what came with it |
/// |---|---|
/// | 1 | three nodes |
/// | 2 | query-only nodes; `JoinRequest` says replication and groups; `vecraft cluster init`, and its mode in the hash; collections placed by leaders; what makes something carries the request's name, and a load the collection's id; the list of nodes says since when one is silent, and which groups have no leader; vectors of bits, 16-bit floats and int8, in queries and rows; searches for groups; replicas out of service in a node's report; descriptions of snapshots in parts; a follower is told when its log went back; an announced node that is taken back |
pub const VERSION: u16 = 2;
const MAGIC: &[u8; 4] = b"VCPN";
/// Bytes of a hello.
pub const HELLO_BYTES: usize = 4 + 2 + 16 + 8 + 8 + 1 + 1 + 4 + 1 + NONCE_BYTES;
/// Bytes of an answer before its proof.
pub const ANSWER_HEAD_BYTES: usize = 4 + 2 + 1 + 4 + NONCE_BYTES;
/// Bytes of an answer.
pub const ANSWER_BYTES: usize = ANSWER_HEAD_BYTES + PROOF_BYTES;
/// The code that is no refusal.
const ACCEPTED: u8 = 0;

/// Who asks without being a node: a person's command. No node has this id.
pub const PERSON: NodeId = NodeId(0);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Replication of groups.
    Raft,
    /// Calls between roles, by tarpc.
    Rpc,
    /// Files of checkpoints, indexes and segments.
    Files,
    /// Forming a cluster: the only one that nodes without a common cluster id may use.
    Forming,
}

impl Channel {
    const ALL: [(u8, Channel); 4] =
        [(1, Channel::Raft), (2, Channel::Rpc), (3, Channel::Files), (4, Channel::Forming)];

    fn code(self) -> u8 {
        Channel::ALL.iter().find(|(_, known)| *known == self).map_or(0, |(code, _)| *code)
    }

    fn from_code(code: u8) -> Option<Channel> {
        Channel::ALL.iter().find(|(known, _)| *known == code).map(|(_, channel)| *channel)
    }
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)+) => {
        /// Why a peer is not let in.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Refusal { $($(#[$doc])* $name,)+ }

        impl Refusal {
            pub(super) fn code(self) -> u8 {
                match self { $(Refusal::$name => $code,)+ }
            }

            pub(super) fn from_code(code: u8) -> Refusal {
                match code { $($code => Refusal::$name,)+ _ => Refusal::Unknown }
            }
        }

        impl fmt::Display for Refusal {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Refusal::$name => $text,)+ })
            }
        }
    };
}

refusals! {
    /// The two programs speak different versions.
    WrongVersion = 1, "wrong version of the protocol between nodes";
    /// The peer belongs to another cluster (I1).
    WrongCluster = 2, "wrong cluster id: two clusters share an address, or a directory was copied";
    /// The peer wanted another node: an address in the book is stale.
    WrongNode = 3, "wrong node: that address belongs to another node";
    /// The peer did not prove that it knows the secret.
    WrongSecret = 4, "wrong cluster secret";
    /// One end has a secret and the other has none.
    SecretNeeded = 5, "only one of the two nodes has a cluster secret";
    /// Nobody serves that channel there.
    UnknownChannel = 6, "unknown channel";
    /// Too many connections.
    Busy = 7, "too many connections";
    /// The peer calls itself as we are called.
    SameNode = 8, "a node with our own id: an id is used twice";
    /// That node belongs to no cluster yet: it is empty, and waits to be taken in.
    NotYet = 9, "that node belongs to no cluster yet";
    /// A reason that this version does not know.
    Unknown = 255, "a reason this version does not know";
}

impl Refusal {
    /// Whether it goes away by itself, and is no news for an operator.
    pub(super) fn passes(self) -> bool {
        matches!(self, Refusal::Busy | Refusal::NotYet)
    }
}

/// The first words of the one who connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Its cluster.
    pub cluster: u128,
    /// Who it is.
    pub from: NodeId,
    /// Whom it wants.
    pub to: NodeId,
    /// What for; `None` when it named a channel that this version does not know.
    pub channel: Option<Channel>,
    /// Which of the channel's parallel connections.
    pub lane: u8,
    /// Its feature level.
    pub level: u32,
    /// Whether it has a secret.
    pub has_secret: bool,
    /// Its nonce.
    pub nonce: [u8; NONCE_BYTES],
}

/// A hello that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotHello {
    /// Some other protocol.
    Magic,
    /// Ours, in this version.
    Version(u16),
}

impl Hello {
    /// Its bytes.
    pub fn encode(&self) -> [u8; HELLO_BYTES] {
        let mut out = Out::<HELLO_BYTES>::new();
        out.put(MAGIC).put(&VERSION.to_le_bytes()).put(&self.cluster.to_le_bytes());
        out.put(&self.from.0.to_le_bytes()).put(&self.to.0.to_le_bytes());
        out.put(&[self.channel.map_or(0, Channel::code), self.lane]).put(&self.level.to_le_bytes());
        out.put(&[u8::from(self.has_secret)]).put(&self.nonce);
        out.bytes
    }

    /// Reads it back.
    ///
    /// # Errors
    /// [`NotHello`]; everything else is for the handshake to judge.
    pub fn decode(bytes: &[u8; HELLO_BYTES]) -> Result<Hello, NotHello> {
        let mut rest = opened(bytes)?;
        Ok(Hello {
            cluster: u128::from_le_bytes(take(&mut rest)),
            from: NodeId(u64::from_le_bytes(take(&mut rest))),
            to: NodeId(u64::from_le_bytes(take(&mut rest))),
            channel: Channel::from_code(take::<1>(&mut rest)[0]),
            lane: take::<1>(&mut rest)[0],
            level: u32::from_le_bytes(take(&mut rest)),
            has_secret: take::<1>(&mut rest)[0] != 0,
            nonce: take(&mut rest),
        })
    }
}

/// The listener's answer, without its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether it goes on.
    pub refused: Option<Refusal>,
    /// The listener's feature level.
    pub level: u32,
    /// Its nonce.
    pub nonce: [u8; NONCE_BYTES],
}

impl Answer {
    /// Its bytes, before the proof.
    pub fn encode(&self) -> [u8; ANSWER_HEAD_BYTES] {
        let mut out = Out::<ANSWER_HEAD_BYTES>::new();
        out.put(MAGIC).put(&VERSION.to_le_bytes()).put(&[verdict_code(self.refused)]);
        out.put(&self.level.to_le_bytes()).put(&self.nonce);
        out.bytes
    }

    /// Reads it back.
    ///
    /// # Errors
    /// [`NotHello`] when the other end speaks something else.
    pub fn decode(bytes: &[u8; ANSWER_HEAD_BYTES]) -> Result<Answer, NotHello> {
        let mut rest = opened(bytes)?;
        Ok(Answer {
            refused: verdict(take::<1>(&mut rest)[0]),
            level: u32::from_le_bytes(take(&mut rest)),
            nonce: take(&mut rest),
        })
    }
}

/// A verdict's byte.
pub fn verdict_code(refused: Option<Refusal>) -> u8 {
    refused.map_or(ACCEPTED, Refusal::code)
}

/// Reads a verdict's byte.
pub fn verdict(code: u8) -> Option<Refusal> {
    (code != ACCEPTED).then(|| Refusal::from_code(code))
}

fn opened(bytes: &[u8]) -> Result<&[u8], NotHello> {
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else { return Err(NotHello::Magic) };
    match u16::from_le_bytes(take(&mut rest)) {
        VERSION => Ok(rest),
        other => Err(NotHello::Version(other)),
    }
}

/// The next `N` bytes; the callers' layouts are of fixed length, so they are there.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let mut out = [0; N];
    if let Some((part, after)) = rest.split_at_checked(N) {
        out.copy_from_slice(part);
        *rest = after;
    }
    out
}

struct Out<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Out<N> {
    fn new() -> Out<N> {
        Out { bytes: [0; N], at: 0 }
    }

    fn put(&mut self, part: &[u8]) -> &mut Out<N> {
        self.bytes[self.at..self.at + part.len()].copy_from_slice(part);
        self.at += part.len();
        self
    }
}
