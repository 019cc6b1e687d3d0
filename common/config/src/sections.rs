//! Every key: meaning, unit, default, range, reason.
//!
//! The comments here are printed by `vecraft config print`, so they are written for operators.

use std::{path::PathBuf, time::Duration};

use crate::{section::section, value::word};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

word! {
    /// What a node does. By default a node does everything.
    Role {
        /// Takes requests, routes them and merges answers.
        Proxy = "proxy",
        /// Plans; active on the metastore's leader.
        Coordinator = "coordinator",
        /// Keeps shards: log, segments, checkpoints.
        Data = "data",
        /// Searches the published view of shards.
        Query = "query",
        /// Builds index files.
        Index = "index",
    }
}

word! {
    /// When empty directories become a cluster.
    FormingMode {
        /// As soon as all listed nodes are there and empty.
        Automatic = "automatic",
        /// When a person says so.
        Explicit = "explicit",
    }
}

word! {
    /// How log lines look.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

section! {
    /// What all nodes agree on.
    ClusterConfig {
        /// The cluster's name, 1 to 63 letters, digits, `-` or `_`. Shown by `vecraft status`, in `run.json` and as a
        /// label of the metric `vecraft_build_info`, so that people tell clusters apart.
        name: String = "vecraft".to_string();
        /// Copies of everything; the number of voters is the smaller of this and the nodes. 3 survive the loss
        /// of one node, 5 of two. An even number survives no more than the odd one below it.
        replication: u64 = 3, 1..=7;
        /// A file of mode 0600 with the same random text, 16 bytes or more, on every node (`openssl rand -hex 32 > FILE`):
        /// nodes prove with it that they belong together. Needed as soon as a host is not loopback.
        secret_file: Option<PathBuf> = None;
        /// `automatic`: the nodes become a cluster as soon as all of this file are there, with empty directories.
        /// `explicit`: they wait until a person says `vecraft cluster init --config cluster.toml`, once, so that hosts which
        /// lost their directories all together do not begin anew by themselves. No matter once the cluster exists.
        forming: FormingMode = FormingMode::Automatic;
        /// Seconds. A node that has not answered for this long is taken for lost, and its replicas are made on other
        /// nodes where there are any. Until then the others serve with the copies they have.
        node_lost_after_s: u64 = 600, 5..=86_400;
    }
}

section! {
    /// One node. `id` and `data_dir` must be given.
    NodeConfig {
        /// Unique in the cluster, never given to another node.
        id: u64 = 1, 1..=65_535;
        /// Where it listens and where others reach it. Anything but a loopback address is open to the network.
        host: String = "127.0.0.1".to_string();
        /// Everything it keeps. Relative to the working directory.
        data_dir: PathBuf = PathBuf::from("data");
        /// What it does: all roles, or exactly proxy and query. The latter is a query-only node: it has a replica of
        /// everything, answers reads and hands on the rest, never votes, and is no copy. Settled when the node comes.
        roles: Vec<Role> = Role::ALL.to_vec();
        /// Milvus clients: gRPC. 0 takes a free port, also for the other doors.
        milvus_port: u16 = 19_530;
        /// Vecraft's own client library (tarpc).
        client_port: u16 = 19_540;
        /// Node to node. A lone node opens it too, so that others can join; only one that is reachable from other hosts
        /// and has no `cluster.secret_file` leaves it closed.
        node_port: u16 = 19_550;
        /// Health and metrics.
        http_port: u16 = 9_091;
    }
}

section! {
    /// The proxy: takes requests, splits and merges.
    ProxyConfig {
        /// Bytes. The largest request that the doors take; larger ones are refused before they take memory. The
        /// default is Milvus's.
        message_bytes_max: u64 = 64 * MIB, MIB..=256 * MIB;
        /// Milliseconds. How long a request may take when the client names no deadline.
        request_timeout_ms: u64 = 60_000, 10..=3_600_000;
        /// Bytes. An insert is split into log entries of at most this; larger entries delay votes and reads.
        entry_bytes_max: u64 = 2 * MIB, KIB..=16 * MIB;
    }
}

section! {
    /// The data role: log, segments, checkpoints.
    DataConfig {
        /// Raft groups for each node with which the cluster begins, but for three at least. All collections share them, so an
        /// idle collection costs a catalogue row only. There are as many for ever, and each has one leader: for a cluster
        /// that will grow beyond two times the nodes with which it begins, write more.
        groups_per_node: u64 = 2, 1..=64;
        /// Bytes. A growing segment is sealed at this size (Milvus's 0.12 of 1,024 MB).
        segment_bytes_max: u64 = 122 * MIB, 4 * KIB..=4 * GIB;
        /// Seconds. After writes of this age a growing segment is sealed when it has at least
        /// `index.autoindex_flat_rows_max` rows; smaller ones stay in a checkpoint's tail file.
        segment_age_max_s: u64 = 600, 1..=86_400;
        /// Bytes. Rows of a growing segment lie in chunks of this size.
        chunk_bytes: u64 = 16 * MIB, 4 * KIB..=256 * MIB;
        /// Bytes of log after which a group's shards write a checkpoint. A restart replays at most this much.
        checkpoint_bytes: u64 = 256 * MIB, 4 * KIB..=16 * GIB;
        /// Seconds of writes after which they do so anyway, so that a cold shard does not pin the log.
        checkpoint_interval_s: u64 = 600, 1..=86_400;
        /// Bytes. Sealed segments are merged into segments of at most this size, and of a quarter of the memory limit, since the index
        /// of the outcome is built in memory; 0: no compaction unless a client asks for one, and the space of deleted rows does
        /// not come back by itself.
        compaction_bytes_max: u64 = GIB, 0..=4 * GIB;
        /// Per cent. A sealed segment is written again without its deleted rows when they are so many of it.
        compaction_deleted_percent: u64 = 20, 1..=100;
        /// Bytes of log that a group of several replicas keeps below its checkpoint: a replica that is no further behind
        /// catches up from the log, one that is gets a snapshot, files and all.
        follower_log_bytes: u64 = 32 * MIB, 0..=16 * GIB;
        /// Bytes per second at which this node pulls files of snapshots and indexes, all groups together: catching up leaves
        /// disk and network to those who serve.
        fetch_bytes_per_s: u64 = 512 * MIB, MIB..=16 * GIB;
        /// Bytes of memory for growing rows, key indexes, requests and index files in use; 0 means half of what
        /// the machine, or the control group that the process is in, has beyond 96 MiB. An index that would not fit, or would leave less than a quarter for rows, is not built.
        /// Near it, growing rows are written to files early; above it, inserts are answered `memory limit exceeded`
        /// while reads and deletes go on; so are those for groups that have a voting replica here.
        memory_limit_bytes: u64 = 0, 0..=1 << 46;
        /// Bytes of writes accepted and not yet applied. More are answered `rate limited` with a time to retry. Requests
        /// that are not all there yet may have as much at the client port, all connections together.
        inflight_bytes_max: u64 = 256 * MIB, MIB..=16 * GIB;
    }
}

section! {
    /// The query role: searches.
    QueryConfig {
        /// Threads that search; 0 means one per core.
        search_threads: u64 = 0, 0..=1_024;
        /// Searches waiting for a thread. More are answered `busy`, which beats a queue that outlives its callers.
        searches_waiting_max: u64 = 256, 1..=1_000_000;
        /// Memory that all reads together may hold for the rows they gather, in bytes; 0 means an eighth of the machine's
        /// (or the cgroup's). More is answered `rate limited`, and a read that alone wants more is refused.
        answer_bytes_max: u64 = 0, 0..=1 << 46;
    }
}

section! {
    /// The index role: builds index files.
    IndexConfig {
        /// Threads that build; 0 means half of the cores, so that searches keep the other half.
        build_threads: u64 = 0, 0..=1_024;
        /// Rows below which AUTOINDEX scans instead of building a graph: a scan is exact and as quick there.
        autoindex_flat_rows_max: u64 = 4_000, 0..=1_000_000;
    }
}

section! {
    /// Where Milvus's behaviour and ours differ by default.
    MilvusConfig {
        /// Whether new collections must be loaded before they are searched, as with Milvus (code 101 otherwise). A
        /// collection's own property `milvus.strict_load` wins.
        strict_load: bool = false;
    }
}

section! {
    /// The write-ahead log, and log lines.
    LogConfig {
        /// Bytes of one file of the write-ahead log. Space is reserved as a file grows, and given back when a checkpoint has what
        /// is in it; two files of 9 MiB more are kept for a full disk.
        segment_bytes: u64 = 128 * MIB, MIB..=GIB;
        /// Log lines: error, warn, info, debug, trace, or directives such as `info,vecraft_data=debug`.
        level: String = "info".to_string();
        /// `text` for people, `json` for machines.
        format: LogFormat = LogFormat::Text;
        /// A file to append log lines to. When it is not set they go to standard error.
        file: Option<PathBuf> = None;
    }
}

impl NodeConfig {
    /// Whether it has this role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether its replicas follow and never vote: it answers reads and hands on everything else.
    pub fn is_query_only(&self) -> bool {
        let wanted = |role: &&Role| matches!(**role, Role::Proxy | Role::Query);
        !self.roles.is_empty() && Role::ALL.iter().all(|role| self.has(*role) == wanted(&role))
    }

    /// Whether only programs of its own host reach it.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<std::net::IpAddr>().is_ok_and(|host| host.is_loopback())
    }

    /// Its doors by key.
    pub fn ports(&self) -> [(&'static str, u16); 4] {
        [
            ("milvus_port", self.milvus_port),
            ("client_port", self.client_port),
            ("node_port", self.node_port),
            ("http_port", self.http_port),
        ]
    }

    /// `host:port` of one of its doors.
    pub fn address(&self, port: u16) -> String {
        if self.host.contains(':') {
            format!("[{}]:{port}", self.host)
        } else {
            format!("{}:{port}", self.host)
        }
    }
}

impl ClusterConfig {
    /// `node_lost_after_s` as a duration.
    pub fn node_lost_after(&self) -> Duration {
        Duration::from_secs(self.node_lost_after_s)
    }
}

impl ProxyConfig {
    /// `request_timeout_ms` as a duration.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }
}

impl DataConfig {
    /// `segment_age_max_s` as a duration.
    pub fn segment_age_max(&self) -> Duration {
        Duration::from_secs(self.segment_age_max_s)
    }

    /// `checkpoint_interval_s` as a duration.
    pub fn checkpoint_interval(&self) -> Duration {
        Duration::from_secs(self.checkpoint_interval_s)
    }
}
