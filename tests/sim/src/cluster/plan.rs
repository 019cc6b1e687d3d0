//! What a seed draws before its cluster begins: sizes, limits, how often which thing goes wrong.

use super::net::Weather;
use crate::rng::Rng;
use std::time::Duration;
use vecraft_data::{CompactionPolicy, MaintenancePolicy};
use vecraft_log_store::{LogOptions, WriterMode};
use vecraft_raft_host::Pace;
use vecraft_segment::GrowingOptions;
use vecraft_types::PkConflict;

/// The circumstances of one cluster.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Nodes, all of them voters in the end.
    pub nodes: u64,
    /// The group is formed by node 1 alone and grows to all nodes under load.
    pub grows: bool,
    /// Looks of the fate at the cluster; between two of them some time passes.
    pub steps: u64,
    /// That time, at most.
    pub step_ms_max: u64,
    /// Percent of looks at which something happens.
    pub trouble: u64,
    /// How often each kind of trouble is drawn, compared with the others.
    pub kinds: [u64; super::trouble::KINDS],
    /// Clients that write, and that read.
    pub writers: u64,
    /// Clients that read.
    pub readers: u64,
    /// A client pauses up to so long between two requests.
    pub pause_ms_max: u64,
    /// Different primary keys.
    pub keys: u64,
    /// Rows of an insert, at most.
    pub rows_max: u64,
    /// Shards, and their rules.
    pub shards: Vec<(bool, PkConflict)>,
    /// The bound of bounded reads.
    pub bound_ms: u64,
    /// How long a disk takes for a batch, at most.
    pub disk_us_max: u64,
    /// The network when nothing is wrong.
    pub weather: Weather,
    /// Heartbeats and elections.
    pub pace: Pace,
    /// Log that stays for followers.
    pub reserve_bytes: u64,
    /// When to seal and to write checkpoints.
    pub policy: MaintenancePolicy,
    /// Sizes of the log.
    pub log: LogOptions,
    /// Sizes of growing segments.
    pub growing: GrowingOptions,
}

impl Plan {
    /// Draws a plan.
    pub fn draw(rng: &mut Rng) -> Plan {
        let heartbeat_ms = rng.between(60, 250);
        let election_min = heartbeat_ms * rng.between(2, 3);
        let rules = [PkConflict::Replace, PkConflict::Replace, PkConflict::Reject, PkConflict::Allow];
        let shards = (0..rng.between(1, 2))
            .map(|_| (rng.chance(30), rng.pick(&rules).copied().unwrap_or_default()))
            .collect();
        let mut plan = Plan {
            nodes: if rng.chance(70) { 3 } else { 5 },
            grows: rng.chance(25),
            steps: rng.between(40, 120),
            step_ms_max: rng.between(100, 400),
            trouble: rng.between(5, 35),
            kinds: std::array::from_fn(|_| if rng.chance(25) { 0 } else { rng.between(1, 10) }),
            writers: rng.between(1, 4),
            readers: rng.between(1, 3),
            pause_ms_max: rng.between(20, 150),
            keys: rng.between(3, 40),
            rows_max: rng.between(1, 8),
            shards,
            bound_ms: rng.between(200, 3_000),
            disk_us_max: rng.between(100, 10_000),
            weather: Weather {
                loss: if rng.chance(50) { 0 } else { rng.between(1, 20) },
                delay_us: (rng.between(10, 200), rng.between(200, 8_000)),
                late: if rng.chance(50) { 0 } else { rng.between(1, 30) },
            },
            pace: Pace { heartbeat_ms, election_ms: (election_min, election_min + rng.between(50, 500)) },
            reserve_bytes: if rng.chance(70) { rng.below(20_000) } else { 1 << 20 },
            policy: MaintenancePolicy {
                segment_bytes_max: rng.between(500, 20_000),
                segment_age_max: Duration::from_millis(rng.between(1_000, 20_000)),
                seal_rows_min: rng.between(1, 30) as u32,
                checkpoint_bytes: rng.between(500, 20_000),
                checkpoint_interval: Duration::from_millis(rng.between(300, 6_000)),
                compaction: CompactionPolicy {
                    bytes_max: if rng.chance(20) { 0 } else { rng.between(1_000, 100_000) },
                    deleted_percent: rng.between(1, 60) as u32,
                    inputs_min: rng.between(2, 5) as usize,
                    ..CompactionPolicy::default()
                },
            },
            log: LogOptions {
                segment_bytes: rng.between(2_000, 40_000),
                preallocate_bytes: rng.between(256, 4_096),
                reserve_segments: rng.below(3) as usize,
                cache_bytes: rng.below(8_000) as usize,
                read_bytes: rng.between(1, 8_000) as usize,
                copy_forward_percent: rng.between(0, 60),
                salt: rng.next(),
                writer: WriterMode::Called,
                ..LogOptions::default()
            },
            growing: GrowingOptions {
                first_chunk_bytes: rng.between(512, 4_096) as usize,
                chunk_bytes_max: rng.between(4_096, 16_384) as usize,
            },
        };
        plan.log.reserve_bytes = plan.log.preallocate_bytes;
        plan
    }
}
