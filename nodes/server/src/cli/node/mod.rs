//! `vecraft node`: which nodes there are, and which should be.
//!
//! A command tells the coordinator what is wanted and then watches; the coordinator does the work whether anybody watches
//! or not.

mod partial;
pub mod reach;
mod recover;
mod stranger;
mod table;
mod watch;

pub use table::table as nodes_table;

use super::failure::Failure;
use clap::{Args, Subcommand};
use partial::Partial;
use reach::{Reach, ask, list_or_say};
use serde::Serialize;
use vecraft_client::Client;
use vecraft_coordinator::check_announced;
use vecraft_types::NodeId;
use vecraft_types::api::{ClusterReply, ClusterRequest};
use watch::Until;

/// Commands on the nodes of a running cluster, and one on a stopped node.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Show every node: state, replicas, what it leads, and what is under way.
    List(List),
    /// Announce a node; then start it on an empty directory, and it joins.
    Add(Add),
    /// Move everything away from a node, which stays in the cluster.
    Drain(One),
    /// Let a node that drains or leaves take replicas again.
    Keep(One),
    /// Move everything away from a node and let it go for ever. Also for one that is dead, or was announced and never came.
    Remove(One),
    /// After the loss of a majority for good: let a stopped node go on alone. LOSES DATA.
    #[command(long_about = recover::ABOUT)]
    Recover(recover::Recover),
}

/// Options of `vecraft node list`.
#[derive(Debug, Args)]
#[command(
    after_help = "Ends 0 when every node answers and every group has a leader; 3 when not, with what to do; 1 when nobody could be asked.\nWithout a majority of the metastore nobody can list them; --json then prints which nodes are known and which answer, with the\nreason in the field partial, and ends 3.\n\nExamples:\n  vecraft node list                               the nodes of ./cluster.toml, asked in turn, or 127.0.0.1:19540\n  vecraft node list --config /etc/vecraft/cluster.toml\n  vecraft node list --connect 10.0.0.2:19540 --json"
)]
pub struct List {
    #[command(flatten)]
    reach: Reach,
}

/// Options of `vecraft node add`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example, for a fourth host:\n  vecraft node add 4 10.0.0.4:19550 --connect 10.0.0.1:19540\nthen, on that host, with a cluster.toml that lists it and a node of the cluster, and with the cluster's secret_file:\n  vecraft serve --config cluster.toml --node 4"
)]
pub struct Add {
    /// Its id, from 1 to 65535, one that no node of the cluster ever had.
    id: u64,
    /// Where the others reach its node port; no other node's address.
    #[arg(value_name = "HOST:NODE_PORT")]
    address: String,
    #[command(flatten)]
    reach: Reach,
    /// Do not wait until it has joined and has its replicas. Ctrl-C ends the waiting as well: the cluster goes on with it.
    #[arg(long)]
    no_wait: bool,
}

/// Options of the commands on one node.
#[derive(Debug, Args)]
pub struct One {
    /// The node.
    id: u64,
    #[command(flatten)]
    reach: Reach,
    /// Do not wait until it is done. Ctrl-C ends the waiting as well: the cluster goes on with it.
    #[arg(long)]
    no_wait: bool,
}

impl NodeCommand {
    pub fn run(self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| format!("cannot start: {e}"))?;
        runtime.block_on(self.work())
    }

    async fn work(self) -> Result<(), Failure> {
        match self {
            NodeCommand::List(List { reach }) => {
                let client = reach.client().await?;
                let reply = match list_or_say(&client).await {
                    Err(failure) if reach.json && failure.is_partial() => {
                        print_json(&Partial::seen_by(&client, &failure.words).await)?;
                        return Err(failure);
                    }
                    reply => reply?,
                };
                show(&reply, &reach)?;
                check_whole(&reply)
            }
            NodeCommand::Add(Add { id, address, reach, no_wait }) => {
                let node = NodeId(id);
                check_announced(node, &address).map_err(|error| Failure::options(error.detail))?;
                let request = ClusterRequest::Add { node, address: address.clone() };
                let hint = format!(
                    "node {id} is expected at {address}; start it there on an empty directory: vecraft serve --config \
                     cluster.toml --node {id}"
                );
                ask_and_watch(request, reach, no_wait, Until::Active(node), &hint).await
            }
            NodeCommand::Drain(One { id, reach, no_wait }) => {
                let node = NodeId(id);
                ask_and_watch(ClusterRequest::Drain(node), reach, no_wait, Until::Empty(node), "").await
            }
            NodeCommand::Keep(One { id, reach, no_wait }) => {
                let node = NodeId(id);
                ask_and_watch(ClusterRequest::Keep(node), reach, no_wait, Until::Active(node), "").await
            }
            NodeCommand::Recover(recover) => Ok(recover.run().await?),
            NodeCommand::Remove(One { id, reach, no_wait }) => {
                let node = NodeId(id);
                let client = reach.client().await?;
                let reply = ask(&client, ClusterRequest::Remove(node)).await?;
                // One that had come is told as leaving, or as removed.
                let had_come = reply.nodes.iter().any(|known| known.id == node);
                watch_and_show(&client, reply, &reach, no_wait, Until::Gone(node)).await?;
                if !had_come {
                    eprintln!(
                        "node {id} had not come: it is expected no longer, and its id may be announced again"
                    );
                } else if !no_wait {
                    eprintln!("node {id} is gone; its process, if it runs, ends by itself within about 10 s");
                }
                Ok(())
            }
        }
    }
}

async fn ask_and_watch(
    request: ClusterRequest,
    reach: Reach,
    no_wait: bool,
    until: Until,
    hint: &str,
) -> Result<(), Failure> {
    let client = reach.client().await?;
    let reply = ask(&client, request).await?;
    if !hint.is_empty() {
        eprintln!("{hint}");
    }
    watch_and_show(&client, reply, &reach, no_wait, until).await
}

async fn watch_and_show(
    client: &Client,
    reply: ClusterReply,
    reach: &Reach,
    no_wait: bool,
    until: Until,
) -> Result<(), Failure> {
    let reply = if no_wait { reply } else { watch::watch(client, reply, until).await? };
    show(&reply, reach)
}

fn show(reply: &ClusterReply, reach: &Reach) -> Result<(), Failure> {
    if reach.json {
        return print_json(reply);
    }
    print!("{}", table::table(reply));
    Ok(())
}

fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    println!("{}", serde_json::to_string_pretty(value).map_err(|e| e.to_string())?);
    Ok(())
}

/// Says what is missing of a cluster that answered.
fn check_whole(reply: &ClusterReply) -> Result<(), Failure> {
    let silent = reply.nodes.iter().filter(|node| table::is_missed(node));
    let silent: Vec<String> = silent.map(|node| node.id.to_string()).collect();
    let leaderless: Vec<String> = reply.leaderless.iter().map(ToString::to_string).collect();
    let mut words = Vec::new();
    if !leaderless.is_empty() {
        words.push(format!(
            "group {} has no leader: writes there wait for a majority of its nodes",
            leaderless.join(", ")
        ));
    }
    if !silent.is_empty() {
        words.push(format!(
            "node {} does not answer: start it with its directory, or look whether the others reach it; when its host is gone \
             for good, add another (vecraft node add) and remove it (vecraft node remove)",
            silent.join(", ")
        ));
    }
    if words.is_empty() { Ok(()) } else { Err(Failure::partial(words.join("; "))) }
}
