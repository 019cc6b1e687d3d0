//! The asking side.

use super::serve::{RANGE, REFUSED};
use super::{FileRange, FilesElsewhere};
use crate::codec;
use crate::peer::{Channel, Frame, Lane, Peers};
use async_trait::async_trait;
use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use vecraft_types::{Code, Error, NodeId, Result};

/// For one range: a busy disk reads it well within.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// Files of the other nodes, one connection to each, made when needed.
pub struct PeerFiles {
    peers: Arc<Peers>,
    lanes: Mutex<BTreeMap<NodeId, Arc<Lane>>>,
}

impl PeerFiles {
    /// Over these peers.
    pub fn new(peers: Arc<Peers>) -> PeerFiles {
        PeerFiles { peers, lanes: Mutex::default() }
    }

    fn lane(&self, node: NodeId) -> Arc<Lane> {
        let new = || Arc::new(Lane::new(self.peers.clone(), node, Channel::Files, 0));
        self.lanes.lock().entry(node).or_insert_with(new).clone()
    }
}

#[async_trait]
impl FilesElsewhere for PeerFiles {
    async fn read(&self, node: NodeId, range: FileRange) -> Result<Bytes> {
        let question = codec::encode(&range).map_err(|error| Error::internal(error.to_string()))?;
        let mut answer = self.lane(node).call(Frame::new(question), ANSWER_MAX).await?;
        let strange = |what: &str| Error::internal(format!("node {node} answered {what} for {}", range.path));
        match answer.try_get_u8() {
            Ok(RANGE) if answer.len() > range.bytes as usize => Err(strange("more bytes than were asked")),
            Ok(RANGE) => Ok(answer),
            Ok(REFUSED) => {
                let why: Error = codec::decode(&answer).map_err(|_| strange("an unreadable refusal"))?;
                Err(Error { detail: format!("node {node}: {}", why.detail), ..why })
            }
            _ => Err(strange("neither bytes nor a refusal")),
        }
    }
}

/// What a node without peers has.
pub struct NobodyElse;

#[async_trait]
impl FilesElsewhere for NobodyElse {
    async fn read(&self, node: NodeId, _: FileRange) -> Result<Bytes> {
        Err(Error::new(Code::ReplicaUnavailable, format!("there is no node {node}: this one is alone")))
    }
}
