//! The middles of lists: numbers for vectors of numbers, bits for vectors of bits.

use crate::container::{Reader, Writer};
use crate::kmeans::{self, Values, bits};
use crate::scorer::Scorer;
use crate::top_k::{pack, row_of};
use crate::{BuildMonitor, Result, VectorRows};
use vecraft_kernel::bits_of;
use vecraft_types::{Metric, Packed};

/// One middle a list, packed.
pub(super) enum Centroids {
    /// Of `dim` values each; unit vectors for IP and COSINE.
    Numbers(Vec<f32>),
    /// Of `dim / 8` bytes each.
    Bits(Vec<u8>),
}

impl Centroids {
    /// Trains `nlist` of them, which must not be more than there are rows.
    pub(super) fn train(
        scorer: &Scorer,
        nlist: usize,
        seed: u64,
        monitor: &dyn BuildMonitor,
    ) -> Result<Centroids> {
        Ok(match scorer.rows.packed() {
            Some(Packed::Bit) => {
                Centroids::Bits(bits::train(&scorer.rows, scorer.metric, nlist, seed, monitor)?)
            }
            _ => Centroids::Numbers(kmeans::train(scorer, nlist, Values::Raw, seed, monitor)?),
        })
    }

    /// What finds the list of a row.
    pub(super) fn finder<'c>(&'c self, scorer: &'c Scorer) -> Box<dyn Fn(u32) -> u32 + Send + Sync + 'c> {
        match self {
            Centroids::Numbers(values) => {
                let near = kmeans::Centroids::new(scorer.metric, values, scorer.rows.dim(), Values::Raw);
                Box::new(move |row| near.nearest(&scorer.rows.values(row)).0)
            }
            Centroids::Bits(bytes) => {
                Box::new(|row| bits::nearest(scorer.metric, bytes, scorer.rows.bytes(row)))
            }
        }
    }

    /// All lists, nearest first.
    pub(super) fn by_distance(&self, metric: Metric, query: &[f32], nlist: usize) -> Vec<u32> {
        let mut distances = vec![0.0; nlist];
        match self {
            Centroids::Numbers(values) => {
                kmeans::centroid_query(metric, query).batch(values, &mut distances);
            }
            Centroids::Bits(bytes) => {
                let query = bits_of(query);
                let centroids = bytes.chunks_exact(query.len().max(1));
                let slots = distances.iter_mut().zip(centroids);
                slots.for_each(|(slot, centroid)| *slot = bits::distance(metric, &query, centroid));
            }
        }
        let mut keys: Vec<u64> =
            distances.iter().zip(0..).map(|(&distance, list)| pack(distance, list)).collect();
        keys.sort_unstable();
        keys.into_iter().map(row_of).collect()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Centroids::Numbers(values) => size_of_val(values.as_slice()),
            Centroids::Bits(bytes) => bytes.len(),
        }
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<()> {
        match self {
            Centroids::Numbers(values) => writer.slice(values),
            Centroids::Bits(bytes) => writer.slice(bytes),
        }
    }

    /// Reads what [`Centroids::write`] wrote for such rows.
    pub(super) fn read(reader: &mut Reader<'_>, nlist: usize, rows: &VectorRows) -> Result<Centroids> {
        Ok(match rows.packed() {
            Some(Packed::Bit) => Centroids::Bits(reader.slice(nlist * (rows.dim() / 8), "centroids")?),
            _ => Centroids::Numbers(reader.slice(nlist * rows.dim(), "centroids")?),
        })
    }
}
