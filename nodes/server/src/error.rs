//! Why a server cannot start or go on, in words for the person in front of it.

use std::path::PathBuf;
use vecraft_types::NodeId;

/// Errors of the wiring.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the directory.
    #[error("{dir} is in use by process {pid}; stop it first, or choose another --data-dir", dir = dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The holder, 0 when it did not say.
        pid: u32,
    },
    /// The directory was written by a newer program.
    #[error(
        "the data directory has format {found}, this program reads up to {supported}: use a newer vecraft"
    )]
    NewerFormat {
        /// Found.
        found: u32,
        /// Ours.
        supported: u32,
    },
    /// The directory holds something else.
    #[error(
        "{dir} is not a data directory of vecraft (found: {found}); nothing was changed: choose an empty or a new \
         directory",
        dir = dir.display()
    )]
    NotOurs {
        /// The directory.
        dir: PathBuf,
        /// What is there, or is missing.
        found: String,
    },
    /// A command for a stopped node was given another directory.
    #[error(
        "{dir} is not the directory of a node: {why}; nothing was changed or made. Give the data_dir of the stopped node with \
         --data-dir",
        dir = dir.display()
    )]
    NoNode {
        /// The directory.
        dir: PathBuf,
        /// What is missing.
        why: String,
    },
    /// Part of a data directory is missing.
    #[error(
        "{dir} has {present} but not {missing}; nothing was changed: bring back the missing part from the same copy, \
         or choose an empty directory",
        dir = dir.display(),
        present = present.iter().map(|name| format!("{name}/")).collect::<Vec<_>>().join(", ")
    )]
    Torn {
        /// The directory.
        dir: PathBuf,
        /// What is not there.
        missing: &'static str,
        /// What is there.
        present: Vec<&'static str>,
    },
    /// The directory is another node's.
    #[error(
        "the directory belongs to node {found}, it was started as node {asked}: choose the right --node or data_dir"
    )]
    OtherNode {
        /// Whose it is.
        found: NodeId,
        /// Who asked.
        asked: NodeId,
    },
    /// The configuration says otherwise than what was settled when the cluster began.
    #[error(
        "{key} is {configured} in the configuration, and what the cluster has stored is {stored}: {advice}"
    )]
    Contradiction {
        /// Of the configuration.
        key: &'static str,
        /// Its value there.
        configured: String,
        /// What was settled.
        stored: String,
        /// What to do.
        advice: &'static str,
    },
    /// The log is gone, or is an older one.
    #[error(
        "{dir}/log {what}, yet generation {seen} was written there: acknowledged writes are missing from it. Nothing \
         was changed: bring back log/ from the same copy as kv/",
        dir = dir.display(),
        what = found.map_or("is missing or empty".to_owned(), |found| format!("ends with generation {found}"))
    )]
    LogLost {
        /// The directory.
        dir: PathBuf,
        /// The newest generation there.
        found: Option<u64>,
        /// The newest generation known.
        seen: u64,
    },
    /// A full disk.
    #[error(
        "no room to start on the file system of {dir}: {why}. About {needed} MiB are needed there and {free} MiB are free. Remove \
         what is not vecraft's, enlarge the file system, or move the whole directory to a larger one, and start again; \
         nothing is lost, and no file of the directory may be removed",
        dir = dir.display(),
        needed = needed.div_ceil(1 << 20),
        free = free >> 20
    )]
    NoRoom {
        /// The directory.
        dir: PathBuf,
        /// What found no space.
        why: String,
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// The identity record is not readable.
    #[error("the data directory's identity is unreadable: {0}")]
    Identity(String),
    /// A port is taken or forbidden.
    #[error("cannot listen on {address} ({door}): {source}{}", listen_advice(door, source))]
    Listen {
        /// Which door.
        door: &'static str,
        /// Where.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration is wrong, or asks for what is not built.
    #[error(transparent)]
    Config(#[from] vecraft_config::ConfigError),
    /// The machine's limits are too low.
    #[error("{0}")]
    Limits(String),
    /// Storage below us.
    #[error(transparent)]
    Storage(#[from] vecraft_storage::Error),
    /// The log below us.
    #[error(transparent)]
    Log(#[from] vecraft_log_store::Error),
    /// A group.
    #[error(transparent)]
    Host(#[from] vecraft_raft_host::Error),
    /// The metastore.
    #[error(transparent)]
    Metastore(#[from] vecraft_coordinator::Error),
    /// The data role.
    #[error(transparent)]
    Data(#[from] vecraft_data::Error),
    /// Anything else, with what was tried.
    #[error("{what}: {why}")]
    Other {
        /// What was tried.
        what: &'static str,
        /// What happened.
        why: String,
    },
}

impl Error {
    /// Whether the cause is a full disk, as far as it is told.
    pub(crate) fn is_no_space(&self) -> bool {
        match self {
            Error::Storage(error) => error.is_no_space(),
            Error::Log(error) => error.is_no_space(),
            _ => false,
        }
    }

    /// An error of something that has no variant of its own.
    pub(crate) fn other<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> Error {
        move |why| Error::Other { what, why: why.to_string() }
    }
}

/// What to do about a door that does not open.
fn listen_advice(door: &str, source: &std::io::Error) -> String {
    let elsewhere =
        format!("set {door} of this [[node]] in cluster.toml; without a cluster.toml: --listen HOST:PORT");
    match source.kind() {
        std::io::ErrorKind::AddrInUse => format!(
            "; another program listens there, perhaps a node that runs already (vecraft status --data-dir DIR says so), or an \
             outgoing connection has the port (Linux gives them those of net.ipv4.ip_local_port_range, 32768 to 60999): stop \
             it, or choose another port below those: {elsewhere}, which takes free ports for the other doors"
        ),
        std::io::ErrorKind::AddrNotAvailable => "; this machine has no such address: set host of this \
            [[node]] in cluster.toml to one that it has; without a cluster.toml: --listen HOST:PORT"
            .to_owned(),
        std::io::ErrorKind::PermissionDenied => {
            format!("; ports below 1024 are the system's: choose another: {elsewhere}")
        }
        _ => String::new(),
    }
}
