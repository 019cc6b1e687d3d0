//! How a command reaches the cluster, and what it says when it does not.

use super::super::address::client_door;
use super::super::failure::Failure;
use super::super::patience::patiently;
use super::stranger;
use super::table::is_missed;
use clap::Args;
use futures::stream::{FuturesOrdered, StreamExt};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;
use vecraft_client::Client;
use vecraft_config::Config;
use vecraft_types::api::{Call, ClusterReply, ClusterRequest, Database, NodeInfo, TopologyRequest};
use vecraft_types::{Code, Error};

/// For each call: several elections. Whoever sits before a terminal hears the reason within ten seconds.
const DEADLINE: Duration = Duration::from_secs(8);
/// For the question whether a node serves at all: it answers from memory.
const GREETING: Duration = Duration::from_secs(5);
/// For what may be missing only for a moment: longer than an election.
const SETTLE_MAX: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Who answers for the cluster, in the words of a command that waits.
pub const COORDINATOR: &str = "the coordinator: it is where group 0 (the metastore) has its leader, and a majority of that \
                               group's nodes must answer; an election takes up to 2 s";

/// Where a client door is unless set otherwise.
const USUAL: &str = "127.0.0.1:19540";
/// The file that is looked for in the current directory.
const FILE: &str = "cluster.toml";

/// How the cluster is reached.
#[derive(Debug, Args)]
pub struct Reach {
    /// The client door of any node. Without it those of the nodes of --config are tried.
    #[arg(long, value_name = "HOST:PORT", value_parser = client_door, conflicts_with = "config")]
    connect: Option<String>,
    /// A cluster.toml; the first of its nodes, in its order, that answers is asked. Unless given: cluster.toml in the current directory, if
    /// it is there, else the node at 127.0.0.1:19540.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// A client door and how it is called.
struct Named {
    name: String,
    address: String,
}

impl Reach {
    /// A client that goes on through other nodes when this one goes away.
    pub async fn client(&self) -> Result<Client, Failure> {
        let doors = self.doors()?;
        let names: Vec<&str> = doors.iter().map(|door| door.name.as_str()).collect();
        patiently(&format!("an answer from {}", names.join(" or ")), reached(&doors)).await
    }

    /// Where to ask, in this order.
    fn doors(&self) -> Result<Vec<Named>, Failure> {
        let lone = |address: &str| vec![Named { name: address.to_owned(), address: address.to_owned() }];
        let file = match (&self.connect, &self.config) {
            (Some(address), _) => return Ok(lone(address)),
            (None, Some(file)) => file.as_path(),
            (None, None) if Path::new(FILE).exists() => Path::new(FILE),
            (None, None) => return Ok(lone(USUAL)),
        };
        let config = Config::load(file).map_err(|e| Failure::from(e.to_string()))?;
        // Port 0 is another one at each start: only the node itself says which.
        let fixed = config.nodes.iter().filter(|node| node.client_port != 0);
        let doors: Vec<Named> = fixed
            .map(|node| {
                let address = node.address(node.client_port);
                Named { name: format!("node {} ({address})", node.id), address }
            })
            .collect();
        match doors.is_empty() {
            true => Err(Failure::from(format!(
                "{} sets no client_port; name the client door of a node that runs with --connect HOST:PORT",
                file.display()
            ))),
            false => Ok(doors),
        }
    }
}

/// A client of the first door behind which a node serves; the others are tried when that one goes away.
async fn reached(doors: &[Named]) -> Result<Client, Failure> {
    let first = match first_good(doors.iter().map(|door| greet(&door.address))).await {
        Ok(first) => first,
        Err(refusals) => return Err(nobody_serves(doors, refusals)),
    };
    let door = &doors[first];
    let others = doors.iter().enumerate().filter(|(other, _)| *other != first).map(|(_, door)| door);
    let client = Client::builder().connect_timeout(GREETING).deadline(DEADLINE);
    let client =
        std::iter::once(door).chain(others).fold(client, |client, door| client.address(&door.address));
    client.connect().await.map_err(|error| nobody_at(&door.address, &error).into())
}

/// Which is the first that succeeds, in their order, or why none does. All are under way at once: those that stay silent cost the
/// time of one.
async fn first_good<F>(greetings: impl Iterator<Item = F>) -> Result<usize, Vec<Failure>>
where
    F: Future<Output = Result<(), Failure>>,
{
    let (mut greetings, mut refusals): (FuturesOrdered<F>, _) = (greetings.collect(), Vec::new());
    while let Some(greeting) = greetings.next().await {
        match greeting {
            Ok(()) => return Ok(refusals.len()),
            Err(refusal) => refusals.push(refusal),
        }
    }
    Err(refusals)
}

fn nobody_serves(doors: &[Named], mut refusals: Vec<Failure>) -> Failure {
    if let [_] = refusals[..] {
        return refusals.remove(0);
    }
    let line = |(door, refusal): (&Named, &Failure)| format!("  {}: {}", door.name, refusal.words);
    let lines: Vec<String> = doors.iter().zip(&refusals).map(line).collect();
    Failure::from(format!("no node answers as it should:\n{}", lines.join("\n")))
}

/// Whether there is a client door that serves.
///
/// # Errors
/// What is there instead, and what to name.
pub async fn greet(address: &str) -> Result<(), Failure> {
    // A node that waits says so at once; repeating the question until the deadline would only hide it.
    let client = Client::builder().address(address).connect_timeout(GREETING).deadline(GREETING);
    let client = client.follow_topology(false).retries(false).connect().await;
    let client = client.map_err(|error| Failure::from(nobody_at(address, &error)))?;
    match client.topology(Call::default(), TopologyRequest::default()).await {
        Err(error) if error.code == Code::NotReady => Err(format!("{address}: {}", error.detail).into()),
        Err(error) if error.code == Code::Unavailable => Err(not_a_door(address, &error).await.into()),
        Err(error) if error.code == Code::Deadline => Err(silent(address).into()),
        _ => Ok(()),
    }
}

/// How the cluster stands, when what is missing is still missing after a few looks: a coordinator that has just begun has not
/// looked yet, and a group that elects is without a leader for a moment.
pub async fn list(client: &Client) -> vecraft_types::Result<ClusterReply> {
    let until = Instant::now() + SETTLE_MAX;
    loop {
        let reply = client.cluster(Call::default(), ClusterRequest::List).await;
        let is_passing = match &reply {
            Ok(reply) => !reply.leaderless.is_empty() || reply.nodes.iter().any(is_new),
            Err(error) => error.code == Code::NotReady,
        };
        if !is_passing || Instant::now() >= until {
            return reply;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Whether a node is missed that the coordinator has not asked for long.
fn is_new(node: &NodeInfo) -> bool {
    is_missed(node) && node.silent_s.is_none_or(|silent| silent < SETTLE_MAX.as_secs())
}

/// As [`list`], for a command.
pub async fn list_or_say(client: &Client) -> Result<ClusterReply, Failure> {
    patiently(COORDINATOR, list(client)).await.map_err(refused)
}

/// Asks the coordinator.
pub async fn ask(client: &Client, request: ClusterRequest) -> Result<ClusterReply, Failure> {
    match patiently(COORDINATOR, client.cluster(Call::default(), request)).await {
        Err(error)
            if error.code == Code::InvalidParameter && error.detail.starts_with("there is no node") =>
        {
            let known = list(client).await.map_err(refused)?.nodes;
            let known: Vec<String> = known.iter().map(|node| node.id.to_string()).collect();
            Err(Failure::from(format!("{}: the cluster has {}", error.detail, known.join(", "))))
        }
        answered => answered.map_err(refused),
    }
}

fn refused(error: Error) -> Failure {
    match error.code {
        Code::ReplicaUnavailable => Failure::partial(no_metastore(&error)),
        _ => Failure::from(error.to_string()),
    }
}

/// Nobody takes a connection there.
pub fn nobody_at(address: &str, error: &Error) -> String {
    format!(
        "{}: no node has its client door at {address}; name that of any node that runs with --connect HOST:PORT (vecraft serve \
         prints it for Rust clients, in cluster.toml it is client_port)",
        error.detail
    )
}

/// Somebody listens there and took the connection, and said nothing.
fn silent(address: &str) -> String {
    format!(
        "{address} took the connection and did not answer within {} s: its process may be stopped, or its machine overloaded; \
         look there, or name another node with --connect HOST:PORT",
        GREETING.as_secs()
    )
}

/// Somebody listens there and took the connection, but did not answer as a client door does.
pub async fn not_a_door(address: &str, error: &Error) -> String {
    let what = match stranger::speaks_grpc(address).await {
        true => format!("{address} is no client door, it is the port for Milvus's clients"),
        false => format!("{address} is no client door, or its node went away ({error})"),
    };
    format!(
        "{what}. Name the client door with --connect HOST:PORT: `vecraft serve` prints it for Rust clients, its port is 19540 \
         unless set otherwise (client_port in cluster.toml)"
    )
}

/// The metastore, and with it the coordinator, has no leader that a majority follows.
pub fn no_metastore(error: &Error) -> String {
    format!(
        "group 0 (the metastore) has no majority: {}. Start the nodes that are \
         away; if a majority of them is lost for good: vecraft node recover --help",
        error.detail
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::{Barrier, Notify};

    fn refusal(words: &str) -> Failure {
        Failure::from(words.to_owned())
    }

    async fn soon<T>(work: impl Future<Output = T>) -> T {
        tokio::time::timeout(DEADLINE, work).await.expect("they are greeted one after another")
    }

    #[tokio::test]
    async fn all_doors_are_greeted_at_once_and_the_first_of_the_file_is_taken() {
        // Silent until every one of them is asked.
        let asked = Barrier::new(9);
        let silent = async |name: String| {
            asked.wait().await;
            Err(refusal(&name))
        };
        let refusals = soon(first_good((0..9).map(|door| silent(door.to_string())))).await.unwrap_err();
        let words: Vec<&str> = refusals.iter().map(|refusal| refusal.words.as_str()).collect();
        assert_eq!(words, ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
        // The second serves after the third has answered, and comes before it.
        let answered = Notify::new();
        let greet = async |door: usize| {
            match door {
                0 => return Err(refusal("waits")),
                1 => answered.notified().await,
                _ => answered.notify_one(),
            }
            Ok(())
        };
        assert_eq!(soon(first_good((0..3).map(greet))).await, Ok(1));
    }

    #[test]
    fn when_nobody_serves_each_door_is_named_with_its_reason() {
        let doors = ["a", "b"].map(|name| Named { name: name.to_owned(), address: String::new() });
        let words = nobody_serves(&doors, vec![refusal("waits"), refusal("silent")]).words;
        assert!(words.ends_with("\n  a: waits\n  b: silent"), "{words}");
        assert_eq!(nobody_serves(&doors[..1], vec![refusal("waits")]).words, "waits");
    }
}
