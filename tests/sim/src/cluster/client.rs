//! Clients: they write through whoever leads and try again under the same name until they know; they read anywhere.

mod asking;
mod reading;

use super::book::Ack;
use super::machine::World;
use super::seats::Front;
use crate::node::GROUP;
use crate::rng::Rng;
use crate::rows::{self, Row};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use vecraft_rpc::services::{RowChange, ShardAdmin, ShardCreation, ShardWrite, ShardWriter};
use vecraft_types::api::Consistency;
use vecraft_types::{
    ClientId, Code, CollectionId, CollectionSchema, DataType, LogPosition, PartitionId, PrimaryKey,
    RequestId, ShardId, Timestamp,
};

/// A client gives up after so long.
const PATIENCE: Duration = Duration::from_secs(12);
/// Between two attempts, at most, in milliseconds.
const RETRY_MS: u64 = 150;
/// For one attempt, at most, in milliseconds.
const ATTEMPT_MS: (u64, u64) = (200, 2_000);
const PARTITIONS: u64 = 3;

/// The shards of a life.
pub fn shards(world: &World) -> Vec<(ShardId, CollectionSchema)> {
    let numbered = (1..).zip(&world.plan.shards);
    let shard = |number| ShardId { collection: CollectionId(number), index: 0 };
    numbered.map(|(number, (text, rule))| (shard(number), rows::schema(*text, *rule))).collect()
}

/// What all clients of a life share.
#[derive(Clone, Default)]
pub struct Common {
    /// The version of the next row, unique over all clients.
    pub version: Arc<AtomicU64>,
    /// Partitions up to this one have been dropped; ids are never used again (I11).
    pub dropped: Arc<AtomicU64>,
    /// Set when clients are to end.
    pub is_over: Arc<AtomicBool>,
}

/// One client.
pub struct Client {
    /// What it lives in.
    pub world: World,
    /// Its dice.
    pub rng: Rng,
    /// Its name.
    pub id: ClientId,
    common: Common,
    sequence: u64,
    /// The largest timestamp that its writes were told.
    token: Timestamp,
    /// What its reads were shown of each shard: up to when, and the newest change (I20).
    read: BTreeMap<ShardId, (Timestamp, LogPosition)>,
}

impl Client {
    /// A client that has asked nothing yet.
    pub fn new(world: &World, rng: Rng, number: u64, common: &Common) -> Client {
        Client {
            world: world.clone(),
            rng,
            id: ClientId(u128::from(number)),
            common: common.clone(),
            sequence: 0,
            token: Timestamp::ZERO,
            read: BTreeMap::new(),
        }
    }

    /// Writes, now and then reads its own writes, until told to end.
    pub async fn write_on(mut self) {
        let shards = shards(&self.world);
        let mut last: Option<ShardWrite> = None;
        while !self.common.is_over.load(Ordering::Relaxed) {
            self.pause().await;
            let Some((shard, schema)) = self.rng.pick(&shards).cloned() else { return };
            let write = match last.take().filter(|_| self.rng.chance(8)) {
                // The answer was lost on its way to the caller: the same once more (I10).
                Some(again) => again,
                None => self.draw(shard, &schema),
            };
            self.write(&write).await;
            last = Some(write);
            if self.rng.chance(1) {
                self.drop_partition(shard).await;
            }
            if self.rng.chance(15) {
                self.read(shard, Consistency::Session(self.token)).await;
            }
        }
    }

    /// Reads at all levels, on any node, until told to end.
    pub async fn read_on(mut self) {
        let shards = shards(&self.world);
        while !self.common.is_over.load(Ordering::Relaxed) {
            self.pause().await;
            let Some((shard, _)) = self.rng.pick(&shards).cloned() else { return };
            let level = match self.rng.below(10) {
                0..5 => Consistency::Strong,
                5..7 => Consistency::Bounded(self.world.plan.bound_ms, Timestamp::ZERO),
                7 => Consistency::Session(self.token),
                _ => Consistency::Eventually,
            };
            self.read(shard, level).await;
        }
    }

    /// Creates the shards; returns once that is acknowledged.
    pub async fn create_shards(&mut self) -> bool {
        for (shard, schema) in shards(&self.world) {
            let began = Instant::now();
            loop {
                if began.elapsed() > 4 * PATIENCE {
                    return false;
                }
                if let Some(front) = self.leader() {
                    let creation = ShardCreation { shard, schema: schema.clone() };
                    let created = front.answer(front.data.create_shard(GROUP, creation)).await;
                    if matches!(created, Some(Ok(()))) {
                        break;
                    }
                }
                self.wait_a_little().await;
            }
        }
        true
    }

    /// Writes until it is acknowledged or refused; false when patience ran out.
    pub async fn write(&mut self, write: &ShardWrite) -> bool {
        let began = Instant::now();
        self.world.book.asks(write);
        while began.elapsed() < PATIENCE {
            let Some(front) = self.leader() else {
                self.wait_a_little().await;
                continue;
            };
            let deadline_ms = self.rng.between(ATTEMPT_MS.0, ATTEMPT_MS.1);
            let attempt = ShardWrite { deadline_ms, ..write.clone() };
            match front.answer(front.data.write(attempt)).await {
                Some(Ok(written)) => {
                    self.token = self.token.max(written.timestamp);
                    self.world.book.answered(write);
                    let position = written.position;
                    let (shard, request, at) = (write.shard, write.request, Instant::now());
                    let holders = self.world.seats.holders(&front, position);
                    if position == LogPosition(0) {
                        // A delete by filter that found nothing wrote nothing.
                        return true;
                    }
                    self.world.book.acked(Ack { shard, request, position, at, written }, holders);
                    return true;
                }
                // Refused by the log itself: a key that exists, a partition that was dropped.
                Some(Err(error))
                    if matches!(error.code, Code::InvalidParameter | Code::PartitionNotFound) =>
                {
                    return true;
                }
                _ => self.wait_a_little().await,
            }
        }
        false
    }

    /// Drops the oldest partition; whoever still writes to it is refused.
    async fn drop_partition(&mut self, shard: ShardId) {
        let partition = PartitionId(self.common.dropped.fetch_add(1, Ordering::Relaxed) + 1);
        for _ in 0..5 {
            if let Some(front) = self.leader() {
                let dropping = front.data.drop_partition(GROUP, shard, partition);
                if matches!(front.answer(dropping).await, Some(Ok(()))) {
                    return;
                }
            }
            self.wait_a_little().await;
        }
    }

    /// The node to write to: mostly one that believes it leads.
    fn leader(&mut self) -> Option<Front> {
        let leaders = self.world.seats.leaders();
        if self.rng.chance(95) || leaders.is_empty() {
            return self.rng.pick(&leaders).cloned();
        }
        self.rng.pick(&self.world.seats.all()).cloned()
    }

    /// A new write.
    pub fn draw(&mut self, shard: ShardId, schema: &CollectionSchema) -> ShardWrite {
        self.sequence += 1;
        let request = RequestId { client: self.id, sequence: self.sequence, part: 0 };
        let dropped = self.common.dropped.load(Ordering::Relaxed);
        let partition = PartitionId(dropped + self.rng.between(1, PARTITIONS));
        let change = if self.rng.chance(5) {
            let before = self.common.version.load(Ordering::Relaxed).saturating_sub(self.rng.below(40));
            // The newest ones are also those that others write while this one is asked again.
            let which = if self.rng.chance(50) { "<" } else { ">" };
            RowChange::DeleteWhere { partitions: Vec::new(), filter: format!("version {which} {before}") }
        } else if self.rng.chance(30) {
            let keys = (0..self.rng.between(1, 4)).map(|_| self.key(schema)).collect();
            RowChange::DeleteKeys { partition: self.rng.chance(20).then_some(partition), keys }
        } else {
            let mut new: Vec<Row> = Vec::new();
            for _ in 0..self.rng.between(1, self.world.plan.rows_max) {
                let key = self.key(schema);
                if new.iter().all(|row| row.key != key) {
                    let version = self.common.version.fetch_add(1, Ordering::Relaxed) as i64;
                    new.push(Row { key, version });
                }
            }
            let is_upsert = self.rng.chance(60);
            RowChange::Insert { partition, batch: rows::encode(schema, &new), is_upsert }
        };
        ShardWrite { shard, schema_version: schema.version, request, deadline_ms: 0, change }
    }

    fn key(&mut self, schema: &CollectionSchema) -> PrimaryKey {
        let has_text_keys = !matches!(schema.fields[0].data_type, DataType::Int64);
        rows::key(has_text_keys, self.rng.below(self.world.plan.keys))
    }

    async fn pause(&mut self) {
        tokio::time::sleep(Duration::from_millis(self.rng.between(1, self.world.plan.pause_ms_max))).await;
    }

    async fn wait_a_little(&mut self) {
        tokio::time::sleep(Duration::from_millis(self.rng.between(5, RETRY_MS))).await;
    }
}
