//! The index role: gives every sealed segment the index that the catalogue wants for it.
//!
//! ```text
//!  catalogue changed, segments changed, start
//!        | wake
//!        v
//!  survey (views, catalogue, what is built) --> plan (pure) --> drops: detach, forget the record, remove the file
//!                                                          +--> opens: read what an earlier life built
//!                                                          `--> builds: CPU pool --> file --> record --> attach
//! ```
//! One index at a time, on a CPU pool of its own; a reader notices nothing but the swap of a pointer, apply nothing
//! at all. Without work the role waits and costs nothing (P11).
//!
//! What holds at all times: a file is whole and durable before a record names it, and recorded before a search uses
//! it; a file that is missing, damaged or made for other rows is built again from the segment's vectors and never
//! served; a file that no record names goes at the next start (I13); a build whose index, segment or collection is
//! dropped, or whose node stops, ends within a batch and leaves nothing behind.
//!
//! | message of [`IndexActor`] | what it does |
//! |---|---|
//! | [`Drain`] | cancels the build under way, answers once the role has let go of files and store |
//! | [`Report`] | says what was built, opened, rebuilt and failed |
//!
//! An index for which memory has no room waits, and searches scan (I21, [`room`]).
//!
//! What it does *not* do: it does not decide which index (the catalogue does), seals nothing (a flush does), searches
//! nothing, and moves no rows.
//!
//! **Open until there are replicas** (I13): with several voters an index is built by one of them, fetched by the
//! others, and named by an `IndexReady` entry of the shard's log. With one voter the only copy is the local one, so
//! the records of [`store`] take the entry's place: they are this node's, not the shard's. The seam is
//! [`IndexNode`]'s step from "file durable" to "attached": the entry goes between them.

mod actor;
mod build;
mod drops;
mod error;
mod messages;
mod node;
mod plan;
mod room;
mod services;
mod store;
mod survey;
#[cfg(test)]
mod tests;

pub use actor::IndexActor;
pub use error::{Error, Result};
pub use messages::{Drain, IndexReport, Report};
pub use node::{IndexConfig, IndexNode, IndexParts};
pub use plan::{BuiltIndex, IndexTarget, Job, Plan, SealedHere, WantedIndex, plan};
pub use services::{CatalogueWatch, IndexedWriter};
