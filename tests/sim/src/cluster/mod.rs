//! A simulated cluster: three to five nodes of the product's own code on virtual time, in one process.
//!
//! This part answers: *is anything that was acknowledged lost, answered too old, doubled or changed, whatever dies, is
//! cut off, late or set back whenever?* One seed is one cluster: its size, pace, sizes, clients and troubles.
//!
//! ```text
//!   clients ── DataNode (write, read barrier) ── DataGroup ── Host ── openraft      the product's, several voters
//!                                                   |           |
//!                                     maintain, clean_up     Network ── lanes, frames, handshake    the product's
//!                                     checkpoint, snapshot      |              |
//!                                     Disk, Kv: SimDisk, SimKv  NodeLog     Roads: net/             the simulation's
//! ```
//!
//! | part | what it is |
//! |---|---|
//! | [`plan`], [`tempering`], [`trouble`], [`client`] | what a seed draws: circumstances, faults, work |
//! | [`net`], [`disk`], [`clock`], [`kv`] | what is not the product's: bytes between nodes, a disk's speed, time |
//! | [`machine`], [`witness`], [`replacing`], [`seats`] | a node and its process; who looks at what it applies; membership |
//! | [`life`] | form, trouble, heal, agree, power cut, agree |
//! | [`book`], [`invariants`] | what must be true, and the rules by name |
//! | [`bug`] | bugs planted on purpose, each of which must be found |
//! | [`report`] | running a seed and saying how to bring it back |
//!
//! How it stays the same for a seed: one thread, tokio's paused clock and seeded dice, openraft's waiting times drawn from
//! the seed, files read and written inside the call. It does *not* simulate actix, gRPC, TCP's own behaviour or RocksDB,
//! and knows no metastore: which replicas there are, the life itself remembers.

pub mod book;
pub mod bug;
pub mod client;
pub mod clock;
pub mod disk;
pub mod growing;
pub mod invariants;
pub mod kv;
pub mod life;
pub mod machine;
pub mod net;
pub mod plan;
pub mod replacing;
pub mod report;
pub mod seats;
pub mod tempering;
pub mod trouble;
pub mod witness;
