//! What a seed draws before its life begins: sizes, limits, how often things go wrong.

use crate::rng::Rng;
use vecraft_log_store::LogOptions;
use vecraft_segment::GrowingOptions;

/// The circumstances of one life.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Steps until the end.
    pub steps: u64,
    /// Different primary keys.
    pub keys: u64,
    /// Shards that exist at a time, at most.
    pub shards_max: usize,
    /// Rows of one insert, at most.
    pub rows_max: u64,
    /// Commands in one log batch, at most.
    pub batch_max: u64,
    /// Entries that stay in the log below a checkpoint (I4: a margin).
    pub purge_margin: u64,
    /// Bytes of a growing segment at which it is sealed.
    pub seal_bytes: u64,
    /// Percent of steps at which the machine dies, or is made to die within a few operations.
    pub deaths: u64,
    /// Percent of steps at which a disk fault begins: no space, a sync that fails, a store that refuses.
    pub faults: u64,
    /// Percent of steps that concern checkpoints.
    pub checkpoints: u64,
    /// Percent of commands that are about a compaction on demand instead of what would be drawn.
    pub asks: u64,
    /// Steps between two looks at everything.
    pub check_every: u64,
    /// Sizes of the log.
    pub log: LogOptions,
    /// Sizes of growing segments.
    pub growing: GrowingOptions,
}

impl Plan {
    /// Draws a plan.
    pub fn draw(rng: &mut Rng) -> Plan {
        // Of a sequence of its own, and none in half of the lives, those of the corpus among them: what a seed means stays as it was.
        let mut own = rng.fork(0xa5e);
        let asks = if own.chance(50) { 0 } else { own.between(1, 8) };
        // As well; otherwise as large as the product's, which no life reaches.
        let mut own = rng.fork(0x71);
        let usual = LogOptions::default().tighten_bytes;
        let tighten_bytes = if own.chance(50) { usual } else { own.between(200, 8_000) };
        let (segment_bytes, preallocate_bytes) = (rng.between(600, 12_000), rng.between(128, 4_096));
        let log = LogOptions {
            segment_bytes,
            preallocate_bytes,
            reserve_bytes: preallocate_bytes,
            tighten_bytes,
            reserve_segments: rng.below(3) as usize,
            copy_forward_percent: rng.between(0, 60),
            salt: rng.next(),
            ..LogOptions::default()
        };
        let growing = GrowingOptions {
            first_chunk_bytes: rng.between(512, 4_096) as usize,
            chunk_bytes_max: rng.between(4_096, 16_384) as usize,
        };
        Plan {
            steps: rng.between(60, 260),
            keys: rng.between(3, 40),
            shards_max: rng.between(1, 3) as usize,
            rows_max: rng.between(1, 12),
            batch_max: rng.between(1, 5),
            purge_margin: rng.below(12),
            seal_bytes: rng.between(200, 6_000),
            deaths: rng.between(1, 8),
            faults: rng.below(5),
            checkpoints: rng.between(5, 30),
            asks,
            check_every: rng.between(5, 25),
            log,
            growing,
        }
    }
}
