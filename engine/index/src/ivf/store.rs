//! The codes of lists: what a coded index reads instead of rows.

use super::lists::Lists;
use crate::container::{Reader, Writer};
use crate::distances::Distances;
use crate::quant::{Codes, Layout, Quantizer, Unasked};
use crate::scorer::Scorer;
use crate::{Result, SearchParams, VectorRows};
use rayon::prelude::*;
use std::ops::Range;
use vecraft_types::Metric;

/// Codes of all rows by position, and how far a query is from them.
///
/// Contract: never NaN; the same query and position give the same distance, alone or among others.
pub(crate) trait Store: Send + Sync + Sized {
    /// A query made ready.
    type Query<'q>
    where
        Self: 'q;

    /// Candidates refined unasked.
    const UNASKED: Unasked;

    /// A query of raw values made ready.
    fn query(&self, values: &[f32], params: &SearchParams) -> Self::Query<'_>;

    /// Distances of ascending positions of one list into `out` (cleared first), comparable among all lists.
    fn distances(&self, query: &Self::Query<'_>, list: u32, positions: &[u32], out: &mut Vec<f32>);

    /// Whether a mapped file has the codes.
    fn is_mapped(&self) -> bool {
        false
    }

    /// Asks for the pages of the codes at some positions, which are probably not in memory.
    fn fetch(&self, _positions: Range<u32>) {}

    fn memory_bytes(&self) -> usize;

    /// Bytes of a row's code.
    fn row_bytes(&self) -> usize;

    fn write(&self, writer: &mut Writer<'_>) -> Result<()>;

    fn read(reader: &mut Reader<'_>, metric: Metric, rows: &VectorRows, lists: &Lists) -> Result<Self>;
}

/// The lists' centres made ready for a quantizer: empty when its codes do not depend on the list.
pub(crate) struct Centres {
    values: Vec<f32>,
    width: usize,
}

impl Centres {
    /// Learns a quantizer and makes its centres. `train` gets the mean of each list (COSINE: of unit vectors), if codes
    /// are relative to them.
    pub(super) fn learn<Q: Quantizer>(
        scorer: &Scorer,
        lists: &Lists,
        train: impl FnOnce(&[Vec<f32>]) -> Result<Q>,
    ) -> Result<(Q, Centres)> {
        let centred = if Q::IS_CENTRED { lists.len() as u32 } else { 0 };
        let means: Vec<Vec<f32>> =
            (0..centred).into_par_iter().map(|list| scorer.mean(lists.rows(list))).collect();
        let quantizer = train(&means)?;
        let centres: Vec<Vec<f32>> = means.par_iter().map(|mean| quantizer.centre(mean)).collect();
        let width = centres.first().map_or(0, Vec::len);
        Ok((quantizer, Centres { values: centres.concat(), width }))
    }

    pub(super) fn of(&self, list: u32) -> &[f32] {
        &self.values[list as usize * self.width..][..self.width]
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(self.values.as_slice())
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<()> {
        writer.slice(&self.values)
    }

    /// Reads the centres of `nlist` lists, of `width` values each.
    pub(super) fn read(reader: &mut Reader<'_>, nlist: usize, width: usize) -> Result<Centres> {
        Ok(Centres { values: reader.slice(nlist * width, "centres of lists")?, width })
    }
}

/// Code rows in list order.
pub(crate) struct Listed<Q> {
    codes: Codes<Q>,
    centres: Centres,
}

impl<Q: Quantizer> Listed<Q> {
    /// Codes all rows; `train` as for [`Centres::learn`].
    pub(super) fn build(
        scorer: &Scorer,
        lists: &Lists,
        train: impl FnOnce(&[Vec<f32>]) -> Result<Q>,
    ) -> Result<Listed<Q>> {
        let (quantizer, centres) = Centres::learn(scorer, lists, train)?;
        let list_of = lists.list_of_positions();
        let at = |place: u32| (lists.members()[place as usize], centres.of(list_of[place as usize]));
        let codes = Codes::build_in_order(quantizer, scorer, Layout::Packed, at)?;
        Ok(Listed { codes, centres })
    }

    /// What the codes mean.
    pub(super) fn quantizer(&self) -> &Q {
        &self.codes.quantizer
    }
}

impl<Q: Quantizer> Store for Listed<Q> {
    type Query<'q>
        = Q::Query<'q>
    where
        Q: 'q;

    const UNASKED: Unasked = Q::UNASKED;

    fn query(&self, values: &[f32], params: &SearchParams) -> Q::Query<'_> {
        self.codes.quantizer.query(values, params)
    }

    fn distances(&self, query: &Q::Query<'_>, list: u32, positions: &[u32], out: &mut Vec<f32>) {
        let base = self.codes.quantizer.base(query, self.centres.of(list));
        self.codes.many(query, positions, out);
        // NaN, from rows that leave the range of f32, counts as infinitely far.
        out.iter_mut().for_each(|distance| *distance = (*distance + base).min(f32::INFINITY));
    }

    fn is_mapped(&self) -> bool {
        self.codes.is_mapped()
    }

    fn fetch(&self, positions: Range<u32>) {
        self.codes.fetch_run(positions);
    }

    fn memory_bytes(&self) -> usize {
        self.codes.memory_bytes() + self.centres.memory_bytes()
    }

    fn row_bytes(&self) -> usize {
        self.codes.row_bytes()
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<()> {
        self.centres.write(writer)?;
        self.codes.write(writer)
    }

    fn read(reader: &mut Reader<'_>, metric: Metric, rows: &VectorRows, lists: &Lists) -> Result<Self> {
        let width = if Q::IS_CENTRED { rows.dim() } else { 0 };
        let centres = Centres::read(reader, lists.len(), width)?;
        let codes = Codes::read(reader, metric, rows, Layout::Packed)?;
        Ok(Listed { codes, centres })
    }
}
