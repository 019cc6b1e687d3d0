//! What goes wrong, and when.

use super::life::Life;
use super::net::Weather;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// One process dies now, with or without its machine's power.
    Death,
    /// One process dies within a few operations on its disk.
    DeathInTheMiddle,
    /// All of them.
    LightsOut,
    /// Some nodes are cut off from the others.
    Partition,
    /// A node is heard by nobody, or hears nobody.
    OneWay,
    /// Two halves meet in one node only.
    Bridge,
    /// Frames are lost, late and overtaken.
    Storm,
    /// A disk takes seconds.
    SlowDisk,
    /// A wall clock is set.
    ClockJump,
    /// A sync fails.
    FailedSync,
    /// The store refuses a batch.
    FailedStore,
    /// A disk has room for little more, for a while.
    FullDisk,
    /// A node loses everything and comes back as another replica.
    Wipe,
    /// The leader hands over.
    Transfer,
    /// A byte of a dead node's log is another one.
    Damage,
}

/// All of them, in the order of a plan's weights.
pub const ALL: [Trouble; KINDS] = [
    Trouble::Death,
    Trouble::DeathInTheMiddle,
    Trouble::LightsOut,
    Trouble::Partition,
    Trouble::OneWay,
    Trouble::Bridge,
    Trouble::Storm,
    Trouble::SlowDisk,
    Trouble::ClockJump,
    Trouble::FailedSync,
    Trouble::FailedStore,
    Trouble::FullDisk,
    Trouble::Wipe,
    Trouble::Transfer,
    Trouble::Damage,
];
/// How many kinds there are.
pub const KINDS: usize = 15;

impl Life {
    /// Draws a kind by the plan's weights.
    pub(super) fn draw_trouble(&mut self) -> Option<Trouble> {
        let weights = self.world.plan.kinds;
        let mut dice = self.rng.below(weights.iter().sum());
        for (kind, weight) in ALL.into_iter().zip(weights) {
            if dice < weight {
                return Some(kind);
            }
            dice -= weight;
        }
        None
    }

    /// Makes it happen.
    pub(super) fn make(&mut self, trouble: Trouble) {
        let nodes: Vec<u64> = (1..=self.world.plan.nodes).collect();
        let node = self.rng.between(1, self.world.plan.nodes);
        self.world.book.note(format!("trouble: {trouble:?}, node {node} if it is for one"));
        self.world.book.with(|pages| pages.figures.troubles += 1);
        match trouble {
            Trouble::Death => {
                let is_power_cut = self.rng.chance(60);
                self.kill(node, is_power_cut);
            }
            Trouble::DeathInTheMiddle => {
                let operations = self.rng.below(60);
                if let Some(process) = &self.machine(node).process {
                    process.fuse.light(operations);
                }
            }
            Trouble::LightsOut => {
                let is_power_cut = self.rng.chance(80);
                nodes.iter().for_each(|node| self.kill(*node, is_power_cut));
            }
            Trouble::Partition => {
                let some: Vec<u64> = nodes.iter().copied().filter(|_| self.rng.chance(50)).collect();
                for (from, to) in pairs(&nodes) {
                    if some.contains(&from) != some.contains(&to) {
                        self.world.net.cut(from, to);
                    }
                }
                self.mend_later();
            }
            Trouble::OneWay => {
                let is_mute = self.rng.chance(50);
                for (from, to) in pairs(&nodes) {
                    if (is_mute && from == node) || (!is_mute && to == node) {
                        self.world.net.cut(from, to);
                    }
                }
                self.mend_later();
            }
            Trouble::Bridge => {
                for (from, to) in pairs(&nodes) {
                    let is_far = (from < node) != (to < node);
                    if from != node && to != node && (is_far || nodes.len() == 3) {
                        self.world.net.cut(from, to);
                    }
                }
                self.mend_later();
            }
            Trouble::Storm => {
                let slowest = self.rng.between(1_000, 60_000);
                self.world.net.set_weather(Weather {
                    loss: self.rng.below(100),
                    delay_us: (10, slowest),
                    late: self.rng.below(60),
                });
                self.mend_later();
            }
            Trouble::SlowDisk => {
                let duration = Duration::from_millis(self.rng.between(200, 5_000));
                self.machine(node).pace.be_slow(duration);
            }
            Trouble::ClockJump => {
                let forward = self.rng.below(600_000) as i64;
                let back = self.rng.below(600_000) as i64;
                self.machine(node).clock_error_ms.fetch_add(forward - back, Ordering::Relaxed);
            }
            Trouble::FailedSync => self.machine(node).fail_sync(),
            Trouble::FailedStore => self.machine(node).fail_store(),
            Trouble::FullDisk => {
                let room = self.rng.below(20_000);
                self.machine(node).limit(Some(room));
                self.mend_later();
            }
            Trouble::Wipe => self.wipe(node),
            Trouble::Transfer => self.transfer(node),
            Trouble::Damage => self.damage(node),
        }
    }

    fn mend_later(&mut self) {
        let after = Duration::from_millis(self.rng.between(100, 7_000));
        let at = Instant::now() + after;
        self.mend_at = Some(self.mend_at.map_or(at, |other| other.max(at)));
    }
}

fn pairs(nodes: &[u64]) -> impl Iterator<Item = (u64, u64)> {
    nodes
        .iter()
        .flat_map(move |from| nodes.iter().map(move |to| (*from, *to)))
        .filter(|(from, to)| from != to)
}
