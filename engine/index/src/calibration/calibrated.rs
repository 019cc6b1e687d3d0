//! An index with its curve: takes a recall for a parameter, and says what recall to expect.

use super::LEVELS;
use super::curve::RecallCurve;
use super::effort::{Effort, reach};
use super::measure::measure;
use crate::container::WORDS_AT;
use crate::{
    BuildMonitor, Error, IndexKind, IndexSpec, Result, SearchOutcome, SearchParams, VectorIndex, VectorRows,
    flat,
};
use std::io::Write;
use std::sync::Arc;
use vecraft_types::{Bitmap, Metric};
use xxhash_rust::xxh3::xxh3_64;

/// Start of a file whose index has a curve before it:
/// ```text
/// 0    magic   8 bytes "VCCURVE\n"
/// 8    version u32 LE
/// 12   length  u32 LE  of the curve
/// 16   curve   ...
/// +0   xxh3    u64 LE  of everything before it
/// +8   zeros   ...     up to a multiple of 64
/// ...  index   ...     a whole index file
/// ```
const MAGIC: &[u8; 8] = b"VCCURVE\n";
/// Newest version of a curve; raised when its layout changes.
const VERSION: u32 = 2;
/// The first version with zeros before the index.
const VERSION_ALIGNED: u32 = 2;
const HEAD: usize = 16;
const SUM: usize = 8;

/// Any index that does not compare every row anyway.
pub(crate) struct Calibrated {
    inner: Arc<dyn VectorIndex>,
    curve: Option<RecallCurve>,
}

impl Calibrated {
    /// Measures the curve of an index that was built.
    ///
    /// # Errors
    /// Those of [`measure`].
    pub(crate) fn new(inner: Arc<dyn VectorIndex>, monitor: &dyn BuildMonitor) -> Result<Calibrated> {
        let curve = measure(&*inner, monitor)?;
        Ok(Calibrated { inner, curve })
    }

    /// What the search asks for, if it asks for a recall; a level does where there is a curve.
    fn asked(&self, params: &SearchParams) -> Option<f32> {
        let level =
            params.level.filter(|_| self.curve.is_some()).and_then(|level| LEVELS.get(level.checked_sub(1)?));
        params.recall.or(level.copied())
    }

    /// Parameters by which the asked recall is reached, and what recall to expect; `None`: every match has to be compared.
    fn set(
        &self,
        params: &SearchParams,
        reach: usize,
        filter: Option<&Bitmap>,
    ) -> Option<(SearchParams, Option<f32>)> {
        let Some(recall) = self.asked(params) else { return Some((*params, None)) };
        // A sample cannot promise everything.
        let curve = self.curve.as_ref().filter(|_| recall < 1.0)?;
        let effort = curve.effort(reach, recall)?;
        let told = curve.recall(reach, effort);
        Some((effort.under(&*self.inner, filter).set(&*self.inner, *params), told))
    }

    /// What to expect of a search that did not compare every match.
    fn estimate(&self, params: &SearchParams, k: usize, reach: usize) -> Option<f32> {
        let effort = Effort::of(params, &*self.inner, k)?;
        self.curve.as_ref()?.recall(reach, effort)
    }
}

impl VectorIndex for Calibrated {
    fn kind(&self) -> IndexKind {
        self.inner.kind()
    }

    fn spec(&self) -> IndexSpec {
        self.inner.spec()
    }

    fn metric(&self) -> Metric {
        self.inner.metric()
    }

    fn rows(&self) -> &VectorRows {
        self.inner.rows()
    }

    fn memory_bytes(&self) -> usize {
        self.inner.memory_bytes()
    }

    fn code_bytes(&self) -> usize {
        self.inner.code_bytes()
    }

    fn search_explained(
        &self,
        query: &[f32],
        k: usize,
        params: &SearchParams,
        filter: Option<&Bitmap>,
    ) -> Result<SearchOutcome> {
        let reach = reach(&*self.inner, k, filter);
        let Some((params, told)) = self.set(params, reach, filter) else {
            return flat::exact_or_left(self.inner.rows(), self.inner.metric(), query, k, params, filter);
        };
        let mut outcome = self.inner.search_explained(query, k, &params, filter)?;
        outcome.stats.recall = outcome.stats.recall.or(told).or_else(|| self.estimate(&params, k, reach));
        Ok(outcome)
    }

    fn can_overlook(&self, row: u32) -> bool {
        self.inner.can_overlook(row)
    }

    fn search_overlooking(
        &self,
        row: u32,
        query: &[f32],
        k: usize,
        params: &SearchParams,
    ) -> Result<SearchOutcome> {
        self.inner.search_overlooking(row, query, k, params)
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        if let Some(curve) = &self.curve {
            let curve = curve.to_bytes();
            let mut head = Vec::with_capacity(HEAD + curve.len() + SUM);
            head.extend_from_slice(MAGIC);
            head.extend_from_slice(&VERSION.to_le_bytes());
            head.extend_from_slice(&(curve.len() as u32).to_le_bytes());
            head.extend_from_slice(&curve);
            head.extend_from_slice(&xxh3_64(&head).to_le_bytes());
            head.resize(head.len().next_multiple_of(WORDS_AT), 0);
            out.write_all(&head)?;
        }
        self.inner.save(out)
    }
}

impl std::fmt::Debug for Calibrated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

/// Takes the curve, if there is one, off the front of a file; the index's own file follows.
///
/// # Errors
/// [`Error::Corrupt`].
fn split(file: &[u8]) -> Result<(Option<RecallCurve>, &[u8])> {
    if !file.starts_with(MAGIC) {
        return Ok((None, file));
    }
    let short = || Error::corrupt("the recall curve ends early");
    let (words, _) = file.get(MAGIC.len()..HEAD).ok_or_else(short)?.as_chunks::<4>();
    let &[version, length] = words else { return Err(short()) };
    let end = HEAD + u32::from_le_bytes(length) as usize;
    let sum = file.get(end..).and_then(|rest| rest.first_chunk::<SUM>()).ok_or_else(short)?;
    let computed = xxh3_64(&file[..end]);
    if u64::from_le_bytes(*sum) != computed {
        return Err(Error::corrupt(format!("checksum of the recall curve is {computed:016x}")));
    }
    let start = match u32::from_le_bytes(version) {
        VERSION_ALIGNED => (end + SUM).next_multiple_of(WORDS_AT),
        1 => end + SUM,
        got => return Err(Error::Version { got, supported: VERSION }),
    };
    let (between, index) = file[end + SUM..].split_at_checked(start - end - SUM).ok_or_else(short)?;
    // No checksum is over them.
    if between.iter().any(|byte| *byte != 0) {
        return Err(Error::corrupt("no zeros between the recall curve and the index"));
    }
    Ok((Some(RecallCurve::read(&file[HEAD..end])?), index))
}

/// Opens a file with or without a curve; `inner` opens the index in it.
///
/// # Errors
/// [`Error::Corrupt`], and those of `inner`.
pub(crate) fn open(
    file: &[u8],
    inner: impl FnOnce(&[u8]) -> Result<Arc<dyn VectorIndex>>,
) -> Result<Arc<dyn VectorIndex>> {
    let (curve, file) = split(file)?;
    let inner = inner(file)?;
    Ok(match inner.kind() {
        IndexKind::Flat | IndexKind::Hnswlib => inner,
        _ => Arc::new(Calibrated { inner, curve }),
    })
}
