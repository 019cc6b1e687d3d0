//! Rows that show where they come from: every value follows from the key and the version.
//!
//! A version is the serial number of one write of one row, never used twice. A row put together from two writes
//! has a vector that does not follow from its version.

use vecraft_client::types::{CollectionSchema, DataType, FieldSchema};

/// Numbers a vector.
pub const DIM: usize = 8;
/// Name of the collection.
pub const COLLECTION: &str = "chaos";

/// A row as a scan saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The key.
    pub id: i64,
    /// Which writer owns the key.
    pub owner: i64,
    /// Which write it is.
    pub version: i64,
    /// Text of 0 to 63 bytes.
    pub note: String,
    /// The vector.
    pub vector: Vec<f32>,
}

impl Row {
    /// The row that a write of `version` to `id` writes.
    pub fn of(id: i64, version: i64) -> Row {
        let mut state = mix((id as u64) ^ mix(version as u64));
        let mut next = || {
            state = mix(state.wrapping_add(0x9e37_79b9_7f4a_7c15));
            state
        };
        let vector = (0..DIM).map(|_| (next() >> 40) as f32 / 65_536.0).collect();
        let note = "chaos".chars().cycle().take((next() % 64) as usize).collect();
        Row { id, owner: owner(id), version, note, vector }
    }

    /// Whether all values come from one write.
    pub fn is_whole(&self) -> bool {
        *self == Row::of(self.id, self.version)
    }
}

/// The writer that owns a key.
pub fn owner(id: i64) -> i64 {
    id >> 32
}

/// The `n`-th key of a writer.
pub fn key(owner: usize, n: usize) -> i64 {
    ((owner as i64) << 32) | n as i64
}

/// The collection's fields.
pub fn schema() -> CollectionSchema {
    CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("owner", DataType::Int64),
        FieldSchema::new("version", DataType::Int64),
        FieldSchema::new("note", DataType::VarChar { max_length: 64 }),
        FieldSchema::new("vector", DataType::FloatVector { dim: DIM as u32 }),
    ])
}

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
