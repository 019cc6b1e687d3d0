//! An index that does what a test wants: overlooks rows, or waits for company.
#![allow(clippy::unwrap_used)]

use crate::testing::VECTOR;
use crate::{Segment, ShardView};
use parking_lot::{Condvar, Mutex};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use vecraft_index::{
    Error, Flat, IndexKind, IndexSpec, Result, SearchOutcome, SearchParams, SearchStats, Strategy,
    VectorIndex, VectorRows,
};
use vecraft_types::{Bitmap, Metric};

/// Keeps the contract of an index, and says that it walked.
#[derive(Debug)]
pub(super) struct Fake {
    flat: Flat,
    /// Rows whose number is a multiple of it are found when nothing else is left; 0: none are overlooked.
    overlooks: u32,
    /// Searches that have to be inside at the same time before one of them goes on.
    company: usize,
    inside: Mutex<Inside>,
    came: Condvar,
    pub(super) searches: AtomicUsize,
}

#[derive(Debug, Default)]
struct Inside {
    now: usize,
    most: usize,
}

impl Fake {
    /// Over no rows yet: [`attach`] gives it those of a segment.
    pub(super) fn new(overlooks: u32, company: usize) -> Fake {
        let flat = Flat::new(Metric::L2, VectorRows::from_vec(1, Vec::new()).unwrap());
        let (inside, came, searches) = (Mutex::default(), Condvar::new(), AtomicUsize::new(0));
        Fake { flat, overlooks, company, inside, came, searches }
    }
}

/// The view with this index, for L2, over its first segment.
pub(super) fn with_fake(view: ShardView, fake: Fake) -> ShardView {
    attach(&view, fake);
    view
}

/// The same, to be looked at later.
pub(super) fn attach(view: &ShardView, fake: Fake) -> Arc<Fake> {
    let Segment::Sealed(sealed) = &view.segments[0].segment else { panic!("sealed") };
    let flat = Flat::new(Metric::L2, sealed.vector_rows(VECTOR).unwrap());
    let fake = Arc::new(Fake { flat, ..fake });
    sealed.attach_index(VECTOR, fake.clone()).unwrap();
    fake
}

impl Fake {
    /// Most searches that were inside at the same time.
    pub(super) fn most_inside(&self) -> usize {
        self.inside.lock().most
    }

    fn wait_for_company(&self) {
        let mut inside = self.inside.lock();
        inside.now += 1;
        inside.most = inside.most.max(inside.now);
        self.came.notify_all();
        // Once there was company, nobody waits any more: the last ones may find none.
        while inside.most < self.company {
            if self.came.wait_for(&mut inside, Duration::from_secs(20)).timed_out() {
                break;
            }
        }
        inside.now -= 1;
    }
}

impl VectorIndex for Fake {
    fn kind(&self) -> IndexKind {
        IndexKind::Hnsw
    }

    fn spec(&self) -> IndexSpec {
        IndexSpec::Hnsw { m: 8, ef_construction: 8, seed: 1 }
    }

    fn metric(&self) -> Metric {
        self.flat.metric()
    }

    fn rows(&self) -> &VectorRows {
        self.flat.rows()
    }

    fn memory_bytes(&self) -> usize {
        0
    }

    fn search_explained(
        &self,
        query: &[f32],
        k: usize,
        params: &SearchParams,
        filter: Option<&Bitmap>,
    ) -> Result<SearchOutcome> {
        self.searches.fetch_add(1, Ordering::Relaxed);
        self.wait_for_company();
        let mut hits = self.flat.search_explained(query, usize::MAX, params, filter)?.hits;
        if self.overlooks > 0 {
            let (lost, mut found): (Vec<_>, Vec<_>) =
                hits.into_iter().partition(|hit| hit.row.is_multiple_of(self.overlooks));
            let missing = k.saturating_sub(found.len());
            found.extend(lost.into_iter().take(missing));
            found.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row)));
            hits = found;
        }
        hits.truncate(k);
        let stats = SearchStats {
            strategy: Strategy::Walk,
            distances: 2 * k,
            effort: Some(k),
            ..SearchStats::default()
        };
        Ok(SearchOutcome { hits, stats })
    }

    fn save(&self, _out: &mut dyn Write) -> Result<()> {
        Err(Error::Library("a fake is not saved".to_owned()))
    }
}
