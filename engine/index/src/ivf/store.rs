//! The codes of lists: what a coded index reads instead of rows.

use super::lists::Lists;
use crate::container::{Reader, Writer};
use crate::distances::Distances;
use crate::quant::{Codes, Layout, Quantizer, Unasked};
use crate::scorer::Scorer;
use crate::{Result, SearchParams, VectorRows};
use rayon::prelude::*;
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

    fn memory_bytes(&self) -> usize;

    fn write(&self, writer: &mut Writer<'_>) -> Result<()>;

    fn read(reader: &mut Reader<'_>, metric: Metric, rows: &VectorRows, nlist: usize) -> Result<Self>;
}

/// Code rows in list order; of centred codes also the lists' centres.
pub(crate) struct Listed<Q> {
    codes: Codes<Q>,
    /// Centres made ready, `width` values a list.
    centres: Vec<f32>,
    width: usize,
}

impl<Q: Quantizer> Listed<Q> {
    /// Codes all rows. `train` gets the mean of each list (COSINE: of unit vectors), if codes are relative to them.
    pub(super) fn build(
        scorer: &Scorer,
        lists: &Lists,
        train: impl FnOnce(&[Vec<f32>]) -> Result<Q>,
    ) -> Result<Listed<Q>> {
        let centred = if Q::IS_CENTRED { lists.len() as u32 } else { 0 };
        let means: Vec<Vec<f32>> =
            (0..centred).into_par_iter().map(|list| scorer.mean(lists.rows(list))).collect();
        let quantizer = train(&means)?;
        let centres: Vec<Vec<f32>> = means.par_iter().map(|mean| quantizer.centre(mean)).collect();
        let width = centres.first().map_or(0, Vec::len);
        let centres = centres.concat();
        let list_of = lists.list_of_positions();
        let at = |place: u32| {
            let list = list_of[place as usize] as usize;
            (lists.members()[place as usize], &centres[list * width..(list + 1) * width])
        };
        let codes = Codes::build_in_order(quantizer, scorer, Layout::Packed, at)?;
        Ok(Listed { codes, centres, width })
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
        let centre = &self.centres[list as usize * self.width..][..self.width];
        let base = self.codes.quantizer.base(query, centre);
        self.codes.many(query, positions, out);
        // NaN, from rows that leave the range of f32, counts as infinitely far.
        out.iter_mut().for_each(|distance| *distance = (*distance + base).min(f32::INFINITY));
    }

    fn memory_bytes(&self) -> usize {
        self.codes.memory_bytes() + size_of_val(self.centres.as_slice())
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<()> {
        writer.u64(self.width as u64)?;
        writer.slice(&self.centres)?;
        self.codes.write(writer)
    }

    fn read(reader: &mut Reader<'_>, metric: Metric, rows: &VectorRows, nlist: usize) -> Result<Self> {
        let width = reader.u64()? as usize;
        let wanted = if Q::IS_CENTRED && nlist > 0 { rows.dim() } else { 0 };
        if width != wanted {
            return Err(crate::Error::corrupt(format!("centres of {width} values, expected {wanted}")));
        }
        let centres = reader.slice(nlist * width, "centres of lists")?;
        let codes = Codes::read(reader, metric, rows, Layout::Packed)?;
        Ok(Listed { codes, centres, width })
    }
}
