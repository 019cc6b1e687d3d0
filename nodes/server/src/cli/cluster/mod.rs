//! `vecraft cluster`: from empty directories to a cluster, when a person says so.
//!
//! The nodes form the cluster (`crate::forming`); this asks them how they stand, tells the one that leads, and watches. It
//! speaks to their node ports with the secret of the configuration, because there is no other door before a cluster exists.

mod plan;

use crate::forming::ask_all;
use crate::node_door;
use clap::{Args, Subcommand};
use plan::{Answers, Step, step};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use vecraft_config::Config;
use vecraft_rpc::node::tell_init;
use vecraft_rpc::peer::{PERSON, Peers};
use vecraft_runtime::random::OsRandom;
use vecraft_state::meta::first_meta_voters;
use vecraft_types::{Code, NodeId};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// Commands on a cluster as a whole.
#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// Form the cluster of a cluster.toml, once, from nodes that wait with empty directories.
    #[command(long_about = ABOUT)]
    Init(Init),
}

impl ClusterCommand {
    pub(super) fn run(self) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| format!("cannot start: {e}"))?;
        match self {
            ClusterCommand::Init(init) => runtime.block_on(init.run()),
        }
    }
}

/// What `--help` teaches. Named where the command is: there its first line would take the place of this.
pub const ABOUT: &str = "Form the cluster of a cluster.toml, once, from nodes that wait with empty directories.\n\nWith forming = \"explicit\" in [cluster], nodes that are started on empty directories wait for this command; their log, /healthz and `vecraft status` say so. It may be run on any host that reaches the node ports and has the cluster.toml with its secret_file, for example on one of the nodes.\n\nIt waits until every listed node answers. When all are empty and were started with the same cluster.toml, the node with the lowest id is told to form the cluster, and this command shows how far it is until all belong to it. It may be interrupted: what has begun goes on, and run again it goes on watching.\n\nWhere the cluster exists already it says its id, changes nothing and ends 0. An empty node beside an existing cluster is never formed anew: it joins by itself, if the cluster expects it (vecraft node add).";

/// Options of `vecraft cluster init`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example, for three hosts:\n  host 1, 2, 3:  vecraft serve --config cluster.toml --node 1 (2, 3)\n  any host:      vecraft cluster init --config cluster.toml"
)]
pub struct Init {
    /// The cluster.toml of the nodes.
    #[arg(long, value_name = "FILE", default_value = "cluster.toml")]
    config: PathBuf,
    /// Give up when it is not done after so many seconds, at most a day (86400). What has begun goes on.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(..=86_400))]
    wait: u64,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

impl Init {
    async fn run(self) -> Result<(), String> {
        let config = Config::load(&self.config).map_err(|e| e.to_string())?;
        let outcome = init(&config, Duration::from_secs(self.wait), |line| eprintln!("{line}")).await?;
        if self.json {
            println!("{}", outcome.json());
        } else {
            print!("{}", outcome.table(&config));
        }
        Ok(())
    }
}

/// What the command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The cluster's id, 32 hexadecimal digits.
    pub cluster_id: String,
    /// False when it was there before.
    pub is_new: bool,
    /// What there is to say of listed nodes that do not belong to it.
    pub rest: Vec<String>,
}

impl Outcome {
    fn json(&self) -> serde_json::Value {
        serde_json::json!({ "cluster_id": self.cluster_id, "is_new": self.is_new, "rest": self.rest })
    }

    fn table(&self, config: &Config) -> String {
        let words = |ids: Vec<u64>| ids.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        let mut rows = vec![("cluster", format!("{} {}", config.cluster.name, self.cluster_id))];
        if self.is_new {
            let ids = || config.nodes.iter().map(|node| node.id);
            let voters = first_meta_voters(ids().map(NodeId), &config.query_only().map(NodeId).collect());
            rows.push(("nodes", words(ids().collect())));
            rows.push(("metastore votes", words(voters.values().map(|node| node.0).collect())));
            rows.push(("copies", format!("{} of each group", config.voters())));
            if let Some(first) = config.nodes.first() {
                let door = first.address(first.client_port);
                rows.push(("formed", format!("see it with: vecraft node list --connect {door}")));
            }
        } else {
            rows.push(("nothing done", "it exists already".to_owned()));
            rows.extend(self.rest.iter().map(|line| ("", line.clone())));
        }
        rows.into_iter().map(|(name, value)| format!("{name:<16} {value}\n")).collect()
    }
}

/// Forms the cluster of a configuration, or finds it formed; `tell` hears what it waits for.
///
/// # Errors
/// Why not, in words for a person, and whether anything was begun.
pub async fn init(config: &Config, wait: Duration, mut tell: impl FnMut(&str)) -> Result<Outcome, String> {
    let peers = node_door::peers(config, PERSON, 0, OsRandom::shared()).map_err(|e| e.to_string())?;
    let (hash, since) = (config.hash(), Instant::now());
    let (mut far, mut told) = (Far::Nothing, String::new());
    loop {
        let answers = ask_all(&peers, config.nodes.iter().map(|node| NodeId(node.id))).await;
        let outcome =
            |cluster: u128, is_new, rest| Outcome { cluster_id: format!("{cluster:032x}"), is_new, rest };
        let waiting = match step(hash, &answers, far == Far::Forming) {
            Step::Formed(cluster) => return Ok(outcome(cluster, true, Vec::new())),
            Step::Exists { cluster, rest } => return Ok(outcome(cluster, false, rest)),
            Step::Refuse(why) => return Err(format!("{}: {why}", far.words())),
            Step::Begin(leads) => begin(&peers, leads, hash, &answers, &mut far).await?,
            Step::Wait(why) => why,
        };
        if forms(&answers) {
            far = Far::Forming;
        }
        if waiting != told {
            tell(&waiting);
            told = waiting;
        }
        // Not a sum: a wait may be as long as numbers go.
        if since.elapsed() >= wait {
            return Err(format!("{}; after {} s {told}", far.words(), wait.as_secs()));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// How far it is, as this command knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Far {
    /// Nobody was told.
    Nothing,
    /// The node that leads may have been told: it did not answer.
    Asked,
    /// It forms.
    Forming,
}

impl Far {
    fn words(self) -> &'static str {
        match self {
            Far::Nothing => "nothing was begun",
            Far::Asked => {
                "it may have begun: the node that leads was told, and its answer was lost. `vecraft status` and the node's \
                 log say how far it is; to go on, start what is missing and run this command again, which harms nothing"
            }
            Far::Forming => "the cluster is being formed, and that goes on",
        }
    }
}

/// Tells the node that leads the forming; answers for what to wait.
async fn begin(
    peers: &Arc<Peers>,
    leads: NodeId,
    hash: u64,
    answers: &Answers,
    far: &mut Far,
) -> Result<String, String> {
    match tell_init(peers, leads, hash).await {
        Ok(()) => {
            *far = Far::Forming;
            Ok(format!("all {} nodes are there and empty; node {leads} forms the cluster", answers.len()))
        }
        // It went away in this moment, perhaps after it heard.
        Err(error) if error.code == Code::ReplicaUnavailable => {
            *far = Far::Asked;
            Ok(error.detail)
        }
        Err(error) => Err(format!("{}: node {leads} refuses: {}", far.words(), error.detail)),
    }
}

/// Whether the cluster is seen while it forms.
fn forms(answers: &Answers) -> bool {
    use vecraft_rpc::node::HelloPhase::{Forming, Told};
    answers.values().flatten().any(|node| matches!(node.phase, Forming { .. } | Told { .. }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        init: Init,
    }

    #[test]
    fn a_wait_beyond_a_day_is_refused_with_what_is_allowed() {
        let parse = |wait: &str| Line::try_parse_from(["init", "--wait", wait]);
        assert_eq!(parse("86400").unwrap().init.wait, 86_400);
        for wait in ["86401", "18446744073709551615", "-1"] {
            let why = parse(wait).map(|_| ()).unwrap_err().to_string();
            assert!(wait == "-1" || why.contains("86400"), "{why}");
        }
    }

    #[tokio::test]
    async fn a_node_that_may_have_heard_is_not_said_to_have_begun_nothing() {
        let config = Config::embedded("data");
        let peers = node_door::peers(&config, PERSON, 0, OsRandom::shared()).unwrap();
        let mut far = Far::Nothing;
        // Nobody is known under this id: it is as if it were gone.
        begin(&peers, NodeId(9), 1, &Answers::new(), &mut far).await.unwrap();
        assert_eq!(far, Far::Asked);
        assert!(far.words().contains("may have begun") && far.words().contains("run this command again"));
    }

    #[tokio::test]
    async fn the_longest_wait_there_is_does_not_overflow() {
        // Somebody listens there and says nothing, for as long as this lasts.
        let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let mut config = Config::embedded("data");
        config.nodes[0].node_port = silent.local_addr().unwrap().port();
        let waited = tokio::time::timeout(LOOK, init(&config, Duration::MAX, |_| {})).await;
        assert!(waited.is_err(), "{waited:?}");
    }
}
