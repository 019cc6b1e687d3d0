#![allow(clippy::unwrap_used)]
use super::*;

fn sample() -> RowBatch {
    let text: StrColumn = ["a", "", "żółw"].iter().collect();
    RowBatch::new(vec![
        Column::new(FieldId(100), ColumnData::Int64(vec![1, -2, 3])),
        Column {
            field: FieldId(101),
            data: ColumnData::VarChar(text),
            validity: Some([true, false, true].into_iter().collect()),
        },
        Column::new(FieldId(102), ColumnData::FloatVector { dim: 2, values: vec![0.5, 1., 2., 3., 4., 5.] }),
        Column::new(FieldId(103), ColumnData::Bool(vec![true, false, true])),
    ])
    .unwrap()
}

#[test]
fn bytes_round_trip() {
    let batch = sample();
    assert_eq!(RowBatch::decode(&batch.encode()).unwrap(), batch);
}

#[test]
fn damaged_bytes_are_an_error_or_a_batch_never_a_panic() {
    let good = sample().encode();
    for cut in 0..good.len() {
        assert!(RowBatch::decode(&good[..cut]).is_err(), "cut at {cut}");
    }
    for at in 0..good.len() {
        for flip in [1u8, 0x80, 0xff] {
            let mut bad = good.to_vec();
            bad[at] ^= flip;
            if let Ok(batch) = RowBatch::decode(&bad) {
                assert!(batch.columns.iter().all(|c| c.data.rows() == batch.rows));
            }
        }
    }
}

#[test]
fn columns_of_different_length_make_no_batch() {
    let columns = vec![
        Column::new(FieldId(1), ColumnData::Int64(vec![1])),
        Column::new(FieldId(2), ColumnData::Int64(vec![1, 2])),
    ];
    assert!(RowBatch::new(columns).is_none());
}

#[test]
fn take_and_extend_keep_nulls() {
    let batch = sample();
    let mut joined = batch.take(&[2, 1]);
    assert!(joined.extend(&batch.take(&[0])));
    assert_eq!(joined, batch.take(&[2, 1, 0]));
    assert!(joined.columns[1].is_null(1));
    assert!(!joined.columns[1].is_null(0));
}

#[test]
fn keys_hash_the_same_for_ever_and_spread() {
    assert_eq!(PrimaryKey::Int64(7).stable_hash(), PrimaryKey::Int64(7).stable_hash());
    let mut counts = [0usize; 16];
    (0..16_000).for_each(|key| counts[PrimaryKey::Int64(key).shard_index(16) as usize] += 1);
    assert!(counts.iter().all(|n| (800..1_200).contains(n)), "{counts:?}");
}
