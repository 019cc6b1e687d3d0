//! What a seed draws before its life begins: thresholds, sizes, how often things go wrong.

use std::path::Path;
use vecraft_config::Config;
use vecraft_test_sim::rng::Rng;

/// The circumstances of one life.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Operations until the end.
    pub ops: u64,
    /// Rows of one insert, at most.
    pub rows_max: u64,
    /// Percent of operations that stop or kill the server.
    pub restarts: u64,
    /// Raft groups.
    pub groups: u64,
    /// Bytes at which a growing segment is sealed.
    pub segment_bytes: u64,
    /// Bytes of log after which a checkpoint is due.
    pub checkpoint_bytes: u64,
    /// Seconds after which a checkpoint is due, and a growing segment is old.
    pub age_s: u64,
    /// Bytes of a growing segment's largest chunks.
    pub chunk_bytes: u64,
    /// Bytes of one log entry: larger inserts are split.
    pub entry_bytes: u64,
    /// Bytes of a compaction's output; 0: none.
    pub compaction_bytes: u64,
    /// Deleted rows in a hundred from which a segment is written again.
    pub deleted_percent: u64,
    /// Rows from which a segment is worth a seal by flush or age, and a graph by AUTOINDEX.
    pub flat_rows: u64,
}

impl Plan {
    /// Draws a plan.
    pub fn draw(rng: &mut Rng) -> Plan {
        let mut plan = Plan {
            ops: rng.between(100, 220),
            // Now and then segments so large that graphs are walked and lists left out.
            rows_max: if rng.chance(15) { rng.between(150, 500) } else { rng.between(4, 60) },
            restarts: rng.between(1, 4),
            groups: rng.between(1, 3),
            segment_bytes: rng.between(4 << 10, 256 << 10),
            checkpoint_bytes: rng.between(8 << 10, 512 << 10),
            age_s: if rng.chance(50) { 1 } else { 600 },
            chunk_bytes: rng.between(4 << 10, 64 << 10),
            entry_bytes: if rng.chance(25) { rng.between(1 << 10, 8 << 10) } else { 2 << 20 },
            flat_rows: rng.between(8, 60),
            compaction_bytes: 0,
            deleted_percent: 20,
        };
        // Of a sequence of their own: what else a seed means stays as it was.
        let mut own = Rng::new(plan.checkpoint_bytes ^ (plan.segment_bytes << 32));
        plan.compaction_bytes = if own.chance(15) { 0 } else { own.between(8 << 10, 2 << 20) };
        plan.deleted_percent = own.between(1, 60);
        plan.chunk_bytes = plan.chunk_bytes.min(plan.segment_bytes);
        plan
    }

    /// A node's configuration. The thresholds are as low as the configuration allows, so that a life of a few seconds
    /// sees what a node sees in weeks.
    pub fn config(&self, directory: &Path) -> Config {
        let mut config = Config::embedded(directory).with_free_ports();
        config.data.groups_per_node = self.groups;
        config.data.segment_bytes_max = self.segment_bytes;
        config.data.segment_age_max_s = self.age_s;
        config.data.chunk_bytes = self.chunk_bytes;
        config.data.checkpoint_bytes = self.checkpoint_bytes;
        config.data.checkpoint_interval_s = self.age_s;
        config.data.compaction_bytes_max = self.compaction_bytes;
        config.data.compaction_deleted_percent = self.deleted_percent;
        config.proxy.entry_bytes_max = self.entry_bytes;
        config.index.autoindex_flat_rows_max = self.flat_rows;
        config.index.build_threads = 1;
        config.query.search_threads = 2;
        // The least that takes an entry.
        config.log.segment_bytes = (2 * self.entry_bytes).max(1 << 20);
        config
    }

    /// True when no request of this life is split: then a shard takes all rows of a request or none.
    pub fn is_whole(&self) -> bool {
        self.entry_bytes >= 1 << 20
    }
}
