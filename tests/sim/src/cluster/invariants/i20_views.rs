//! I20, views: whatever a replica shows, it is exactly the rows of the log up to the view's position; none lost, none
//! back from the dead, none torn.

use crate::cluster::book::Pages;
use crate::invariants::{Check, broken, ensure};
use crate::picture;
use vecraft_segment::ShardView;

const NAME: &str = "I20";

/// Compares a view with the twin at its position.
pub fn check(node: u64, view: &ShardView, pages: &Pages) -> Check {
    same(NAME, node, view, pages, view.position)
}

/// The same for another rule, at a position of its own.
pub fn same(
    rule: &'static str,
    node: u64,
    view: &ShardView,
    pages: &Pages,
    at: vecraft_types::LogPosition,
) -> Check {
    let (shard, twin) = (view.shard, pages.at(at));
    let expected = twin.shards.get(&shard).map(|shard| shard.sorted());
    let expected = expected.ok_or_else(|| {
        broken(rule, format!("node {node} shows shard {shard} at {at}, where the log has none"))
    })?;
    let seen =
        picture::of(view).map_err(|what| broken(rule, format!("node {node}, shard {shard}: {what}")))?;
    ensure(seen == expected, rule, || {
        let difference = picture::difference(&seen, &expected);
        format!("node {node} shows shard {shard} at {at} with {difference}")
    })
}
