//! One life of a seed's cluster: form, live through trouble, heal, agree, lose all power, and still have everything.

mod healing;

use super::book::Book;
use super::bug::Bug;
use super::client::{Client, Common};
use super::growing::grow_twice;
use super::machine::{Ailment, Machine, Started, World};
use super::net::Net;
use super::plan::Plan;
use super::replacing::replace_twice;
use super::seats::Seats;
use crate::invariants::{Broken, ensure};
use crate::rng::Rng;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use vecraft_raft_host::Birth;
use vecraft_types::{NodeId, ReplicaId};

/// Starts in a row that may die on their way.
const DEADLY_STARTS: u64 = 2;

/// Outcome of a part of a life.
pub type Lived<T = ()> = Result<T, Broken>;

/// A cluster in the middle of its life.
pub struct Life {
    pub(super) world: World,
    pub(super) rng: Rng,
    machines: Vec<Machine>,
    /// When a dead node starts again.
    starts: BTreeMap<u64, Instant>,
    pub(super) mend_at: Option<Instant>,
    next_replica: u64,
    /// A replica that takes the place of a wiped one: one at a time (I2).
    replacing: Option<JoinHandle<()>>,
    /// A node whose log is damaged and which has not started since: it may be the next to be replaced.
    damaged: Option<u64>,
    common: Common,
    clients: Vec<JoinHandle<()>>,
    is_troubled: bool,
}

impl Life {
    /// A cluster that has not begun.
    pub fn new(seed: u64, bug: Option<Bug>, book: Book) -> Life {
        let mut rng = Rng::new(seed);
        let mut plan = Plan::draw(&mut rng);
        if let Some(bug) = bug {
            bug.temper(&mut plan);
        }
        let net = Net::new(rng.fork(1), bug, plan.weather);
        let world = World { bug, net, book, seats: Seats::default(), began: Instant::now(), plan };
        let replica = |node: u64| ReplicaId(10 + node);
        let voters: BTreeMap<_, _> =
            (1..=world.plan.nodes).map(|node| (replica(node), NodeId(node))).collect();
        let birth = |id| match world.plan.grows {
            true if id == 1 => Birth::Form([(replica(1), NodeId(1))].into()),
            true => Birth::Join,
            false => Birth::Form(voters.clone()),
        };
        let machines = (1..=world.plan.nodes)
            .map(|id| Machine::new(id, replica(id), birth(id), rng.fork(10 + id), &world))
            .collect();
        Life {
            next_replica: 11 + world.plan.nodes,
            world,
            rng,
            machines,
            starts: BTreeMap::new(),
            mend_at: None,
            replacing: None,
            damaged: None,
            common: Common::default(),
            clients: Vec::new(),
            is_troubled: false,
        }
    }

    /// Lives to the end.
    ///
    /// # Errors
    /// The first rule that did not hold.
    pub async fn run(&mut self) -> Lived {
        for node in (1..=self.world.plan.nodes).rev() {
            self.start(node).await?;
        }
        let mut first = self.client(1);
        ensure(first.create_shards().await, "liveness", || "the group was not formed".to_owned())?;
        for number in 0..self.world.plan.writers {
            let client = self.client(100 + number);
            self.clients.push(tokio::spawn(client.write_on()));
        }
        for number in 0..self.world.plan.readers {
            let client = self.client(200 + number);
            self.clients.push(tokio::spawn(client.read_on()));
        }
        // Of a sequence of their own: what else a seed means stays as it was.
        if self.rng.fork(2_000).chance(50) {
            self.clients.push(tokio::spawn(self.client(400).ask_on()));
        }
        if self.world.plan.grows {
            self.grow();
        }
        self.is_troubled = true;
        for _ in 0..self.world.plan.steps {
            self.step().await?;
        }
        self.is_troubled = false;
        self.heal().await?;
        self.common.is_over.store(true, Ordering::Relaxed);
        for client in std::mem::take(&mut self.clients) {
            self.until_done(client).await?;
        }
        self.agree("after the trouble").await?;
        self.world.book.note("everybody loses power");
        (1..=self.world.plan.nodes).for_each(|node| self.kill(node, true));
        self.heal().await?;
        self.agree("after a power cut of everybody").await
    }

    fn client(&self, number: u64) -> Client {
        Client::new(&self.world, self.rng.fork(1_000 + number), number, &self.common)
    }

    pub(super) fn machine(&mut self, node: u64) -> &mut Machine {
        &mut self.machines[node as usize - 1]
    }

    /// Some time, and perhaps some trouble.
    async fn step(&mut self) -> Lived {
        self.pass().await?;
        if self.rng.chance(self.world.plan.trouble)
            && let Some(trouble) = self.draw_trouble()
        {
            self.make(trouble);
        }
        Ok(())
    }

    /// Lets time pass, starts whose time has come, looks at everybody.
    async fn pass(&mut self) -> Lived {
        let ms = self.rng.between(10, self.world.plan.step_ms_max);
        tokio::time::sleep(Duration::from_millis(ms)).await;
        let now = Instant::now();
        if self.mend_at.is_some_and(|at| at <= now) {
            self.mend();
        }
        let due: Vec<u64> = self.starts.iter().filter(|(_, at)| **at <= now).map(|(node, _)| *node).collect();
        for node in due {
            self.start(node).await?;
        }
        for node in 1..=self.world.plan.nodes {
            let world = self.world.clone();
            let machine = self.machine(node);
            match machine.look(&world) {
                None => {}
                Some(Ailment::Dead) => self.kill_somehow(node),
                Some(Ailment::LogFailed(why)) => {
                    machine.excuse(&why)?;
                    self.kill_somehow(node);
                }
                Some(Ailment::Ended(why)) => {
                    machine.excuse(&why)?;
                    self.kill_somehow(node);
                }
            }
        }
        self.verdict()
    }

    fn verdict(&self) -> Lived {
        self.world.book.with(|pages| pages.broken.clone()).map_or(Ok(()), Err)
    }

    fn mend(&mut self) {
        self.mend_at = None;
        self.world.net.mend();
        self.world.net.set_weather(self.world.plan.weather);
        self.machines.iter_mut().for_each(|machine| machine.limit(None));
        self.world.book.note("the network is mended, disks have room");
    }

    fn kill_somehow(&mut self, node: u64) {
        let is_power_cut = self.rng.chance(60);
        self.kill(node, is_power_cut);
    }

    pub(super) fn kill(&mut self, node: u64, is_power_cut: bool) {
        let world = self.world.clone();
        self.machine(node).kill(&world, is_power_cut);
        let after = if self.rng.chance(60) { self.rng.below(1_500) } else { self.rng.below(9_000) };
        self.starts.insert(node, Instant::now() + Duration::from_millis(after));
    }

    async fn start(&mut self, node: u64) -> Lived {
        self.starts.remove(&node);
        let world = self.world.clone();
        for attempt in 0.. {
            let is_deadly = self.is_troubled && attempt < DEADLY_STARTS && self.rng.chance(15);
            let operations = is_deadly.then(|| self.rng.below(60));
            world.book.note(format!("node {node} starts as replica {}", self.machine(node).replica));
            match self.machine(node).start(&world, operations).await? {
                Started::Serves => break,
                Started::Refused => {
                    // As an operator does: its disk is emptied, and another replica takes its place (I24).
                    let old = self.machine(node).replica;
                    self.renew(node, old);
                    self.starts.remove(&node);
                }
                Started::Died => {
                    let is_power_cut = self.rng.chance(60);
                    self.machine(node).kill(&world, is_power_cut);
                }
            }
        }
        self.damaged = self.damaged.filter(|damaged| *damaged != node);
        self.verdict()
    }

    /// A byte of a node's log is another one when it starts again. It starts in spite of that when nothing counts on the
    /// byte; else it refuses, and is replaced as if its disk were lost (I6).
    pub(super) fn damage(&mut self, node: u64) {
        if self.is_replacing() || self.formed_voter(node).is_none() {
            return;
        }
        let is_power_cut = self.rng.chance(60);
        let world = self.world.clone();
        if self.machine(node).damage(&world, is_power_cut) {
            self.damaged = Some(node);
        }
        self.kill(node, is_power_cut);
    }

    /// One replica at a time (I2).
    fn is_replacing(&self) -> bool {
        self.damaged.is_some() || self.replacing.as_ref().is_some_and(|replacing| !replacing.is_finished())
    }

    /// A node loses everything; another replica starts there and takes the old one's place (I1, I2).
    pub(super) fn wipe(&mut self, node: u64) {
        if self.is_replacing() {
            return;
        }
        let Some(old) = self.formed_voter(node) else { return };
        self.renew(node, old);
    }

    fn renew(&mut self, node: u64, old: ReplicaId) {
        self.kill(node, true);
        let is_reused = self.world.bug == Some(Bug::ReuseReplicaId);
        let new = if is_reused { old } else { ReplicaId(self.next_replica) };
        self.next_replica += 1;
        let bug = self.world.bug;
        let machine = self.machine(node);
        machine.wipe(bug);
        (machine.replica, machine.birth) = (new, Birth::Join);
        self.world.book.note(format!("node {node} lost its disk, replica {new} takes the place of {old}"));
        if !is_reused {
            let (world, rng) = (self.world.clone(), self.rng.fork(new.0));
            self.replacing = Some(tokio::spawn(replace_twice(world, node, old, new, rng)));
        }
    }

    /// Everybody else joins the lone voter, while clients write and the trouble begins. Nobody is replaced meanwhile.
    fn grow(&mut self) {
        let others = self.machines.iter().filter(|machine| machine.id != 1);
        let newcomers = others.map(|machine| (machine.replica, NodeId(machine.id))).collect();
        let (world, rng) = (self.world.clone(), self.rng.fork(2_000));
        self.replacing = Some(tokio::spawn(grow_twice(world, newcomers, rng)));
    }

    /// The node's replica, when it is a voter of a group that is formed.
    fn formed_voter(&mut self, node: u64) -> Option<ReplicaId> {
        let replica = self.machine(node).replica;
        let fronts = self.world.seats.all();
        let knows = |front: &super::seats::Front| {
            let members = front.group.members();
            !members.is_joint && members.voters.contains_key(&replica)
        };
        fronts.iter().any(knows).then_some(replica)
    }

    pub(super) fn transfer(&mut self, node: u64) {
        let to = self.machine(node).replica;
        for front in self.world.seats.leaders() {
            tokio::spawn(async move { front.group.transfer_leader(to, Duration::from_secs(2)).await });
        }
    }
}
