//! What one role may ask of another.
//!
//! Each trait has a local implementation (the role itself) and, with several nodes, a remote one. Callers hold
//! `Arc<dyn Trait>` and do not know which.

mod catalogue;
mod reads;
mod segments;
mod shards;
mod topology;
mod writes;

pub use catalogue::*;
pub use reads::*;
pub use segments::*;
pub use shards::*;
pub use topology::*;
pub use writes::*;
