//! Whether a node may be announced: an id that a configuration can have, at an address where others can reach it.
//!
//! Asked before the change is proposed, never when it is applied: replicas of different programs must apply an entry
//! alike, and one that was accepted before stays accepted.

use std::ops::RangeInclusive;
use vecraft_state::meta::{MetaState, NodeState};
use vecraft_types::{Error, NodeId, Result};

/// The ids that `[[node]]` in cluster.toml can have.
pub const NODE_IDS: RangeInclusive<u64> = 1..=65_535;

/// Checks what can be checked without a cluster.
///
/// # Errors
/// What is allowed, with an example.
pub fn check_announced(node: NodeId, address: &str) -> Result<()> {
    if !NODE_IDS.contains(&node.0) {
        let (from, to) = (NODE_IDS.start(), NODE_IDS.end());
        return Err(Error::invalid(format!("a node's id is a number from {from} to {to}, not {node}")));
    }
    let is_host = |host: &str| {
        let is_bracketed = host.starts_with('[') && host.ends_with(']') && host.len() > 2;
        let is_plain = !host.is_empty() && !host.contains([':', '[', ']']);
        (is_bracketed || is_plain) && !host.contains(|letter: char| letter.is_whitespace() || letter == '/')
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port != 0);
    match address.rsplit_once(':') {
        Some((host, port)) if is_host(host) && is_port(port) => Ok(()),
        _ => Err(Error::invalid(format!(
            "{address:?} is not HOST:NODE_PORT, a name or address that the other nodes reach and a port from 1 to 65535, for \
             example 10.0.0.4:19550 or [fd00::4]:19550"
        ))),
    }
}

/// As [`check_announced`], and the address is no other node's that stays. One that leaves may be dead, and unable to be gone
/// before another takes its place on the same host.
///
/// # Errors
/// What is allowed; who has the address.
pub(super) fn check_new(state: &MetaState, node: NodeId, address: &str) -> Result<()> {
    check_announced(node, address)?;
    let stays = |id: NodeId| {
        let state = state.placement().state_of(id);
        state.is_some_and(|state| !matches!(state, NodeState::Leaving | NodeState::Removed))
    };
    let mut others = state.root().nodes.values().filter(|row| row.id != node && row.address == address);
    match others.find(|row| stays(row.id)) {
        None => Ok(()),
        Some(other) => Err(Error::invalid(format!(
            "{address} is the address of node {}: give node {node} a node port of its own, or tell the cluster first \
             that the other one leaves: vecraft node remove {}",
            other.id, other.id
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_node_can_have_is_refused_and_what_one_can_is_not() {
        let check = |id, address| check_announced(NodeId(id), address);
        for id in [0, 65_536, u64::MAX] {
            assert!(check(id, "h:1").is_err_and(|why| why.detail.contains("from 1 to 65535")));
        }
        for address in
            ["127.0.0.1:0", ":45550", "h", "h:", "", "h:65536", "::1:5", "[]:5", "a b:5", "http://h:5"]
        {
            assert!(check(4, address).is_err_and(|why| why.detail.contains("HOST:NODE_PORT")), "{address:?}");
        }
        for address in ["127.0.0.1:1", "host-4.example:19550", "[::1]:65535"] {
            assert!(check(65_535, address).is_ok(), "{address:?}");
        }
    }
}
