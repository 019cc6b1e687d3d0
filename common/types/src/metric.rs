//! How two vectors are compared.

use serde::{Deserialize, Serialize};

/// The similarity or distance between two vectors, in Milvus's terms. Which go with which type: [`DataType::metrics`].
///
/// [`DataType::metrics`]: crate::DataType::metrics
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Metric {
    /// Squared Euclidean distance (no root); smaller is nearer.
    L2,
    /// Inner product; larger is nearer.
    Ip,
    /// Cosine similarity in [-1, 1]; larger is nearer. A zero vector has similarity 0 with everything.
    Cosine,
    /// Number of bits that differ; smaller is nearer.
    Hamming,
    /// One less the share of bits set in both among bits set in either, in [0, 1]; smaller is nearer. Two vectors
    /// without any bit are equal.
    Jaccard,
}

impl Metric {
    /// All of them.
    pub const ALL: [Metric; 5] = [Metric::L2, Metric::Ip, Metric::Cosine, Metric::Hamming, Metric::Jaccard];

    /// Reads Milvus's name, ignoring case (`l2`, `IP`, `Cosine`).
    pub fn parse(name: &str) -> Option<Metric> {
        Metric::ALL.into_iter().find(|m| m.name().eq_ignore_ascii_case(name))
    }

    /// Milvus's name in upper case.
    pub fn name(self) -> &'static str {
        match self {
            Metric::L2 => "L2",
            Metric::Ip => "IP",
            Metric::Cosine => "COSINE",
            Metric::Hamming => "HAMMING",
            Metric::Jaccard => "JACCARD",
        }
    }

    /// True when a larger value means a nearer vector.
    pub fn larger_is_nearer(self) -> bool {
        matches!(self, Metric::Ip | Metric::Cosine)
    }
}
