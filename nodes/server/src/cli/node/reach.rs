//! How a command reaches the cluster, and what it says when it does not.

use super::super::address::client_door;
use super::super::failure::Failure;
use super::super::patience::patiently;
use super::stranger;
use super::table::is_missed;
use clap::Args;
use std::time::Duration;
use tokio::time::Instant;
use vecraft_client::Client;
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

/// How the cluster is reached.
#[derive(Debug, Args)]
pub struct Reach {
    /// The client door of any node.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:19540", value_parser = client_door)]
    pub connect: String,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

impl Reach {
    /// A client that goes on through other nodes when this one goes away.
    pub async fn client(&self) -> Result<Client, Failure> {
        patiently(&format!("an answer from {}", self.connect), self.reached()).await
    }

    async fn reached(&self) -> Result<Client, Failure> {
        let address = &self.connect;
        greet(address).await?;
        let client = Client::builder().address(address).connect_timeout(GREETING).deadline(DEADLINE);
        client.connect().await.map_err(|error| nobody_at(address, &error).into())
    }
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
