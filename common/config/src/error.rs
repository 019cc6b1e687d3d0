//! What can be wrong with a configuration.

use std::{fmt, path::PathBuf};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read configuration {}: {cause}; name the file with --config, or write one to start from: vecraft config print > \
         cluster.toml",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// The text has problems; all of them are listed.
    #[error("{source_name} is not a valid configuration:{}", list(.problems))]
    Invalid {
        /// The file or what else the text came from.
        source_name: String,
        /// At least one, in the order of the text.
        problems: Vec<Problem>,
    },
    /// The file has no such node.
    #[error(
        "there is no node {id} in the configuration, it has {}: choose one of them with --node, or add a [[node]] with this id",
        known.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
    )]
    NoSuchNode {
        /// What was asked for.
        id: u64,
        /// The ids there are.
        known: Vec<u64>,
    },
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 1, when it comes from a text and is about one place in it.
    pub line: Option<usize>,
    /// The key, as in `data.chunk_bytes` or `node 2.milvus_port`; empty when the text is not TOML.
    pub key: String,
    /// What is wrong, with the value and what is allowed.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(out, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(out, "{}: ", self.key)?;
        }
        write!(out, "{}", self.what)
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}
