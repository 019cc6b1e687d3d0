//! What vectors are taken relative to before they are coded: the mean of the rows, and perhaps rotated axes.

use super::Rotation;
use crate::container::{Reader, Writer};
use crate::scorer::Scorer;
use crate::{Result, VectorRows};
use vecraft_types::Metric;

/// Rows the mean is taken of, at most.
const SAMPLE: usize = 1 << 14;

/// What vectors are taken relative to.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    metric: Metric,
    mean: Vec<f32>,
    rotation: Option<Rotation>,
    rotated_mean: Vec<f32>,
}

impl Frame {
    /// Learns the mean of the rows.
    pub(crate) fn learn(scorer: &Scorer, rotation: Option<Rotation>) -> Frame {
        let rows = scorer.rows.len();
        let sample: Vec<u32> = (0..rows as u32).step_by(rows.div_ceil(SAMPLE).max(1)).collect();
        Frame::of(scorer.metric, scorer.mean(&sample), rotation)
    }

    fn of(metric: Metric, mean: Vec<f32>, rotation: Option<Rotation>) -> Frame {
        let mut rotated_mean = mean.clone();
        if let Some(rotation) = &rotation {
            rotation.apply(&mut rotated_mean);
        }
        Frame { metric, mean, rotation, rotated_mean }
    }

    pub(crate) fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// A vector that counts `weight` times, less the mean, rotated.
    pub(crate) fn place(&self, values: &[f32], weight: f32) -> Vec<f32> {
        let mut placed: Vec<f32> = values.iter().zip(&self.mean).map(|(x, m)| x * weight - m).collect();
        if let Some(rotation) = &self.rotation {
            rotation.apply(&mut placed);
        }
        placed
    }

    /// True if distances are squared lengths of differences. COSINE is: of unit vectors they order alike, and an error
    /// in the code of a row counts times its distance from the query, which is small for those that matter; in a dot
    /// product it would count times the query's length (a crowd of near rows: recall 0.70 against 0.99 by SQ6).
    pub(crate) fn is_l2(&self) -> bool {
        self.metric != Metric::Ip
    }

    /// How many times `p.y` counts.
    pub(crate) fn times(&self) -> f32 {
        if self.is_l2() { -2.0 } else { -1.0 }
    }

    pub(crate) fn metric(&self) -> Metric {
        self.metric
    }

    pub(crate) fn rotated_mean(&self) -> &[f32] {
        &self.rotated_mean
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let rotation = self.rotation.as_ref().map_or(0, Rotation::memory_bytes);
        2 * size_of_val(self.mean.as_slice()) + rotation
    }

    pub(crate) fn write(&self, writer: &mut Writer<'_>) -> Result<()> {
        writer.slice(&self.mean)?;
        writer.u64(self.rotation.as_ref().map_or(0, Rotation::seed))
    }

    /// Reads what [`Frame::write`] wrote.
    pub(crate) fn read(reader: &mut Reader<'_>, metric: Metric, rows: &VectorRows) -> Result<Frame> {
        let mean = reader.slice(rows.dim(), "mean")?;
        let rotation = match reader.u64()? {
            0 => None,
            seed => Some(Rotation::new(seed, rows.dim())),
        };
        Ok(Frame::of(metric, mean, rotation))
    }
}
