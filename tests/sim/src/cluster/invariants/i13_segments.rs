//! I13, segments: the shard's log alone says which segments there are, on every replica; a start leaves only files of
//! those that its checkpoint names, and of a snapshot that it still wants.

use crate::cluster::book::Pages;
use crate::invariants::{Check, broken, ensure, i13_files};
use crate::node::GROUP;
use crate::picture;
use vecraft_data::wanted_files;
use vecraft_segment::{ShardView, ViewRegistry};
use vecraft_storage::{Kv, SimDisk};
use vecraft_types::LogPosition;

const NAME: &str = "I13";

/// A view shows the segments that the log names at its position, no others and all of them.
pub fn shown(node: u64, view: &ShardView, at: LogPosition, pages: &Pages) -> Check {
    let twin = pages.at(at);
    let Some(expected) = twin.shards.get(&view.shard).map(|shard| shard.segments()) else { return Ok(()) };
    let found = picture::segments(view);
    ensure(found == expected, NAME, || {
        format!("node {node} shows segments {found:?} of {} at {at}, the log names {expected:?}", view.shard)
    })
}

/// Right after a restore, before anything is applied again.
pub fn restored(
    node: u64,
    disk: &SimDisk,
    views: &ViewRegistry,
    kv: &dyn Kv,
    at: Option<LogPosition>,
    pages: &Pages,
) -> Check {
    let at = at.unwrap_or_default();
    let wanted = wanted_files(kv, GROUP, at).map_err(|error| broken(NAME, error.to_string()))?;
    i13_files::only_named(disk, views, &wanted)?;
    views.list().iter().try_for_each(|view| shown(node, view, at, pages))
}
