//! `vecraft serve`.

use super::failure::Failure;
use super::stopping::{Stopped, end_at_once, stop};
use crate::Server;
use clap::Args;
use std::path::PathBuf;
use vecraft_config::{Config, LogFormat as ConfigFormat};
use vecraft_runtime::signals::TerminationSignals;
use vecraft_runtime::telemetry::{LogFormat, LogOptions, check_level, init_logging};

/// Options of `vecraft serve`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  vecraft serve                                     ./data on 127.0.0.1:19530, this machine only\n  vecraft serve --data-dir /srv/vecraft --listen 127.0.0.1:0\n  vecraft serve --listen 0.0.0.0:19530              for the network: there is no password yet\n  vecraft serve --config cluster.toml --node 1      one node of a cluster\n  vecraft serve --log-level info,vecraft_data=debug --log-file vecraft.log"
)]
pub struct Serve {
    /// Directory for everything it keeps; made when it is not there.
    #[arg(long, value_name = "DIR", default_value = "data", conflicts_with = "config")]
    data_dir: PathBuf,
    /// Where Milvus's clients connect; port 0 takes a free one. With another port than 19530 the other doors (Rust
    /// clients; health and metrics) take free ports too, printed at the start.
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "config", value_parser = listen)]
    listen: Option<Listen>,
    /// A cluster.toml; `vecraft config print` shows one.
    #[arg(long, value_name = "FILE", requires = "node")]
    config: Option<PathBuf>,
    /// Which node of the file this is.
    #[arg(long, value_name = "ID", requires = "config")]
    node: Option<u64>,
    /// Log level: error, warn, info, debug, trace, or directives such as info,vecraft_data=debug.
    #[arg(long, value_name = "LEVEL", value_parser = log_level)]
    log_level: Option<String>,
    /// Append log lines to this file instead of standard error.
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
}

/// A host and a port to listen at.
#[derive(Clone, Debug)]
struct Listen {
    host: String,
    port: u16,
}

impl Serve {
    pub fn run(self) -> Result<(), Failure> {
        let (config, node) = self.configuration()?;
        init_logging(&log_options(&config)).map_err(|e| e.to_string())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("vecraft")
            .build()
            .map_err(|e| format!("cannot start threads: {e}"))?;
        Ok(runtime.block_on(serve(&config, node))?)
    }

    fn configuration(&self) -> Result<(Config, u64), Failure> {
        let mut config = match &self.config {
            Some(file) => Config::load(file).map_err(|e| e.to_string())?,
            None => Config::embedded(&self.data_dir),
        };
        if let (Some(Listen { host, port }), Some(own)) = (&self.listen, config.nodes.first_mut()) {
            let is_default = own.milvus_port == *port;
            own.host.clone_from(host);
            own.milvus_port = *port;
            if !is_default {
                (own.client_port, own.node_port, own.http_port) = (0, 0, 0);
            }
        }
        if let Some(level) = &self.log_level {
            config.log.level.clone_from(level);
        }
        if self.log_file.is_some() {
            config.log.file.clone_from(&self.log_file);
        }
        let node = self.node.or(config.nodes.first().map(|n| n.id)).unwrap_or(1);
        // Both are options: they do not fit each other.
        config.node(node).map_err(|e| Failure::options(e.to_string()))?;
        Ok((config, node))
    }
}

async fn serve(config: &Config, node: u64) -> Result<(), String> {
    let server = Server::start(config, node).await.map_err(|e| e.to_string())?;
    // Before anybody is told that it serves: who has read that may send a signal.
    let mut signals = TerminationSignals::listen().map_err(|e| e.to_string())?;
    let addresses = server.addresses();
    println!("vecraft {} serves", env!("CARGO_PKG_VERSION"));
    println!("  Milvus clients   http://{}", addresses.milvus);
    println!("  Rust clients     {}", addresses.client);
    println!("  health, metrics  http://{}/healthz", addresses.http);
    println!("  cluster          {} {}", config.cluster.name, server.cluster_id());
    println!("Ctrl-C stops it.");
    if !is_loopback(&addresses.milvus) {
        println!("{}", open_to_all(&addresses.milvus));
        tracing::warn!(address = addresses.milvus, "open to the network without authentication");
    }
    let (reason, is_failure) = tokio::select! {
        signal = signals.next() => {
            println!("Stopping ({signal}). A second one ends it at once.");
            (signal.to_string(), false)
        }
        why = server.failed() => (why, true),
    };
    match stop(server, &reason, &mut signals).await {
        Stopped::InOrder if is_failure => Err(reason),
        Stopped::InOrder => Ok(()),
        Stopped::AtOnce(signal) => end_at_once(signal),
    }
}

/// What `--listen` says.
fn listen(text: &str) -> Result<Listen, String> {
    let wrong = || "it is not HOST:PORT, for example 127.0.0.1:19530".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match port.parse() {
        Ok(port) if !host.is_empty() => Ok(Listen { host: host.to_owned(), port }),
        _ => Err(wrong()),
    }
}

/// What `--log-level` says.
pub fn log_level(text: &str) -> Result<String, String> {
    check_level(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

/// Said where the addresses are said: a log line may go to a file that nobody reads.
fn open_to_all(address: &str) -> String {
    format!(
        "ATTENTION: {address} is open to the network, and there is no password: whoever reaches it may read, change and \
         drop everything. Listen on 127.0.0.1, or keep others out with a firewall."
    )
}

fn is_loopback(address: &str) -> bool {
    address.parse::<std::net::SocketAddr>().is_ok_and(|a| a.ip().is_loopback())
}

fn log_options(config: &Config) -> LogOptions {
    LogOptions {
        level: config.log.level.clone(),
        format: match config.log.format {
            ConfigFormat::Text => LogFormat::Text,
            ConfigFormat::Json => LogFormat::Json,
        },
        file: config.log.file.clone(),
    }
}
