//! `vecraft demo`: a node of its own or a running one, real passages in, sentences searched, answers compared with
//! the truth.
//!
//! Everything goes through [`Database`], so what is shown is what a Rust program that embeds a node gets, and the
//! URI printed is what Milvus's clients get.

mod cluster;
mod data;
mod load;
mod next;
mod npy;
mod progress;
mod report;
mod search;
#[cfg(test)]
mod tests;

use super::address::client_door;
use super::node::reach::greet;
use super::serve::log_level;
use super::stopping::{Stopped, end_at_once, stop};
use crate::Server;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use data::DemoData;
use std::io::Write;
use std::path::{Path, PathBuf};
use vecraft_client::Client;
use vecraft_config::Config;
use vecraft_runtime::clock::SystemClock;
use vecraft_runtime::signals::TerminationSignals;
use vecraft_runtime::telemetry::{LogOptions, init_logging};
use vecraft_types::api::{Call, Database};

/// Worse than this on the shipped data and something is broken; exact search gives 1.
const RECALL_MIN: f64 = 0.95;
/// Which sentence is searched again with a filter, and the filter.
const FILTERED: (usize, &str) = (0, r#"source == "python3.11-doc""#);

/// Options of `vecraft demo`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  vecraft demo                            load, search, print, clean up\n  vecraft demo --keep                     and serve on until Ctrl-C\n  vecraft demo --nodes 3                  the same on a cluster, with leaders killed\n  vecraft demo --nodes 3 --kills 20       and how long each kill kept writers waiting\n  vecraft demo --data-dir demo-data       and leave the rows for `vecraft serve --data-dir demo-data`"
)]
pub struct Demo {
    /// Use the running node at this address (its client door, printed by `vecraft serve`) instead of starting one.
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["data_dir", "keep"], value_parser = client_door)]
    connect: Option<String>,
    /// A cluster of so many nodes on this machine, each a process; then leaders are killed under inserts and reads.
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with_all = ["connect", "data_dir"],
          value_parser = PossibleValuesParser::new(cluster::NODES).try_map(|count| count.parse::<u64>()))]
    nodes: u64,
    /// With --nodes: how often the leader is killed.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000),
          requires = "nodes")]
    kills: u32,
    /// Keep the rows in this directory; without it a temporary one is used and removed.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Serve on after the searches, until Ctrl-C: at the default ports if they are free, else at the ones it prints.
    #[arg(long)]
    keep: bool,
    /// Load the files of this folder (their form: scripts/data/README.md) instead of those inside the program.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Log level: error, warn, info, debug, trace, or directives such as info,vecraft_data=debug.
    #[arg(long, value_name = "LEVEL", default_value = "error", value_parser = log_level)]
    log_level: String,
}

impl Demo {
    pub fn run(self) -> Result<(), String> {
        let data = match &self.data {
            None => DemoData::shipped()?,
            Some(folder) => DemoData::read(folder)?,
        };
        let log = LogOptions { level: self.log_level.clone(), ..LogOptions::default() };
        init_logging(&log).map_err(|e| e.to_string())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("vecraft")
            .build()
            .map_err(|e| format!("cannot start threads: {e}"))?;
        runtime.block_on(async {
            match &self.connect {
                None => self.on_own_node(&data).await,
                Some(address) => {
                    let mut signals = TerminationSignals::listen().map_err(|e| e.to_string())?;
                    unless_stopped(self.on_running_node(&data, address), &mut signals).await
                }
            }
        })
    }

    async fn on_running_node(&self, data: &DemoData, address: &str) -> Result<(), String> {
        greet(address).await.map_err(|failure| failure.words)?;
        let client = Client::connect(address).await.map_err(|e| e.to_string())?;
        let server = client.server_info(Call::default()).await.map_err(|e| e.to_string())?;
        println!("vecraft {} serves {address}, cluster {}", server.version, server.cluster_id);
        self.tour(&client, data).await?;
        println!(
            "\nThe rows stay in the collection {}.\n\n{}",
            load::COLLECTION,
            next::rust_connect(address)
        );
        Ok(())
    }

    async fn on_own_node(&self, data: &DemoData) -> Result<(), String> {
        // Removed when it goes out of scope, after the node has stopped.
        let mut temporary = None;
        let directory = match &self.data_dir {
            Some(directory) => directory.clone(),
            None => {
                let made = tempfile::Builder::new().prefix("vecraft-demo-").tempdir();
                let made = made.map_err(|e| format!("cannot make a temporary directory: {e}"))?;
                temporary.insert(made).path().to_owned()
            }
        };
        if self.nodes > 1 {
            let mut signals = TerminationSignals::listen().map_err(|e| e.to_string())?;
            return self.on_a_cluster(self.nodes, data, &directory, &mut signals).await;
        }
        let server = self.start(Config::embedded(&directory)).await.map_err(|e| e.to_string())?;
        let mut signals = TerminationSignals::listen().map_err(|e| e.to_string())?;
        let outcome = tokio::select! {
            outcome = unless_stopped(self.show(&server, data, &directory), &mut signals) => outcome,
            why = server.failed() => Err(why),
        };
        let outcome = match outcome {
            Ok(()) if self.keep => serve_on(&server, &mut signals).await,
            other => other,
        };
        if let Stopped::AtOnce(signal) = stop(server, "the demo ends", &mut signals).await {
            drop(temporary);
            end_at_once(signal);
        }
        outcome
    }

    /// Whoever wants to use it afterwards finds it where the README says, if nobody else is there.
    async fn start(&self, config: Config) -> Result<Server, crate::Error> {
        if self.keep {
            match Server::start(&config, 1).await {
                Err(crate::Error::Listen { .. }) => {}
                started => return started,
            }
        }
        Server::start(&config.with_free_ports(), 1).await
    }

    async fn show(&self, server: &Server, data: &DemoData, directory: &Path) -> Result<(), String> {
        let uri = format!("http://{}", server.addresses().milvus);
        let version = env!("CARGO_PKG_VERSION");
        say(&format!("vecraft {version} serves {uri} from {}\n", directory.display()))?;
        self.tour(server.database().as_ref(), data).await?;
        let rust = match self.keep {
            true => next::rust_connect(&server.addresses().client),
            false => next::rust_embed(self.data_dir.as_deref()),
        };
        // A node that stops now had a port of its own; the next one started by hand takes Milvus's.
        let then = if self.keep { uri.as_str() } else { "http://127.0.0.1:19530" };
        let doors = if self.keep { report::doors(server.addresses()) } else { String::new() };
        say(&format!("\nWhat next? {}\n{doors}\n{}\n{rust}", self.what_remains(&uri), next::python(then)))
    }

    /// Loads, searches and prints.
    async fn tour(&self, db: &dyn Database, data: &DemoData) -> Result<(), String> {
        let clock = SystemClock::new();
        let loaded = load::load(db, &data.passages, &clock).await?;
        say(&report::loaded(&loaded, data))?;
        let searched = search::search_all(db, data, loaded.timestamp, &clock).await?;
        for (query, hits) in data.queries.texts.iter().zip(&searched.hits).take(report::SHOWN) {
            say(&report::answers(&query.text, hits))?;
        }
        let (query, filter) = FILTERED;
        if let Some(question) = data.queries.texts.get(query) {
            let hits = search::search(db, data, query, filter, loaded.timestamp).await?;
            let answers = report::answers(&question.text, &hits);
            say(&format!("\nThe first one again, with the filter {filter}:{answers}"))?;
        }
        let recall = search::recall(&searched.hits, data);
        say(&report::figures(&searched, recall))?;
        if self.data.is_none() && recall < RECALL_MIN {
            return Err(format!("recall is {recall:.3}, at least {RECALL_MIN} was expected"));
        }
        Ok(())
    }

    /// What is there after the demo.
    fn what_remains(&self, uri: &str) -> String {
        let node = match self.keep {
            true => format!("The node serves {uri} until Ctrl-C"),
            false => "The node stops now (with --keep it would serve on)".to_owned(),
        };
        let rows = match &self.data_dir {
            Some(directory) => format!("the rows stay: vecraft serve --data-dir {}", directory.display()),
            None => {
                "then its temporary directory is removed (with --data-dir DIR the rows would stay)".to_owned()
            }
        };
        format!("{node};\n{rows}.")
    }
}

/// Prints. A reader that went away (`| head`) ends the demo in order instead of with a panic.
fn say(text: &str) -> Result<(), String> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|e| format!("cannot print: {e}"))
}

/// Serves until somebody asks the process to end.
async fn serve_on(server: &Server, signals: &mut TerminationSignals) -> Result<(), String> {
    tokio::select! {
        _ = signals.next() => Ok(()),
        why = server.failed() => Err(why),
    }
}

/// The outcome of some work, or an error when somebody asks the process to end before it is done.
async fn unless_stopped(
    work: impl Future<Output = Result<(), String>>,
    signals: &mut TerminationSignals,
) -> Result<(), String> {
    tokio::select! {
        outcome = work => outcome,
        signal = signals.next() => Err(format!("stopped by {signal}")),
    }
}
