//! Appends seen by readers, chunk boundaries, refusals.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::Values;
use crate::testing::{AGE, NAME, Row, batch, rows_of, schema};
use std::sync::atomic::AtomicBool;
use vecraft_types::Bitmap;

fn small() -> GrowingSegment {
    let options = GrowingOptions { first_chunk_bytes: 1 << 10, chunk_bytes_max: 8 << 10 };
    GrowingSegment::with_options(SegmentId(1), PartitionId(7), Arc::new(schema()), options)
}

#[test]
fn rows_come_back_over_many_chunks() {
    let segment = small();
    let mut twin = Vec::new();
    for (i, size) in [1usize, 0, 63, 64, 1, 500, 2, 1000].into_iter().enumerate() {
        let rows: Vec<Row> = (0..size).map(|n| Row::random((i * 10_000 + n) as u64)).collect();
        let first =
            segment.append(&batch(&rows), LogPosition(i as u64 + 1), Timestamp(100 + i as u64)).unwrap();
        assert_eq!(first as usize, twin.len());
        twin.extend(rows.into_iter().map(|row| (row, i as u64 + 1)));
    }
    let blocks = segment.blocks(u32::MAX);
    assert!(blocks.len() > 4, "{} blocks", blocks.len());
    let positions: Vec<u64> = blocks.iter().flat_map(|block| block.positions().unwrap().to_vec()).collect();
    assert_eq!(positions, twin.iter().map(|(_, position)| *position).collect::<Vec<_>>());
    let timestamps: Vec<u64> = blocks.iter().flat_map(|block| block.timestamps().unwrap().to_vec()).collect();
    assert!(timestamps.iter().zip(&positions).all(|(ts, position)| *ts == 99 + position));
    assert_eq!(rows_of(&blocks), twin.into_iter().map(|(row, _)| row).collect::<Vec<_>>());
    assert!(segment.bytes() > 0 && segment.reserved_bytes() >= segment.bytes() / 2);
}

#[test]
fn long_text_closes_a_chunk_early_and_nothing_is_lost() {
    let segment = small();
    let mut twin = Vec::new();
    for n in 0..40u64 {
        let mut row = Row::random(n);
        row.name = if n % 3 == 0 { "x".repeat(60_000) } else { format!("short {n}") };
        segment.append(&batch(&[row.clone()]), LogPosition(n + 1), Timestamp(n + 1)).unwrap();
        twin.push(row);
    }
    assert_eq!(rows_of(&segment.blocks(u32::MAX)), twin);
    assert_eq!(rows_of(&segment.blocks(17)), twin[..17]);
}

#[test]
fn a_batch_that_does_not_fit_the_schema_adds_nothing() {
    let segment = small();
    let good = batch(&[Row::random(1), Row::random(2)]);
    let refuse = |batch: &RowBatch| {
        assert!(matches!(segment.append(batch, LogPosition(1), Timestamp(1)), Err(Error::Schema(_))));
    };
    let mut missing = good.clone();
    missing.columns.remove(1);
    refuse(&missing);
    let mut wrong_type = good.clone();
    wrong_type.columns[0].data = ColumnData::Int32(vec![1, 2]);
    refuse(&wrong_type);
    let mut ragged = good.clone();
    ragged.columns[0].data = ColumnData::Int64(vec![1]);
    refuse(&ragged);
    let mut null_key = good.clone();
    null_key.columns[0].validity = Some(Bitmap::new(2, false));
    refuse(&null_key);
    assert_eq!((segment.rows(), segment.blocks(9).len()), (0, 0));
    segment.append(&good, LogPosition(1), Timestamp(1)).unwrap();
    assert_eq!(segment.rows(), 2);
}

#[test]
fn readers_see_whole_batches_while_the_writer_appends() {
    // Not a divisor of a chunk's rows, so that batches are split over chunks.
    const BATCH: u64 = 50;
    let segment = small();
    let batches: Vec<RowBatch> = (0..1500)
        .map(|entry| batch(&(entry * BATCH..(entry + 1) * BATCH).map(Row::random).collect::<Vec<_>>()))
        .collect();
    let done = AtomicBool::new(false);
    let ready = std::sync::Barrier::new(3);
    let read = || {
        ready.wait();
        let (mut seen, mut looks) = (0, 0);
        while !done.load(Ordering::Relaxed) {
            let rows = segment.rows();
            assert!(rows >= seen && rows.is_multiple_of(BATCH as u32), "a batch shows whole: {rows}");
            let blocks = segment.blocks(rows);
            assert_eq!(blocks.iter().map(Block::rows).sum::<usize>(), rows as usize);
            if let Some(last) = blocks.last() {
                // Only the newest row: many short looks find more than few long ones.
                let row = last.rows() - 1;
                assert_eq!(last.positions().unwrap()[row], u64::from(rows) / BATCH);
                let expected = Row::random(u64::from(rows) - 1);
                let column = |field| last.column(field).unwrap().unwrap();
                let (age, Values::VarChar(names)) = (column(AGE), column(NAME).values) else {
                    panic!("names")
                };
                assert_eq!((names.get(row), age.is_null(row)), (&*expected.name, expected.age.is_none()));
            }
            looks += u32::from(rows != seen);
            seen = rows;
        }
        looks
    };
    let looks = std::thread::scope(|scope| {
        let readers = [scope.spawn(read), scope.spawn(read)];
        ready.wait();
        for (entry, batch) in batches.iter().enumerate() {
            let at = entry as u64 + 1;
            segment.append(batch, LogPosition(at), Timestamp(at)).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        readers.map(|reader| reader.join().unwrap())
    });
    assert!(looks.iter().sum::<u32>() > 0, "the readers saw the segment grow");
    assert_eq!(rows_of(&segment.blocks(u32::MAX)), (0..1500 * BATCH).map(Row::random).collect::<Vec<_>>());
}
