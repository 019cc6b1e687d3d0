//! The index role: gives every sealed segment the index that the catalogue wants for it.
//!
//! ```text
//!  catalogue changed, segments changed, other builds in force, start
//!        | wake
//!        v
//!  survey (views, catalogue, logs, what is here) --> plan (pure)
//!        +--> forgets: detach --> IndexDropped --> remove the files
//!        +--> opens: read the file that the log names --> attach
//!        `--> builds: CPU pool --> file, durable --> IndexReady --> attach
//! ```
//! One index at a time, on a CPU pool of its own; a reader notices nothing but the swap of a pointer, apply nothing
//! at all. Without work the role waits and costs nothing (P11).
//!
//! What holds at all times (I13): the shard's log alone says which build counts, and nothing beside it is remembered
//! here; a file is whole and durable before `IndexReady` names it, and named before a search uses it; a file that is
//! missing, damaged or made for other rows is built again from the segment's vectors and never served; a file that no
//! log names is removed at start and every hour ([`clean_up`]); a build whose index, segment or collection is dropped,
//! or whose node stops, ends within a batch.
//!
//! | what the log names | what is here | what happens |
//! |---|---|---|
//! | nothing | nothing | built, named as version 1, attached |
//! | nothing | a durable file whose entry could not be proposed | named, attached |
//! | a build | its file | opened, attached |
//! | a build | no file, or a damaged one | built again: the same bytes are attached, other bytes named as the next version |
//! | a build that other replicas may have | no file, and other bytes when built again | left to be fetched |
//! | another build than the one in use | | opened, takes its place |
//!
//! | message of [`IndexActor`] | what it does |
//! |---|---|
//! | [`Drain`] | cancels the build under way, answers once the role has let go of files and store |
//! | [`Report`] | says what was built, opened, rebuilt and failed |
//!
//! An index for which memory has no room waits, and searches scan (I21, [`room`]).
//!
//! What it does *not* do: it does not decide which index (the catalogue does) nor which build (the log does), seals
//! nothing (a flush does), searches nothing, and moves no rows.
//!
//! **Open with several voters** (I13): each replica builds its own file; the first is named, and since equal rows give
//! equal bytes the others find theirs in force. Two seams are left. Before `IndexReady` is proposed a majority should hold
//! the file (`build.rs`): needed once files are fetched. And a replica whose bytes differ from those in force should fetch
//! them from another by checksum (`plan.rs`): until then its searches scan, and it never takes the others' file away by
//! naming a next version, which is for files that are lost.

mod actor;
mod build;
mod clean_up;
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
pub use clean_up::clean_up;
pub use error::{Error, Result};
pub use messages::{Drain, IndexReport, Report};
pub use node::{IndexConfig, IndexNode, IndexParts};
pub use plan::{Here, IndexTarget, Job, JobKind, Plan, SealedHere, WantedIndex, plan};
pub use services::{CatalogueWatch, IndexedWriter};
