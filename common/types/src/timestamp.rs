//! Hybrid timestamps: milliseconds << 18 | logical, as in Milvus.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A hybrid timestamp. Orders entries of one group exactly as its log does (I9); says little across groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

const LOGICAL_BITS: u32 = 18;

impl Timestamp {
    /// Before everything.
    pub const ZERO: Timestamp = Timestamp(0);

    /// The first timestamp of a millisecond since the Unix epoch.
    pub fn from_millis(unix_ms: u64) -> Timestamp {
        Timestamp(unix_ms << LOGICAL_BITS)
    }

    /// The physical part: milliseconds since the Unix epoch.
    pub fn millis(self) -> u64 {
        self.0 >> LOGICAL_BITS
    }

    /// The smallest later timestamp. A full logical part carries into the milliseconds.
    pub fn next(self) -> Timestamp {
        Timestamp(self.0 + 1)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
