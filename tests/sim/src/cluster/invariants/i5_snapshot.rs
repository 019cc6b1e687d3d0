//! I5, snapshots: after an install every shard of the group is there as the log has it at the snapshot's position,
//! deletes included.

use super::i20_views;
use crate::cluster::book::Pages;
use crate::invariants::{Check, ensure};
use vecraft_segment::ViewRegistry;
use vecraft_types::{LogPosition, ShardId};

const NAME: &str = "I5";

/// Looks at the views right after an install, or right after a restore.
pub fn check(node: u64, at: LogPosition, views: &ViewRegistry, pages: &Pages) -> Check {
    let expected: Vec<ShardId> = pages.at(at).shards.keys().copied().collect();
    let found = views.shards();
    ensure(found == expected, NAME, || {
        format!("node {node} at {at} shows {found:?} instead of {expected:?}")
    })?;
    for view in views.list() {
        i20_views::same(NAME, node, &view, pages, at)?;
    }
    Ok(())
}
