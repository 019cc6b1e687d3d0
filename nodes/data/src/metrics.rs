//! What this node holds, in figures: counted from what is there anyway when somebody asks.
//!
//! Totals only. A figure per collection would make ten thousand lines of ten thousand collections.

use crate::ProcessMemory;
use crate::group::DataGroup;
use crate::node::DataNode;
use crate::replica::GroupReplica;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use vecraft_raft_host::{CopyFigures, Heard, Part};
use vecraft_segment::{SealedSegment, Segment};
use vecraft_types::{GroupId, LogPosition, NodeId};

/// The data role in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataFigures {
    /// Bytes of growing rows, deletes and key indexes.
    pub memory_bytes: u64,
    /// Bytes of indexes in memory.
    pub index_bytes: u64,
    /// Bytes of clients' requests that are not all there yet.
    pub arriving_bytes: u64,
    /// Above this, inserts are refused (I21): all of these and writes in flight together.
    pub memory_bytes_max: u64,
    /// Bytes of writes accepted and not yet applied.
    pub in_flight_bytes: u64,
    /// Above this, writes are told to come again.
    pub in_flight_bytes_max: u64,
    /// Bytes of the column and tail files that checkpoints name.
    pub file_bytes: u64,
    /// Shards that are shown here.
    pub shards: u64,
    /// Segments in memory, covered by the log.
    pub growing: SegmentFigures,
    /// Segments in files.
    pub flushed: SegmentFigures,
    /// Those of them with an index attached.
    pub indexed: SegmentFigures,
    /// Every pool group that serves here.
    pub groups: Vec<GroupFigures>,
    /// Groups out of service here (I24).
    pub outages: u64,
    /// Outputs of compactions that the log decided and readers do not see yet.
    pub compacting: u64,
    /// What the whole process has, as far as somebody looks.
    pub process: Option<ProcessMemory>,
    /// Seconds until readers see the last of them, about; 0 when there is none, or nothing to go by yet.
    pub compacting_seconds_left: u64,
    /// How often a replica left service here since the start.
    pub left_service: u64,
    /// Replicas elsewhere that differ from the majority of their group (I22).
    pub differing: u64,
}

/// Some segments together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentFigures {
    /// How many.
    pub segments: u64,
    /// Their rows, deleted ones included.
    pub rows: u64,
    /// How many of those are deleted.
    pub deleted_rows: u64,
}

/// One group's replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupFigures {
    /// Which.
    pub group: GroupId,
    /// The last entry applied.
    pub applied: LogPosition,
    /// The position that its views include.
    pub published: LogPosition,
    /// The position of its newest durable checkpoint.
    pub checkpoint: LogPosition,
    /// Whether it leads, as far as it knows.
    pub is_leader: bool,
    /// Whether it knows who leads.
    pub has_leader: bool,
    /// Members that count for a majority, as far as it knows.
    pub voters: u64,
    /// Whether a change of the voters is under way, as far as it knows.
    pub is_joint: bool,
    /// On the leader: members that count and answered lately, itself included.
    pub heard: Option<Heard>,
    /// On the leader: the entries that each follower lacks, by its node.
    pub lags: Vec<(NodeId, u64)>,
    /// On the leader: followers that lack what they had acknowledged (I1).
    pub gone_back: u64,
    /// How copies for replicas that are too far behind go.
    pub copies: CopyFigures,
    /// Bytes that only the log holds.
    pub unflushed_bytes: u64,
    /// Up to where it was found to hold what a majority holds (I22), 0 before; none where nobody compares.
    pub compared: Option<LogPosition>,
}

impl GroupFigures {
    /// Whether this replica leads and hears a majority of the voters. One that follows cannot tell: it believes in its
    /// last leader until there is another.
    pub fn has_quorum(&self) -> bool {
        self.heard.is_some_and(|heard| heard.is_majority)
    }
}

impl SegmentFigures {
    fn add(&mut self, segment: &Segment) {
        self.segments += 1;
        self.rows += u64::from(segment.rows());
        self.deleted_rows += u64::from(segment.deletes().count());
    }
}

impl DataNode {
    /// The node's figures. Walks over all shards in memory, less than a microsecond each.
    pub fn figures(&self) -> DataFigures {
        let groups = self.groups();
        let mut figures = DataFigures {
            memory_bytes: self.memory_bytes(),
            index_bytes: self.governor().index_bytes(),
            arriving_bytes: self.governor().arriving_bytes(),
            memory_bytes_max: self.limits.memory_bytes_max,
            process: self.governor().process(),
            in_flight_bytes: self.in_flight_bytes(),
            in_flight_bytes_max: self.limits.in_flight_bytes_max as u64,
            file_bytes: groups.iter().map(|group| group.pressure.file_bytes.load(Ordering::Relaxed)).sum(),
            differing: self.differing(),
            outages: self.outages().len() as u64,
            left_service: self.left_service(),
            groups: groups.iter().map(|group| group.figures()).collect(),
            compacting_seconds_left: groups
                .iter()
                .filter_map(|group| group.seconds_left())
                .max()
                .unwrap_or(0),
            ..DataFigures::default()
        };
        for view in self.views.list() {
            figures.shards += 1;
            let outputs =
                view.segments.iter().filter_map(|shown| Some(shown.renamed.as_ref()?.compaction.id()));
            figures.compacting += outputs.collect::<BTreeSet<_>>().len() as u64;
            for shown in &view.segments {
                match &shown.segment {
                    Segment::Growing(_) => figures.growing.add(&shown.segment),
                    Segment::Sealed(sealed) => {
                        figures.flushed.add(&shown.segment);
                        if is_indexed(sealed) {
                            figures.indexed.add(&shown.segment);
                        }
                    }
                }
            }
        }
        figures
    }
}

fn is_indexed(segment: &SealedSegment) -> bool {
    segment.schema().vector_fields().any(|field| segment.index(field.id).is_some())
}

impl DataGroup {
    fn figures(&self) -> GroupFigures {
        let standing = self.raft.standing().borrow().clone();
        GroupFigures {
            group: self.raft.id(),
            applied: self.machine.lock().replica.applied(),
            published: self.raft.published(),
            checkpoint: self.raft.checkpoint_position(),
            is_leader: standing.part == Part::Leader,
            has_leader: standing.leader.is_some(),
            voters: standing.members.voters.len() as u64,
            is_joint: standing.members.is_joint,
            heard: self.raft.heard(),
            lags: self.raft.progress().iter().map(|p| (p.follower.node, p.lag)).collect(),
            gone_back: self.raft.gone_back(),
            copies: self.raft.copies(),
            unflushed_bytes: self.pressure.unflushed_bytes.load(Ordering::Relaxed),
            compared: Some(LogPosition(self.compared.load(Ordering::Relaxed))),
        }
    }
}

impl GroupReplica {
    /// Bytes of the files that the newest checkpoint names.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.manifests().flat_map(|file| &file.files).map(|file| file.bytes).sum()
    }
}
