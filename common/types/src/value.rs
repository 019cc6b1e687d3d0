//! Single values: primary keys and scalars.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The value of a primary key field.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PrimaryKey {
    /// An int64 key.
    Int64(i64),
    /// A varchar key.
    VarChar(Arc<str>),
}

impl PrimaryKey {
    /// A hash that is the same on every machine and in every version: it decides the shard of a row.
    /// FNV-1a over the key's bytes followed by the MurmurHash3 finaliser, so that short keys spread too.
    pub fn stable_hash(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut feed = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        match self {
            PrimaryKey::Int64(key) => feed(&key.to_le_bytes()),
            PrimaryKey::VarChar(key) => feed(key.as_bytes()),
        }
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ (hash >> 33)
    }

    /// The shard, of `shard_count` (at least 1), that owns this key.
    pub fn shard_index(&self, shard_count: u32) -> u32 {
        (self.stable_hash() % u64::from(shard_count.max(1))) as u32
    }
}

impl fmt::Display for PrimaryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PrimaryKey::Int64(key) => write!(f, "{key}"),
            PrimaryKey::VarChar(key) => write!(f, "{key:?}"),
        }
    }
}

/// A scalar value as it appears in defaults and filters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// Absent.
    Null,
    /// true or false.
    Bool(bool),
    /// Any of the integer types.
    Int(i64),
    /// float or double.
    Float(f64),
    /// varchar.
    Str(String),
    /// JSON text (kept as text so that the type can be sent with any codec).
    Json(String),
}
