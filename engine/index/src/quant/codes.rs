//! The code rows of a segment, each on a cache line of its own.

use super::Quantizer;
use crate::aligned::AlignedWords;
use crate::container::{Reader, Writer};
use crate::distances::Distances;
use crate::scorer::Scorer;
use crate::{Result, VectorRows};
use rayon::prelude::*;
use vecraft_kernel::prefetch_codes;
use vecraft_types::Metric;

/// Code rows start at multiples of this.
const LINE: usize = 64;

/// All rows as codes.
#[derive(Clone)]
pub(crate) struct Codes<Q> {
    pub(crate) quantizer: Q,
    len: usize,
    row_bytes: usize,
    stride: usize,
    words: AlignedWords,
}

impl<Q: Quantizer> Codes<Q> {
    /// Learns from the rows and codes them, in parallel on the current rayon pool; the outcome does not depend
    /// on threads.
    pub(crate) fn build(scorer: &Scorer) -> Result<Codes<Q>> {
        let mut codes = Codes::blank(Q::train(scorer), scorer.rows.len())?;
        let (row_bytes, stride) = (codes.row_bytes, codes.stride);
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(codes.words.as_mut_slice());
        bytes.par_chunks_exact_mut(stride).enumerate().for_each(|(row, out)| {
            let row = row as u32;
            codes.quantizer.encode(&scorer.rows.values(row), scorer.weight(row), &mut out[..row_bytes]);
        });
        Ok(codes)
    }

    fn blank(quantizer: Q, len: usize) -> Result<Codes<Q>> {
        let row_bytes = quantizer.row_bytes();
        let stride = row_bytes.next_multiple_of(LINE);
        Ok(Codes { quantizer, len, row_bytes, stride, words: AlignedWords::new(len * stride / 4, 0)? })
    }

    #[inline(always)]
    fn row(&self, row: u32) -> &[u8] {
        let bytes: &[u8] = bytemuck::cast_slice(self.words.as_slice());
        &bytes[row as usize * self.stride..][..self.row_bytes]
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.words.memory_bytes() + self.quantizer.memory_bytes()
    }

    pub(crate) fn write(&self, writer: &mut Writer<'_>) -> Result<()> {
        self.quantizer.write(writer)?;
        writer.slice(self.words.as_slice())
    }

    pub(crate) fn read(reader: &mut Reader<'_>, metric: Metric, rows: &VectorRows) -> Result<Codes<Q>> {
        let mut codes = Codes::blank(Q::read(reader, metric, rows)?, rows.len())?;
        let words = codes.words.as_mut_slice();
        let bytes = reader.slice_bytes::<u32>(words.len(), "codes")?;
        bytemuck::cast_slice_mut(words).copy_from_slice(bytes);
        Ok(codes)
    }
}

impl<Q: Quantizer> Distances for Codes<Q> {
    type Query<'q>
        = Q::Query<'q>
    where
        Q: 'q;

    fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn row_query(&self, row: u32) -> Q::Query<'_> {
        self.quantizer.row_query(self.row(row))
    }

    #[inline]
    fn one(&self, query: &Q::Query<'_>, row: u32) -> f32 {
        self.quantizer.one(query, self.row(row))
    }

    #[inline]
    fn four(&self, query: &Q::Query<'_>, ids: [u32; 4]) -> [f32; 4] {
        self.quantizer.four(query, ids.map(|id| self.row(id)))
    }

    #[inline(always)]
    fn prefetch(&self, row: u32) {
        prefetch_codes(self.row(row));
    }

    fn is_twin(&self, query: &Q::Query<'_>, _distance: f32, row: u32) -> bool {
        self.quantizer.is_twin(query, self.row(row))
    }
}
