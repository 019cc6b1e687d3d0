//! What an index is: the name users write, and the number in the file header.

/// What an index is, once `AUTOINDEX` has been decided. The number is the one in the file header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum IndexKind {
    /// Exact scan.
    Flat = 1,
    /// Our graph.
    Hnsw = 2,
    /// Inverted lists around k-means centroids, vectors as they are.
    IvfFlat = 3,
    /// hnswlib-rs behind the same trait: the twin in tests and benches.
    Hnswlib = 4,
    /// Our graph over scalar codes, with exact distances for the nearest.
    HnswSq = 5,
    /// Inverted lists of codes of one byte a dimension, with exact distances for the nearest.
    IvfSq8 = 6,
    /// Inverted lists of product codes, with exact distances for the nearest.
    IvfPq = 7,
    /// Our graph over product codes, with exact distances for the nearest.
    HnswPq = 8,
    /// Inverted lists of one bit a dimension, with exact distances for the nearest.
    IvfRabitq = 9,
    /// Inverted lists of product codes of four bits, in blocks of 32 rows, with exact distances for the nearest.
    Scann = 10,
    /// Inverted lists of vectors of bits, as they are.
    BinIvfFlat = 11,
}

const ALL: [IndexKind; 11] = [
    IndexKind::Flat,
    IndexKind::Hnsw,
    IndexKind::IvfFlat,
    IndexKind::Hnswlib,
    IndexKind::HnswSq,
    IndexKind::IvfSq8,
    IndexKind::IvfPq,
    IndexKind::HnswPq,
    IndexKind::IvfRabitq,
    IndexKind::Scann,
    IndexKind::BinIvfFlat,
];

impl IndexKind {
    /// The name users write.
    pub fn name(self) -> &'static str {
        match self {
            IndexKind::Flat => "FLAT",
            IndexKind::Hnsw => "HNSW",
            IndexKind::IvfFlat => "IVF_FLAT",
            IndexKind::Hnswlib => "HNSWLIB",
            IndexKind::HnswSq => "HNSW_SQ",
            IndexKind::IvfSq8 => "IVF_SQ8",
            IndexKind::IvfPq => "IVF_PQ",
            IndexKind::HnswPq => "HNSW_PQ",
            IndexKind::IvfRabitq => "IVF_RABITQ",
            IndexKind::Scann => "SCANN",
            IndexKind::BinIvfFlat => "BIN_IVF_FLAT",
        }
    }

    /// The kind of a file header's number.
    pub(crate) fn from_number(number: u32) -> Option<IndexKind> {
        ALL.into_iter().find(|kind| *kind as u32 == number)
    }
}
