//! The replicated state machines: the metastore ([`meta`]) and the shards of a pool group ([`shard`]).
//!
//! Pure functions of the log: `apply(command) -> reply and effects`. No clock, no randomness, no files, no
//! threads: time and generated ids arrive inside the command. This crate does *not* hold rows, vectors or
//! files; effects tell the data role what to do with those.

mod answers;

pub mod meta;
pub mod shard;

pub use answers::AnswerWindow;
