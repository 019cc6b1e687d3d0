//! The steward: looks at the nodes, asks the planner, takes its steps. Active on the metastore's leader.
//!
//! ```text
//! every node ── report ──> view ── plan ──> steps ─┬─> metastore: place, unplace, retire
//!      ^                                           └─> leader of a group: add, remove, voters, lead
//!      └────── its own keeper starts and removes replicas as the metastore wants them
//! ```
//! Nothing is remembered that matters: what was half done is seen in the next round, by this steward or another. Each
//! change is guarded by the members it was planned for, each wish by the version of the group's wanted replicas (I2), so
//! a deposed steward changes nothing. A new one declares nobody lost before a whole limit has passed.
//!
//! A cluster of one node that has nothing to do sleeps (P11); with several, a round a second is the heartbeat.

use super::status::Seen;
use super::{GroupView, MembersView, NodeView, Step, View, plan};
use crate::metastore::Metastore;
use futures::future::join_all;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use vecraft_rpc::membership::{GroupChange, GroupHost, GroupReport, NodeReport};
use vecraft_runtime::clock::Clock;
use vecraft_runtime::shutdown::Shutdown;
use vecraft_state::meta::{MetaChange, MetaRoot, NodeState, Placement};
use vecraft_types::{Code, Error, GroupId, NodeId, Result};

/// Between rounds while steps are taken.
const BUSY: Duration = Duration::from_millis(100);
/// Between rounds while replicas catch up.
const WAITING: Duration = Duration::from_millis(300);
/// Between rounds of a cluster at rest: its heartbeat.
const IDLE: Duration = Duration::from_secs(1);
/// After a round whose steps failed.
const FAILED: Duration = Duration::from_secs(1);
/// Silent for this long: not counted on for a majority.
const SILENT: Duration = Duration::from_secs(4);
/// Answering for this long: worth leading something.
const STEADY: Duration = Duration::from_secs(10);

/// What the steward is told by the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Copies wanted, for a cluster that does not know yet.
    pub replication: u32,
    /// A node silent for this long is lost: its replicas are made elsewhere when there is an elsewhere.
    pub lost_after: Duration,
}

/// The groups on a node.
pub type Hosts = Arc<dyn Fn(NodeId) -> Arc<dyn GroupHost> + Send + Sync>;

/// See the [module](self). Clones are the same.
#[derive(Clone)]
pub struct Steward {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) metastore: Metastore,
    hosts: Hosts,
    clock: Arc<dyn Clock>,
    limits: Limits,
    pub(super) wake: Notify,
    pub(super) seen: Mutex<Option<Seen>>,
}

/// When a node was heard, on the monotonic clock.
#[derive(Clone, Copy)]
struct Heard {
    last: Duration,
    /// Since when it has answered without a pause; none before its first answer.
    since: Option<Duration>,
}

type Hearing = BTreeMap<NodeId, Heard>;

/// What a round came to.
enum Round {
    Took,
    Waits,
    Rests,
    Failed,
}

impl Steward {
    /// A steward that has not begun.
    pub fn new(metastore: Metastore, hosts: Hosts, clock: Arc<dyn Clock>, limits: Limits) -> Steward {
        let (wake, seen) = (Notify::new(), Mutex::new(None));
        Steward { inner: Arc::new(Inner { metastore, hosts, clock, limits, wake, seen }) }
    }

    /// Works while this node leads the metastore; returns when asked to stop.
    ///
    /// # Errors
    /// None; the type is what background tasks return.
    pub async fn run(self, shutdown: Shutdown) -> std::result::Result<(), Infallible> {
        let mut standing = self.inner.metastore.standing();
        loop {
            let leads = |now: &vecraft_raft_host::Standing| now.part == vecraft_raft_host::Part::Leader;
            let Some(led) = shutdown.unless_triggered(async { standing.wait_for(leads).await.is_ok() }).await
            else {
                return Ok(());
            };
            if !led || shutdown.unless_triggered(self.lead()).await.is_none() {
                return Ok(());
            }
            *self.inner.seen.lock() = None;
        }
    }

    /// Rounds, for as long as this node leads.
    async fn lead(&self) {
        let inner = &self.inner;
        let (mut standing, mut placed) = (inner.metastore.standing(), inner.metastore.placed());
        let mut hearing = Hearing::new();
        while inner.metastore.is_leader() {
            standing.mark_unchanged();
            placed.mark_unchanged();
            let round = match inner.round(&mut hearing).await {
                Ok(round) => round,
                Err(error) => {
                    tracing::debug!(%error, "a round of the steward failed");
                    Round::Failed
                }
            };
            let pause = match round {
                Round::Took => BUSY,
                Round::Waits => WAITING,
                Round::Failed => FAILED,
                Round::Rests if hearing.len() <= 1 => Duration::MAX,
                Round::Rests => IDLE,
            };
            let pause = async {
                match pause {
                    Duration::MAX => std::future::pending().await,
                    pause => tokio::time::sleep(pause).await,
                }
            };
            tokio::select! {
                () = pause => {}
                () = inner.wake.notified() => {}
                Ok(()) = placed.changed() => {}
                Ok(()) = standing.changed() => {}
            }
        }
    }
}

impl Inner {
    async fn round(&self, hearing: &mut Hearing) -> Result<Round> {
        let changes = *self.metastore.placed().borrow();
        let (root, placement) =
            self.metastore.read(|state| (state.root().clone(), state.placement().clone()));
        if placement.replication == 0 {
            self.metastore.propose(MetaChange::SetReplication(self.limits.replication)).await?;
            return Ok(Round::Took);
        }
        let reports = self.ask_all(&root, &placement, hearing).await;
        let (view, led) = self.view(&root, &placement, &reports, hearing);
        let steps = plan(&view);
        let is_at_rest = super::status::under_way(&view).is_empty();
        *self.seen.lock() = Some(Seen { view, changes });
        if steps.is_empty() {
            return Ok(if is_at_rest { Round::Rests } else { Round::Waits });
        }
        let taken = join_all(steps.iter().map(|step| self.take(step, &placement, &led))).await;
        let mut round = Round::Failed;
        for (step, taken) in steps.iter().zip(taken) {
            match taken {
                Ok(()) => {
                    tracing::info!(?step, "placement");
                    round = Round::Took;
                }
                Err(error) => tracing::info!(?step, %error, "placement: not done, it is planned again"),
            }
        }
        Ok(round)
    }

    /// Every node with a replica of group 0 is asked, and those that answer are heard.
    async fn ask_all(
        &self,
        root: &MetaRoot,
        placement: &Placement,
        hearing: &mut Hearing,
    ) -> BTreeMap<NodeId, NodeReport> {
        let meta =
            root.groups.get(&GroupId::META).map(|row| row.replicas.values().copied().collect::<Vec<_>>());
        let known = |node: &NodeId| placement.nodes.contains_key(node);
        let nodes: Vec<NodeId> = meta.unwrap_or_default().into_iter().filter(known).collect();
        let asked = nodes.iter().map(|node| {
            let host = (self.hosts)(*node);
            async move { (*node, host.report().await) }
        });
        let answers = join_all(asked).await;
        let now = self.clock.monotonic();
        hearing.retain(|node, _| nodes.contains(node));
        let mut reports = BTreeMap::new();
        for (node, answer) in answers {
            // I2: a new coordinator takes nobody for lost before a whole limit has passed.
            let heard = hearing.entry(node).or_insert(Heard { last: now, since: None });
            if let Ok(report) = answer {
                if heard.since.is_none() || now.saturating_sub(heard.last) > SILENT {
                    heard.since = Some(now);
                }
                heard.last = now;
                reports.insert(node, report);
            }
        }
        reports
    }

    /// The planner's picture, and who leads which group.
    fn view(
        &self,
        root: &MetaRoot,
        placement: &Placement,
        reports: &BTreeMap<NodeId, NodeReport>,
        hearing: &Hearing,
    ) -> (View, BTreeMap<GroupId, (NodeId, GroupReport)>) {
        let mut led: BTreeMap<GroupId, (NodeId, GroupReport)> = BTreeMap::new();
        for (node, report) in reports {
            for group in &report.leads {
                // Two that both believe to lead: the one with the newer members, and its changes are guarded.
                let is_newer =
                    led.get(&group.group).is_none_or(|(_, other)| other.near.len() < group.near.len());
                if is_newer {
                    led.insert(group.group, (*node, group.clone()));
                }
            }
        }
        let now = self.clock.monotonic();
        let nodes = placement.nodes.iter().map(|(node, record)| {
            let heard = hearing.get(node);
            let silent = heard.map_or(Duration::MAX, |heard| now.saturating_sub(heard.last));
            let view = NodeView {
                state: record.state,
                is_alive: silent < SILENT && heard.is_some_and(|heard| heard.since.is_some()),
                is_lost: record.state != NodeState::Expected && silent > self.limits.lost_after,
                is_steady: heard
                    .and_then(|heard| heard.since)
                    .is_some_and(|since| now.saturating_sub(since) >= STEADY),
            };
            (*node, view)
        });
        let groups = root.groups.iter().map(|(id, row)| {
            let members = led.get(id).map(|(_, report)| MembersView {
                leader: report.leader,
                voters: report.voters.clone(),
                learners: report.learners.clone(),
                is_joint: report.is_joint,
                is_committed: report.is_committed,
                near: report.near.clone(),
                behind: report.behind.clone(),
            });
            (*id, GroupView { wanted: row.replicas.clone(), members })
        });
        let replication = placement.replication as usize;
        (View { replication, nodes: nodes.collect(), groups: groups.collect() }, led)
    }

    async fn take(
        &self,
        step: &Step,
        placement: &Placement,
        led: &BTreeMap<GroupId, (NodeId, GroupReport)>,
    ) -> Result<()> {
        let change = |group: GroupId, change: GroupChange| async move {
            let nobody =
                || Error::new(Code::ReplicaUnavailable, "the group has no leader now").with("group", group);
            let (node, report) = led.get(&group).ok_or_else(nobody)?;
            (self.hosts)(*node).change(group, report.guard.clone(), change).await
        };
        match step.clone() {
            Step::Place { group, node } => {
                let version = placement.version_of(group);
                self.metastore.propose(MetaChange::PlaceReplica { group, node, version }).await.map(drop)
            }
            Step::Unplace { group, replica } => {
                let version = placement.version_of(group);
                self.metastore.propose(MetaChange::UnplaceReplica { group, replica, version }).await.map(drop)
            }
            Step::Retire(node) => {
                let state = NodeState::Removed;
                self.metastore.propose(MetaChange::SetNode { node, state }).await.map(drop)
            }
            Step::AddLearner { group, replica, node } => {
                change(group, GroupChange::AddLearner { replica, node }).await
            }
            Step::RemoveLearner { group, replica } => {
                change(group, GroupChange::RemoveLearner(replica)).await
            }
            Step::SetVoters { group, voters } => {
                // Group 0 has a replica on every node, voting or not.
                let keeps_learners = group == GroupId::META;
                change(group, GroupChange::Voters { voters, keeps_learners }).await
            }
            Step::Lead { group, to } => change(group, GroupChange::Lead(to)).await,
        }
    }
}
