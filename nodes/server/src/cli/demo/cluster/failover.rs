//! Inserts and reads go on while the leader is killed: what was acknowledged, what is missing, how long nobody could
//! write, and whether reads at Eventually noticed.

use super::super::say;
use super::nodes::Nodes;
use super::reads::Reads;
use std::collections::BTreeSet;
use std::time::Duration;
use vecraft_client::types::{CollectionSchema, ColumnData, DataType, FieldSchema};
use vecraft_client::{Client, Rows};
use vecraft_runtime::clock::{Clock, SystemClock};
use vecraft_types::api::{Call, Consistency, Database, TopologyRequest};
use vecraft_types::{Code, limits::TOPK_MAX};

const COLLECTION: &str = "demo_failover";
const DIM: u32 = 16;
/// Rows of one insert.
const BATCH: i64 = 10;
/// Inserts before a kill, and after it.
const BEFORE: usize = 100;
const AFTER: usize = 200;
/// How long one insert is tried.
const INSERT_MAX: Duration = Duration::from_secs(20);
/// Between looks at who leads.
const LOOK: Duration = Duration::from_millis(50);

/// Keys by what became of their insert.
#[derive(Default)]
struct Ledger {
    next: i64,
    acknowledged: BTreeSet<i64>,
    /// The outcome is not known: they may be there or not.
    unknown: BTreeSet<i64>,
}

/// Kills the leader so often, reports, and checks at the end through every node.
pub async fn show(nodes: &mut Nodes, client: &Client, kills: u32) -> Result<(), String> {
    let schema = CollectionSchema::new(vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("vector", DataType::FloatVector { dim: DIM }),
    ]);
    client.create(COLLECTION, schema).await.map_err(|e| e.to_string())?;
    let mut ledger = Ledger::default();
    say(&format!(
        "\nNow the shard's leader is killed with SIGKILL, {kills} times, while {BATCH} rows at a time are inserted and others read:\n"
    ))?;
    insert(client, &SystemClock::new(), &mut ledger, BEFORE).await?;
    let reads = Reads::start(client, COLLECTION, vec![0.5; DIM as usize]);
    let mut pauses = kill_leaders(nodes, client, kills, &mut ledger).await?;
    let reads = reads.stop().await;
    pauses.sort_unstable();
    if let (Some(median), Some(worst)) = (pauses.get(pauses.len() / 2), pauses.last()) {
        say(&format!(
            "without an acknowledged insert: median {:.2} s, worst {:.2} s of {kills} kills\n",
            median.as_secs_f64(),
            worst.as_secs_f64()
        ))?;
    }
    say(&format!(
        "reads at Eventually meanwhile: {} answered, {} failed, the longest took {:.2} s\n",
        reads.answered,
        reads.failed,
        reads.longest.as_secs_f64()
    ))?;
    let lost = lost_anywhere(nodes, &ledger).await?;
    say(&format!(
        "acknowledged {} rows, lost {lost} (looked at through every node), outcome unknown {}\n",
        ledger.acknowledged.len(),
        ledger.unknown.len()
    ))?;
    match (lost, reads.first_failure) {
        (0, None) => Ok(()),
        (0, Some(why)) => Err(format!("a read at Eventually failed: {why}")),
        (lost, _) => Err(format!("{lost} acknowledged rows are missing")),
    }
}

/// How long no insert was acknowledged, for each kill.
async fn kill_leaders(
    nodes: &mut Nodes,
    client: &Client,
    kills: u32,
    ledger: &mut Ledger,
) -> Result<Vec<Duration>, String> {
    let clock = SystemClock::new();
    let mut pauses = Vec::new();
    for _ in 0..kills {
        insert(client, &clock, ledger, BEFORE).await?;
        let victim = leader(client).await?;
        nodes.kill(victim)?;
        let pause = insert(client, &clock, ledger, AFTER).await?;
        let began = clock.monotonic();
        nodes.spawn(victim)?;
        nodes.await_serving(victim).await?;
        say(&format!(
            "  node {victim}, the leader, killed: {:.2} s without an acknowledged insert; it serves again {:.2} s after its restart\n",
            pause.as_secs_f64(),
            (clock.monotonic() - began).as_secs_f64()
        ))?;
        pauses.push(pause);
    }
    Ok(pauses)
}

/// The node that leads the collection's only shard.
async fn leader(client: &Client) -> Result<u64, String> {
    let look = async {
        loop {
            let asked = TopologyRequest { collection: Some(COLLECTION.to_owned()) };
            let found = client.topology(Call::default(), asked).await;
            let place = found.ok().and_then(|reply| reply.collection);
            if let Some(node) = place.and_then(|place| place.shards.first()?.leader) {
                return node.0;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let late = |_| format!("no leader is known after {} s", INSERT_MAX.as_secs());
    tokio::time::timeout(INSERT_MAX, look).await.map_err(late)
}

/// The most acknowledged rows that any node does not show.
async fn lost_anywhere(nodes: &Nodes, ledger: &Ledger) -> Result<usize, String> {
    let mut lost = 0;
    for address in nodes.client_addresses() {
        let there = keys_at(&address).await?;
        lost = lost.max(ledger.acknowledged.difference(&there).count());
        let strange =
            there.iter().filter(|key| !ledger.acknowledged.contains(key) && !ledger.unknown.contains(key));
        let strange = strange.count();
        if strange > 0 {
            return Err(format!("{address} has {strange} rows that nobody inserted"));
        }
    }
    Ok(lost)
}

/// Inserts until so many were acknowledged; returns the longest time between two acknowledgements.
async fn insert(
    client: &Client,
    clock: &SystemClock,
    ledger: &mut Ledger,
    acknowledgements: usize,
) -> Result<Duration, String> {
    let (mut last, mut longest) = (clock.monotonic(), Duration::ZERO);
    let mut left = acknowledgements;
    while left > 0 {
        let keys = ledger.next..ledger.next + BATCH;
        ledger.next += BATCH;
        let values =
            keys.clone().flat_map(|key| (0..i64::from(DIM)).map(move |d| (key * 31 + d) as f32)).collect();
        let rows = Rows::new().int64("id", keys.clone()).vectors("vector", DIM, values);
        match tokio::time::timeout(INSERT_MAX, client.collection(COLLECTION).insert(rows)).await {
            Ok(Ok(_)) => {
                ledger.acknowledged.extend(keys);
                let now = clock.monotonic();
                longest = longest.max(now - last);
                last = now;
                left -= 1;
            }
            Ok(Err(error))
                if error.is_retriable()
                    || error.code == Code::Deadline
                    || error.code == Code::OutcomeUnknown =>
            {
                ledger.unknown.extend(keys);
            }
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err(format!("no insert was acknowledged within {} s", INSERT_MAX.as_secs())),
        }
    }
    Ok(longest)
}

/// All keys as one node's Strong reads see them.
async fn keys_at(address: &str) -> Result<BTreeSet<i64>, String> {
    let client = Client::builder().address(address).follow_topology(false).connect().await;
    let client = client.map_err(|e| e.to_string())?;
    let mut keys = BTreeSet::new();
    let mut after = i64::MIN;
    loop {
        let page = client
            .collection(COLLECTION)
            .query(&format!("id > {after}"))
            .output(["id"])
            .limit(TOPK_MAX)
            .consistency(Consistency::Strong);
        let page = page.rows().await.map_err(|e| e.to_string())?;
        let Some(ColumnData::Int64(found)) = page.rows.column("id").map(|column| &column.data) else {
            return Err("the answer has no keys".to_owned());
        };
        let Some(last) = found.last() else { return Ok(keys) };
        after = *last;
        keys.extend(found);
    }
}
