//! The configuration: one `cluster.toml` for all nodes of a cluster, one struct per role.
//!
//! Every key is documented in [`sections`] with meaning, unit, default, allowed range and reason; the same text is
//! printed by `vecraft config print` ([`Config::effective_toml`]). An unknown key is an error with its line and a
//! suggestion, a value out of range one with the range; all problems of a file are reported at once.
//!
//! The binary reads the file once and passes structs down. What this crate does *not* do: it reads no environment
//! variable, holds no global, opens no file but the one named, and does not know what a role does with a value.

mod error;
mod parse;
mod section;
pub mod sections;
mod validate;
mod value;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use error::{ConfigError, Problem};
use section::Section;
pub use sections::{
    ClusterConfig, DataConfig, FormingMode, IndexConfig, LogConfig, LogFormat, MilvusConfig, NodeConfig,
    ProxyConfig, QueryConfig, Role,
};
pub use validate::SECRET_WANTED;

/// A pool is made for at least so many nodes.
const POOL_NODES_MIN: u64 = 3;

/// The configuration of a cluster, validated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// The file it was read from; none when a program made it.
    pub file: Option<PathBuf>,
    /// `[cluster]`
    pub cluster: ClusterConfig,
    /// `[[node]]`, at least one, in the order of the file.
    pub nodes: Vec<NodeConfig>,
    /// `[proxy]`
    pub proxy: ProxyConfig,
    /// `[data]`
    pub data: DataConfig,
    /// `[query]`
    pub query: QueryConfig,
    /// `[index]`
    pub index: IndexConfig,
    /// `[milvus]`
    pub milvus: MilvusConfig,
    /// `[log]`
    pub log: LogConfig,
}

impl Config {
    /// One node with all roles, default ports on 127.0.0.1 and everything else at its default.
    pub fn embedded(data_dir: impl AsRef<Path>) -> Self {
        let node = NodeConfig { data_dir: data_dir.as_ref().to_path_buf(), ..NodeConfig::default() };
        Self { nodes: vec![node], ..Self::default() }
    }

    /// The same with port 0 everywhere: each door opens on a free port, which the node then tells.
    #[must_use]
    pub fn with_free_ports(mut self) -> Self {
        for node in &mut self.nodes {
            (node.milvus_port, node.client_port, node.node_port, node.http_port) = (0, 0, 0, 0);
        }
        self
    }

    /// Reads and validates the text of a `cluster.toml`; `source` names it in errors.
    ///
    /// # Errors
    /// Everything that is wrong, with lines.
    pub fn from_toml(text: &str, source: &str) -> Result<Self, ConfigError> {
        parse::parse(text)
            .map_err(|problems| ConfigError::Invalid { source_name: source.to_string(), problems })
    }

    /// Reads and validates the file at `path`. Relative paths in it stay relative to the working directory.
    ///
    /// # Errors
    /// When it cannot be read, or everything that is wrong in it.
    // The one file read before there is a configuration, and no data file: `vecraft-storage` is above this crate.
    #[allow(clippy::disallowed_methods)]
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| ConfigError::Unreadable { path: path.to_path_buf(), cause })?;
        let config = Self::from_toml(&text, &path.display().to_string())?;
        Ok(Self { file: Some(path.to_path_buf()), ..config })
    }

    /// Checks a configuration that was built or changed by a program. What comes from [`Config::from_toml`] was
    /// checked already.
    ///
    /// # Errors
    /// Everything that is wrong, without lines.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let problems = validate::problems(self);
        if problems.is_empty() {
            return Ok(());
        }
        Err(ConfigError::Invalid { source_name: "what the program set".to_string(), problems })
    }

    /// The node with this id.
    ///
    /// # Errors
    /// [`ConfigError::NoSuchNode`] with the ids there are.
    pub fn node(&self, id: u64) -> Result<&NodeConfig, ConfigError> {
        self.nodes.iter().find(|node| node.id == id).ok_or_else(|| ConfigError::NoSuchNode {
            id,
            known: self.nodes.iter().map(|node| node.id).collect(),
        })
    }

    /// How many voters the metastore and each group have: `cluster.replication`, but no more than there are nodes that
    /// keep copies.
    pub fn voters(&self) -> usize {
        usize::try_from(self.cluster.replication).unwrap_or(usize::MAX).min(self.keepers())
    }

    /// How many groups the pool of a new cluster has: `data.groups_per_node` for each node that keeps copies, and as many as
    /// three such nodes would have when there are fewer. A shard stays in its group, and a group has one leader: the pool of
    /// one node's share would leave the nodes that join later without anything to lead.
    pub fn first_pool_groups(&self) -> u32 {
        let nodes = u64::try_from(self.keepers()).unwrap_or(u64::MAX).max(POOL_NODES_MIN);
        u32::try_from(self.data.groups_per_node.saturating_mul(nodes)).unwrap_or(u32::MAX)
    }

    /// How many nodes keep copies: all but the query-only ones.
    pub fn keepers(&self) -> usize {
        self.nodes.iter().filter(|node| !node.is_query_only()).count()
    }

    /// Whether nodes are reached by others from other hosts, and so need `cluster.secret_file`. A lone node that waits for
    /// nobody leaves its node port closed instead.
    pub fn wants_secret(&self) -> bool {
        let is_waited_for = self.nodes.len() > 1 || self.cluster.forming == FormingMode::Explicit;
        is_waited_for && !self.is_local()
    }

    /// Whether every host is loopback.
    pub fn is_local(&self) -> bool {
        self.nodes.iter().all(NodeConfig::is_loopback)
    }

    /// The ids of the nodes that only answer reads.
    pub fn query_only(&self) -> impl Iterator<Item = u64> {
        self.nodes.iter().filter(|node| node.is_query_only()).map(|node| node.id)
    }

    /// A hash of what all nodes must agree on before they form a cluster (I1): its name, the replication, whether it waits
    /// for `vecraft cluster init`, the groups for each node, and each node's id, host, ports and roles. Data directories,
    /// limits and logging may differ from node to node.
    pub fn hash(&self) -> u64 {
        let Config { cluster, data, .. } = self;
        let mut agreed = format!(
            "{}\n{}\n{}\n{}\n",
            cluster.name,
            cluster.replication,
            cluster.forming.name(),
            data.groups_per_node
        );
        let mut nodes: Vec<_> = self.nodes.iter().collect();
        nodes.sort_by_key(|node| node.id);
        for node in nodes {
            let mut roles: Vec<_> = node.roles.iter().map(|role| role.name()).collect();
            roles.sort_unstable();
            let NodeConfig { id, host, milvus_port, client_port, node_port, http_port, .. } = node;
            agreed.push_str(&format!(
                "{id} {host} {milvus_port} {client_port} {node_port} {http_port} {}\n",
                roles.join(",")
            ));
        }
        xxhash_rust::xxh3::xxh3_64(agreed.as_bytes())
    }

    /// The effective configuration as a `cluster.toml`, every key with its documentation. Reading it back gives the
    /// same configuration.
    pub fn effective_toml(&self) -> String {
        let mut text = String::new();
        section::write_table(&mut text, "[cluster]", &self.cluster);
        for node in &self.nodes {
            section::write_table(&mut text, "[[node]]", node);
        }
        section::write_table(&mut text, "[proxy]", &self.proxy);
        section::write_table(&mut text, "[data]", &self.data);
        section::write_table(&mut text, "[query]", &self.query);
        section::write_table(&mut text, "[index]", &self.index);
        section::write_table(&mut text, "[milvus]", &self.milvus);
        section::write_table(&mut text, "[log]", &self.log);
        text
    }

    /// The single tables by name, for what is the same for all of them.
    fn tables(&self) -> [(&'static str, &dyn section::Checked); 7] {
        [
            ("cluster", &self.cluster),
            ("proxy", &self.proxy),
            ("data", &self.data),
            ("query", &self.query),
            ("index", &self.index),
            ("milvus", &self.milvus),
            ("log", &self.log),
        ]
    }

    /// The keys each table of the file may have; `node` stands for `[[node]]`.
    fn known_keys() -> [(&'static str, &'static [&'static str]); 8] {
        [
            ("cluster", ClusterConfig::KEYS),
            ("node", NodeConfig::KEYS),
            ("proxy", ProxyConfig::KEYS),
            ("data", DataConfig::KEYS),
            ("query", QueryConfig::KEYS),
            ("index", IndexConfig::KEYS),
            ("milvus", MilvusConfig::KEYS),
            ("log", LogConfig::KEYS),
        ]
    }
}
