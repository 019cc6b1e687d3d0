//! The index role: gives every sealed segment the index that the catalogue wants for it.
//!
//! ```text
//!  catalogue changed, segments changed, other builds in force, start
//!        | wake
//!        v
//!  survey (views, catalogue, logs, what is here) --> plan (pure)
//!        +--> forgets: detach --> IndexDropped --> remove the files
//!        +--> opens: read the file that the log names, fetched when it is not here --> attach
//!        `--> builds, on the leader's node: CPU pool --> file, durable --> a majority holds it --> IndexReady --> attach
//! ```
//! One index at a time, on a CPU pool of its own; a reader notices nothing but the swap of a pointer, apply nothing
//! at all. Without work the role waits and costs nothing (P11).
//!
//! What holds at all times (I13): the shard's log alone says which build counts, and nothing beside it is remembered
//! here; a file is whole and durable on a majority of the voters before `IndexReady` names it, and named before a search
//! uses it; a file that is missing, damaged or made for other rows is never served: it is fetched from another replica
//! ([`copies`]), and built again from the segment's vectors when it is lost; a file that no
//! log names is removed at start and every hour ([`clean_up`]); a build whose index, segment or collection is dropped,
//! or whose node stops, ends within a batch.
//!
//! | what the log names | what is here | what happens |
//! |---|---|---|
//! | nothing | nothing, this node leads the group | built, held by a majority, named as version 1, attached |
//! | nothing | nothing, another node leads | waits for that one |
//! | nothing | a durable file whose entry could not be proposed, or one held for a leader that is gone | named, attached |
//! | a build | its file | opened, attached |
//! | a build | no file, or a damaged one | fetched, attached |
//! | a build that is lost | the same, this node leads or is alone | built again: the same bytes are attached, other bytes named as the next version |
//! | another build than the one in use | | fetched or opened, takes its place |
//!
//! | message of [`IndexActor`] | what it does |
//! |---|---|
//! | [`Drain`] | cancels the build under way, answers once the role has let go of files and store |
//! | [`Report`] | says what was built, opened, rebuilt and failed |
//!
//! Scalar indexes go another way, since they are functions of column files: each node builds its own ([`scalars`]).
//!
//! An index for which memory has no room waits, and searches scan (I21, [`room`]).
//!
//! Beside it a second loop keeps graphs for rows that have no index yet ([`interim`]).
//!
//! What it does *not* do: it does not decide which index (the catalogue does) nor which build (the log does), seals
//! nothing (a flush does), searches nothing, and moves no rows.

mod actor;
mod build;
mod clean_up;
mod copies;
mod drops;
mod error;
mod files;
mod giving_up;
mod interim;
mod messages;
mod node;
mod plan;
mod report;
mod room;
mod scalars;
mod services;
mod state;
mod store;
mod survey;
#[cfg(test)]
mod tests;
mod watched;

pub use actor::IndexActor;
pub use clean_up::clean_up;
pub use error::{Error, Result};
pub use files::IndexFiles;
pub use messages::{Drain, IndexReport, Report};
pub use node::{IndexConfig, IndexNode, IndexParts};
pub use plan::{Here, IndexTarget, Job, JobKind, Plan, SealedHere, WantedIndex, plan};
pub use services::{CatalogueWatch, IndexedWriter};
