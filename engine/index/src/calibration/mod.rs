//! Recall as a parameter: how hard an index must look to find a wanted share of the true neighbours.
//!
//! After an index is built, some of its own rows stand for queries ([`measure`]): what each should find is known exactly,
//! and the index is asked with growing effort. The outcome is a [`RecallCurve`], stored in the index's file. A search that asks
//! for a recall gets the least effort that reached it; any search gets an estimate of what it found ([`calibrated`]).
//!
//! A row that stands for a query must not be found by way of itself: a graph links it to its neighbours, so that any effort
//! would seem enough (measured: 0.95 asked, 0.876 given). Walks treat it as if it were not there.
//!
//! Filters have no curve of their own: see `effort::reach`.

mod calibrated;
mod curve;
mod effort;
mod measure;
#[cfg(test)]
mod tests;

pub(crate) use calibrated::{Calibrated, open};

/// Rows below which comparing all is as fast as an index, so that no curve is measured.
pub(crate) const ROWS_MIN: usize = 2_048;

/// Recall that each `level` of Milvus's AUTOINDEX stands for, 1 to 10.
pub(crate) const LEVELS: [f32; 10] = [0.80, 0.85, 0.90, 0.93, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995];
