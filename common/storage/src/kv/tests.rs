//! One suite for every [`Kv`], then power cuts.
#![allow(clippy::unwrap_used)]

use super::*;

fn conforms(kv: &dyn Kv) {
    let mut batch = WriteBatch::new();
    batch.put(Table::Node, b"k", b"node").put(Table::Shard, b"k", b"shard").put(
        Table::Shard,
        b"\xff\xff",
        b"last",
    );
    batch.put(Table::Shard, b"", b"first").put(Table::Dedup, b"k", b"1").put(Table::Dedup, b"k", b"2");
    kv.write(&batch, true).unwrap();
    assert_eq!(kv.get(Table::Node, b"k").unwrap().unwrap(), b"node");
    assert_eq!(kv.get(Table::Dedup, b"k").unwrap().unwrap(), b"2", "the later change of a batch wins");
    assert_eq!(kv.get(Table::Job, b"k").unwrap(), None);
    let keys = |range: &KeyRange| {
        kv.scan(Table::Shard, range).unwrap().into_iter().map(|row| row.0).collect::<Vec<_>>()
    };
    assert_eq!(keys(&KeyRange::all()), [b"".to_vec(), b"k".to_vec(), b"\xff\xff".to_vec()]);
    assert_eq!(keys(&KeyRange::prefix(b"\xff")), [b"\xff\xff".to_vec()]);
    assert_eq!(keys(&KeyRange::between(b"", b"k")), [b"".to_vec()]);
    assert!(keys(&KeyRange::between(b"k", b"a")).is_empty());

    for n in 0..10_u8 {
        kv.put(Table::Job, &[7, n], &[n], false).unwrap();
    }
    let mut seen = 0;
    kv.visit(Table::Job, &KeyRange::prefix(&[7]), &mut |_, _| {
        seen += 1;
        if seen == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .unwrap();
    assert_eq!(seen, 4);

    let mut batch = WriteBatch::new();
    batch.delete_range(Table::Job, KeyRange::between(&[7, 2], &[7, 9])).put(Table::Job, [7, 3], b"back");
    batch.delete(Table::Node, b"k").delete(Table::Node, b"never there");
    kv.write(&batch, false).unwrap();
    let left: Vec<_> =
        kv.scan(Table::Job, &KeyRange::all()).unwrap().into_iter().map(|row| row.0[1]).collect();
    assert_eq!(left, [0, 1, 3, 9]);
    assert_eq!(kv.get(Table::Node, b"k").unwrap(), None);
    kv.write(WriteBatch::new().delete_range(Table::Job, KeyRange::all()), true).unwrap();
    assert!(kv.scan(Table::Job, &KeyRange::all()).unwrap().is_empty());
    assert_eq!(kv.get(Table::Shard, b"").unwrap().unwrap(), b"first", "another table is untouched");
}

#[test]
fn sim_conforms() {
    conforms(&SimKv::new(1));
}

#[test]
fn rocks_conforms_and_reopens() {
    let dir = tempfile::tempdir().unwrap();
    let kv = RocksKv::open(dir.path(), RocksOptions::default()).unwrap();
    conforms(&kv);
    drop(kv);
    let kv = RocksKv::open(dir.path(), RocksOptions::default()).unwrap();
    assert_eq!(kv.get(Table::Shard, b"k").unwrap().unwrap(), b"shard");
}

#[test]
fn a_power_cut_loses_a_suffix_only() {
    let mut shortest = usize::MAX;
    let mut longest = 0;
    for seed in 0..64 {
        let kv = SimKv::new(seed);
        for n in 0..20_u8 {
            kv.put(Table::Node, &[n], b"", n == 9).unwrap();
        }
        kv.crash();
        let left: Vec<_> =
            kv.scan(Table::Node, &KeyRange::all()).unwrap().into_iter().map(|row| row.0[0]).collect();
        assert!(left.len() >= 10, "seed {seed}: a synced batch makes all earlier ones durable");
        assert_eq!(left, (0..left.len() as u8).collect::<Vec<_>>(), "seed {seed}: no hole");
        shortest = shortest.min(left.len());
        longest = longest.max(left.len());
    }
    assert!(shortest < 12 && longest > 18);
}

#[test]
fn a_lying_sync_is_seen() {
    let lost = (0..16).any(|seed| {
        let kv = SimKv::new(seed);
        kv.set_sync_is_a_lie(true);
        kv.put(Table::Node, b"k", b"v", true).unwrap();
        kv.crash();
        kv.get(Table::Node, b"k").unwrap().is_none()
    });
    assert!(lost);
}

#[test]
fn prefix_ends() {
    assert_eq!(after_prefix(b"a"), Some(b"b".to_vec()));
    assert_eq!(after_prefix(b"a\xff"), Some(b"b".to_vec()));
    assert_eq!(after_prefix(b"\xff"), None);
}
