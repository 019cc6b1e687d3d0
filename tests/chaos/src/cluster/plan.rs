//! Which fault when: a pure function of the seed.

use clap::ValueEnum;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use std::time::Duration;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
pub enum Fault {
    /// SIGKILL of the node that leads the first collection's group, started again.
    KillLeader,
    /// SIGKILL of any node, started again.
    KillAny,
    /// SIGKILL of all nodes at once, all started again.
    KillAll,
    /// SIGSTOP of any node, then SIGCONT: a process that sleeps and does not know it.
    Pause,
    /// SIGSTOP of the leader, then SIGCONT.
    PauseLeader,
    /// Each node in turn: SIGTERM, start, wait until it serves.
    Rolling,
    /// The leader is cut off from the other nodes, not from its clients.
    PartitionLeader,
    /// Any node is cut off from the other nodes, not from its clients.
    Partition,
    /// Any node hears the others and is not heard, or the other way round.
    OneWay,
    /// The leader and one other node do not hear each other; the third hears both.
    Bridge,
    /// Any node's cable carries 512 kbit/s, with a queue of up to 400 ms.
    Slow,
    /// Power of any node fails: what was not synced is gone.
    PowerCut,
    /// Power of all nodes fails at once.
    PowerCutAll,
    /// The leader's filesystem is full to the last block.
    DiskFull,
    /// A node starts with an empty directory under its old number: it must be refused. Then its data is put back.
    Wipe,
    /// The disk of any node is lost: its node is removed, and its host joins empty under a new number.
    Replace,
}

/// What a kind needs beside processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Nothing.
    Processes,
    /// Network namespaces.
    Network,
    /// Network namespaces and a bandwidth limit.
    Bandwidth,
    /// A filesystem per node.
    Disks,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Fault; 16] = [
        Fault::KillLeader,
        Fault::KillAny,
        Fault::KillAll,
        Fault::Pause,
        Fault::PauseLeader,
        Fault::Rolling,
        Fault::PartitionLeader,
        Fault::Partition,
        Fault::OneWay,
        Fault::Bridge,
        Fault::Slow,
        Fault::PowerCut,
        Fault::PowerCutAll,
        Fault::DiskFull,
        Fault::Wipe,
        Fault::Replace,
    ];

    /// What it needs.
    pub fn needs(self) -> Need {
        match self {
            Fault::KillLeader | Fault::KillAny | Fault::KillAll | Fault::Pause | Fault::PauseLeader => {
                Need::Processes
            }
            Fault::Rolling | Fault::Wipe | Fault::Replace => Need::Processes,
            Fault::PartitionLeader | Fault::Partition | Fault::OneWay | Fault::Bridge => Need::Network,
            Fault::Slow => Need::Bandwidth,
            Fault::PowerCut | Fault::PowerCutAll | Fault::DiskFull => Need::Disks,
        }
    }

    /// Whether the nodes that it hits go on answering reads at Eventually.
    pub fn leaves_reads(self) -> bool {
        matches!(self.needs(), Need::Network | Need::Bandwidth) || self == Fault::DiskFull
    }

    /// As on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What it does, in a sentence.
    pub fn meaning(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }
}

/// One fault of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What.
    pub fault: Fault,
    /// How long nothing happens before it.
    pub quiet: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// Chooses the node.
    pub pick: u64,
}

/// An endless schedule: each kind once in each round, in an order of the seed.
pub struct Schedule {
    random: StdRng,
    kinds: Vec<Fault>,
    round: Vec<Fault>,
    longest: Duration,
}

/// Milliseconds before a fault.
const QUIET_MS: (u64, u64) = (1_500, 4_000);
/// A fault lasts no shorter.
pub const SHORTEST: Duration = Duration::from_millis(500);

impl Schedule {
    /// The schedule of a seed over these kinds. A fault lasts from [`SHORTEST`] to less than `longest`, which is more.
    pub fn new(seed: u64, kinds: &[Fault], longest: Duration) -> Schedule {
        let random = StdRng::seed_from_u64(seed ^ 0xfa17);
        Schedule { random, kinds: kinds.to_vec(), round: Vec::new(), longest }
    }
}

impl Iterator for Schedule {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        if self.round.is_empty() {
            self.round = self.kinds.clone();
            self.round.shuffle(&mut self.random);
        }
        let fault = self.round.pop()?;
        let quiet = Duration::from_millis(self.random.random_range(QUIET_MS.0..QUIET_MS.1));
        let lasts = self.random.random_range(millis(SHORTEST)..millis(self.longest));
        Some(Planned { fault, quiet, lasts: Duration::from_millis(lasts), pick: self.random.random() })
    }
}

fn millis(time: Duration) -> u64 {
    time.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_schedule_with_each_kind_in_each_round() {
        let longest = Duration::from_secs(20);
        let schedule = |seed| {
            Schedule::new(seed, &Fault::ALL, longest).take(3 * Fault::ALL.len()).collect::<Vec<Planned>>()
        };
        let first = schedule(7);
        assert_eq!(first, schedule(7));
        assert_ne!(first, schedule(8));
        assert!(first.iter().all(|planned| (SHORTEST..longest).contains(&planned.lasts)));
        for round in first.chunks(Fault::ALL.len()) {
            let mut kinds: Vec<Fault> = round.iter().map(|planned| planned.fault).collect();
            kinds.sort();
            let mut all = Fault::ALL.to_vec();
            all.sort();
            assert_eq!(kinds, all);
        }
    }

    #[test]
    fn every_kind_says_what_it_means() {
        assert!(Fault::ALL.iter().all(|fault| !fault.meaning().is_empty()));
        assert_eq!(Fault::ALL.len(), Fault::value_variants().len());
    }
}
