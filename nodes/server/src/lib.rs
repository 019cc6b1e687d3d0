//! The wiring: the one place where all roles meet.
//!
//! ```text
//!  gateway (Milvus gRPC) ─> proxy ─┬─> catalogue, coordinator ─> group 0 (metastore)
//!                                  ├─> data  ─> groups 1.. ─> log ─> segments ─> views
//!                                  └─> query ─> views
//! ```
//! [`Server::start`] opens a data directory and starts every role of a node in this process; the program `vecraft`
//! does nothing else around it. What this crate does *not* do: it decides nothing about data. Reading order for a
//! newcomer: `server.rs` here, then `nodes/proxy`, then the flow you care about in `docs/internals`.

mod agreed;
mod catching_up;
pub mod cli;
mod client_doors;
mod cluster;
mod data_role;
mod directory;
mod doors;
mod error;
mod fitness;
mod forming;
mod ground;
pub mod heap;
mod identity;
mod index_peers;
mod index_role;
mod keeper;
mod limits;
mod local_groups;
mod log_seen;
mod member_record;
mod memory_watch;
mod metrics;
mod node_door;
mod observed;
mod proxy_role;
mod query_role;
pub mod recover;
mod roles;
mod room;
mod run_file;
mod server;
mod settling;
mod standing;
mod topology;
mod waiting_door;
mod ways;

pub use error::Error;
pub use run_file::RunFile;
pub use server::{Addresses, Server};
