//! How two vectors are compared.

use serde::{Deserialize, Serialize};

/// The similarity or distance between two dense vectors, in Milvus's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Metric {
    /// Squared Euclidean distance (no root); smaller is nearer.
    L2,
    /// Inner product; larger is nearer.
    Ip,
    /// Cosine similarity in [-1, 1]; larger is nearer. A zero vector has similarity 0 with everything.
    Cosine,
}

impl Metric {
    /// Reads Milvus's name, ignoring case (`l2`, `IP`, `Cosine`).
    pub fn parse(name: &str) -> Option<Metric> {
        [Metric::L2, Metric::Ip, Metric::Cosine].into_iter().find(|m| m.name().eq_ignore_ascii_case(name))
    }

    /// Milvus's name in upper case.
    pub fn name(self) -> &'static str {
        match self {
            Metric::L2 => "L2",
            Metric::Ip => "IP",
            Metric::Cosine => "COSINE",
        }
    }

    /// True when a larger value means a nearer vector.
    pub fn larger_is_nearer(self) -> bool {
        self != Metric::L2
    }
}
