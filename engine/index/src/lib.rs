//! Which rows are nearest to a vector: one trait, [`VectorIndex`], and the indexes behind it.
//!
//! Called by `engine/segment` (search, open) and by the index role (build). An index holds row numbers and
//! links; the vectors themselves stay in a shared [`VectorRows`], usually the mapped column file, so nothing is
//! stored twice.
//!
//! What holds for every implementation (one conformance suite, `src/conformance`):
//! - a search returns exactly `min(k, matches)` hits (P5), nearest first, equal distances by lower row;
//! - deleted rows are simply cleared in the filter; the index does not know deletes;
//! - the same rows, parameters and seed give the same bytes, whatever the number of threads;
//! - a recall that is asked for is given, by what was measured at the end of the build (`src/calibration`);
//! - a file that was changed on disk is refused with an error, never a panic or a wrong answer.
//!
//! It does *not* know primary keys, timestamps, segments, files (it reads and writes bytes handed to it) or an
//! async runtime, and takes no decision about when to build.

mod aligned;
mod calibration;
mod cold;
#[cfg(test)]
mod conformance;
mod container;
mod distances;
mod error;
mod estimate;
mod flat;
mod hnsw;
mod ivf;
mod kind;
mod kmeans;
mod make;
mod monitor;
mod params;
mod quant;
mod random;
mod range;
mod rows;
mod rows_header;
mod scan;
mod scorer;
mod search_params;
mod spec;
mod spec_words;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_left;
mod top_k;
mod twin;
mod vector_index;

pub use error::{Error, Result};
pub use estimate::build_bytes;
pub use flat::{Flat, flat_search};
pub use hnsw::{GrowingHnsw, Hnsw};
pub use ivf::IvfFlat;
pub use kind::IndexKind;
pub use make::{build, open, open_mapped};
pub use monitor::{BuildMonitor, Unwatched};
pub use range::Range;
pub use rows::{Rows, VectorRows};
pub use search_params::SearchParams;
pub use spec::{AUTOINDEX_FLAT_BELOW, IndexSpec, SUPPORTED_TYPES};
pub use spec_words::{PqShape, REFINE_TYPES, Refine, SQ_TYPES, SqType};
pub use top_k::{Hit, TopK};
pub use twin::Hnswlib;
pub use vector_index::{SearchOutcome, SearchStats, Strategy, VectorIndex};
