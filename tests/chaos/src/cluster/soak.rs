//! Many groups, many changes of leaders, few cores: does every group always find a leader again, and go on?
//!
//! openraft #2116 (a purge that overtakes a queued apply ends the core for good) showed on machines of two cores under
//! load. Here checkpoints and purges happen all the time, writers press, and node after node stands still or dies, so
//! that its groups change their leaders. After each change every group must have one leader that all nodes know, take a
//! write, and be applied on every node up to its leader's position; nobody may have panicked. What this does *not* do:
//! look at rows; `chaos cluster` does.

use super::ground::Ground;
use super::nodes::{Nodes, Size};
use super::web::Standing;
use super::writers::columns;
use crate::Trouble;
use crate::row::{Row, key, schema};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use vecraft_client::Client;

/// How long a group may be without a leader, without taking a write, or behind on a node.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a node stands still: longer than the election timeout, so that its groups are led elsewhere.
const STILL: Duration = Duration::from_millis(2_200);
const LOADERS: usize = 2;
const BATCH: usize = 50;

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program.
    pub program: PathBuf,
    /// Chooses nodes and kinds of change.
    pub seed: u64,
    /// How long.
    pub seconds: u64,
    /// Groups of each node.
    pub groups_per_node: u64,
}

/// What a soak saw.
#[derive(Clone, Debug, Default)]
pub struct Soaked {
    /// Changes made.
    pub rounds: u64,
    /// Groups that another node led afterwards.
    pub leaders_changed: u64,
    /// Rows that the load got acknowledged.
    pub rows: u64,
    /// Longest time until every group had one leader that all knew, in milliseconds.
    pub leader_ms_max: u64,
    /// What should not be.
    pub troubles: Vec<String>,
}

/// Groups and who leads them, by node.
type Leaders = BTreeMap<u64, u64>;

/// Runs the plan in `dir`.
///
/// # Errors
/// When the cluster does not form.
pub async fn run(plan: &Plan, dir: &Path) -> Result<Soaked, Trouble> {
    let unasked = "a soak needs processes only";
    let ground = Ground { network: Err(unasked.to_owned()), disks: Err(unasked.to_owned()) };
    let mut nodes =
        Nodes::cold(&plan.program, dir, Size { nodes: 3, groups_per_node: plan.groups_per_node }, &ground)?;
    nodes.up().await?;
    let groups = leaders(&nodes).await.ok_or("the nodes do not tell their groups")?.len();
    let client = client(&nodes).await?;
    let names: Arc<Vec<String>> = Arc::new((0..2 * groups).map(|n| format!("soak_{n}")).collect());
    for name in names.iter() {
        client.create(name, schema()).await.map_err(|e| format!("cannot make {name}: {e}"))?;
    }
    println!("{groups} groups, {} collections", names.len());
    let versions = Arc::new(AtomicI64::new(1));
    let rows = Arc::new(AtomicU64::new(0));
    let mut load = JoinSet::new();
    for loader in 0..LOADERS {
        load.spawn(press(
            client.clone(),
            names.clone(),
            versions.clone(),
            rows.clone(),
            plan.seed + loader as u64,
        ));
    }
    let mut soaked = Soaked::default();
    let mut random = StdRng::seed_from_u64(plan.seed);
    let began = Instant::now();
    while began.elapsed().as_secs() < plan.seconds && soaked.troubles.is_empty() {
        let ended = round(&mut nodes, &client, &names, &versions, &mut random, &mut soaked).await;
        ended.unwrap_or_else(|why| soaked.troubles.push(why));
        soaked.troubles.extend(nodes.fallen());
        soaked.rows = rows.load(Ordering::Relaxed);
    }
    // Aborted at its next await; whatever it had sent does not matter.
    load.shutdown().await;
    soaked.troubles.extend(nodes.panics());
    if soaked.troubles.is_empty() {
        nodes.down().await?;
    }
    Ok(soaked)
}

/// One node stands still or dies; then every group is looked at.
async fn round(
    nodes: &mut Nodes,
    client: &Client,
    names: &[String],
    versions: &AtomicI64,
    random: &mut StdRng,
    soaked: &mut Soaked,
) -> Result<(), Trouble> {
    let before = leaders(nodes).await.unwrap_or_default();
    let at = random.random_range(0..nodes.nodes.len());
    let is_kill = random.random_bool(0.3);
    let node = &mut nodes.nodes[at];
    if is_kill {
        node.kill()?;
        node.start()?;
    } else {
        node.signal(libc::SIGSTOP)?;
        tokio::time::sleep(STILL).await;
        node.signal(libc::SIGCONT)?;
    }
    let since = Instant::now();
    let after = all_led(nodes).await?;
    let led_ms = since.elapsed().as_millis() as u64;
    let mut writing = JoinSet::new();
    for name in names {
        let row = Row::of(key(9_999, 0), versions.fetch_add(1, Ordering::Relaxed));
        let collection = client.collection(name);
        writing.spawn(async move {
            let sent = collection.upsert(columns(&[row])).await;
            sent.map_err(|e| {
                format!("{} takes no write within {} s: {e}", collection.name(), PATIENCE.as_secs())
            })
        });
    }
    while let Some(written) = writing.join_next().await {
        written.map_err(|e| e.to_string())??;
    }
    all_applied(nodes).await?;
    let changed = after.iter().filter(|(group, node)| before.get(*group) != Some(*node)).count() as u64;
    soaked.rounds += 1;
    soaked.leaders_changed += changed;
    soaked.leader_ms_max = soaked.leader_ms_max.max(led_ms);
    println!(
        "round {:>4}: node {} {}, all groups led after {led_ms} ms, {changed} led elsewhere, all write and apply",
        soaked.rounds,
        at + 1,
        if is_kill { "killed" } else { "stood still" },
    );
    Ok(())
}

/// Waits until each group has exactly one leader and every node knows of one.
async fn all_led(nodes: &Nodes) -> Result<Leaders, Trouble> {
    let until = Instant::now() + PATIENCE;
    loop {
        let now = leaders(nodes).await;
        match now {
            Some(leaders) if !leaders.is_empty() && leaders.values().all(|node| *node != 0) => {
                return Ok(leaders);
            }
            now if Instant::now() > until => {
                let groups = now.map(|all| {
                    all.into_iter().filter(|(_, node)| *node == 0).map(|(group, _)| group).collect()
                });
                let groups: Vec<u64> = groups.unwrap_or_default();
                return Err(format!(
                    "after {} s without one leader that all know: groups {groups:?}",
                    PATIENCE.as_secs()
                ));
            }
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Who leads each group; 0 where it is not exactly one that all nodes know of. `None` while a node does not answer.
async fn leaders(nodes: &Nodes) -> Option<Leaders> {
    let mut leaders = Leaders::new();
    let mut is_settled: BTreeMap<u64, bool> = BTreeMap::new();
    for node in &nodes.nodes {
        for Standing { group, is_leader, has_leader, .. } in node.standings().await? {
            let settled = is_settled.entry(group).or_insert(true);
            *settled &= has_leader;
            if is_leader && leaders.insert(group, node.id).is_some() {
                *settled = false;
            }
        }
    }
    Some(
        is_settled
            .into_iter()
            .map(|(group, ok)| (group, if ok { leaders.get(&group).copied().unwrap_or(0) } else { 0 }))
            .collect(),
    )
}

/// Waits until every node has applied what the leaders have applied now.
async fn all_applied(nodes: &Nodes) -> Result<(), Trouble> {
    let mut wanted: BTreeMap<u64, u64> = BTreeMap::new();
    for node in &nodes.nodes {
        for standing in node.standings().await.unwrap_or_default() {
            let most = wanted.entry(standing.group).or_default();
            *most = standing.applied.max(*most);
        }
    }
    let until = Instant::now() + PATIENCE;
    for node in &nodes.nodes {
        loop {
            let standings = node.standings().await.unwrap_or_default();
            let behind = standings
                .iter()
                .find(|one| one.applied < wanted.get(&one.group).copied().unwrap_or_default());
            match behind {
                None if !standings.is_empty() => break,
                behind if Instant::now() > until => {
                    return Err(format!("node {} does not catch up: {behind:?}, wanted {wanted:?}", node.id));
                }
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
    Ok(())
}

/// Writes almost without a pause, whatever the answers are.
async fn press(
    client: Client,
    names: Arc<Vec<String>>,
    versions: Arc<AtomicI64>,
    rows: Arc<AtomicU64>,
    seed: u64,
) {
    let mut random = StdRng::seed_from_u64(!seed);
    loop {
        let name = &names[random.random_range(0..names.len())];
        let first = random.random_range(0..2_000);
        let version = versions.fetch_add(1, Ordering::Relaxed);
        let batch: Vec<Row> =
            (first..first + BATCH).map(|n| Row::of(key(seed as usize % 1_000, n), version)).collect();
        match client.collection(name).upsert(columns(&batch)).await {
            Ok(_) => {
                rows.fetch_add(BATCH as u64, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn client(nodes: &Nodes) -> Result<Client, Trouble> {
    let builder = Client::builder().deadline(PATIENCE).connect_timeout(Duration::from_millis(500));
    let builder = nodes.addresses(0).into_iter().fold(builder, |builder, address| builder.address(address));
    builder.connect().await.map_err(|e| format!("cannot connect: {e}"))
}
