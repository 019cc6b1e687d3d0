//! One life of a seed: starts, steps, deaths, and a last start after which everything must be there.

mod checkpointing;
mod proposing;
mod starting;

use crate::bug::Bug;
use crate::history::History;
use crate::invariants::i3_checkpoint::Checkpoints;
use crate::invariants::i9_timestamps::Timestamps;
use crate::invariants::i10_retries::Answers;
use crate::invariants::i13_indexes::Named;
use crate::invariants::i15_views::Held;
use crate::invariants::{Broken, i3_asks, i4_purge, i11_shard_logs, i13_indexes, i18_moments, i20_rows};
use crate::node::{BYSTANDER, Life, MAIN, Machine};
use crate::plan::Plan;
use crate::rng::Rng;
use crate::trace::Trace;
use crate::twin::Twin;
use crate::workload::Workload;
use checkpointing::Stage;
use vecraft_log_store::GroupKey;

/// Why a step did not end as usual.
pub enum Stop {
    /// The process died; a new one starts.
    Died,
    /// A rule was broken: the simulation ends.
    Broken(Broken),
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Stop {
        Stop::Broken(broken)
    }
}

/// Outcome of a step.
pub type Step<T = ()> = Result<T, Stop>;

/// Everything that a seed makes happen.
pub struct Simulation {
    pub(crate) bug: Option<Bug>,
    pub(crate) rng: Rng,
    pub(crate) plan: Plan,
    /// The events so far.
    pub trace: Trace,
    pub(crate) machine: Machine,
    pub(crate) life: Option<Life>,
    pub(crate) main: History,
    pub(crate) bystander: History,
    pub(crate) term: u64,
    pub(crate) twin: Twin,
    pub(crate) workload: Workload,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) stage: Stage,
    /// A checkpoint failed since the last good one: the store may name its files (I13).
    pub(crate) is_in_doubt: bool,
    pub(crate) answers: Answers,
    pub(crate) stamps: Timestamps,
    pub(crate) named: Named,
    pub(crate) held: Held,
    /// Steps after which the disk has room again.
    no_space_left_for: u64,
    /// Deaths so far.
    pub deaths: u64,
}

impl Simulation {
    /// The life of a seed, not yet begun.
    pub fn new(seed: u64, bug: Option<Bug>) -> Simulation {
        let mut rng = Rng::new(seed);
        let plan = Plan::draw(&mut rng);
        Simulation {
            bug,
            machine: Machine::new(&rng, &plan, bug),
            workload: Workload::new(rng.fork(4)),
            rng,
            plan,
            trace: Trace::default(),
            life: None,
            main: History::default(),
            bystander: History::default(),
            term: 0,
            twin: Twin::default(),
            checkpoints: Checkpoints::default(),
            stage: Stage::Idle,
            is_in_doubt: false,
            answers: Answers::default(),
            stamps: Timestamps::default(),
            named: Named::default(),
            held: Held::default(),
            no_space_left_for: 0,
            deaths: 0,
        }
    }

    /// Lives to the end.
    ///
    /// # Errors
    /// The first rule that did not hold.
    pub fn run(&mut self) -> Result<(), Broken> {
        self.start()?;
        for step in 1..=self.plan.steps {
            self.no_space_left_for = self.no_space_left_for.saturating_sub(1);
            if self.no_space_left_for == 1 {
                self.machine.disk.inner.set_capacity(None);
                self.trace.note("there is room again".to_owned());
            }
            let outcome = match self.step() {
                Ok(()) if step % self.plan.check_every == 0 => self.check().map_err(Stop::from),
                outcome => outcome,
            };
            self.survive(outcome)?;
        }
        self.end()
    }

    /// Without faults from here on: after a power cut everything is there, and the machine works (liveness).
    fn end(&mut self) -> Result<(), Broken> {
        self.trace.note("the last power cut".to_owned());
        self.plan.deaths = 0;
        self.die(true);
        self.start()?;
        for _ in 0..2 {
            for _ in 0..8 {
                let outcome = self.propose().and_then(|()| self.advance_checkpoint());
                if let Err(Stop::Broken(broken)) = outcome {
                    return Err(broken);
                }
                if outcome.is_err() {
                    return Err(crate::invariants::broken("I7", "the process died of nothing"));
                }
            }
            self.check()?;
            self.die(true);
            self.start()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Step {
        let dice = self.rng.below(100);
        if dice < self.plan.deaths {
            if self.rng.chance(40) {
                self.trace.note("death now".to_owned());
                return Err(Stop::Died);
            }
            let operations = self.rng.below(40);
            self.trace.note(format!("death in {operations} operations"));
            self.machine.fuse.light(operations);
            return Ok(());
        }
        if dice < self.plan.deaths + self.plan.faults {
            self.fault();
            return Ok(());
        }
        if dice < self.plan.deaths + self.plan.faults + self.plan.checkpoints {
            return self.advance_checkpoint();
        }
        match self.rng.below(20) {
            0 => self.hold_a_view(),
            1 => self.bystander_writes(),
            2 => self.mark(),
            3 => self.clean_up(),
            _ => self.propose(),
        }
    }

    fn fault(&mut self) {
        match self.rng.below(4) {
            0 | 1 => {
                let room = self.rng.below(5_000);
                let used = self.machine.used_bytes();
                self.machine.disk.inner.set_capacity(Some(used + room));
                self.no_space_left_for = self.rng.between(2, 15);
                self.trace.note(format!("{room} bytes of room"));
            }
            2 => {
                self.machine.disk.inner.fail_syncs(1);
                self.trace.note("the next sync fails".to_owned());
            }
            _ => {
                self.machine.kv.inner.fail_writes(1);
                self.trace.note("the store refuses one batch".to_owned());
            }
        }
    }

    fn hold_a_view(&mut self) -> Step {
        let views = self.life.as_ref().map(|life| life.shards.views.list()).unwrap_or_default();
        if let Some(view) = self.rng.pick(&views) {
            self.held.take(view.clone())?;
        }
        Ok(())
    }

    /// Goes on after a death; ends on a broken rule.
    fn survive(&mut self, outcome: Step) -> Result<(), Broken> {
        match outcome {
            Ok(()) => Ok(()),
            Err(Stop::Broken(broken)) if !self.machine.fuse.is_blown() => Err(broken),
            // What a dead process could not read is no finding.
            Err(_) => {
                let is_power_cut = self.rng.chance(60);
                self.die(is_power_cut);
                self.start()
            }
        }
    }

    pub(crate) fn die(&mut self, is_power_cut: bool) {
        self.deaths += 1;
        self.trace.note(format!("dead, power cut: {is_power_cut}"));
        self.life = None;
        self.stage = Stage::Idle;
        self.is_in_doubt = false;
        self.held.clear();
        self.machine.settle(is_power_cut);
        if is_power_cut {
            self.no_space_left_for = 0;
        }
    }

    /// Everything that must hold at any moment of a running process.
    pub(crate) fn check(&mut self) -> Result<(), Broken> {
        let Some(life) = &self.life else { return Ok(()) };
        let state = life.log.groups().remove(&MAIN).unwrap_or_default();
        if self.bug != Some(Bug::PurgeAboveCheckpoint) {
            // With that bug planted the question is whether its harm is found, not whether the switch is on.
            i4_purge::check(i4_purge::Pointers {
                purged: state.purged.map(|id| id.index),
                checkpoint: self.checkpoints.durable.map(|position| position.0),
                applied: Some(life.shards.replica.applied().0),
                last: state.last.map(|id| id.index),
            })?;
        }
        i11_shard_logs::shards(&life.shards, &self.twin)?;
        i20_rows::check(&life.shards, &self.twin)?;
        for shard in self.twin.shards.keys() {
            i13_indexes::check(&life.shards, &self.twin, *shard)?;
            i18_moments::check(&life.shards, &self.twin, *shard)?;
            i3_asks::check(&life.shards, &self.twin, *shard)?;
            self.named.seen(&life.shards, *shard)?;
        }
        self.held.unchanged()
    }

    pub(crate) fn history(&mut self, key: GroupKey) -> &mut History {
        if key == BYSTANDER { &mut self.bystander } else { &mut self.main }
    }
}
