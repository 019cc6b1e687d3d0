//! Rows, memory and groups.

use vecraft_coordinator::Metastore;
use vecraft_data::{DataFigures, GroupFigures, SegmentFigures};
use vecraft_raft_host::{Group, Part};
use vecraft_runtime::telemetry::Figures;
use vecraft_types::{GroupId, NodeId};

pub fn tell(figures: &mut Figures, data: &DataFigures, metastore: &Metastore) {
    memory(figures, data);
    rows(figures, data);
    std::iter::once(&group_zero(metastore)).chain(&data.groups).for_each(|one| group(figures, one));
    let help = "groups out of service on this node; /healthz says why";
    figures.gauge("vecraft_groups_out_of_service", help, &[], data.outages);
    let help = "replicas that left service on this node since it started, made anew since or not; not for a full disk";
    figures.counter("vecraft_replicas_left_service_total", help, &[], data.left_service);
    let help = "replicas on other nodes that differ from the majority of their group; any is an alarm";
    figures.gauge("vecraft_replicas_differing", help, &[], data.differing);
}

fn group_zero(metastore: &Metastore) -> GroupFigures {
    let standing = metastore.standing().borrow().clone();
    let (published, checkpoint) = metastore.positions();
    GroupFigures {
        group: GroupId::META,
        // Its catalogue is published inside apply.
        applied: published,
        published,
        checkpoint,
        is_leader: standing.part == Part::Leader,
        has_leader: standing.leader.is_some(),
        voters: standing.members.voters.len() as u64,
        is_joint: standing.members.is_joint,
        heard: metastore.group().and_then(Group::heard),
        lags: metastore.group().map(lags).unwrap_or_default(),
        gone_back: metastore.group().map(Group::gone_back).unwrap_or_default(),
        copies: metastore.group().map(Group::copies).unwrap_or_default(),
        unflushed_bytes: metastore.unflushed_bytes(),
        compared: None,
    }
}

fn lags(group: &Group) -> Vec<(NodeId, u64)> {
    group.progress().iter().map(|p| (p.follower.node, p.lag)).collect()
}

fn memory(figures: &mut Figures, data: &DataFigures) {
    let mut gauge = |name, help, value: u64| figures.gauge(name, help, &[], value);
    gauge("vecraft_memory_bytes", "bytes of growing rows, deletes and key indexes", data.memory_bytes);
    let help = "bytes of indexes in memory; mapped files do not count";
    gauge("vecraft_index_memory_bytes", help, data.index_bytes);
    let help = "bytes of requests at the client port and the Milvus port that are not all there yet";
    gauge("vecraft_request_arriving_bytes", help, data.arriving_bytes);
    let help = "bytes of all of these and of writes in flight above which inserts are refused";
    gauge("vecraft_memory_limit_bytes", help, data.memory_bytes_max);
    if let Some(process) = data.process {
        let help = "bytes that the whole process has, mapped files left out";
        gauge("vecraft_process_memory_bytes", help, process.has);
        gauge("vecraft_process_memory_allowed_bytes", "bytes that the system allows it", process.allowed);
        let help = "1 while inserts are refused because it comes too near to that";
        gauge("vecraft_process_tight", help, process.is_tight.into());
    }
    let help = "bytes of writes accepted and not yet applied";
    gauge("vecraft_write_in_flight_bytes", help, data.in_flight_bytes);
    let help = "bytes of them above which writes are told to come again";
    gauge("vecraft_write_in_flight_limit_bytes", help, data.in_flight_bytes_max);
}

fn rows(figures: &mut Figures, data: &DataFigures) {
    figures.gauge("vecraft_shards", "shards that are served here", &[], data.shards);
    // Milvus's states: what is not in files counts as growing here, sealed or not.
    for (state, some) in [("Growing", data.growing), ("Flushed", data.flushed)] {
        let labels = [("segment_state", state)];
        figures.gauge("milvus_datacoord_segment_num", "segments by state", &labels, some.segments);
        let help = "rows by state of their segment, deleted ones included";
        figures.gauge("milvus_datacoord_stored_rows_num", help, &labels, some.rows);
    }
    let live = |some: SegmentFigures| some.rows.saturating_sub(some.deleted_rows);
    let help = "rows that can be found: stored and not deleted";
    figures.gauge("milvus_querynode_entity_num", help, &[], live(data.growing) + live(data.flushed));
    let help =
        "segments that compactions make and that are not read yet: their files or indexes are under way";
    figures.gauge("vecraft_compacting_segments", help, &[], data.compacting);
    let help = "seconds until readers see the last of them, about; 0 also when none was made yet to go by";
    figures.gauge("vecraft_compacting_seconds_left", help, &[], data.compacting_seconds_left);
    let help = "segments in files that have an index";
    figures.gauge("vecraft_indexed_segments", help, &[], data.indexed.segments);
    let help = "rows in segments that have an index; searches scan the others";
    figures.gauge("vecraft_indexed_rows", help, &[], data.indexed.rows);
}

fn group(figures: &mut Figures, one: &GroupFigures) {
    let id = one.group.to_string();
    let labels = [("group", id.as_str())];
    let mut gauge = |name, help, value: u64| figures.gauge(name, help, &labels, value);
    gauge("vecraft_group_applied_position", "log position of the last entry applied", one.applied.0);
    let help = "log position that readers see";
    gauge("vecraft_group_published_position", help, one.published.0);
    let help = "log position of the newest durable checkpoint";
    gauge("vecraft_group_checkpoint_position", help, one.checkpoint.0);
    let help = "bytes of entries that only the log holds: a restart replays them";
    gauge("vecraft_group_unflushed_bytes", help, one.unflushed_bytes);
    if let Some(compared) = one.compared {
        let help = "log position up to which this replica was found to hold what a majority holds; 0 before";
        gauge("vecraft_group_compared_position", help, compared.0);
    }
    let help = "1 when this replica leads its group, as far as it knows";
    figures.gauge("vecraft_group_is_leader", help, &labels, one.is_leader);
    let help = "1 when this replica knows who leads, or who led last";
    figures.gauge("vecraft_group_has_leader", help, &labels, one.has_leader);
    let help = "members that count for a majority, as far as this replica knows";
    figures.gauge("vecraft_group_voters", help, &labels, one.voters);
    let help = "1 while a change of the group's voters is under way, as far as this replica knows";
    figures.gauge("vecraft_group_is_joint", help, &labels, one.is_joint);
    let help = "1 when this replica leads and hears a majority; a group where nobody says so takes no writes";
    figures.gauge("vecraft_group_has_quorum", help, &labels, one.has_quorum());
    let help = "on the leader: attempts to give a copy to a replica too far behind for the log that failed, since the start";
    figures.counter("vecraft_group_copy_failures_total", help, &labels, one.copies.failures);
    let help = "on the leader: followers that have no copy after three attempts in a row";
    figures.gauge("vecraft_group_copies_failing", help, &labels, one.copies.failing);
    let help = "on the leader: followers whose log went back behind what they had acknowledged";
    figures.gauge("vecraft_group_followers_gone_back", help, &labels, one.gone_back);
    let help = "bytes of descriptions of copies in memory, given and taken";
    figures.gauge("vecraft_group_description_bytes", help, &labels, one.copies.bytes);
    if let Some(heard) = one.heard {
        let help = "on the leader: voters that answered within two seconds, itself included";
        figures.gauge("vecraft_group_voters_heard", help, &labels, heard.voters);
    }
    for (node, lag) in &one.lags {
        let node = node.to_string();
        let labels = [("group", id.as_str()), ("follower", node.as_str())];
        let help = "on the leader: entries that the replica on this node lacks";
        figures.gauge("vecraft_group_follower_lag_entries", help, &labels, *lag);
    }
}
