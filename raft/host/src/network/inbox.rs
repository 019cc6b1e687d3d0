//! Questions from other nodes: which group here are they for, and is it the replica that runs (I1)?

use super::message::{self, Ask, Question, Refused, Reply};
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use vecraft_rpc::peer::Frame;
use vecraft_types::{GroupId, NodeId, ReplicaId};

/// A replica that takes questions.
pub trait Inbound: Send + Sync {
    /// Answers one. The order of the first polls is the order in which questions reach the replica.
    fn ask(&self, from: NodeId, ask: Ask, payloads: Bytes) -> BoxFuture<'static, Reply>;
}

type Running = BTreeMap<GroupId, (ReplicaId, Arc<dyn Inbound>)>;

/// The replicas that run here. Clones are the same.
#[derive(Clone, Default)]
pub struct Inbox {
    running: Arc<RwLock<Running>>,
}

impl Inbox {
    /// From now on questions reach the replica.
    pub fn open(&self, group: GroupId, replica: ReplicaId, inbound: Arc<dyn Inbound>) {
        self.running.write().insert(group, (replica, inbound));
    }

    /// From now on they do not. Another replica of the group, started meanwhile, is left alone.
    pub fn close(&self, group: GroupId, replica: ReplicaId) {
        let mut running = self.running.write();
        if running.get(&group).is_some_and(|(known, _)| *known == replica) {
            running.remove(&group);
        }
    }

    /// Answers a question's frame.
    pub fn receive(&self, from: NodeId, frame: Bytes) -> BoxFuture<'static, Frame> {
        let answer = match message::decode(frame) {
            Ok((question, payloads)) => self.route(from, question, payloads),
            Err(why) => {
                tracing::warn!(node = %from, why, "malformed question of a peer");
                Err(Refused::Malformed(why))
            }
        };
        match answer {
            Ok(answer) => answer.map(|reply| message::encode_reply(&reply)).boxed(),
            Err(why) => std::future::ready(message::encode_reply(&Reply::Refused(why))).boxed(),
        }
    }

    fn route(
        &self,
        from: NodeId,
        question: Question,
        payloads: Bytes,
    ) -> Result<BoxFuture<'static, Reply>, Refused> {
        let Question { group, from: asker, to: wanted, ask } = question;
        let (running, inbound) = match self.running.read().get(&group) {
            Some((running, inbound)) => (*running, inbound.clone()),
            None => return Err(Refused::NoGroup(group)),
        };
        if running != wanted {
            tracing::debug!(%group, %wanted, %running, %asker, node = %from, "a question for another replica refused (I1)");
            return Err(Refused::WrongReplica { group, wanted, running });
        }
        Ok(inbound.ask(from, ask, payloads))
    }
}
