//! PQ: a vector in `m` parts, each as the number of the nearest of `2^nbits` entries of the part's codebook.
//!
//! Codebooks come from the shared k-means over the parts of a sample of rows. A query becomes a table of its products
//! with every entry (ADC); a row's product is the sum of the `m` numbers its code names.
//! ```text
//! code   m numbers, as `adc::Width` says for nbits
//! book   of a part, turned: all first values of its entries, all second values, ...
//! ```
//! Parts differ by one dimension at most when `m` does not divide the dimension. There are never more entries than
//! sampled rows (65,536 at most), so more than 16 bits are those of 16.

use super::adc::Width;
use super::linear::Coder;
use super::{Frame, Linear, Unasked};
use crate::container::{Reader, Writer};
use crate::kmeans::{self, Values, lowest};
use crate::scorer::Scorer;
use crate::{BuildMonitor, Error, PqShape, Result, SearchParams, VectorRows};
use rayon::prelude::*;
use std::ops::Range;
use vecraft_kernel::Kernels;
use vecraft_types::Metric;

/// Sampled rows for each entry.
const SAMPLE_PER_ENTRY: usize = 64;
/// Sampled rows at most.
const SAMPLE_MAX: usize = 1 << 16;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Pq {
    shape: PqShape,
    dim: usize,
    width: Width,
    /// Part after part, `part dimensions * entries` values each.
    books: Vec<f32>,
    /// Half the squared length of each entry; infinite for padding, so that it is never the nearest.
    halves: Vec<f32>,
    kernels: &'static Kernels,
}

impl Pq {
    /// Learns from `count` centred rows; `values` appends some dimensions of one of them.
    pub(crate) fn train(
        shape: PqShape,
        dim: usize,
        count: usize,
        values: impl Fn(usize, Range<usize>, &mut Vec<f32>) + Sync,
        seed: u64,
        monitor: &dyn BuildMonitor,
    ) -> Result<Pq> {
        let shape = PqShape { m: shape.m.min(dim), nbits: shape.nbits };
        let most = 1usize << shape.nbits.min(16);
        let sampled = count.min(most.saturating_mul(SAMPLE_PER_ENTRY)).min(SAMPLE_MAX);
        let (trained, width) = (most.min(sampled), Width::of(shape.nbits));
        let entries = width.entries();
        let books: Vec<(Vec<f32>, Vec<f32>)> = (0..shape.m)
            .into_par_iter()
            .map(|part| {
                let range = part_range(dim, shape.m, part);
                let wide = range.len();
                let mut sample = Vec::with_capacity(sampled * wide);
                for i in 0..sampled {
                    values(i * count / sampled, range.clone(), &mut sample);
                }
                let scorer = Scorer::new(Metric::L2, VectorRows::from_vec(wide, sample)?);
                let packed = kmeans::train(&scorer, trained, Values::Centred, seed ^ part as u64, monitor)?;
                let mut book = vec![0.0; wide * entries];
                for (i, value) in packed.iter().enumerate() {
                    book[i % wide * entries + i / wide] = *value;
                }
                let mut halves = vec![f32::INFINITY; entries];
                for (half, entry) in halves.iter_mut().zip(packed.chunks_exact(wide)) {
                    *half = entry.iter().map(|x| x * x).sum::<f32>() / 2.0;
                }
                Ok((book, halves))
            })
            .collect::<Result<_>>()?;
        let (books, halves): (Vec<_>, Vec<_>) = books.into_iter().unzip();
        let (books, halves) = (books.concat(), halves.concat());
        Ok(Pq { shape, dim, width, books, halves, kernels: Kernels::active() })
    }

    /// [`Pq::train`] in the frame of the rows: `at` names the row at each place, and the mean it is coded relative to.
    pub(crate) fn learn<'m>(
        scorer: &Scorer,
        frame: Frame,
        shape: PqShape,
        at: impl Fn(usize) -> (u32, &'m [f32]) + Sync,
        seed: u64,
        monitor: &dyn BuildMonitor,
    ) -> Result<Linear<Pq>> {
        let (count, dim) = (scorer.rows.len(), scorer.rows.dim());
        let values = |place: usize, range: Range<usize>, out: &mut Vec<f32>| {
            let (row, mean) = at(place);
            let weight = scorer.weight(row);
            let values = scorer.rows.part(row, range.clone());
            out.extend(values.iter().zip(&mean[range]).map(|(x, mean)| x * weight - mean));
        };
        let pq = Pq::train(shape, dim, count, values, seed, monitor).map_err(|error| match error {
            Error::Cancelled { .. } => Error::Cancelled { done: 0, total: count },
            other => other,
        })?;
        Ok(Linear::new(frame, pq))
    }

    pub(crate) fn shape(&self) -> PqShape {
        self.shape
    }

    /// The number of a part in a code.
    pub(crate) fn number(&self, codes: &[u8], part: usize) -> usize {
        self.width.get(codes, part)
    }

    /// The book of a part.
    fn book(&self, range: &Range<usize>) -> &[f32] {
        let entries = self.width.entries();
        &self.books[range.start * entries..range.end * entries]
    }

    fn parts(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        (0..self.shape.m).map(|part| part_range(self.dim, self.shape.m, part))
    }
}

fn part_range(dim: usize, m: usize, part: usize) -> Range<usize> {
    part * dim / m..(part + 1) * dim / m
}

impl Coder for Pq {
    /// The table of products, part after part.
    type Query = Vec<f32>;

    const UNASKED: Unasked = Unasked { times: 10, least: 100 };

    fn code_bytes(&self) -> usize {
        self.width.row_bytes(self.shape.m)
    }

    fn encode(&self, y: &mut [f32], out: &mut [u8]) -> f32 {
        out.fill(0);
        let entries = self.width.entries();
        let mut dots = vec![0.0f32; entries];
        let mut squared = 0.0;
        for (part, range) in self.parts().enumerate() {
            let (book, halves) = (self.book(&range), &self.halves[part * entries..][..entries]);
            let y = &mut y[range];
            self.kernels.dot_columns(y, book, &mut dots);
            dots.iter_mut().zip(halves).for_each(|(dot, half)| *dot = half - *dot);
            let (number, _) = lowest(&dots);
            self.width.set(out, part, number);
            squared += 2.0 * halves[number as usize];
            y.iter_mut().zip(book[number as usize..].iter().step_by(entries)).for_each(|(y, x)| *y = *x);
        }
        squared
    }

    fn query(&self, p: &[f32], times: f32, _params: &SearchParams) -> Vec<f32> {
        let p: Vec<f32> = p.iter().map(|x| x * times).collect();
        let entries = self.width.entries();
        let mut table = vec![0.0f32; self.shape.m * entries];
        for (range, out) in self.parts().zip(table.chunks_exact_mut(entries)) {
            self.kernels.dot_columns(&p[range.clone()], self.book(&range), out);
        }
        table
    }

    #[inline(always)]
    fn product(&self, table: &Vec<f32>, codes: &[u8]) -> f32 {
        let [sum] = self.width.sums(table, [codes]);
        sum
    }

    #[inline(always)]
    fn products(&self, table: &Vec<f32>, rows: [&[u8]; 4]) -> [f32; 4] {
        self.width.sums(table, rows)
    }

    fn memory_bytes(&self) -> usize {
        size_of_val(self.books.as_slice()) + size_of_val(self.halves.as_slice())
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<()> {
        writer.u64(self.shape.m as u64)?;
        writer.u64(self.shape.nbits as u64)?;
        writer.slice(&self.books)?;
        writer.slice(&self.halves)
    }

    fn read(reader: &mut Reader<'_>, dim: usize) -> Result<Pq> {
        let shape = PqShape { m: reader.u64()? as usize, nbits: reader.u64()? as usize };
        if !(1..=dim).contains(&shape.m) || !(1..=24).contains(&shape.nbits) {
            let text = format!("{} parts of {} bits for {dim} dimensions", shape.m, shape.nbits);
            return Err(Error::corrupt(text));
        }
        let width = Width::of(shape.nbits);
        let books = reader.slice(dim * width.entries(), "codebooks")?;
        let halves = reader.slice(shape.m * width.entries(), "lengths of entries")?;
        Ok(Pq { shape, dim, width, books, halves, kernels: Kernels::active() })
    }
}
