//! The run: form, write and read while faults happen, heal, look at everything, judge.

use super::board::{Board, collections};
use super::check::findings::{Findings, Kind};
use super::check::{self, Checked};
use super::faults;
use super::ground::Ground;
use super::history::{Level, Recorder};
use super::nodes::{Nodes, Size};
use super::plan::{Fault, Planned, Schedule};
use super::report::Report;
use super::service::{Happened, millis};
use super::writers::Desk;
use super::{readers, rest, writers};
use crate::Trouble;
use crate::row::schema;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use vecraft_client::Client;
use vecraft_client::types::Metric;

/// Nodes of the cluster.
pub const NODES: usize = 3;
/// Writers of own keys and of shared ones.
const OWN_WRITERS: usize = 6;
const SHARED_WRITERS: usize = 3;
/// The bound of Bounded reads, in milliseconds: small, so that a stale one shows.
const BOUND_MS: u64 = 500;
/// How long a write may take. Also how long after the last one nothing can be done late any more.
const WRITE_MAX: Duration = Duration::from_secs(4);
/// How long a read may take.
const READ_MAX: Duration = Duration::from_secs(2);
const CONNECT_MAX: Duration = Duration::from_millis(500);

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program.
    pub program: PathBuf,
    /// Chooses faults, moments and operations.
    pub seed: u64,
    /// How long faults happen.
    pub seconds: u64,
    /// Which.
    pub faults: Vec<Fault>,
    /// A fault lasts less than this.
    pub longest: Duration,
    /// The pause of a worker between two operations.
    pub pace: Duration,
}

/// Runs the plan in `dir`; `entered` says whether this process is in namespaces of its own. The report says what was found.
///
/// # Errors
/// When the test cannot go on: no ports, the cluster does not form, or a node does not answer at rest.
pub async fn run(plan: &Plan, dir: &Path, entered: &Result<(), Trouble>) -> Result<Report, Trouble> {
    let mut ground = Ground::make(dir, NODES, &plan.faults, entered);
    let (faults, skipped) = ground.part(&plan.faults);
    skipped.iter().for_each(|(kind, why)| println!("skipped: {kind}, {why}"));
    let plan = &Plan { faults, ..plan.clone() };
    let mut nodes =
        Nodes::cold(&plan.program, dir, Size { nodes: NODES as u64, groups_per_node: 1 }, &ground)?;
    let forming = Instant::now();
    nodes.up().await?;
    println!("three nodes serve after {:.1} s", forming.elapsed().as_secs_f64());
    prepare(&nodes).await?;
    let recorder = Recorder::new();
    let board = Arc::new(Board::new(sessions(&nodes).await?));
    let mut workers = JoinSet::new();
    set_to_work(plan, &nodes, &recorder, &board, &mut workers).await?;

    let mut findings = Findings::default();
    let mut happened = Vec::new();
    let ended = torment(plan, &mut nodes, &mut ground, &recorder, &mut happened).await;
    if let Err(why) = ended {
        findings.add(Kind::NodeDied, recorder.now(), why);
    }
    let until = recorder.now();
    board.end();
    while workers.join_next().await.is_some() {}

    let mut rested = rest::Rested::default();
    if findings.total() == 0 {
        nodes.up().await?;
        // What was sent last may be done until its deadline.
        tokio::time::sleep(WRITE_MAX).await;
        rested = rest::check(&nodes, &recorder, &mut findings, plan.seed).await?;
        for why in nodes.fallen() {
            findings.add(Kind::NodeDied, recorder.now(), why);
        }
        nodes.down().await?;
    }
    for line in nodes.panics() {
        findings.add(Kind::NodeDied, until, line);
    }
    let history = recorder.with(std::mem::take);
    let owners: Vec<i64> = (0..OWN_WRITERS as i64).collect();
    let Checked { findings: judged, keys, undecided } = check::check(&history.ops, &owners);
    findings.merge(judged);
    let judged = (keys, undecided);
    let report = Report::new(plan, history, happened, until, rested, judged, findings);
    Ok(Report { skipped, ..report })
}

/// Faults, one after another, until the time is over.
async fn torment(
    plan: &Plan,
    nodes: &mut Nodes,
    ground: &mut Ground,
    recorder: &Recorder,
    happened: &mut Vec<Happened>,
) -> Result<(), Trouble> {
    let until = plan.seconds * 1_000_000;
    for planned in Schedule::new(plan.seed, &plan.faults, plan.longest) {
        tokio::time::sleep(planned.quiet).await;
        if let Some(why) = nodes.fallen().pop() {
            return Err(why);
        }
        if recorder.now() > until {
            break;
        }
        let fault = faults::happen(&planned, nodes, ground, recorder).await;
        let fault = fault.map_err(|why| format!("after {}: {why}", planned.fault.name()))?;
        tell(&planned, &fault, recorder);
        happened.push(fault);
    }
    Ok(())
}

/// One line of progress.
fn tell(planned: &Planned, fault: &Happened, recorder: &Recorder) {
    let (writes, reads) = recorder.with(|history| {
        let writes = history.ops.iter().filter(|op| op.is_write()).count();
        (writes, history.ops.len() - writes)
    });
    println!(
        "{:>6.1} s  {:<13} node {:<9} healed after {:>6.0} ms, all serve {:>6.0} ms later; {writes} writes, {reads} reads",
        millis(fault.start) / 1e3,
        planned.fault.name(),
        fault.nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        millis(fault.healed - fault.start),
        millis(fault.serving - fault.healed),
    );
}

/// Collections of one shard with an exact index.
async fn prepare(nodes: &Nodes) -> Result<(), Trouble> {
    let client = client(nodes.addresses(0), Duration::from_secs(60), true).await?;
    for name in collections() {
        let failed = |error| format!("cannot make {name}: {error}");
        let collection = client.create(&name, schema()).await.map_err(failed)?;
        collection.index("vector", "FLAT", Metric::L2).await.map_err(failed)?;
    }
    Ok(())
}

/// The writers' clients: even ones know all nodes and retry, odd ones know one and do not.
async fn sessions(nodes: &Nodes) -> Result<Vec<Client>, Trouble> {
    let mut sessions = Vec::new();
    for writer in 0..OWN_WRITERS {
        let mut addresses = nodes.addresses(writer / 2);
        if !retries(writer) {
            addresses.truncate(1);
        }
        sessions.push(client(addresses, WRITE_MAX, retries(writer)).await?);
    }
    Ok(sessions)
}

fn retries(writer: usize) -> bool {
    writer.is_multiple_of(2)
}

async fn client(addresses: Vec<String>, deadline: Duration, retries: bool) -> Result<Client, Trouble> {
    let builder = Client::builder().deadline(deadline).connect_timeout(CONNECT_MAX).retries(retries);
    // Who is given one address is there to hear that node.
    let builder = builder.follow_topology(addresses.len() > 1);
    let builder = addresses.into_iter().fold(builder, |builder, address| builder.address(address));
    builder.connect().await.map_err(|e| format!("cannot connect: {e}"))
}

async fn set_to_work(
    plan: &Plan,
    nodes: &Nodes,
    recorder: &Recorder,
    board: &Arc<Board>,
    workers: &mut JoinSet<()>,
) -> Result<(), Trouble> {
    let desk = |worker: usize, door: u64, client: Client| Desk {
        recorder: recorder.clone(),
        board: board.clone(),
        worker,
        door,
        client,
        pace: plan.pace,
    };
    let count = nodes.nodes.len();
    for (worker, client) in board.sessions.iter().enumerate() {
        let door = if retries(worker) { 0 } else { nodes.nodes[worker / 2 % count].id };
        workers.spawn(writers::own(desk(worker, door, client.clone()), plan.seed));
    }
    let mut worker = board.sessions.len();
    for (at, node) in nodes.nodes.iter().enumerate() {
        if at < SHARED_WRITERS {
            // One of them sends again what others may have written over meanwhile.
            let own = client(vec![node.client_address.clone()], WRITE_MAX, at == 0).await?;
            workers.spawn(writers::shared(desk(worker, node.id, own), plan.seed));
            worker += 1;
        }
        for level in [Level::Strong, Level::Session, Level::Bounded(BOUND_MS), Level::Eventually] {
            let own = client(vec![node.client_address.clone()], READ_MAX, false).await?;
            workers.spawn(readers::read(desk(worker, node.id, own), level, plan.seed));
            worker += 1;
        }
    }
    Ok(())
}
