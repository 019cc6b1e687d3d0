//! `vecraft demo`: a node of its own, real passages in, sentences searched, answers compared with the truth.
//!
//! Everything goes through [`Database`], so what is shown is what a Rust program that embeds a node gets, and the
//! URI printed is what Milvus's clients get.

mod data;
mod load;
mod next;
mod npy;
mod progress;
mod report;
mod search;
#[cfg(test)]
mod tests;

use crate::Server;
use clap::Args;
use data::DemoData;
use std::path::{Path, PathBuf};
use vecraft_config::Config;
use vecraft_runtime::clock::SystemClock;
use vecraft_runtime::shutdown::termination_signal;
use vecraft_runtime::telemetry::{LogOptions, init_logging};
use vecraft_types::api::Database;

/// Worse than this on the shipped data and something is broken; exact search gives 1.
const RECALL_MIN: f64 = 0.95;
/// Which sentence is searched again with a filter, and the filter.
const FILTERED: (usize, &str) = (0, r#"source == "python3.11-doc""#);

/// Options of `vecraft demo`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  vecraft demo                            load, search, print, clean up\n  vecraft demo --keep                     and serve on until Ctrl-C\n  vecraft demo --data-dir demo-data       and leave the rows for `vecraft serve --data-dir demo-data`"
)]
pub struct Demo {
    /// Keep the rows in this directory; without it a temporary one is used and removed.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Serve on after the searches, until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Load the files of this folder (their form: scripts/data/README.md) instead of those inside the program.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Log level: error, warn, info, debug, trace, or directives such as info,vecraft_data=debug.
    #[arg(long, value_name = "LEVEL", default_value = "error")]
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
        runtime.block_on(self.on_own_node(&data))
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
        let config = Config::embedded(&directory).with_free_ports();
        let server = Server::start(&config, 1).await.map_err(|e| e.to_string())?;
        let outcome = tokio::select! {
            outcome = self.show(&server, data, &directory) => outcome,
            signal = termination_signal() => signal.map_or_else(|e| Err(e.to_string()), stopped_by),
            why = server.failed() => Err(why),
        };
        let outcome = match outcome {
            Ok(()) if self.keep => serve_on(&server).await,
            other => other,
        };
        server.stop("the demo ends").await;
        outcome
    }

    async fn show(&self, server: &Server, data: &DemoData, directory: &Path) -> Result<(), String> {
        let uri = format!("http://{}", server.addresses().milvus);
        println!("vecraft {} serves {uri} from {}", env!("CARGO_PKG_VERSION"), directory.display());
        let recall = tour(server.database().as_ref(), data).await?;
        if self.data.is_none() && recall < RECALL_MIN {
            return Err(format!("recall is {recall:.3}, at least {RECALL_MIN} was expected"));
        }
        println!("\nWhat next? {}\n\n{}", self.what_remains(&uri), next::python(&uri));
        println!("{}", next::rust(self.data_dir.as_deref()));
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

/// Serves until somebody asks the process to end.
async fn serve_on(server: &Server) -> Result<(), String> {
    tokio::select! {
        signal = termination_signal() => signal.map(|_| ()).map_err(|e| e.to_string()),
        why = server.failed() => Err(why),
    }
}

fn stopped_by(signal: &str) -> Result<(), String> {
    Err(format!("stopped by {signal}"))
}

/// Loads, searches and prints; returns the recall.
async fn tour(db: &dyn Database, data: &DemoData) -> Result<f64, String> {
    let clock = SystemClock::new();
    let loaded = load::load(db, &data.passages, &clock).await?;
    print!("{}", report::loaded(&loaded, data));
    let searched = search::search_all(db, data, loaded.timestamp, &clock).await?;
    let shown = data.queries.texts.iter().zip(&searched.hits).take(report::SHOWN);
    shown.for_each(|(query, hits)| print!("{}", report::answers(&query.text, hits)));
    let (query, filter) = FILTERED;
    if let Some(question) = data.queries.texts.get(query) {
        let hits = search::search(db, data, query, filter, loaded.timestamp).await?;
        print!("\nThe first one again, with the filter {filter}:{}", report::answers(&question.text, &hits));
    }
    let recall = search::recall(&searched.hits, data);
    print!("{}", report::figures(&searched, recall));
    Ok(recall)
}
