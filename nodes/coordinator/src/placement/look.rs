//! Looking at the nodes: who answers, who leads what, and the planner's picture made of it.

use super::driver::Inner;
use super::{GroupView, MembersView, NodeView, View};
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use vecraft_rpc::membership::{GroupReport, NodeReport};
use vecraft_state::meta::{MetaRoot, NodeState, Placement};
use vecraft_types::{GroupId, NodeId};

/// Silent for this long: not counted on for a majority.
const SILENT: Duration = Duration::from_secs(4);
/// Answering for this long: worth leading something.
const STEADY: Duration = Duration::from_secs(10);

/// When a node was heard, on the monotonic clock.
#[derive(Clone, Copy)]
pub(super) struct Heard {
    last: Duration,
    /// Since when it has answered without a pause; none before its first answer.
    since: Option<Duration>,
}

pub(super) type Hearing = BTreeMap<NodeId, Heard>;

/// Who leads a group, and what it says of it.
pub(super) type Led = BTreeMap<GroupId, (NodeId, GroupReport)>;

impl Inner {
    /// Every node with a replica of group 0 is asked, and those that answer are heard.
    pub(super) async fn ask_all(
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
    pub(super) fn view(
        &self,
        root: &MetaRoot,
        placement: &Placement,
        reports: &BTreeMap<NodeId, NodeReport>,
        hearing: &Hearing,
    ) -> (View, Led) {
        let mut led = Led::new();
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
            let is_alive = silent < SILENT && heard.is_some_and(|heard| heard.since.is_some());
            let view = NodeView {
                state: record.state,
                is_query_only: !placement.keeps_copies(*node),
                is_alive,
                silent: heard.filter(|_| !is_alive).map(|_| silent),
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
        let (nodes, groups) = (nodes.collect(), groups.collect());
        let (unfit, broken) = (unfit(root, reports), broken(reports));
        (View { replication, nodes, groups, unfit, broken }, led)
    }
}

/// Who should not lead what, with what each node says of itself.
fn unfit(root: &MetaRoot, reports: &BTreeMap<NodeId, NodeReport>) -> BTreeSet<(NodeId, GroupId)> {
    let of = |(node, report): (&NodeId, &NodeReport)| {
        let all = root.groups.keys().filter(|_| report.unfit.is_some());
        let groups: Vec<GroupId> = all.chain(report.unfit_in.keys()).copied().collect();
        let node = *node;
        groups.into_iter().map(move |group| (node, group))
    };
    reports.iter().flat_map(of).collect()
}

/// Replicas that do not serve, as their nodes say.
fn broken(reports: &BTreeMap<NodeId, NodeReport>) -> BTreeMap<(NodeId, GroupId), String> {
    let of = |(node, report): (&NodeId, &NodeReport)| {
        let node = *node;
        report.out_of_service.clone().into_iter().map(move |(group, why)| ((node, group), why))
    };
    reports.iter().flat_map(of).collect()
}
