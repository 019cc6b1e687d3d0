//! How many entries per second one node's log makes durable on this disk.
//!
//! `cargo run --release -p vecraft-log-store --example append_throughput -- DIR [ENTRY_BYTES] [GROUPS] [IN_FLIGHT]`
//! appends for five seconds and prints entries and bytes per second, latency, syncs, and the write amplification of the log.

// A measuring tool reads the clock itself.
#![allow(clippy::disallowed_methods)]

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use openraft::vote::RaftLeaderId;
use vecraft_log_store::{
    Entry, EntryPayload, GroupLog, LeaderId, LogId, LogOptions, NodeLog, Payload, TypeConfig,
};
use vecraft_storage::RealDisk;
use vecraft_types::{GroupId, ReplicaId};

const RUN: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("usage: append_throughput DIR [ENTRY_BYTES] [GROUPS] [IN_FLIGHT]")?;
    let mut number = |default: u64| args.next().map_or(Ok(default), |text| text.parse());
    let (entry_bytes, groups, in_flight) = (number(51_200)?, number(1)?, number(8)?);
    let (log, _) = NodeLog::open(Arc::new(RealDisk::new(dir)?), "log", LogOptions::default())?;
    let started = Instant::now();
    let tasks: Vec<_> = (0..groups)
        .map(|group| {
            tokio::spawn(append(log.group(GroupId(group), ReplicaId(group)), entry_bytes, in_flight))
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    let seconds = started.elapsed().as_secs_f64();
    latencies.sort();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize];
    let metrics = log.metrics();
    let payload = latencies.len() as u64 * entry_bytes;
    println!(
        "{:.0} entries/s, {:.0} MB/s, p50 {:?}, p99 {:?}, {:.0} syncs/s, written {:.3} x payload",
        latencies.len() as f64 / seconds,
        payload as f64 / seconds / 1e6,
        at(0.5),
        at(0.99),
        metrics.syncs as f64 / seconds,
        metrics.bytes_written as f64 / payload as f64,
    );
    Ok(())
}

/// Appends with `in_flight` entries unconfirmed, purging far behind, and returns each entry's latency.
async fn append(mut log: GroupLog, bytes: u64, in_flight: u64) -> std::io::Result<Vec<Duration>> {
    let payload = Bytes::from(vec![7; bytes as usize]);
    let started = Instant::now();
    let mut waiting = VecDeque::new();
    let mut latencies = Vec::new();
    let id = |index| LogId::new(LeaderId::new(1, 1), index);
    let mut index = 0;
    while started.elapsed() < RUN || !waiting.is_empty() {
        if waiting.len() as u64 >= in_flight || started.elapsed() >= RUN {
            let Some((sent, done)) = waiting.pop_front() else { break };
            confirmed(done).await?;
            latencies.push(Instant::elapsed(&sent));
            continue;
        }
        let (tx, rx) = <TypeConfig as TypeConfigExt>::oneshot::<std::io::Result<()>>();
        waiting.push_back((Instant::now(), rx));
        let entry = Entry { log_id: id(index), payload: EntryPayload::Normal(Payload(payload.clone())) };
        log.append([entry], IOFlushed::signal(tx)).await?;
        if index % 1024 == 1023 {
            log.purge(id(index - 1000)).await?;
        }
        index += 1;
    }
    Ok(latencies)
}

async fn confirmed(
    done: impl Future<Output = Result<std::io::Result<()>, impl Error + Send + Sync + 'static>>,
) -> std::io::Result<()> {
    done.await.map_err(std::io::Error::other)?
}
