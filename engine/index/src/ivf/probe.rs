//! How many lists a search reads.
//!
//! Under a filter lists are read on until `min(k, matches)` answers are found (P5) and a fair share of the matches is
//! seen; few matches are compared without lists.

use super::lists::Lists;
use crate::SearchParams;
use crate::scan::matches_within;
use vecraft_types::Bitmap;

/// A search's way through the lists.
pub(super) struct Probe {
    /// Answers there will be.
    pub(super) wanted: usize,
    /// Lists that are read unless a filter asks for more.
    pub(super) nprobe: usize,
    /// Matching rows that must be seen before it may stop.
    fair: usize,
}

impl Probe {
    /// None when comparing every match is cheaper than reading lists.
    pub(super) fn plan(
        lists: &Lists,
        k: usize,
        params: &SearchParams,
        filter: Option<&Bitmap>,
    ) -> Option<Probe> {
        let (rows, nlist) = (lists.members().len(), lists.len());
        let matches = filter.map_or(rows, |filter| matches_within(filter, rows));
        let nprobe = params.nprobe_for(nlist);
        // Reading lists looks at each row's bit and at the centroids; few matches are cheaper to compare all.
        let looked_at = nlist + nprobe * rows / nlist.max(1) / 8;
        if matches <= 2 * k || matches <= looked_at {
            return None;
        }
        // Under a filter `nprobe` means the matching rows that as many average lists hold: where the nearest lists
        // hold few matches, more lists are read for about the same price.
        let fair = filter.map_or(0, |_| nprobe * matches / nlist.max(1));
        Some(Probe { wanted: k.min(matches), nprobe, fair })
    }

    /// True when enough was read: lists, candidates kept, rows compared.
    pub(super) fn is_done(&self, read: usize, kept: usize, compared: usize) -> bool {
        read >= self.nprobe && kept >= self.wanted && compared >= self.fair
    }
}
