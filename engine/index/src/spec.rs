//! Milvus's index types and build parameters: read, checked, with errors that name the allowed range.

use crate::params::Params;
use crate::{Error, PqShape, Refine, Result, SqType};
use std::collections::BTreeMap;
use vecraft_types::schema::MMAP_ENABLED;

/// `AUTOINDEX` scans exactly below this many rows and builds a graph from there on.
pub const AUTOINDEX_FLAT_BELOW: usize = 4_000;

/// Index types a user can name, in the order errors list them.
pub const SUPPORTED_TYPES: [&str; 13] = [
    "AUTOINDEX",
    "BIN_FLAT",
    "BIN_IVF_FLAT",
    "FLAT",
    "HNSW",
    "HNSW_PQ",
    "HNSW_SQ",
    "HNSWLIB",
    "IVF_FLAT",
    "IVF_PQ",
    "IVF_RABITQ",
    "IVF_SQ8",
    "SCANN",
];

/// Seed of builds; fixed, so that replicas and rebuilds give the same bytes.
const SEED: u64 = 0x5EED_5EED_5EC7_0123;

/// Milvus's upper limit of an integer parameter.
const INT_MAX: usize = i32::MAX as usize;

/// An index type with its build parameters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IndexSpec {
    /// Exact scan; no parameters.
    Flat,
    /// Our graph.
    Hnsw {
        /// Links of a node on upper levels; level 0 has twice as many. 2..=2048, default 30.
        m: usize,
        /// Candidates considered for a node's links. At least 1, default 360.
        ef_construction: usize,
        /// Seed of levels and insertion order.
        seed: u64,
    },
    /// Our graph over codes.
    HnswSq {
        /// As for HNSW.
        m: usize,
        /// As for HNSW.
        ef_construction: usize,
        /// How values are coded; default SQ8.
        sq_type: SqType,
        /// Which distances the answers are chosen by; default FP32.
        refine: Refine,
        /// Seed of levels and insertion order.
        seed: u64,
    },
    /// Our graph over product codes.
    HnswPq {
        /// As for HNSW.
        m: usize,
        /// As for HNSW.
        ef_construction: usize,
        /// How vectors are cut; default 32 parts of 8 bits.
        shape: PqShape,
        /// Which distances the answers are chosen by; default FP32.
        refine: Refine,
        /// Seed of levels, insertion order and codebooks.
        seed: u64,
    },
    /// Inverted lists.
    IvfFlat {
        /// Number of lists. 1..=65536, default 128; never more than there are rows.
        nlist: usize,
        /// Seed of the k-means.
        seed: u64,
    },
    /// Inverted lists of vectors of bits.
    BinIvfFlat {
        /// As for IVF_FLAT.
        nlist: usize,
        /// Seed of the k-means.
        seed: u64,
    },
    /// Inverted lists of codes of one byte a dimension.
    IvfSq8 {
        /// As for IVF_FLAT.
        nlist: usize,
        /// Which distances the answers are chosen by; default FP32.
        refine: Refine,
        /// Seed of the k-means.
        seed: u64,
    },
    /// Inverted lists of product codes.
    IvfPq {
        /// As for IVF_FLAT.
        nlist: usize,
        /// How vectors are cut; `m` has no default.
        shape: PqShape,
        /// Which distances the answers are chosen by; default FP32.
        refine: Refine,
        /// Seed of the k-means.
        seed: u64,
    },
    /// Inverted lists of one bit a dimension.
    IvfRabitq {
        /// As for IVF_FLAT.
        nlist: usize,
        /// Which distances the answers are chosen by; default FP32.
        refine: Refine,
        /// Seed of the k-means and the rotation.
        seed: u64,
    },
    /// Inverted lists of product codes of four bits for two dimensions.
    Scann {
        /// As for IVF_FLAT.
        nlist: usize,
        /// Whether more than `limit` candidates get exact distances unasked; default true. Rows are there anyway.
        with_raw_data: bool,
        /// Seed of the k-means.
        seed: u64,
    },
    /// The twin: parameters as for HNSW.
    Hnswlib {
        /// Links of a node on upper levels.
        m: usize,
        /// Candidates considered for a node's links.
        ef_construction: usize,
        /// Seed of levels.
        seed: u64,
    },
    /// Decided by the number of rows when a segment is built: see [`IndexSpec::resolve`].
    Auto,
    /// What `AUTOINDEX` builds where a scan is too slow: HNSW_SQ, or HNSW when codes cannot tell the rows' neighbours
    /// apart, which is measured when it is built.
    AutoGraph {
        /// As for HNSW.
        m: usize,
        /// As for HNSW.
        ef_construction: usize,
        /// Seed of levels and insertion order.
        seed: u64,
    },
}

impl IndexSpec {
    /// Reads an index type (case does not matter; empty means `AUTOINDEX`) and its build parameters. The caller
    /// removes keys that are not build parameters (`index_type`, `metric_type`, ...); any other unknown key is
    /// an error.
    pub fn parse(index_type: &str, params: &BTreeMap<String, String>) -> Result<IndexSpec> {
        let mut keys = Params::new(params);
        // Where the file lies when it is used changes nothing in it.
        keys.pass(MMAP_ENABLED);
        let asked = index_type.to_ascii_uppercase();
        let spec = match asked.as_str() {
            "" | "AUTOINDEX" => IndexSpec::Auto,
            // The same scan, of bits: which of the names a field takes is the schema's rule.
            "FLAT" | "BIN_FLAT" => IndexSpec::Flat,
            "HNSW" | "HNSW_SQ" | "HNSW_PQ" | "HNSWLIB" => {
                let m = keys.integer("M", 2..=2048)?.unwrap_or(30);
                let ef_construction = keys.integer("efConstruction", 1..=INT_MAX)?.unwrap_or(360);
                let seed = SEED;
                match asked.as_str() {
                    "HNSW" => IndexSpec::Hnsw { m, ef_construction, seed },
                    "HNSWLIB" => IndexSpec::Hnswlib { m, ef_construction, seed },
                    "HNSW_PQ" => {
                        let (shape, refine) = (PqShape::take(&mut keys, Some(32))?, Refine::take(&mut keys)?);
                        IndexSpec::HnswPq { m, ef_construction, shape, refine, seed }
                    }
                    _ => {
                        let (sq_type, refine) = (SqType::take(&mut keys)?, Refine::take(&mut keys)?);
                        IndexSpec::HnswSq { m, ef_construction, sq_type, refine, seed }
                    }
                }
            }
            "IVF_FLAT" | "BIN_IVF_FLAT" | "IVF_SQ8" | "IVF_PQ" | "IVF_RABITQ" | "SCANN" => {
                let (nlist, seed) = (keys.integer("nlist", 1..=65_536)?.unwrap_or(128), SEED);
                match asked.as_str() {
                    "IVF_FLAT" => IndexSpec::IvfFlat { nlist, seed },
                    "BIN_IVF_FLAT" => IndexSpec::BinIvfFlat { nlist, seed },
                    "IVF_PQ" => {
                        let (shape, refine) = (PqShape::take(&mut keys, None)?, Refine::take(&mut keys)?);
                        IndexSpec::IvfPq { nlist, shape, refine, seed }
                    }
                    "IVF_RABITQ" => IndexSpec::IvfRabitq { nlist, refine: Refine::take(&mut keys)?, seed },
                    "SCANN" => {
                        let with_raw_data = keys.flag("with_raw_data")?.unwrap_or(true);
                        IndexSpec::Scann { nlist, with_raw_data, seed }
                    }
                    _ => IndexSpec::IvfSq8 { nlist, refine: Refine::take(&mut keys)?, seed },
                }
            }
            _ => {
                return Err(Error::UnsupportedType {
                    asked: index_type.to_owned(),
                    supported: SUPPORTED_TYPES.join(", "),
                });
            }
        };
        keys.finish(if asked == "BIN_FLAT" { "BIN_FLAT" } else { spec.type_name() })?;
        Ok(spec)
    }

    /// The type's name as users write it.
    pub fn type_name(&self) -> &'static str {
        match self {
            IndexSpec::Auto | IndexSpec::AutoGraph { .. } => "AUTOINDEX",
            IndexSpec::Flat => "FLAT",
            IndexSpec::Hnsw { .. } => "HNSW",
            IndexSpec::HnswSq { .. } => "HNSW_SQ",
            IndexSpec::HnswPq { .. } => "HNSW_PQ",
            IndexSpec::Hnswlib { .. } => "HNSWLIB",
            IndexSpec::IvfFlat { .. } => "IVF_FLAT",
            IndexSpec::BinIvfFlat { .. } => "BIN_IVF_FLAT",
            IndexSpec::IvfSq8 { .. } => "IVF_SQ8",
            IndexSpec::IvfPq { .. } => "IVF_PQ",
            IndexSpec::IvfRabitq { .. } => "IVF_RABITQ",
            IndexSpec::Scann { .. } => "SCANN",
        }
    }

    /// What to build for a segment of `rows` rows: `AUTOINDEX` becomes `FLAT` below [`AUTOINDEX_FLAT_BELOW`]
    /// and a graph from there; every other type is itself.
    pub fn resolve(&self, rows: usize) -> IndexSpec {
        match self {
            IndexSpec::Auto if rows < AUTOINDEX_FLAT_BELOW => IndexSpec::Flat,
            IndexSpec::Auto => IndexSpec::AutoGraph { m: 16, ef_construction: 200, seed: SEED },
            other => other.clone(),
        }
    }

    /// Refuses parameters that do not go with vectors of `dim` dimensions. [`crate::build`] takes them all the same and
    /// cuts unevenly; Milvus's rule is that `m` divides the dimension.
    pub fn check_dim(&self, dim: usize) -> Result<()> {
        match self {
            IndexSpec::IvfPq { shape, .. } | IndexSpec::HnswPq { shape, .. }
                if !dim.is_multiple_of(shape.m) =>
            {
                let reason = format!("must divide the dimension of the vectors, {dim}");
                Err(Error::parameter("m", &shape.m.to_string(), reason))
            }
            _ => Ok(()),
        }
    }

    /// The effective build parameters, for describe-index answers.
    pub fn params(&self) -> BTreeMap<String, String> {
        let graph = |m: usize, ef: usize| vec![("M", m.to_string()), ("efConstruction", ef.to_string())];
        let lists = |nlist: usize| vec![("nlist", nlist.to_string())];
        let cut = |shape: &PqShape| vec![("m", shape.m.to_string()), ("nbits", shape.nbits.to_string())];
        let pairs = match self {
            IndexSpec::Flat | IndexSpec::Auto | IndexSpec::AutoGraph { .. } => vec![],
            IndexSpec::Hnsw { m, ef_construction, .. } | IndexSpec::Hnswlib { m, ef_construction, .. } => {
                graph(*m, *ef_construction)
            }
            IndexSpec::HnswSq { m, ef_construction, sq_type, refine, .. } => {
                let sq_type = vec![("sq_type", sq_type.name().to_owned())];
                [graph(*m, *ef_construction), sq_type, refine.params()].concat()
            }
            IndexSpec::HnswPq { m, ef_construction, shape, refine, .. } => {
                [graph(*m, *ef_construction), cut(shape), refine.params()].concat()
            }
            IndexSpec::IvfFlat { nlist, .. } | IndexSpec::BinIvfFlat { nlist, .. } => lists(*nlist),
            IndexSpec::Scann { nlist, with_raw_data, .. } => {
                [lists(*nlist), vec![("with_raw_data", with_raw_data.to_string())]].concat()
            }
            IndexSpec::IvfSq8 { nlist, refine, .. } | IndexSpec::IvfRabitq { nlist, refine, .. } => {
                [lists(*nlist), refine.params()].concat()
            }
            IndexSpec::IvfPq { nlist, shape, refine, .. } => {
                [lists(*nlist), cut(shape), refine.params()].concat()
            }
        };
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}
