//! Milvus's index types and build parameters: read, checked, with errors that name the allowed range.

use crate::{Error, Refine, Result, SqType};
use std::collections::BTreeMap;

/// `AUTOINDEX` scans exactly below this many rows and builds a graph from there on.
pub const AUTOINDEX_FLAT_BELOW: usize = 4_000;

/// Index types a user can name, in the order errors list them.
pub const SUPPORTED_TYPES: [&str; 7] =
    ["AUTOINDEX", "BIN_FLAT", "FLAT", "HNSW", "HNSW_SQ", "HNSWLIB", "IVF_FLAT"];

/// Seed of builds; fixed, so that replicas and rebuilds give the same bytes.
const SEED: u64 = 0x5EED_5EED_5EC7_0123;

/// Milvus's upper limit of an integer parameter.
const INT_MAX: usize = i32::MAX as usize;

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
    /// Our graph over codes of one byte a dimension, with exact distances for the nearest.
    HnswSq = 5,
}

impl IndexKind {
    /// The name users write.
    pub fn name(self) -> &'static str {
        match self {
            IndexKind::Flat => "FLAT",
            IndexKind::Hnsw => "HNSW",
            IndexKind::IvfFlat => "IVF_FLAT",
            IndexKind::Hnswlib => "HNSWLIB",
            IndexKind::HnswSq => "HNSW_SQ",
        }
    }

    /// The kind of a file header's number.
    pub(crate) fn from_number(number: u32) -> Option<IndexKind> {
        [IndexKind::Flat, IndexKind::Hnsw, IndexKind::IvfFlat, IndexKind::Hnswlib, IndexKind::HnswSq]
            .into_iter()
            .find(|kind| *kind as u32 == number)
    }
}

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
    /// Inverted lists.
    IvfFlat {
        /// Number of lists. 1..=65536, default 128; never more than there are rows.
        nlist: usize,
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
        let asked = index_type.to_ascii_uppercase();
        let spec = match asked.as_str() {
            "" | "AUTOINDEX" => IndexSpec::Auto,
            // The same scan, of bits: which of the names a field takes is the schema's rule.
            "FLAT" | "BIN_FLAT" => IndexSpec::Flat,
            "HNSW" | "HNSW_SQ" | "HNSWLIB" => {
                let m = keys.integer("M", 2..=2048)?.unwrap_or(30);
                let ef_construction = keys.integer("efConstruction", 1..=INT_MAX)?.unwrap_or(360);
                let seed = SEED;
                match asked.as_str() {
                    "HNSW" => IndexSpec::Hnsw { m, ef_construction, seed },
                    "HNSWLIB" => IndexSpec::Hnswlib { m, ef_construction, seed },
                    _ => {
                        let (sq_type, refine) = (SqType::take(&mut keys)?, Refine::take(&mut keys)?);
                        IndexSpec::HnswSq { m, ef_construction, sq_type, refine, seed }
                    }
                }
            }
            "IVF_FLAT" => {
                IndexSpec::IvfFlat { nlist: keys.integer("nlist", 1..=65_536)?.unwrap_or(128), seed: SEED }
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
            IndexSpec::Hnswlib { .. } => "HNSWLIB",
            IndexSpec::IvfFlat { .. } => "IVF_FLAT",
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

    /// The effective build parameters, for describe-index answers.
    pub fn params(&self) -> BTreeMap<String, String> {
        let pairs = match self {
            IndexSpec::Flat | IndexSpec::Auto | IndexSpec::AutoGraph { .. } => vec![],
            IndexSpec::Hnsw { m, ef_construction, .. } | IndexSpec::Hnswlib { m, ef_construction, .. } => {
                vec![("M", *m), ("efConstruction", *ef_construction)]
            }
            IndexSpec::HnswSq { m, ef_construction, .. } => {
                vec![("M", *m), ("efConstruction", *ef_construction)]
            }
            IndexSpec::IvfFlat { nlist, .. } => vec![("nlist", *nlist)],
        };
        let words = match self {
            IndexSpec::HnswSq { sq_type, refine, .. } => {
                [vec![("sq_type", sq_type.name())], refine.params()].concat()
            }
            _ => vec![],
        };
        let numbers = pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_string()));
        numbers.chain(words.into_iter().map(|(key, word)| (key.to_owned(), word.to_owned()))).collect()
    }
}

/// User parameters, of which every one must be taken.
pub(crate) struct Params<'a> {
    all: &'a BTreeMap<String, String>,
    known: Vec<&'static str>,
}

impl<'a> Params<'a> {
    pub(crate) fn new(all: &'a BTreeMap<String, String>) -> Self {
        Params { all, known: Vec::new() }
    }

    /// An optional whole number within `range`.
    pub(crate) fn integer(
        &mut self,
        name: &'static str,
        range: std::ops::RangeInclusive<usize>,
    ) -> Result<Option<usize>> {
        self.known.push(name);
        let Some(text) = self.all.get(name) else { return Ok(None) };
        match text.trim().parse::<usize>() {
            Ok(value) if range.contains(&value) => Ok(Some(value)),
            _ => {
                let reason = format!("must be a whole number from {} to {}", range.start(), range.end());
                Err(Error::parameter(name, text, reason))
            }
        }
    }

    /// An optional number of at least 1, fractions allowed.
    pub(crate) fn at_least_one(&mut self, name: &'static str) -> Result<Option<f32>> {
        self.known.push(name);
        let Some(text) = self.all.get(name) else { return Ok(None) };
        match text.trim().parse::<f32>() {
            Ok(value) if value >= 1.0 && value.is_finite() => Ok(Some(value)),
            _ => Err(Error::parameter(name, text, "must be a number of at least 1")),
        }
    }

    /// An optional word of a list, in any case; its place in the list.
    pub(crate) fn word(&mut self, name: &'static str, words: &[&str]) -> Result<Option<usize>> {
        self.known.push(name);
        let Some(text) = self.all.get(name) else { return Ok(None) };
        match words.iter().position(|word| word.eq_ignore_ascii_case(text.trim())) {
            Some(at) => Ok(Some(at)),
            None => Err(Error::parameter(name, text, format!("must be one of {}", words.join(", ")))),
        }
    }

    /// Refuses what was not asked for.
    pub(crate) fn finish(self, type_name: &str) -> Result<()> {
        match self.all.iter().find(|(key, _)| !self.known.contains(&key.as_str())) {
            None => Ok(()),
            Some((key, value)) => {
                let known = if self.known.is_empty() { "none".to_owned() } else { self.known.join(", ") };
                Err(Error::parameter(key, value, format!("unknown for {type_name}; known: {known}")))
            }
        }
    }
}
