//! How many entries per second three hosts in one process replicate, and how long each takes.
//!
//! `cargo run --release -p vecraft-raft-host --example replicate -- DIR [ENTRY_BYTES] [GROUPS] [CLIENTS]` forms
//! GROUPS groups of three over TCP on 127.0.0.1, all logs on DIR's disk, spreads their leaders, writes for five seconds
//! with CLIENTS writers a group, and prints entries and bytes per second and latency. Then it idles for five seconds
//! and prints what that cost.

// A measuring tool reads the clock itself.
#![allow(clippy::disallowed_methods)]

use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use vecraft_log_store::{LogOptions, NodeLog};
use vecraft_raft_host::{Birth, Committed, Failed, Group, GroupSpec, Host, Machine, Mark, Network};
use vecraft_rpc::peer::{Channel, DialOptions, Identity, ListenOptions, PeerListener, Peers, Trust};
use vecraft_storage::RealDisk;
use vecraft_types::{GroupId, NodeId, ReplicaId};

const RUN: Duration = Duration::from_secs(5);
const NODES: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(30);

/// Applies by counting.
#[derive(Default)]
struct Counter {
    applied: u64,
}

impl Machine for Counter {
    fn forfeit(&mut self, why: &str) -> Result<(), Failed> {
        Err(Failed(format!("kept nowhere: {why}")))
    }

    fn apply(&mut self, _entry: Committed) -> Result<Bytes, Failed> {
        self.applied += 1;
        Ok(Bytes::new())
    }

    fn advance(&mut self, _mark: Mark) {}

    fn checkpoint(&self) -> Option<Mark> {
        None
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("usage: replicate DIR [ENTRY_BYTES] [GROUPS] [CLIENTS]")?;
    let mut number = |default: u64| args.next().map_or(Ok(default), |text| text.parse());
    let (entry_bytes, groups, clients) = (number(51_200)?, number(4)?, number(16)?);

    let hosts = hosts(&dir).await?;
    let formed = Instant::now();
    let mut leaders = Vec::new();
    for group in 1..=groups {
        leaders.push(form(&hosts, GroupId(group)).await?);
    }
    println!("{groups} groups formed in {:?}, leaders spread over {NODES} nodes", formed.elapsed());

    let writers: Vec<_> = leaders
        .iter()
        .flat_map(|leader| (0..clients).map(|_| tokio::spawn(write(leader.clone(), entry_bytes as usize))))
        .collect();
    let started = Instant::now();
    let mut latencies = Vec::new();
    for writer in writers {
        latencies.extend(writer.await?);
    }
    let seconds = started.elapsed().as_secs_f64();
    latencies.sort();
    if latencies.is_empty() {
        return Err("nothing was written".into());
    }
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize];
    println!(
        "{:.0} entries/s, {:.1} MB/s, p50 {:?}, p99 {:?}, max {:?}",
        latencies.len() as f64 / seconds,
        latencies.len() as f64 * entry_bytes as f64 / seconds / 1e6,
        at(0.5),
        at(0.99),
        at(1.0),
    );

    let (busy, slept) = (cpu_seconds()?, Instant::now());
    tokio::time::sleep(RUN).await;
    let share = (cpu_seconds()? - busy) / slept.elapsed().as_secs_f64();
    let each = share * 1e6 / groups as f64;
    println!(
        "idle: {:.2} % of a core for {groups} groups on {NODES} nodes, {each:.0} us/s a group",
        share * 100.0
    );
    Ok(())
}

async fn hosts(dir: &str) -> Result<Vec<Host>, Box<dyn Error>> {
    let mut sockets = Vec::new();
    for _ in 0..NODES {
        sockets.push(TcpListener::bind("127.0.0.1:0").await?);
    }
    let ports = sockets.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
    let mut hosts = Vec::new();
    for (node, socket) in (1..).zip(sockets) {
        let drawn = AtomicU64::new(node);
        let nonces = Arc::new(move || drawn.fetch_add(1, Ordering::Relaxed));
        let me = Identity { cluster: 1, node: NodeId(node), level: 1, trust: Trust::Open, nonces };
        let peers = Peers::new(me, DialOptions::default());
        for (other, port) in (1..).zip(&ports) {
            peers.book().set(NodeId(other), port.to_string());
        }
        let network = Network::over(peers.clone());
        let doors = [(Channel::Raft, network.door())];
        tokio::spawn(
            PeerListener::new(socket, peers, ListenOptions::default(), doors).serve(std::future::pending()),
        );
        let disk = Arc::new(RealDisk::new(format!("{dir}/node{node}"))?);
        let (log, _) = NodeLog::open(disk, "log", LogOptions::default())?;
        hosts.push(Host::with_network(log, network)?);
    }
    Ok(hosts)
}

/// Forms a group on all hosts, led by the host whose turn it is.
async fn form(hosts: &[Host], group: GroupId) -> Result<Group, Box<dyn Error>> {
    let replica = |node: u64| ReplicaId(group.0 * 10 + node);
    let voters: BTreeMap<_, _> = (1..=NODES).map(|node| (replica(node), NodeId(node))).collect();
    let mut running = Vec::new();
    // The one with the lowest id proposes the members: last, when the others can answer.
    for node in (1..=NODES).rev() {
        let host = &hosts[node as usize - 1];
        let birth = Birth::Form(voters.clone());
        let spec = GroupSpec { group, node: NodeId(node), replica: replica(node), birth };
        running.push(host.start_group(spec, Arc::new(Mutex::new(Counter::default()))).await?);
    }
    running.reverse();
    let leads = |standing: &vecraft_raft_host::Standing| standing.leader.is_some();
    let leader = tokio::time::timeout(PATIENCE, running[0].standing().wait_for(leads)).await??.leader;
    let leader = leader.ok_or("no leader")?;
    let wanted = 1 + group.0 % NODES;
    let now = &running[leader.node.0 as usize - 1];
    if leader.node.0 != wanted {
        // All logs must agree before a hand-over, and a leader takes nothing before a majority has answered it.
        while now.propose(Bytes::from_static(b"first"), PATIENCE).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        while now.transfer_leader(replica(wanted), Duration::from_secs(2)).await.is_err() {}
    }
    let leader = running[wanted as usize - 1].clone();
    while leader.read_index().await.is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(leader)
}

async fn write(leader: Group, bytes: usize) -> Vec<Duration> {
    let entry = Bytes::from(vec![7; bytes]);
    let (started, mut latencies) = (Instant::now(), Vec::new());
    while started.elapsed() < RUN {
        let asked = Instant::now();
        match leader.propose(entry.clone(), PATIENCE).await {
            Ok(_) => latencies.push(asked.elapsed()),
            Err(error) => {
                eprintln!("{error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    latencies
}

/// Processor time of this process, user and system.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 =
        fields.get(11).ok_or("stat")?.parse::<u64>()? + fields.get(12).ok_or("stat")?.parse::<u64>()?;
    Ok(ticks as f64 / 100.0)
}
