//! What the primary-key index takes and how long it takes, beside a map of the standard library.
//!
//! `cargo run --release -p vecraft-data --example key_index_speed -- [keys]`
// Measuring is what this program is for.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::HashMap;
use std::time::Instant;
use vecraft_data::MemoryKeyIndex;
use vecraft_types::{KeyIndex, LogPosition, PrimaryKey, RowRef, SegmentId};

fn main() {
    let keys: u64 = std::env::args().nth(1).map_or(1_000_000, |keys| keys.parse().unwrap());
    growth(keys);
    for kind in ["int64", "text of 20 bytes"] {
        let keys: Vec<PrimaryKey> = (0..2 * keys).map(|n| key(n, kind == "int64")).collect();
        let (here, absent) = keys.split_at(keys.len() / 2);
        println!("{} keys, {kind}: ns a key, index and map", here.len());
        // The last row of three is the one to read: memory is there then.
        for _ in 0..3 {
            let mut index = MemoryKeyIndex::default();
            let mut map = HashMap::new();
            let twice = [
                ("add", each(here, |key, n| index.add(key.clone(), row(n)))),
                (
                    "",
                    each(here, |key, n| {
                        map.insert(key.clone(), row(n));
                    }),
                ),
                ("found", each(here, |key, n| assert_eq!(index.newest(key), Some(row(n))))),
                ("", each(here, |key, n| assert_eq!(map.get(key), Some(&row(n))))),
                ("not found", each(absent, |key, _| assert_eq!(index.newest(key), None))),
                ("", each(absent, |key, _| assert_eq!(map.get(key), None))),
                ("replace", each(here, |key, n| drop(index.replace(key.clone(), row(n + 1))))),
                (
                    "",
                    each(here, |key, n| {
                        map.insert(key.clone(), row(n + 1));
                    }),
                ),
                ("rename", all(here, || index.rename(&mut |row| (row.row % 2 == 0).then_some(renamed(row))))),
                (
                    "",
                    all(here, || {
                        map.values_mut().filter(|row| row.row % 2 == 0).for_each(|row| *row = renamed(row))
                    }),
                ),
                ("remove", each(here, |key, _| drop(index.remove(key)))),
                (
                    "",
                    each(here, |key, _| {
                        map.remove(key);
                    }),
                ),
            ];
            let lines =
                twice.chunks(2).map(|pair| format!("{} {:.0}, {:.0}", pair[0].0, pair[0].1, pair[1].1));
            println!("  {}", lines.collect::<Vec<_>>().join("; "));
        }
    }
}

/// Bytes a key while keys come, and the longest of all additions.
fn growth(keys: u64) {
    let mut index = MemoryKeyIndex::default();
    let (mut least, mut most, mut longest, mut largest) = (f64::MAX, 0f64, 0, 0);
    for n in 0..keys {
        let (before, begun) = (index.bytes(), Instant::now());
        index.add(key(n, true), row(n));
        longest = longest.max(begun.elapsed().as_micros());
        largest = largest.max(index.bytes().saturating_sub(before));
        if n >= 10_000 {
            let bytes = index.bytes() as f64 / (n + 1) as f64;
            (least, most) = (least.min(bytes), most.max(bytes));
        }
    }
    println!(
        "10,000 to {keys} int64 keys: {least:.1} to {most:.1} bytes a key; longest addition {longest} us, largest {largest} bytes"
    );
}

fn each(keys: &[PrimaryKey], mut what: impl FnMut(&PrimaryKey, u64)) -> f64 {
    all(keys, || keys.iter().zip(0..).for_each(|(key, n)| what(key, n)))
}

fn all(keys: &[PrimaryKey], what: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    what();
    begun.elapsed().as_nanos() as f64 / keys.len() as f64
}

/// Keys in no order.
fn key(n: u64, is_int: bool) -> PrimaryKey {
    let number = PrimaryKey::Int64(n as i64).stable_hash();
    if is_int {
        PrimaryKey::Int64(number as i64)
    } else {
        PrimaryKey::VarChar(format!("doc-{number:016x}").into())
    }
}

fn row(n: u64) -> RowRef {
    RowRef { segment: SegmentId(n / 50_000), row: (n % 50_000) as u32, position: LogPosition(n / 100) }
}

fn renamed(row: &RowRef) -> RowRef {
    RowRef { segment: SegmentId(1 << 20), ..*row }
}
