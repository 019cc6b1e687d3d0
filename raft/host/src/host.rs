//! Starting groups.

use crate::acknowledged::Acknowledged;
use crate::begin::{begin, watch_standing};
use crate::copies::Copies;
use crate::early_vote::EarlyVote;
use crate::group::{Group, Raft};
use crate::handle::Handle;
use crate::inequality;
use crate::member::Member;
use crate::network::Network;
use crate::network::client::GroupNetwork;
use crate::network::description::{PART_BYTES, Shelf};
use crate::read_index::{Asker, ReadIndex};
use crate::state_machine::{Driver, Published};
use crate::{Error, Machine};
use openraft::{Config, SnapshotPolicy};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use vecraft_log_store::NodeLog;
use vecraft_types::{GroupId, LogPosition, NodeId, ReplicaId};

/// A leader says that it is alive this often.
const HEARTBEAT_MS: u64 = 250;
/// A follower hopes for its leader for the lease, which is the longer of these, and then waits for a random time
/// between them: 1.25 to 1.5 s after the leader's last word it asks for votes, and as soon as the lease is over when the
/// connection from the leader ended ([`EarlyVote`]). So writes go on within 2 s after a death, and three heartbeats must
/// be lost before anybody even asks.
const ELECTION_MS: (u64, u64) = (500, 750);

/// Log kept for followers unless told otherwise, in bytes.
const FOLLOWERS_RESERVE_BYTES: u64 = 32 << 20;

/// Starts groups on this node's log.
pub struct Host {
    log: NodeLog,
    network: Network,
    config: Arc<Config>,
    followers_reserve_bytes: u64,
    part_bytes: usize,
    is_inline: bool,
}

/// How long a leader may be silent, in milliseconds. The product has one answer, [`Pace::default`]; a simulation draws
/// its own.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// A leader says that it is alive this often.
    pub heartbeat_ms: u64,
    /// Shortest and longest wait before an election. A follower hopes for its leader for the longer one first.
    pub election_ms: (u64, u64),
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { heartbeat_ms: HEARTBEAT_MS, election_ms: ELECTION_MS }
    }
}

/// Which group to start, and as whom.
#[derive(Clone, Debug)]
pub struct GroupSpec {
    /// The group.
    pub group: GroupId,
    /// This node.
    pub node: NodeId,
    /// This replica's id, allocated once and never reused (I1).
    pub replica: ReplicaId,
    /// What to do when the replica has no state here yet.
    pub birth: Birth,
}

/// How a replica without state begins (I1). With state it goes on from there, whatever this says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Birth {
    /// It does not: its state should be here, and without it the replica must not start.
    Resume,
    /// The group is formed now by these voters, this replica among them. Only on the first start of empty directories
    /// of all of them; the one with the lowest id proposes it.
    Form(BTreeMap<ReplicaId, NodeId>),
    /// The group exists elsewhere; this replica waits until the leader adds it.
    Join,
}

impl Birth {
    /// Form a group with `replica` as its only voter when `is_new`, else resume.
    pub fn lone(is_new: bool, replica: ReplicaId, node: NodeId) -> Birth {
        if is_new { Birth::Form(BTreeMap::from([(replica, node)])) } else { Birth::Resume }
    }
}

impl Host {
    /// A host without peers over the node's log.
    ///
    /// # Errors
    /// [`Error::Stopped`] when openraft refuses our settings, a bug.
    pub fn new(log: NodeLog) -> Result<Host, Error> {
        Host::with_network(log, Network::alone())
    }

    /// A host whose groups may have replicas elsewhere.
    ///
    /// # Errors
    /// [`Error::Stopped`] when openraft refuses our settings, a bug.
    pub fn with_network(log: NodeLog, network: Network) -> Result<Host, Error> {
        Host::at_pace(log, network, Pace::default())
    }

    /// The same at another pace.
    ///
    /// # Errors
    /// As [`Host::with_network`]; a pace that openraft refuses.
    pub fn at_pace(log: NodeLog, network: Network, pace: Pace) -> Result<Host, Error> {
        let config = Config {
            cluster_name: "vecraft".to_owned(),
            heartbeat_interval: pace.heartbeat_ms,
            election_timeout_min: pace.election_ms.0,
            election_timeout_max: pace.election_ms.1,
            enable_pre_vote: Some(true),
            // A leader without a majority falls silent, so that its followers elect another.
            quorum_loss_probe_interval: Some(2 * pace.election_ms.1),
            // A leader that comes back does not know what it acknowledged last: it must win a vote before it serves
            // reads (the saved commit index is written lazily).
            enable_leader_restore: Some(false),
            // I4: snapshots and purges are ours alone to trigger.
            snapshot_policy: SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: u64::MAX,
            // Batches are bounded by the log's read limit, in bytes.
            max_payload_entries: 1_024,
            // I1: a follower whose log is shorter than it said has lost its disk and must not be helped back in.
            allow_log_reversion: Some(false),
            ..Config::default()
        };
        let config =
            config.validate().map_err(|e| Error::Stopped { group: GroupId::META, reason: e.to_string() })?;
        let followers_reserve_bytes = FOLLOWERS_RESERVE_BYTES;
        let (config, part_bytes) = (Arc::new(config), PART_BYTES);
        Ok(Host { log, network, config, followers_reserve_bytes, part_bytes, is_inline: false })
    }

    /// Bytes of log that groups of several keep below their checkpoints, 32 MiB unless told: a follower that is no
    /// further behind catches up from the log, one that is gets a snapshot. Every replica keeps it, because any may
    /// lead next.
    #[must_use]
    pub fn keeping_for_followers(mut self, bytes: u64) -> Host {
        self.followers_reserve_bytes = bytes;
        self
    }

    /// Sends descriptions of snapshots in parts of so many bytes, 1 MiB unless told and at most.
    #[must_use]
    pub fn describing_in_parts_of(mut self, bytes: usize) -> Host {
        self.part_bytes = bytes;
        self
    }

    /// Blocks where it would hand work to a thread: for a simulation, which has one thread.
    #[must_use]
    pub fn inline(mut self) -> Host {
        self.is_inline = true;
        self
    }

    /// Starts a group. A lone voter has everything it had before the last stop when this returns (I3); one of several
    /// may still have to hear of it from the others: see [`Group::recovered`].
    ///
    /// # Errors
    /// [`Error::Stopped`] with the reason: unreadable log, failed machine, no state where there should be some, or no
    /// recovery in ten minutes.
    pub async fn start_group<M: Machine>(
        &self,
        spec: GroupSpec,
        machine: Arc<Mutex<M>>,
    ) -> Result<Group, Error> {
        let GroupSpec { group, node, replica: me, birth } = spec;
        let stopped = |reason: String| Error::Stopped { group, reason };
        let log = self.log.group(group, me);
        inequality::check(&log, machine.lock().checkpoint().as_ref())?;
        let (publish, published) = watch::channel(Published { at: LogPosition(0), is_closed: false });
        let checkpoint = Arc::new(Mutex::new(None));
        let driver = Driver::new(group, machine.clone(), checkpoint.clone(), publish);
        let shelf = Shelf::new(self.part_bytes);
        let copies = Copies::new(shelf.clone());
        let acknowledged = Acknowledged::new(group);
        let network = GroupNetwork {
            network: self.network.clone(),
            group,
            me,
            is_inline: self.is_inline,
            shelf: shelf.clone(),
            copies: copies.clone(),
            acknowledged: acknowledged.clone(),
        };
        let raft: Raft<M> = openraft::Raft::new(me.0, self.config.clone(), network, log.clone(), driver)
            .await
            .map_err(|e| stopped(e.to_string()))?;
        let standing = watch_standing(me, &raft);

        let reads = ReadIndex::start(Asker { group, me, raft: raft.clone(), network: self.network.clone() });
        let taking = Arc::default();
        let machine = Arc::downgrade(&machine);
        let member = Member {
            group,
            me,
            network: self.network.clone(),
            shelf,
            copies: copies.clone(),
            raft: raft.clone(),
            reads: reads.clone(),
            machine,
            taking,
            is_inline: self.is_inline,
        };
        self.network.inbox().open(group, me, Arc::new(member));
        let early = EarlyVote {
            me,
            raft: raft.clone(),
            standing: standing.clone(),
            network: self.network.clone(),
            heartbeat: Duration::from_millis(self.config.heartbeat_interval),
        };
        let followers_reserve_bytes = self.followers_reserve_bytes;
        let started = Group {
            id: group,
            me,
            raft: Arc::new(Handle {
                group,
                me,
                raft: raft.clone(),
                log,
                acknowledged,
                followers_reserve_bytes,
            }),
            network: self.network.clone(),
            read_index: reads,
            published,
            standing,
            checkpoint,
            copies,
        };
        match begin(me, node, birth, &raft).await {
            Ok(is_restarted) => {
                early.spawn(is_restarted);
                Ok(started)
            }
            Err(reason) => {
                started.shutdown().await;
                Err(stopped(reason))
            }
        }
    }

    /// The log below all groups.
    pub fn log(&self) -> &NodeLog {
        &self.log
    }

    /// The network of all groups.
    pub fn network(&self) -> &Network {
        &self.network
    }
}
