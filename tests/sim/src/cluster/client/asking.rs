//! Clients that ask for compactions, and what they are owed: without trouble an ask ends.

use super::Client;
use crate::node::GROUP;
use std::sync::atomic::Ordering;
use vecraft_rpc::services::{ShardCompact, ShardWriter};
use vecraft_types::ShardId;

/// Between two asks a client pauses so many times as long as others do between two requests.
const PAUSES: u64 = 30;
/// For one attempt, in milliseconds.
const ATTEMPT_MS: u64 = 1_000;

impl Client {
    /// Asks now and then, of whoever leads, until told to end. An answer that is lost is of no matter: the next ask means more.
    pub async fn ask_on(mut self) {
        let shards = super::shards(&self.world);
        while !self.common.is_over.load(Ordering::Relaxed) {
            for _ in 0..self.rng.between(1, PAUSES) {
                self.pause().await;
            }
            let Some((shard, _)) = self.rng.pick(&shards).cloned() else { return };
            let bytes_max = if self.rng.chance(50) { 0 } else { self.rng.between(100, 50_000) };
            let ask = ShardCompact { shard, bytes_max, deadline_ms: ATTEMPT_MS };
            if let Some(front) = self.leader() {
                let _ = front.answer(front.data.compact(ask)).await;
            }
        }
    }

    /// Whether a shard has an ask that is not done, as its leader says; true when nobody can say.
    pub async fn waits_for_compaction(&mut self, shard: ShardId) -> bool {
        let leader =
            self.world.seats.leaders().into_iter().find(|front| front.data.leader_of(GROUP).is_some());
        let Some(front) = leader else { return true };
        match front.answer(front.data.segments(shard)).await {
            Some(Ok(told)) => told.asked.is_some_and(|asked| !asked.is_done),
            _ => true,
        }
    }
}
