//! After the trouble: everybody lives again, and all of it is there.

use super::{Life, Lived};
use crate::cluster::client::shards;
use crate::cluster::invariants::durable_writes;
use crate::invariants::{broken, ensure};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use vecraft_types::LogPosition;
use vecraft_types::api::Consistency;

/// Without trouble a cluster is whole again within this.
const HEAL_MAX: Duration = Duration::from_secs(60);
/// For a process to say how far its group is. One that has just died says nothing, and is only found dead by the look
/// that comes after.
const ANSWER_MAX: Duration = Duration::from_secs(10);

impl Life {
    /// No trouble from here on: everybody lives, everything is mended, and soon the group is whole.
    pub(super) async fn heal(&mut self) -> Lived {
        self.world.book.note("no trouble from here on");
        self.mend();
        self.world.net.set_weather(self.world.plan.weather.without_loss());
        let began = Instant::now();
        for node in 1..=self.world.plan.nodes {
            self.machine(node).pace.recover();
            match &self.machine(node).process {
                // A death that was drawn before would be trouble: two at once leave no majority to agree.
                Some(process) => process.fuse.put_out(),
                None => _ = self.starts.insert(node, began),
            }
        }
        while let Err(why) = self.is_whole().await {
            ensure(began.elapsed() < HEAL_MAX, "liveness", || {
                format!("after {HEAL_MAX:?} without trouble {why}")
            })?;
            self.pass().await?;
        }
        Ok(())
    }

    /// Says what is missing for a whole group: every node serves a voter, one leads, all have published what it has.
    async fn is_whole(&mut self) -> Result<(), String> {
        if self.replacing.as_ref().is_some_and(|replacing| !replacing.is_finished()) {
            return Err("a wiped replica is not replaced, or a lone voter still alone".to_owned());
        }
        let fronts = self.world.seats.all();
        if fronts.len() as u64 != self.world.plan.nodes {
            return Err(format!("{} nodes serve", fronts.len()));
        }
        for front in &fronts {
            if front.fuse.is_blown() {
                return Err(format!("node {} is dead", front.node));
            }
            let members = front.group.members();
            if members.is_joint || members.voters.len() as u64 != self.world.plan.nodes {
                return Err(format!("node {} knows the members {members:?}", front.node));
            }
        }
        let mut at = LogPosition(0);
        for front in &fronts {
            let asked = tokio::time::timeout(ANSWER_MAX, front.answer(front.group.read_index())).await;
            let answer = asked.map_err(|_| format!("node {} says nothing for {ANSWER_MAX:?}", front.node))?;
            let index = answer.ok_or_else(|| format!("node {} is dead", front.node))?;
            at = at.max(index.map_err(|e| format!("node {}: {e}", front.node))?);
        }
        for front in &fronts {
            front.group.wait_published(at, Duration::from_millis(500)).await.map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    pub(super) async fn until_done(&mut self, client: JoinHandle<()>) -> Lived {
        let began = Instant::now();
        while !client.is_finished() {
            ensure(began.elapsed() < HEAL_MAX, "liveness", || "a client waits for ever".to_owned())?;
            self.pass().await?;
        }
        client.await.map_err(|error| broken("no panic", format!("a client: {error}")))
    }

    /// Every replica shows everything that was acknowledged, and all show the same; a new write and a retry go through.
    pub(super) async fn agree(&mut self, when: &str) -> Lived {
        self.world.book.note(format!("all must agree {when}"));
        let mut client = self.client(300);
        client.id = vecraft_types::ClientId(u128::from(self.rng.next()));
        for (shard, schema) in shards(&self.world) {
            let write = client.draw(shard, &schema);
            for _ in 0..2 {
                let is_written = client.write(&write).await;
                ensure(is_written, "liveness", || format!("no write goes through {when}"))?;
            }
            for _ in 0..2 * self.world.plan.nodes {
                client.read(shard, Consistency::Strong).await;
            }
        }
        self.verdict()?;
        self.heal().await?;
        let last = self.world.book.with(|pages| {
            for ack in &pages.acks {
                durable_writes::in_the_log(ack, &pages.log)?;
            }
            Ok(pages.log.last_key_value().map(|(at, _)| *at).unwrap_or_default())
        })?;
        for front in self.world.seats.all() {
            let node = front.node;
            front.group.wait_published(last, Duration::from_secs(5)).await.map_err(|error| {
                broken(
                    "P1",
                    format!("node {node} has not applied {last}, which was acknowledged, {when}: {error}"),
                )
            })?;
            for (shard, _) in shards(&self.world) {
                let view = front.views.get(shard);
                let view =
                    view.ok_or_else(|| broken("P1", format!("node {node} lost shard {shard} {when}")))?;
                self.world.book.with(|pages| {
                    let owed = pages.change_at(shard, last);
                    ensure(pages.change_at(shard, view.position) == owed, "P1", || {
                        format!(
                            "node {node} shows shard {shard} as of {} {when}, it owes {owed}",
                            view.position
                        )
                    })
                })?;
            }
        }
        self.asks_end(when).await?;
        self.verdict()
    }

    /// Compactions that were asked for are done, whoever led when they were.
    async fn asks_end(&mut self, when: &str) -> Lived {
        let mut client = self.client(301);
        let began = Instant::now();
        for (shard, _) in shards(&self.world) {
            while client.waits_for_compaction(shard).await {
                ensure(began.elapsed() < HEAL_MAX, "liveness", || {
                    format!("a compaction of shard {shard} that was asked for is not done {when}")
                })?;
                self.pass().await?;
            }
        }
        Ok(())
    }
}
