//! Rows and schemas for this crate's tests.
#![allow(clippy::unwrap_used)]

use crate::{Block, Values};
use vecraft_types::{
    Bitmap, CollectionSchema, Column, ColumnData, DataType, FieldId, FieldSchema, Packed, RowBatch, StrColumn,
};

pub(crate) const KEY: FieldId = FieldId(100);
pub(crate) const NAME: FieldId = FieldId(101);
pub(crate) const AGE: FieldId = FieldId(102);
pub(crate) const VECTOR: FieldId = FieldId(103);
pub(crate) const DIM: usize = 4;

/// Fields of packed vectors, [`packed`] says what is in them.
pub(crate) const PACKED: [(FieldId, Packed, u32); 4] = [
    (FieldId(110), Packed::Bit, 16),
    (FieldId(111), Packed::Float16, 3),
    (FieldId(112), Packed::BFloat16, 2),
    (FieldId(113), Packed::Int8, 5),
];

/// key int64, name varchar, age int32 (nullable), v float vector, every other scalar and vector type.
pub(crate) fn schema() -> CollectionSchema {
    let mut age = FieldSchema::new("age", DataType::Int32);
    age.nullable = true;
    let mut note = FieldSchema::new("note", DataType::Json);
    note.nullable = true;
    CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("name", DataType::VarChar { max_length: 65_535 }),
        age,
        FieldSchema::new("v", DataType::FloatVector { dim: DIM as u32 }),
        FieldSchema::new("flag", DataType::Bool),
        FieldSchema::new("tiny", DataType::Int8),
        FieldSchema::new("small", DataType::Int16),
        FieldSchema::new("ratio", DataType::Float),
        FieldSchema::new("exact", DataType::Double),
        note,
        FieldSchema::new("bits", DataType::BinaryVector { dim: PACKED[0].2 }),
        FieldSchema::new("halves", DataType::Float16Vector { dim: PACKED[1].2 }),
        FieldSchema::new("brains", DataType::BFloat16Vector { dim: PACKED[2].2 }),
        FieldSchema::new("bytes", DataType::Int8Vector { dim: PACKED[3].2 }),
    ])
}

/// The packed vector of a key. Few different ones, so that equal distances happen; halves are finite and of a size.
pub(crate) fn packed(key: i64, kind: Packed, dim: u32) -> Vec<u8> {
    let bits = mix(key as u64 % 37);
    let byte = |at: usize| (bits >> (at % 8 * 8)) as u8;
    let bytes = 0..kind.row_bytes(dim);
    match kind {
        Packed::Bit | Packed::Int8 => bytes.map(byte).collect(),
        Packed::Float16 => bytes.map(|at| if at % 2 == 1 { byte(at) & 0x83 | 0x3c } else { 0 }).collect(),
        Packed::BFloat16 => {
            bytes.map(|at| if at % 2 == 1 { byte(at) & 0x80 | 0x40 } else { byte(at) }).collect()
        }
    }
}

/// One row of [`schema`]; the types without a field of their own follow from the key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) key: i64,
    pub(crate) name: String,
    pub(crate) age: Option<i32>,
    pub(crate) vector: [f32; DIM],
}

/// SplitMix64: tests need numbers that look random and come back.
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Row {
    /// The same row for the same seed. Vectors lie on a coarse grid, so that equal distances happen.
    pub(crate) fn random(seed: u64) -> Row {
        let bits = mix(seed);
        let vector = std::array::from_fn(|i| ((bits >> (8 * i)) % 4) as f32);
        let age = (!bits.is_multiple_of(5)).then_some((bits >> 40) as i32 % 50);
        Row { key: (bits >> 3) as i64 % 1_000_000, name: format!("n{}ö", bits % 1000), age, vector }
    }
}

pub(crate) fn batch(rows: &[Row]) -> RowBatch {
    let keys: Vec<i64> = rows.iter().map(|row| row.key).collect();
    let data = vec![
        ColumnData::Int64(keys.clone()),
        ColumnData::VarChar(rows.iter().map(|row| &row.name).collect::<StrColumn>()),
        ColumnData::Int32(rows.iter().map(|row| row.age.unwrap_or(0)).collect()),
        ColumnData::FloatVector { dim: DIM as u32, values: rows.iter().flat_map(|row| row.vector).collect() },
        ColumnData::Bool(keys.iter().map(|key| key % 2 == 0).collect()),
        ColumnData::Int8(keys.iter().map(|key| *key as i8).collect()),
        ColumnData::Int16(keys.iter().map(|key| *key as i16).collect()),
        ColumnData::Float(keys.iter().map(|key| *key as f32 / 3.0).collect()),
        ColumnData::Double(keys.iter().map(|key| *key as f64 / 7.0).collect()),
        ColumnData::Json(keys.iter().map(|key| format!("{{\"k\":{key}}}")).collect()),
    ];
    let vectors = PACKED.map(|(_, kind, dim)| {
        let bytes = keys.iter().flat_map(|key| packed(*key, kind, dim)).collect();
        ColumnData::PackedVector { kind, dim, bytes }
    });
    let data = data.into_iter().chain(vectors);
    let mut columns: Vec<Column> =
        data.enumerate().map(|(i, data)| Column::new(FieldId(100 + i as u64), data)).collect();
    columns[2].validity = Some(rows.iter().map(|row| row.age.is_some()).collect::<Bitmap>());
    RowBatch::new(columns).unwrap()
}

/// All rows of blocks; the derived columns are checked on the way.
pub(crate) fn rows_of(blocks: &[Block]) -> Vec<Row> {
    let mut rows = Vec::new();
    for block in blocks {
        let column = |field| block.column(field).unwrap().unwrap();
        let (keys, names, ages, vectors) = (column(KEY), column(NAME), column(AGE), column(VECTOR));
        let Values::Int64(key) = keys.values else { panic!("keys") };
        let Values::VarChar(name) = names.values else { panic!("names") };
        let Values::Int32(age) = ages.values else { panic!("ages") };
        let Values::FloatVector { values, .. } = vectors.values else { panic!("vectors") };
        let (flag, tiny, note) = (column(FieldId(104)), column(FieldId(105)), column(FieldId(109)));
        let Values::Bool(flag) = flag.values else { panic!("flags") };
        let Values::Int8(tiny) = tiny.values else { panic!("tiny") };
        let Values::Json(note) = note.values else { panic!("notes") };
        for row in 0..block.rows() {
            assert_eq!((flag[row], tiny[row]), (key[row] % 2 == 0, key[row] as i8));
            assert_eq!(note.get(row), format!("{{\"k\":{}}}", key[row]));
            for (field, wanted, dim) in PACKED {
                let Values::PackedVector { kind, bytes, .. } = column(field).values else {
                    panic!("{wanted:?}")
                };
                let width = kind.row_bytes(dim);
                assert_eq!(bytes[row * width..(row + 1) * width], packed(key[row], wanted, dim));
            }
            rows.push(Row {
                key: key[row],
                name: name.get(row).to_owned(),
                age: (!ages.is_null(row)).then(|| age[row]),
                vector: values[row * DIM..(row + 1) * DIM].try_into().unwrap(),
            });
        }
    }
    rows
}
