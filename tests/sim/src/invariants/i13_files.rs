//! I13, files: after a start the group's directory holds at most one file a segment, of shards that exist, and nothing
//! else but what a fetch of a snapshot goes on with.

use super::{Check, broken, ensure};
use crate::node::{GROUP, Machine, Shards};
use std::collections::BTreeSet;
use vecraft_segment::ViewRegistry;
use vecraft_storage::{Disk, SimDisk};

const NAME: &str = "I13";

/// Looks at the names on the disk right after a restore.
pub fn check(machine: &Machine, here: &Shards) -> Check {
    only_named(&machine.disk.inner, &here.views, &BTreeSet::new())
}

/// The same of any disk, of what a restore from it shows, and of what a fetch wants.
pub fn only_named(disk: &SimDisk, views: &ViewRegistry, wanted: &BTreeSet<String>) -> Check {
    let root = format!("groups/{GROUP}");
    let failed = |error: vecraft_storage::Error| broken(NAME, error.to_string());
    if !disk.exists(&root).map_err(failed)? {
        return Ok(());
    }
    for dir in disk.list(&root).map_err(failed)? {
        let view = views
            .list()
            .into_iter()
            .find(|view| dir.is_dir && dir.name == format!("{}-{}", view.shard.collection, view.shard.index));
        let path = format!("{root}/{}", dir.name);
        let is_coming = wanted.iter().any(|file| file.starts_with(&format!("{path}/")));
        ensure(view.is_some() || is_coming, NAME, || format!("{path} belongs to no shard"))?;
        let shown = view.iter().flat_map(|view| &view.segments);
        let mut segments: BTreeSet<u64> = shown.map(|shown| shown.segment.id().0).collect();
        for file in disk.list(&path).map_err(failed)? {
            if wanted.contains(&format!("{path}/{}", file.name)) {
                continue;
            }
            let segment = segment_of(&file.name);
            let is_wanted = segment.is_some_and(|segment| segments.remove(&segment));
            ensure(is_wanted, NAME, || format!("{path}/{} is named by no checkpoint", file.name))?;
        }
    }
    Ok(())
}

/// `7.seg` or `tail-7-120.seg`.
fn segment_of(name: &str) -> Option<u64> {
    let stem = name.strip_suffix(".seg")?;
    match stem.strip_prefix("tail-") {
        Some(tail) => tail.split('-').next()?.parse().ok(),
        None => stem.parse().ok(),
    }
}
