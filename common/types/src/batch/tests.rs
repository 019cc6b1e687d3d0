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
        packed(104, Packed::Bit, 16),
        packed(105, Packed::Float16, 2),
        packed(106, Packed::BFloat16, 3),
        packed(107, Packed::Int8, 5),
    ])
    .unwrap()
}

fn packed(field: u64, kind: Packed, dim: u32) -> Column {
    let bytes = (0..3 * kind.row_bytes(dim)).map(|byte| (byte * 37) as u8).collect();
    Column::new(FieldId(field), ColumnData::PackedVector { kind, dim, bytes })
}

/// What a log of earlier releases holds must be read for ever: the same bytes as then.
#[test]
fn bytes_are_those_of_the_first_release() {
    let batch = RowBatch::new(vec![
        Column::new(FieldId(100), ColumnData::Int64(vec![-2])),
        Column::new(FieldId(101), ColumnData::FloatVector { dim: 1, values: vec![1.0] }),
    ])
    .unwrap();
    let mut bytes = b"VRB1".to_vec();
    bytes.extend([1, 0, 0, 0, 2, 0, 0, 0]);
    bytes.extend([100, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend((-2i64).to_le_bytes());
    bytes.extend([101, 0, 0, 0, 0, 0, 0, 0, 10, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(1f32.to_le_bytes());
    assert_eq!(batch.encode()[..], bytes);
    assert_eq!(RowBatch::decode(&bytes).unwrap(), batch);
}

#[test]
fn packed_vectors_are_taken_and_joined_by_whole_rows() {
    for column in [packed(1, Packed::Bit, 16), packed(1, Packed::Float16, 2), packed(1, Packed::Int8, 5)] {
        let ColumnData::PackedVector { kind, dim, bytes } = &column.data else { panic!("{column:?}") };
        let width = kind.row_bytes(*dim);
        assert_eq!((column.data.rows(), column.data.bytes()), (3, 3 * width));
        assert!(column.data.is_of(&DataType::of_packed(*kind, *dim)));
        assert!(!column.data.is_of(&DataType::of_packed(*kind, *dim + 8)));
        let mut last_first = column.data.take(&[2, 0]);
        let ColumnData::PackedVector { bytes: taken, .. } = &last_first else { panic!("{last_first:?}") };
        assert_eq!(taken[..], [&bytes[2 * width..], &bytes[..width]].concat());
        assert!(last_first.extend(&column.data.take(&[1])));
        assert_eq!(last_first, column.data.take(&[2, 0, 1]));
    }
    let mut bits = packed(1, Packed::Bit, 16).data;
    assert!(!bits.extend(&packed(1, Packed::Int8, 2).data), "as many bytes, but another type");
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
