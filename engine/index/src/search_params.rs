//! Search parameters: read against the declared index type, applied to whatever a segment has.

use crate::params::Params;
use crate::quant::Unasked;
use crate::{Error, IndexSpec, Refine, Result};
use std::collections::BTreeMap;

/// Breadth of a graph walk when the user says nothing.
const EF_DEFAULT: usize = 64;
/// Lists read when the user says nothing.
const NPROBE_DEFAULT: usize = 8;

/// Candidates whose exact distance is taken at most, unless the limit is more: some 24 bytes each for as long as a search
/// takes, so 1.5 MiB, whatever is asked of a segment of any size (I21).
pub(crate) const CANDIDATES_MAX: usize = 1 << 16;

/// How hard to look. One value serves all segments of a collection, whatever index each has; what does not
/// concern an index is not used by it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SearchParams {
    /// Breadth of the graph walk (HNSW and its kin), in candidates.
    pub ef: Option<usize>,
    /// Lists read (IVF_FLAT and its kin).
    pub nprobe: Option<usize>,
    /// `AUTOINDEX`: effort from 1 (fast) to 10 (thorough).
    pub level: Option<usize>,
    /// The share of the true neighbours to be found, above 0 to 1: sets all other parameters by what was measured when
    /// the index was built. 1 compares every match.
    pub recall: Option<f32>,
    /// So many times more candidates than unasked get their exact distance; set by who knows what that brings.
    pub refine_times: Option<usize>,
    /// As many as for this limit, if it is more than the search's own.
    pub refine_for: Option<usize>,
    /// Candidates whose exact distance is taken, as a multiple of the limit (indexes of codes). At most 65,536 are taken, or the
    /// limit if it is more; who wants every row compared asks for a recall of 1.
    pub refine_k: Option<f32>,
    /// The same as a number (SCANN).
    pub reorder_k: Option<usize>,
    /// Bits of a query's numbers, 1 to 8; 0, the default, leaves them as they are (IVF_RABITQ).
    pub rbq_query_bits: Option<usize>,
    /// Comparing every match is left to the caller when their rows have more bytes together than this: the caller
    /// has more threads for it and knows when the answer is not wanted any more; see
    /// [`SearchStats::left`](crate::SearchStats::left). `None`: the index does it itself.
    pub leaves_above: Option<usize>,
}

/// What Milvus 2.6 and its documentation call the bits of a query; either is taken.
const QUERY_BITS: [&str; 2] = ["rbq_query_bits", "rbq_bits_query"];

impl SearchParams {
    /// Reads the parameters of a search with limit `k` on a field whose index was declared as `spec`.
    /// `ef` and `reorder_k` must be at least `k`, `nprobe` from 1 to `nlist`, `refine_k` at least 1, `recall`
    /// above 0 to 1 and with nothing beside it; unknown keys are errors. The caller removes what
    /// belongs to the request (`metric_type`, `radius`, `offset`, ...).
    pub fn parse(spec: &IndexSpec, k: usize, params: &BTreeMap<String, String>) -> Result<SearchParams> {
        let mut keys = Params::new(params);
        let mut out = SearchParams::default();
        match spec {
            IndexSpec::Flat => {}
            IndexSpec::Hnsw { .. } | IndexSpec::Hnswlib { .. } => {
                out.ef = keys.integer("ef", 1..=i32::MAX as usize)?;
            }
            IndexSpec::HnswSq { .. } | IndexSpec::HnswPq { .. } => {
                out.ef = keys.integer("ef", 1..=i32::MAX as usize)?;
                out.refine_k = keys.at_least_one("refine_k")?;
            }
            IndexSpec::IvfFlat { nlist, .. } | IndexSpec::BinIvfFlat { nlist, .. } => {
                out.nprobe = keys.integer("nprobe", 1..=*nlist)?;
            }
            IndexSpec::IvfSq8 { nlist, .. } | IndexSpec::IvfPq { nlist, .. } => {
                out.nprobe = keys.integer("nprobe", 1..=*nlist)?;
                out.refine_k = keys.at_least_one("refine_k")?;
            }
            IndexSpec::IvfRabitq { nlist, .. } => {
                out.nprobe = keys.integer("nprobe", 1..=*nlist)?;
                out.refine_k = keys.at_least_one("refine_k")?;
                for name in QUERY_BITS {
                    out.rbq_query_bits = keys.integer(name, 0..=8)?.or(out.rbq_query_bits);
                }
            }
            IndexSpec::Scann { nlist, .. } => {
                out.nprobe = keys.integer("nprobe", 1..=*nlist)?;
                out.reorder_k = keys.integer("reorder_k", 1..=i32::MAX as usize)?;
            }
            IndexSpec::Auto | IndexSpec::AutoGraph { .. } => {
                out.ef = keys.integer("ef", 1..=i32::MAX as usize)?;
                out.level = keys.integer("level", 1..=10)?;
            }
        }
        out.recall = keys.share("recall")?;
        for (name, given) in [("ef", out.ef), ("reorder_k", out.reorder_k)] {
            if let Some(given) = given.filter(|given| *given < k) {
                let reason = format!("must be at least the limit, {k}, and at most {}", i32::MAX);
                return Err(Error::parameter(name, &given.to_string(), reason));
            }
        }
        keys.finish(spec.type_name())?;
        out.check_recall(spec, params)?;
        Ok(out)
    }

    /// A recall says it all: nothing beside it. So does a level.
    fn check_recall(&self, spec: &IndexSpec, params: &BTreeMap<String, String>) -> Result<()> {
        if let (Some(_), Some(ef)) = (self.level, self.ef) {
            return Err(Error::parameter("ef", &ef.to_string(), "level sets it; give one of them"));
        }
        let Some(recall) = self.recall else { return Ok(()) };
        if matches!(spec, IndexSpec::Hnswlib { .. }) {
            let reason = "HNSWLIB does not know its recall; give ef, or use HNSW";
            return Err(Error::parameter("recall", &recall.to_string(), reason));
        }
        match params.iter().find(|(key, _)| *key != "recall") {
            None => Ok(()),
            Some((key, value)) => Err(Error::parameter(key, value, "recall sets it; give one of them")),
        }
    }

    /// Breadth to use for `k` answers among `rows`: never below `k`, never above the rows there are.
    pub(crate) fn ef_for(&self, k: usize, rows: usize) -> usize {
        let by_level = self.level.map(|level| k.max(EF_DEFAULT / 2).saturating_mul(level));
        let ef = self.ef.or(by_level).unwrap_or_else(|| EF_DEFAULT.max(k.saturating_add(k / 4)));
        ef.max(k).min(rows.max(1))
    }

    /// Candidates by codes, of at most `seen`, whose exact distance is taken for `k` answers; see [`CANDIDATES_MAX`].
    pub(crate) fn refined_for(&self, k: usize, seen: usize, refine: Refine, unasked: Unasked) -> usize {
        self.asked_for(k, seen, refine, unasked).min(CANDIDATES_MAX.max(k))
    }

    fn asked_for(&self, k: usize, seen: usize, refine: Refine, unasked: Unasked) -> usize {
        if let Some(reorder_k) = self.reorder_k {
            return reorder_k;
        }
        let (more, given) = (self.refine_times.unwrap_or(1), k);
        let k = k.max(self.refine_for.unwrap_or(0));
        match (self.refine_k, refine) {
            (Some(times), _) => (given as f64 * f64::from(times)).ceil() as usize,
            (None, Refine::Off) => seen.min(k.saturating_mul(more)),
            (None, _) => {
                let unasked = k.saturating_mul(unasked.times).max(unasked.least);
                seen.min(unasked.saturating_mul(more))
            }
        }
    }

    /// Lists to read of `nlist`.
    pub(crate) fn nprobe_for(&self, nlist: usize) -> usize {
        self.nprobe.unwrap_or(NPROBE_DEFAULT).clamp(1, nlist.max(1))
    }
}
