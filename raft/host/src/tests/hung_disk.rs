//! A log's disk that neither writes nor fails: whoever reads is told so, instead of waiting for ever.

use super::lone::{Journal, lone};
use crate::network::message::{AppendHead, Ask, Question};
use crate::read_index::CORE_WAIT;
use crate::{Error, Group, Host};
use bytes::Bytes;
use openraft::raft::AppendEntriesRequest;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use vecraft_log_store::{LogOptions, NodeLog, TypeConfig, Vote, WriterMode};
use vecraft_rpc::codec;
use vecraft_storage::SimDisk;
use vecraft_types::{GroupId, NodeId, ReplicaId};

const WAIT: Duration = Duration::from_secs(10);

/// Writes the log until it is aborted.
fn disk_that_works(log: &NodeLog) -> JoinHandle<()> {
    let log = log.clone();
    tokio::spawn(async move {
        loop {
            log.roused().await;
            log.write_queued();
        }
    })
}

/// A leader of a later term says that it leads: the core has to save that before it does anything else.
fn depose(host: &Host) -> JoinHandle<()> {
    let vote = Vote::new_committed(9, 2);
    let rpc: AppendEntriesRequest<TypeConfig> =
        AppendEntriesRequest { vote, prev_log_id: None, entries: Vec::new(), leader_commit: None };
    let ask = Ask::Append(AppendHead::split(rpc).0);
    let question = Question { group: GroupId(1), from: ReplicaId(2), to: ReplicaId(7), ask };
    let head = codec::encode(&question).unwrap();
    let frame = Bytes::from([&(head.len() as u32).to_le_bytes()[..], &head].concat());
    let asked = host.network().inbox().receive(NodeId(2), frame);
    tokio::spawn(async move { drop(asked.await) })
}

async fn read(group: &Group) -> (Result<(), Error>, Duration) {
    let began = Instant::now();
    let read = tokio::time::timeout(2 * CORE_WAIT, group.read_index()).await;
    (read.expect("a read is answered, whatever the disk does").map(|_| ()), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_read_is_answered_while_the_core_stands_at_its_disk_and_reads_go_on_afterwards() {
    let options = LogOptions { writer: WriterMode::Called, ..LogOptions::default() };
    let (log, _) = NodeLog::open(Arc::new(SimDisk::new(8)), "log", options).unwrap();
    let disk = disk_that_works(&log);
    let host = Host::new(log).unwrap().inline();
    let machine = Arc::new(Mutex::new(Journal::default()));
    let group = host.start_group(lone(1, 7, true), machine).await.unwrap();
    group.propose(Bytes::from("before"), WAIT).await.unwrap();
    read(&group).await.0.unwrap();

    disk.abort();
    let deposed = depose(&host);
    tokio::time::sleep(Duration::from_millis(10)).await;
    // The second one waits behind the first: it must not take for ever either.
    let ((first, waited), (second, _)) = tokio::join!(read(&group), read(&group));
    assert!(matches!(&first, Err(Error::Unreachable { why, .. }) if why.contains("disk")), "{first:?}");
    assert!(matches!(second, Err(Error::Unreachable { .. })), "{second:?}");
    assert!(waited >= CORE_WAIT, "{waited:?}");

    let disk = disk_that_works(host.log());
    deposed.await.unwrap();
    let (after, _) = read(&group).await;
    assert!(matches!(after, Err(Error::NotLeader { .. })), "{after:?}");
    group.shutdown().await;
    host.log().close();
    disk.abort();
}
