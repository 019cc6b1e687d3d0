//! Looks at the library's bytes before the library does: it reserves what they say, and believes keys and levels.
//!
//! What the pinned release writes, in fixed little-endian numbers:
//! ```text
//! version u32   dim, nodes, m, efConstruction, ef, seed, locks u64   entry u8 + u32 (none: 0)   top i32   nodes u32
//! a node        key u32   deleted u8   level u32
//! a node        for each level from 0 to its own: count u16, as many neighbours u32
//! ```

use crate::container::Reader;
use crate::{Error, Result, VectorRows};

/// Levels above 0 at most, as in our own graph.
const LEVEL_MAX: u32 = 40;
/// The library takes no more links.
const M_MAX: usize = 10_000;

/// Refuses what no build over these rows writes.
pub(super) fn check(mut bytes: Reader<'_>, rows: &VectorRows, m: usize) -> Result<()> {
    let (count, m) = (rows.len(), m.min(M_MAX));
    let _version = bytes.u32()?;
    let (dim, nodes, links) = (bytes.u64()?, bytes.u64()?, bytes.u64()?);
    let (_ef_construction, ef, _seed, locks) = (bytes.u64()?, bytes.u64()?, bytes.u64()?, bytes.u64()?);
    let is_ours = (dim, nodes, links) == (rows.dim() as u64, count as u64, m as u64) && (ef, locks) == (1, 1);
    let has_entry = bytes.bytes(1)? == [1];
    let entry = if has_entry { Some(bytes.u32()?) } else { None };
    let (top, listed) = (bytes.u32()?, bytes.u32()?);
    if !is_ours || has_entry != (count > 0) || listed as usize != count {
        return Err(wrong("header", "that of another graph"));
    }
    let mut levels = Vec::with_capacity(count);
    for node in 0..count as u32 {
        let (key, deleted, level) = (bytes.u32()?, bytes.bytes(1)?, bytes.u32()?);
        if key != node || deleted != [0] || level > LEVEL_MAX {
            return Err(wrong(&format!("row {node}"), "that of another graph"));
        }
        levels.push(level);
    }
    if entry.is_some_and(|entry| levels.get(entry as usize) != Some(&top)) {
        return Err(wrong("entry", "not on the highest level"));
    }
    for (node, &top) in levels.iter().enumerate() {
        for level in 0..=top {
            let count =
                bytes.bytes(2)?.iter().rev().fold(0usize, |count, byte| count << 8 | usize::from(*byte));
            let neighbours = bytes.bytes(4 * count)?.as_chunks::<4>().0;
            let is_there = |four: &[u8; 4]| {
                levels.get(u32::from_le_bytes(*four) as usize).is_some_and(|their| *their >= level)
            };
            if count > if level == 0 { 2 * m } else { m } || !neighbours.iter().all(is_there) {
                return Err(wrong(&format!("row {node}"), "linked to none"));
            }
        }
    }
    bytes.finish()
}

fn wrong(what: &str, how: &str) -> Error {
    Error::corrupt(format!("hnswlib: {what} is {how}"))
}
