//! The commands of `vecraft`.

mod address;
pub mod cluster;
mod demo;
mod explain;
mod failure;
mod group;
mod node;
mod patience;
mod serve;
mod status;
mod stopping;

use crate::identity::DATA_FORMAT;
use clap::{Parser, Subcommand};
use failure::Failure;
use std::process::ExitCode;
use std::sync::LazyLock;

/// A vector database in one program and one directory.
#[derive(Debug, Parser)]
#[command(
    name = "vecraft",
    version,
    long_version = long_version(),
    about = "A vector database in one program and one data directory, for Milvus's own clients.",
    after_help = "Examples:\n  vecraft demo                          see it work: real passages, searched by sentences\n  vecraft serve                         serve ./data on 127.0.0.1:19530\n  vecraft serve --data-dir /srv/vecraft --listen 127.0.0.1:19530\n  vecraft serve --config cluster.toml --node 1\n  vecraft config print                  every setting with its meaning and default\n\nEvery command ends 0 when it did what was asked, 1 when not, 2 when its options are wrong; status and node list end 3\nwhen there is an answer and part of the cluster is missing (their --help says when).\n\nThen, in Python:  MilvusClient(\"http://127.0.0.1:19530\")"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a data directory until Ctrl-C or SIGTERM.
    Serve(serve::Serve),
    /// Start a node, load real passages, search them by sentences and show the answers.
    Demo(demo::Demo),
    /// Tell whether a node serves, where, whether it is well, and what it holds.
    Status(status::Status),
    /// Search, and tell how the answer comes about: strategies, distances, where the time went, why rows are missing.
    Explain(explain::Explain),
    /// Form a cluster from nodes that wait with empty directories.
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// Show, add, drain or remove nodes of a running cluster; recover one that lost the others.
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Mend a Raft group of a stopped node.
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// Show or check the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the effective configuration, every key with its meaning, unit and default.
    #[command(
        after_help = "Examples:\n  vecraft config print > cluster.toml              a file to start from\n  vecraft config print --config cluster.toml       what a file means, with every default"
    )]
    Print {
        /// Start from this file instead of the defaults.
        #[arg(long, value_name = "FILE")]
        config: Option<std::path::PathBuf>,
    },
}

/// With what decides whether two programs may run in one cluster, and whether a directory can be read.
fn long_version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let (program, protocol) = (env!("CARGO_PKG_VERSION"), vecraft_rpc::peer::hello::VERSION);
        format!("{program}, protocol between nodes {protocol}, data format {DATA_FORMAT}")
    });
    &TEXT
}

/// Runs the program; the result is its exit status.
pub fn run() -> ExitCode {
    let command = Cli::parse().command;
    crate::limits::spare_small_memory();
    crate::heap::keep_pages_small();
    let done = match command {
        Command::Serve(serve) => serve.run(),
        Command::Demo(demo) => demo.run().map_err(Failure::from),
        Command::Status(status) => status.run(),
        Command::Explain(explain) => explain.run(),
        Command::Cluster(command) => command.run().map_err(Failure::from),
        Command::Node(command) => command.run(),
        Command::Group(command) => command.run().map_err(Failure::from),
        Command::Config(ConfigCommand::Print { config }) => {
            print_config(config.as_deref()).map_err(Failure::from)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { words, code }) => {
            eprintln!("vecraft: {words}");
            ExitCode::from(code)
        }
    }
}

fn print_config(file: Option<&std::path::Path>) -> Result<(), String> {
    let config = match file {
        Some(file) => vecraft_config::Config::load(file).map_err(|e| e.to_string())?,
        None => vecraft_config::Config::embedded("data"),
    };
    print!("{}", config.effective_toml());
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    /// What `--help` of a command prints, wherever its lines end.
    fn help(words: &[&str]) -> String {
        let mut command = &mut Cli::command();
        for word in words {
            command = command.find_subcommand_mut(word).unwrap();
        }
        let text = command.render_long_help().to_string();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn help_teaches_what_a_command_does_and_warns_of_what_it_loses() {
        for (words, taught) in [
            (&["cluster", "init"][..], "An empty node beside an existing cluster is never formed anew"),
            (&["node", "recover"], "THIS LOSES DATA"),
            (&["group", "skip"], "With replicas, run it on every node"),
            (&["explain"], "its real rank is found by comparing every row"),
        ] {
            let help = help(words);
            assert!(help.contains(taught) && help.contains("Example"), "{words:?}: {help}");
        }
    }
}
