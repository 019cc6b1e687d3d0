//! Gathering what `vecraft status` prints, and its table.

use super::super::node::nodes_table;
use super::super::node::reach::no_metastore;
use super::beside::{ask_health, bytes_below, is_nameless, unserved};
use super::database::{self, Asked, CollectionLine, Unasked};
use crate::directory::check_content;
use crate::{Addresses, RunFile};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use vecraft_storage::{Disk, RealDisk};
use vecraft_types::api::ClusterReply;
use vecraft_types::{Code, Error};

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It says it is well.
    Serving,
    /// It serves, but a group has no leader; the reasons say which.
    Degraded,
    /// It names reasons why not.
    Unhealthy,
    /// It does not serve yet; the reason says for what it waits.
    Starting,
    /// Its process lives, but its health door does not answer (in time).
    Silent,
    /// `run.json` is there, its process is not: it was killed, or the machine lost power.
    Dead,
    /// Nobody serves the directory.
    Stopped,
}

impl State {
    /// The word that people see.
    pub fn name(self) -> &'static str {
        match self {
            State::Serving => "serving",
            State::Degraded => "degraded",
            State::Unhealthy => "unhealthy",
            State::Starting => "starting",
            State::Silent => "silent",
            State::Dead => "dead",
            State::Stopped => "stopped",
        }
    }
}

/// What `vecraft status --json` prints. What is not known is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Where it stands.
    pub state: State,
    /// Why it is not well, or what could not be asked; one sentence each.
    pub reasons: Vec<String>,
    /// Version of the program that serves, or did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// 32 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Its name in the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_name: Option<String>,
    /// The directory and what is known from it.
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    pub local: Option<Local>,
    /// The nodes of its cluster and how they stand; left out for one on its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterReply>,
    /// What the node holds, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collections: Option<Vec<CollectionLine>>,
}

/// What can be seen on the machine itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Local {
    /// The directory.
    pub data_dir: PathBuf,
    /// Bytes of all files in it.
    pub bytes_on_disk: u64,
    /// The process that serves it, or did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Where that listens, or did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Addresses>,
}

impl Report {
    /// Asks a node at its client door.
    pub async fn of_node(address: &str) -> Result<Report, String> {
        let nothing = |state, reasons| Report {
            state,
            reasons,
            version: None,
            cluster_id: None,
            cluster_name: None,
            local: None,
            cluster: None,
            collections: None,
        };
        let Asked { server, collections, cluster } = match database::ask(address).await {
            Ok(asked) => asked,
            Err(Unasked::NotYet(why)) => return Ok(nothing(State::Starting, vec![why])),
            Err(Unasked::No(why)) => return Err(why),
        };
        // It is unwell when its metastore does not answer: why not is said once.
        let (is_well, reasons) = match cluster.is_err() {
            true => (true, Vec::new()),
            false => (server.is_healthy, server.reasons),
        };
        let mut report = nothing(if is_well { State::Serving } else { State::Unhealthy }, reasons);
        report.version = Some(server.version);
        report.cluster_id = Some(server.cluster_id);
        report.cluster_name = Some(server.cluster_name);
        report.enter(cluster, collections);
        Ok(report)
    }

    /// What the cluster and its collections are; what is missing is a reason.
    fn enter(
        &mut self,
        cluster: Result<ClusterReply, Error>,
        collections: Result<Vec<CollectionLine>, Error>,
    ) {
        let lacks = missing(&cluster);
        if !lacks.is_empty() && self.state == State::Serving {
            self.state = State::Degraded;
        }
        // The same sentence again says nothing new.
        let is_told =
            cluster.is_err() && collections.as_ref().is_err_and(|why| why.code == Code::ReplicaUnavailable);
        self.reasons.extend(lacks);
        self.collections = match collections {
            Ok(collections) => Some(collections),
            Err(why) => {
                let why = if is_told { "for the same reason".to_owned() } else { why.to_string() };
                self.reasons.push(format!("its collections could not be asked for: {why}"));
                None
            }
        };
        self.cluster = cluster.ok().filter(|reply| reply.nodes.len() > 1);
    }

    /// Looks at a directory and asks the node that `run.json` there names.
    pub async fn of_directory(data_dir: &Path) -> Result<Report, String> {
        // The disk would make a missing directory.
        if !data_dir.is_dir() {
            return Err(format!(
                "there is no directory {}: {}",
                data_dir.display(),
                elsewhere(Path::new("."))
            ));
        }
        let disk = RealDisk::new(data_dir).map_err(|e| e.to_string())?;
        let run = RunFile::read(&disk).map_err(|e| e.to_string())?;
        if run.is_none() {
            // Somebody else's folder is not a stopped node.
            check_content(data_dir, &disk).map_err(|e| e.to_string())?;
        }
        let (state, mut reasons) = match &run {
            None => (State::Stopped, vec!["no process serves it".to_owned()]),
            Some(run) => match unserved(run, data_dir)? {
                Some(stands) => stands,
                None => ask_health(run).await,
            },
        };
        // What run.json says of another's directory is nothing about this one.
        let run = run.filter(|_| state != State::Stopped);
        let mut asked = None;
        if let (State::Serving | State::Unhealthy, Some(run)) = (state, &run) {
            match database::ask(&run.addresses.client).await {
                Ok(answer) => asked = Some(answer),
                Err(Unasked::NotYet(why) | Unasked::No(why)) => {
                    reasons.push(format!("its client door could not be asked: {why}"));
                }
            }
        }
        let bytes_on_disk = bytes_below(&disk, "").map_err(|e| e.to_string())?;
        let (pid, addresses) = (run.as_ref().map(|r| r.pid), run.as_ref().map(|r| r.addresses.clone()));
        let mut report = Report {
            state,
            reasons,
            version: run.as_ref().map(|r| r.version.clone()),
            cluster_name: run.as_ref().map(|r| r.cluster_name.clone()).filter(|name| !name.is_empty()),
            cluster_id: run.map(|r| r.cluster_id).filter(|id| !is_nameless(id)),
            cluster: None,
            local: Some(Local { data_dir: data_dir.to_owned(), bytes_on_disk, pid, addresses }),
            collections: None,
        };
        if let Some(asked) = asked {
            report.enter(asked.cluster, asked.collections);
        }
        Ok(report)
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut rows = vec![("state", self.state.name().to_owned())];
        rows.extend(self.reasons.iter().map(|reason| ("", reason.clone())));
        rows.extend(self.version.iter().map(|version| ("version", version.clone())));
        rows.extend(self.cluster_name.iter().map(|name| ("cluster", name.clone())));
        rows.extend(self.cluster_id.iter().map(|id| ("cluster id", id.clone())));
        if let Some(local) = &self.local {
            rows.extend(local.pid.map(|pid| ("process", pid.to_string())));
            if let Some(addresses) = &local.addresses {
                rows.push(("Milvus clients", format!("http://{}", addresses.milvus)));
                rows.push(("Rust clients", addresses.client.clone()));
                rows.push(("health, metrics", format!("http://{}/healthz", addresses.http)));
            }
            rows.push(("data directory", local.data_dir.display().to_string()));
            rows.push(("on disk", format!("{:.1} MB", local.bytes_on_disk as f64 / 1e6)));
        }
        let mut text: String =
            rows.into_iter().map(|(name, value)| format!("{name:<16} {value}\n")).collect();
        if let Some(cluster) = &self.cluster {
            text.push('\n');
            text.push_str(&nodes_table(cluster));
        }
        if let Some(collections) = &self.collections {
            text.push_str(&collections_table(collections));
        }
        text
    }
}

/// Where scripts/cluster.sh keeps nodes, below the directory where it is called.
const OF_SCRIPT: &str = "cluster-data";

/// What to name instead: the nodes that scripts/cluster.sh has here, or what can be named.
fn elsewhere(here: &Path) -> String {
    let nodes = here.join(OF_SCRIPT);
    // The disk would make it.
    let disk = nodes.is_dir().then(|| RealDisk::new(&nodes).ok()).flatten();
    let entries = disk.and_then(|disk| disk.list("").ok()).unwrap_or_default();
    let ids = entries.iter().filter(|entry| entry.is_dir).filter_map(|entry| entry.name.parse::<u64>().ok());
    let ids: BTreeSet<u64> = ids.collect();
    match ids.first() {
        Some(first) => format!(
            "the nodes of scripts/cluster.sh are in {}: vecraft status --data-dir {OF_SCRIPT}/{first}, or all of them with \
             scripts/cluster.sh status",
            ids.iter().map(|id| format!("{OF_SCRIPT}/{id}")).collect::<Vec<_>>().join(", ")
        ),
        None => "name the node's directory with --data-dir DIR, or its client door with --connect HOST:PORT"
            .to_owned(),
    }
}

/// What the cluster does not do at this moment, and what to do.
fn missing(cluster: &Result<ClusterReply, Error>) -> Vec<String> {
    match cluster {
        Ok(reply) => reply.leaderless.iter().map(|group| {
            format!(
                "group {group} has no leader: writes and Strong reads of its shards wait, and then are refused. It needs a \
                 majority of its nodes: see that those that do not answer run and reach each other"
            )
        }).collect(),
        Err(why) => vec![no_metastore(why)],
    }
}

fn collections_table(collections: &[CollectionLine]) -> String {
    if collections.is_empty() {
        return format!("{:<16} none\n", "collections");
    }
    let name = |line: &CollectionLine| line.name.chars().count();
    let width = collections.iter().map(name).fold("collection".len(), usize::max);
    let mut text = format!("\n{:<width$} {:>12} {:>6}  indexes\n", "collection", "rows", "shards");
    for line in collections {
        let indexes = line.indexes.join(", ");
        // Writing to a String does not fail.
        let _ = writeln!(text, "{:<width$} {:>12} {:>6}  {indexes}", line.name, line.rows, line.shards);
    }
    text
}
