//! The doors for Milvus's clients: gRPC on one port (REST comes later), health and metrics on another.
//!
//! This crate owns our `.proto` files and the translation between them and the verbs of
//! [`vecraft_types::api::Database`], in both directions, and the one place where an error becomes a Milvus
//! status. A request travels `server -> service -> collection | index | dml | search | ... -> Database`.
//!
//! It does *not* decide anything about data: no catalogue, no plans, no cache, no retries. It knows the trait
//! `Database` and nobody behind it. What Milvus knows and we have not built is refused here, by name (code 1100),
//! or, for whole calls, with gRPC UNIMPLEMENTED; nothing is skipped silently.

mod call;
mod calls;
mod codec;
mod collection;
mod columns;
mod compaction;
mod connect;
mod consistency;
mod dml;
mod explain;
mod flush;
mod index;
mod iterator;
mod load;
mod options;
mod params;
mod partition;
pub mod proto;
mod query;
mod query_vectors;
mod replicas;
mod schema;
mod search;
mod segments;
mod server;
mod service;
mod status;
#[cfg(test)]
mod tests;
mod weigh;

pub use calls::CallStats;
pub use options::Options;
pub use server::{Gateway, Health, serve_http};
