//! Which rows stand in which list: the part every inverted-list index has.
//!
//! A *position* is a row's place when all lists are laid one after the other; within a list rows ascend. Codes of rows
//! are kept by position, so that a list is read from front to back.

use super::centroids::Centroids;
use crate::container::{Reader, Writer};
use crate::scorer::Scorer;
use crate::{BuildMonitor, Error, Result, VectorRows};
use rayon::prelude::*;
use std::ops::Range;
use vecraft_types::{Bitmap, Metric};

/// Rows assigned between two looks at the monitor.
const ASSIGN_BATCH: usize = 2_048;

/// Lists of rows around centroids.
pub(crate) struct Lists {
    pub(super) centroids: Centroids,
    /// List `i` is `members[starts[i]..starts[i + 1]]`.
    starts: Vec<u32>,
    /// The row at each position.
    members: Vec<u32>,
}

impl Lists {
    /// Trains centroids and fills the lists, in parallel on the current rayon pool; the outcome does not depend on
    /// threads. `nlist` must not exceed the number of rows.
    pub(super) fn build(
        scorer: &Scorer,
        nlist: usize,
        seed: u64,
        monitor: &dyn BuildMonitor,
    ) -> Result<Lists> {
        let count = scorer.rows.len();
        let centroids = Centroids::train(scorer, nlist, seed, monitor)?;
        let nearest = centroids.finder(scorer);
        let mut lists: Vec<u32> = Vec::with_capacity(count);
        while lists.len() < count {
            if monitor.cancelled() {
                return Err(Error::Cancelled { done: lists.len(), total: count });
            }
            let batch = lists.len()..(lists.len() + ASSIGN_BATCH).min(count);
            lists.par_extend(batch.into_par_iter().map(|row| nearest(row as u32)));
            monitor.progress(lists.len(), count);
        }
        drop(nearest);
        let mut starts = vec![0u32; nlist + 1];
        lists.iter().for_each(|&list| starts[list as usize + 1] += 1);
        (0..nlist).for_each(|list| starts[list + 1] += starts[list]);
        let mut next = starts.clone();
        let mut members = vec![0u32; count];
        for (row, &list) in lists.iter().enumerate() {
            members[next[list as usize] as usize] = row as u32;
            next[list as usize] += 1;
        }
        Ok(Lists { centroids, starts, members })
    }

    /// Number of lists.
    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The positions of a list.
    pub(super) fn positions(&self, list: u32) -> Range<u32> {
        self.starts[list as usize]..self.starts[list as usize + 1]
    }

    /// The rows of a list.
    pub(super) fn rows(&self, list: u32) -> &[u32] {
        &self.members[self.starts[list as usize] as usize..self.starts[list as usize + 1] as usize]
    }

    /// The row at each position.
    pub(super) fn members(&self) -> &[u32] {
        &self.members
    }

    /// The list of each position.
    pub(super) fn list_of_positions(&self) -> Vec<u32> {
        (0..self.len() as u32).flat_map(|list| self.positions(list).map(move |_| list)).collect()
    }

    /// All lists, nearest centroid first.
    pub(super) fn by_distance(&self, metric: Metric, query: &[f32]) -> Vec<u32> {
        self.centroids.by_distance(metric, query, self.len())
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.centroids.memory_bytes()
            + size_of_val(self.starts.as_slice())
            + size_of_val(self.members.as_slice())
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<()> {
        self.centroids.write(writer)?;
        writer.slice(&self.starts)?;
        writer.slice(&self.members)
    }

    /// Reads what [`Lists::write`] wrote. Every row must stand in exactly one list.
    pub(super) fn read(reader: &mut Reader<'_>, nlist: usize, rows: &VectorRows) -> Result<Lists> {
        let count = rows.len();
        if nlist > count || (nlist == 0 && count > 0) {
            return Err(Error::corrupt(format!("{nlist} lists for {count} rows")));
        }
        let centroids = Centroids::read(reader, nlist, rows)?;
        let starts: Vec<u32> = reader.slice(nlist + 1, "starts of lists")?;
        let members: Vec<u32> = reader.slice(count, "members of lists")?;
        let ends_right = starts.first() == Some(&0) && starts.last().copied() == Some(count as u32);
        if !ends_right || !starts.is_sorted() {
            return Err(Error::corrupt("starts of lists do not cover the rows"));
        }
        let mut seen = Bitmap::new(count, false);
        members.iter().for_each(|&row| seen.set(row as usize, true));
        if !seen.all() {
            return Err(Error::corrupt("a row is in no list"));
        }
        Ok(Lists { centroids, starts, members })
    }
}
