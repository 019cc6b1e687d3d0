//! SCANN's codes: product codes of four bits, 32 rows of a list in a block, so that one shuffle looks up 32 of them.
//!
//! A query's table becomes bytes, `entry ~ lowest of its part + step * byte` with one step for all parts: a row's sum is
//! then a whole number. The step is a 255th of the widest part's range, an error far below that of the codes.

use super::lists::Lists;
use super::store::{Centres, Store};
use crate::container::{Reader, Writer};
use crate::quant::{Linear, LinearQuery, Pq, Quantizer, Unasked, split};
use crate::scorer::Scorer;
use crate::{Error, Result, SearchParams, VectorRows};
use rayon::prelude::*;
use vecraft_kernel::{Kernels, SHUFFLE_PARTS, SHUFFLE_ROWS};
use vecraft_types::Metric;

/// Bytes of a part in a block, and of a part's table: 16 entries.
const PART: usize = 16;

/// Product codes of all rows by position, in blocks.
pub(crate) struct Blocks {
    linear: Linear<Pq>,
    centres: Centres,
    /// The first position of each list, and its first block.
    starts: Vec<(u32, u32)>,
    /// Bytes of a block: parts, padded to whole groups, times [`PART`].
    block_bytes: usize,
    blocks: Vec<u8>,
    /// What a row counts beside its code, by position.
    own: Vec<f32>,
    kernels: &'static Kernels,
}

/// A query made ready.
#[derive(Debug)]
pub(crate) struct BlocksQuery {
    linear: LinearQuery<Vec<f32>>,
    tables: Vec<u8>,
    bias: f32,
    step: f32,
}

impl Blocks {
    /// Codes all rows. `train` gets the mean of each list and must learn codes of four bits.
    pub(super) fn build(
        scorer: &Scorer,
        lists: &Lists,
        train: impl FnOnce(&[Vec<f32>]) -> Result<Linear<Pq>>,
    ) -> Result<Blocks> {
        let (linear, centres) = Centres::learn(scorer, lists, train)?;
        let mut out = Blocks::blank(linear, centres, lists);
        let coded: Vec<(Vec<u8>, Vec<f32>)> =
            (0..lists.len() as u32).into_par_iter().map(|list| out.code(scorer, lists, list)).collect();
        for (blocks, own) in coded {
            out.blocks.extend(blocks);
            out.own.extend(own);
        }
        Ok(out)
    }

    fn blank(linear: Linear<Pq>, centres: Centres, lists: &Lists) -> Blocks {
        let mut block = 0;
        let starts = (0..lists.len() as u32).map(|list| {
            let positions = lists.positions(list);
            let start = (positions.start, block);
            block += positions.len().div_ceil(SHUFFLE_ROWS) as u32;
            start
        });
        let starts = starts.collect();
        let block_bytes = linear.coder.shape().m.next_multiple_of(SHUFFLE_PARTS) * PART;
        let kernels = Kernels::active();
        Blocks { linear, centres, starts, block_bytes, blocks: Vec::new(), own: Vec::new(), kernels }
    }

    /// Blocks of one list, and what its rows count beside.
    fn code(&self, scorer: &Scorer, lists: &Lists, list: u32) -> (Vec<u8>, Vec<f32>) {
        let rows = lists.rows(list);
        let mut blocks = vec![0u8; rows.len().div_ceil(SHUFFLE_ROWS) * self.block_bytes];
        let mut row_codes = vec![0u8; self.linear.row_bytes()];
        let mut own = Vec::with_capacity(rows.len());
        for (i, &row) in rows.iter().enumerate() {
            let values = scorer.rows.values(row);
            self.linear.encode(&values, scorer.weight(row), self.centres.of(list), &mut row_codes);
            let (codes, beside) = split(&row_codes);
            own.push(beside);
            let block = &mut blocks[i / SHUFFLE_ROWS * self.block_bytes..][..self.block_bytes];
            let (place, shift) = (i % PART, i % SHUFFLE_ROWS / PART * 4);
            for part in 0..self.linear.coder.shape().m {
                block[part * PART + place] |= (self.linear.coder.number(codes, part) as u8) << shift;
            }
        }
        (blocks, own)
    }
}

impl Store for Blocks {
    type Query<'q> = BlocksQuery;

    const UNASKED: Unasked = Unasked { times: 4, least: 40 };

    fn query(&self, values: &[f32], params: &SearchParams) -> BlocksQuery {
        let linear = self.linear.query(values, params);
        let mut tables = vec![0u8; self.block_bytes];
        let lowest = |entries: &[f32]| entries.iter().copied().fold(f32::INFINITY, f32::min);
        let parts = || linear.coded.chunks_exact(PART);
        let bias = parts().map(lowest).sum();
        let range =
            |entries: &[f32]| entries.iter().copied().fold(f32::NEG_INFINITY, f32::max) - lowest(entries);
        let step = parts().map(range).fold(0.0f32, f32::max) / 255.0;
        let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
        for (entries, table) in parts().zip(tables.chunks_exact_mut(PART)) {
            let low = lowest(entries);
            for (byte, entry) in table.iter_mut().zip(entries) {
                *byte = ((entry - low) * inverse + 0.5) as u8;
            }
        }
        BlocksQuery { linear, tables, bias, step }
    }

    fn distances(&self, query: &BlocksQuery, list: u32, positions: &[u32], out: &mut Vec<f32>) {
        out.clear();
        let base = self.linear.base(&query.linear, self.centres.of(list)) + query.bias;
        let (first, first_block) = self.starts[list as usize];
        let (mut summed, mut sums) = (usize::MAX, [0u32; SHUFFLE_ROWS]);
        for &position in positions {
            let place = (position - first) as usize;
            let block = first_block as usize + place / SHUFFLE_ROWS;
            if block != summed {
                let codes = &self.blocks[block * self.block_bytes..][..self.block_bytes];
                self.kernels.shuffle_sums(&query.tables, codes, &mut sums);
                summed = block;
            }
            let product = query.step * sums[place % SHUFFLE_ROWS] as f32;
            // NaN, from rows that leave the range of f32, counts as infinitely far.
            out.push((base + self.own[position as usize] + product).min(f32::INFINITY));
        }
    }

    fn memory_bytes(&self) -> usize {
        self.blocks.len()
            + size_of_val(self.own.as_slice())
            + size_of_val(self.starts.as_slice())
            + self.centres.memory_bytes()
            + self.linear.memory_bytes()
    }

    /// Its share of a block, and what it counts beside.
    fn row_bytes(&self) -> usize {
        self.block_bytes / SHUFFLE_ROWS + size_of::<f32>()
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<()> {
        self.centres.write(writer)?;
        self.linear.write(writer)?;
        writer.slice(&self.own)?;
        writer.slice(&self.blocks)
    }

    fn read(reader: &mut Reader<'_>, metric: Metric, rows: &VectorRows, lists: &Lists) -> Result<Self> {
        let centres = Centres::read(reader, lists.len(), rows.dim())?;
        let linear = Linear::<Pq>::read(reader, metric, rows)?;
        if linear.coder.shape().nbits != 4 {
            return Err(Error::corrupt(format!("blocks of {} bits", linear.coder.shape().nbits)));
        }
        let mut out = Blocks::blank(linear, centres, lists);
        out.own = reader.slice(rows.len(), "parts beside the codes")?;
        let blocks: usize =
            (0..lists.len() as u32).map(|list| lists.rows(list).len().div_ceil(SHUFFLE_ROWS)).sum();
        out.blocks = reader.slice(blocks * out.block_bytes, "blocks of codes")?;
        Ok(out)
    }
}
