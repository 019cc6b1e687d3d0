//! Connections between nodes: who may connect, on which channel, and how a call finds its answer.
//!
//! ```text
//!  Peers::dial ── TCP, TCP_NODELAY ──> PeerListener
//!     hello ─────────────────────────> cluster? node? version? channel? secret?
//!     <───────────────── answer, its proof
//!     proof ─────────────────────────>
//!     <───────────────── verdict
//!  then the stream belongs to the channel:
//!     Raft    Lane (calls, many at once) ─> serve_calls
//!     Rpc     tarpc's messages, see `transport`
//!     Files   whatever its service says
//! ```
//!
//! | module | the question it answers |
//! |---|---|
//! | [`identity`] | who are we, and what do we know that strangers do not? |
//! | [`hello`] | which bytes open a connection? |
//! | [`handshake`] | may these two talk? |
//! | [`book`] | where does a node listen, as of now? |
//! | [`peers`] | how is a node reached, and when is it not even tried? |
//! | [`listener`] | who is let in? |
//! | `half_open` | who gives way when too many are in their handshake? |
//! | [`frame`] | where does a message end, and how large may it be? |
//! | [`lane`], [`calls`] | which answer belongs to which call? (asking, answering) |
//!
//! What holds: nothing is allocated for a stranger beyond one fixed hello; a refused peer is logged once per reason,
//! and one that breaks the rules once in a while;
//! a frame over the limit ends its connection before it takes memory; every call has a limit of time.
//!
//! It does *not* know what a message means and names no part of Raft. It does not encrypt: a stream is any
//! `AsyncRead + AsyncWrite`, so that TLS slips in between TCP and the hello; until then the secret keeps strangers out
//! but not someone who sits on the wire.

pub mod book;
pub mod calls;
pub mod error;
pub mod frame;
mod half_open;
pub mod handshake;
pub mod hello;
pub mod identity;
pub mod lane;
pub mod listener;
pub mod peers;
mod socket;

pub use book::AddressBook;
pub use calls::{CallLimits, serve_calls};
pub use error::Error;
pub use frame::Frame;
pub use hello::{Channel, PERSON, Refusal};
pub use identity::{Identity, Nonces, Secret, Trust};
pub use lane::{Call, Lane};
pub use listener::{Accepted, Door, ListenOptions, PeerListener};
pub use peers::{DialOptions, PeerStream, Peers, Roads};

#[cfg(test)]
mod tests;
