//! What a caller hears of a group that cannot serve: which one it is, what this node knows of it, what to look at.
//!
//! It decides nothing: codes and [`Error::may_be_done`] come from those who were asked.

use crate::outages;
use std::time::Duration;
use vecraft_rpc::services::Topology;
use vecraft_types::{Code, Error, GroupId, NodeId};

/// How errors name a group among their things.
const GROUP: &str = "group";

/// Adds the group that did not answer, what is known of it here, and for how long it has answered nobody. One that the error
/// names already is the one: DDL asks the metastore, and the shards' groups through it.
pub(crate) fn name_group(
    mut error: Error,
    asked: Option<GroupId>,
    topology: &dyn Topology,
    out_for: Duration,
) -> Error {
    let Some(group) = group_in(&error).or(asked) else { return error };
    let separator = if error.detail.is_empty() { "" } else { "; " };
    let outage = outages::told(out_for).map(|text| format!("; {text}")).unwrap_or_default();
    error.detail = format!("{}{separator}{}{outage}", error.detail, known(group, topology));
    error.with(GROUP, group)
}

/// The group that an error names.
pub(crate) fn group_in(error: &Error) -> Option<GroupId> {
    let (_, id) = error.context.iter().find(|(key, _)| key == GROUP)?;
    id.parse().ok().map(GroupId)
}

/// Adds the group to an error that says that it, or its leader, could not serve; unless a group is named already.
pub(crate) fn of_group(error: Error, group: GroupId) -> Error {
    let is_about_it = matches!(
        error.code,
        Code::NotReady | Code::Unavailable | Code::ReplicaUnavailable | Code::Deadline | Code::OutcomeUnknown
    );
    match is_about_it && group_in(&error).is_none() {
        true => error.with(GROUP, group),
        false => error,
    }
}

/// A change whose earlier attempt may be done yet, whatever the last one was told (I10).
pub(crate) fn maybe_done(what: &str, mut error: Error) -> Error {
    if error.code != Code::OutcomeUnknown {
        let last = match error.detail.is_empty() {
            true => error.code.text().to_owned(),
            false => format!("{}: {}", error.code.text(), error.detail),
        };
        error.detail = format!("{what} may have been done; the last attempt: {last}");
        error.code = Code::OutcomeUnknown;
    }
    error
}

/// What this node knows of a group, and what a reader of the message may do.
fn known(group: GroupId, topology: &dyn Topology) -> String {
    let (own, mut nodes) = (topology.own(), topology.nodes_of(group));
    nodes.sort_unstable();
    let name = if group == GroupId::META { "group 0 (the metastore)" } else { &format!("group {group}") };
    let leader = match topology.leader_of(group) {
        Some(leader) if leader == own => format!("node {own} leads {name} as far as it knows"),
        Some(leader) => format!("node {own} takes node {leader} for the leader of {name}"),
        None => format!("node {own} knows no leader of {name}"),
    };
    match nodes.as_slice() {
        [] => leader,
        [one] => format!("{leader}; the group is on node {one} alone"),
        nodes => format!(
            "{leader}; the group is on nodes {} and needs a majority of them{}: try again, and if it stays so, see that they \
             run and reach each other",
            list(nodes),
            silent(nodes, topology)
        ),
    }
}

/// Which of a group's nodes do not answer this one. The error before it names the one that was asked last.
fn silent(nodes: &[NodeId], topology: &dyn Topology) -> String {
    let mut silent = topology.out_of_reach();
    silent.retain(|node| nodes.contains(node));
    silent.sort_unstable();
    match silent.as_slice() {
        [] => String::new(),
        [one] => format!(", and node {one} does not answer this one"),
        several => format!(", and nodes {} do not answer this one", list(several)),
    }
}

fn list(nodes: &[NodeId]) -> String {
    nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join(", ")
}
