//! Questions from other nodes: which group here are they for, and is it the replica that runs (I1)?

use super::message::{self, Ask, Question, Refused, Reply};
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use vecraft_rpc::Complaints;
use vecraft_rpc::peer::Frame;
use vecraft_types::{GroupId, NodeId, ReplicaId};

/// A replica that takes questions.
pub trait Inbound: Send + Sync {
    /// Answers one. The order of the first polls is the order in which questions reach the replica.
    fn ask(&self, from: NodeId, ask: Ask, payloads: Bytes) -> BoxFuture<'static, Reply>;
}

type Running = BTreeMap<GroupId, (ReplicaId, Arc<dyn Inbound>)>;

/// The replicas that run here. Clones are the same.
#[derive(Clone)]
pub struct Inbox {
    running: Arc<RwLock<Running>>,
    complaints: Arc<Complaints>,
}

impl Inbox {
    /// Nothing runs here yet. What is wrong with questions is said there.
    pub fn new(complaints: Arc<Complaints>) -> Inbox {
        Inbox { running: Arc::default(), complaints }
    }

    pub fn complaints(&self) -> &Complaints {
        &self.complaints
    }

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
            Err(why) => Err(Refused::Malformed(why)),
        };
        let complaints = self.complaints.clone();
        let encoded = move |reply: Reply| {
            if let Reply::Refused(Refused::Malformed(why)) = &reply {
                complaints.tell(from, "malformed question of a peer, refused", why);
            }
            message::encode_reply(&reply)
        };
        match answer {
            Ok(answer) => answer.map(encoded).boxed(),
            Err(why) => std::future::ready(encoded(Reply::Refused(why))).boxed(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata};

    /// Counts lines that an operator would see.
    #[derive(Clone, Default)]
    struct Lines(Arc<AtomicU64>);

    impl tracing::Subscriber for Lines {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() <= Level::INFO
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    /// A replica that can make nothing of any question.
    struct Puzzled;

    impl Inbound for Puzzled {
        fn ask(&self, _: NodeId, _: Ask, _: Bytes) -> BoxFuture<'static, Reply> {
            std::future::ready(Reply::Refused(Refused::Malformed("an append to group 4: no".to_owned())))
                .boxed()
        }
    }

    #[tokio::test]
    async fn a_peer_that_asks_nonsense_all_the_time_is_logged_once() {
        let inbox = Inbox::new(Arc::default());
        inbox.open(GroupId(4), ReplicaId(1), Arc::new(Puzzled));
        let question =
            Question { group: GroupId(4), from: ReplicaId(2), to: ReplicaId(1), ask: Ask::ReadIndex };
        let head = vecraft_rpc::codec::encode(&question).expect("it is one");
        let good = Bytes::from([&(head.len() as u32).to_le_bytes()[..], &head].concat());
        let nonsense = Bytes::from_static(&[1, 0, 0, 0, 77]);
        let lines = Lines::default();
        let _counting = tracing::subscriber::set_default(lines.clone());
        for _ in 0..50 {
            for frame in [&good, &nonsense] {
                assert!(!inbox.receive(NodeId(2), frame.clone()).await.is_empty(), "an answer each time");
            }
        }
        assert_eq!(lines.0.load(Ordering::Relaxed), 1);
        drop(inbox.receive(NodeId(3), nonsense).await);
        assert_eq!(lines.0.load(Ordering::Relaxed), 2, "another peer is news");
    }
}
