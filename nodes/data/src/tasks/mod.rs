//! One service or verb per file.

mod admin;
mod barrier;
pub(crate) mod delete_where;
mod indexes;
mod segments;
mod write;

pub use indexes::ShardLedger;
