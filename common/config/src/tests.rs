//! Reading, checking and printing configurations.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use super::*;

const MINIMAL: &str = "[[node]]\nid = 1\ndata_dir = \"data/1\"\n";

/// Reads `text`, which must be refused, and compares the problems.
#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    let Err(ConfigError::Invalid { problems, .. }) = Config::from_toml(text, "test") else {
        panic!("this should have been refused:\n{text}");
    };
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, expected);
}

#[test]
fn the_shipped_example_is_valid() {
    let config = Config::from_toml(include_str!("../../../cluster.toml"), "cluster.toml").unwrap();
    assert_eq!(config.nodes.len(), 3);
    assert_eq!(config.voters(), 3);
}

#[test]
fn a_minimal_file_has_the_defaults() {
    let config = Config::from_toml(MINIMAL, "test").unwrap();
    assert_eq!(config, Config::embedded("data/1"));
    assert_eq!(config.data.segment_bytes_max, 127_926_272);
    assert_eq!(config.voters(), 1);
    let node = config.node(1).unwrap();
    assert!(Role::ALL.iter().all(|role| node.has(*role)));
    assert_eq!(node.address(node.milvus_port), "127.0.0.1:19530");
}

#[test]
fn what_is_printed_can_be_read_back() {
    let mut config = Config::embedded("data/\"quoted\" \\ dir");
    config.cluster.name = "demo".into();
    config.nodes.push(NodeConfig {
        id: 2,
        host: "::1".into(),
        roles: Role::ALL.iter().rev().copied().collect(),
        ..config.nodes[0].clone()
    });
    config.log = LogConfig {
        file: Some(PathBuf::from("vecraft.log")),
        format: LogFormat::Json,
        ..LogConfig::default()
    };
    config.milvus.strict_load = true;
    let text = config.effective_toml();
    assert_eq!(Config::from_toml(&text, "printed").unwrap(), config);
    assert!(text.contains("segment_bytes_max = 127926272  # 122 MiB\n"), "{text}");
    assert!(text.contains("# secret_file is not set\n"), "{text}");
    assert!(text.contains("# Milliseconds. How long a request may take"), "{text}");
    assert_eq!(config.nodes[1].address(1), "[::1]:1");
}

#[test]
fn an_unknown_key_is_an_error_with_line_and_suggestion() {
    refused(
        &format!("{MINIMAL}[data]\nsegment_byte_max = 5\nlevel = \"info\"\nfrobnicate = 1\n"),
        &[
            "line 5: data.segment_byte_max: unknown key, did you mean `segment_bytes_max`?",
            "line 6: data.level: unknown key, it belongs in [log]",
            "line 7: data.frobnicate: unknown key, there are: groups_per_node, segment_bytes_max, segment_age_max_s, \
             chunk_bytes, checkpoint_bytes, checkpoint_interval_s, compaction_bytes_max, compaction_deleted_percent, follower_log_bytes, fetch_bytes_per_s, memory_limit_bytes, inflight_bytes_max",
        ],
    );
    refused(
        &format!("replication = 3\n{MINIMAL}[prxy]\n"),
        &[
            "line 1: replication: unknown key, it belongs in [cluster]",
            "line 5: prxy: unknown table, did you mean [proxy]?",
        ],
    );
    refused(
        "[[node]]\nid = 1\ndata_dir = \"d\"\nport = 1\n",
        &[
            "line 4: node 1.port: unknown key, there are: id, host, data_dir, roles, milvus_port, client_port, \
           node_port, http_port",
        ],
    );
}

#[test]
fn a_wrong_value_is_an_error_with_what_is_allowed() {
    refused(
        &format!(
            "{MINIMAL}[data]\nchunk_bytes = \"16 MiB\"\ncheckpoint_bytes = -1\n[log]\nformat = \"xml\"\n"
        ),
        &[
            "line 5: data.chunk_bytes: \"16 MiB\" is not a whole number",
            "line 6: data.checkpoint_bytes: -1 is not a whole number from 0 to 9223372036854775807",
            "line 8: log.format: \"xml\" is none of text, json",
        ],
    );
    refused(
        &format!("{MINIMAL}[cluster]\nname = \"a b\"\nreplication = 9\n[data]\nchunk_bytes = 1_000\n"),
        &[
            "line 5: cluster.name: \"a b\" is not a name, allowed: 1 to 63 letters, digits, - or _",
            "line 6: cluster.replication: 9 is out of range, allowed: 1 to 7",
            "line 8: data.chunk_bytes: 1000 is out of range, allowed: 4096 to 268435456",
        ],
    );
    refused(
        &format!("{MINIMAL}[data]\nsegment_bytes_max = 1_048_576\n"),
        &["data.chunk_bytes: 16777216 is more than data.segment_bytes_max allows (1048576)"],
    );
    refused(
        "[[node]]\nid = 1\ndata_dir = \"d\"\nhttp_port = 70000\nroles = [\"proxy\", \"cook\"]\n",
        &[
            "line 4: node 1.http_port: 70000 is out of range, allowed: 0 to 65535",
            "line 5: node 1.roles: \"cook\" is none of proxy, coordinator, data, query, index",
        ],
    );
}

#[test]
fn a_secret_is_a_file() {
    let with = |file: &str| format!("{MINIMAL}[cluster]\nsecret_file = \"{file}\"\n");
    let config = Config::from_toml(&with("key"), "c.toml").unwrap();
    assert_eq!(config.cluster.secret_file.as_deref(), Some(Path::new("key")));
    refused(
        &with(""),
        &["line 5: cluster.secret_file: is empty; name a file of mode 0600, or leave the key out"],
    );
}

#[test]
fn nodes_do_not_share_ids_doors_or_directories() {
    refused(
        "[[node]]\nid = 1\ndata_dir = \"d\"\n[[node]]\nid = 1\ndata_dir = \"d\"\nmilvus_port = 1\n\
         client_port = 2\nnode_port = 3\nhttp_port = 19550\n",
        &[
            "line 5: node 2.id: 1 is already the id of node 1",
            "line 6: node 2.data_dir: d is already the directory of node 1",
            "line 10: node 2.http_port: 19550 on 127.0.0.1 is already taken by node 1.node_port",
        ],
    );
    Config::embedded("d").with_free_ports().validate().unwrap();
}

#[test]
fn nodes_are_complete() {
    refused("", &["node: there is no node, add [[node]] with id and data_dir"]);
    refused(
        "[[node]]\nid = 1\n[[node]]\ndata_dir = \"d\"\n",
        &["line 1: node 1: `data_dir` is missing", "line 3: node 2: `id` is missing"],
    );
    refused("[node]\nid = 1\n", &["line 1: node: write [[node]] with two brackets, once per node"]);
    refused(
        &format!("{MINIMAL}roles = [\"proxy\", \"coordinator\", \"data\", \"query\"]\n"),
        &[&format!("line 4: node 1.roles: index {ALLOWED}")],
    );
    refused(
        &format!("{MINIMAL}roles = []\n"),
        &[&format!("line 4: node 1.roles: proxy, coordinator, data, query, index {ALLOWED}")],
    );
}

const ALLOWED: &str = "missing: a node has all roles, or exactly proxy and query (a query-only node, which answers reads and \
     never votes); whoever keeps copies may lead, and a leader plans, builds indexes and answers too";

#[test]
fn a_node_may_be_query_only_beside_one_that_keeps_copies() {
    let second = |roles: &str| {
        let ports = "milvus_port = 0\nclient_port = 0\nnode_port = 0\nhttp_port = 0\n";
        format!("{MINIMAL}[[node]]\nid = 2\ndata_dir = \"data/2\"\n{ports}roles = {roles}\n")
    };
    for roles in [r#"["proxy", "query"]"#, r#"["query", "proxy"]"#] {
        let config = Config::from_toml(&second(roles), "test").unwrap();
        assert_eq!((config.voters(), config.keepers(), config.nodes.len()), (1, 1, 2));
        assert_eq!(config.query_only().collect::<Vec<_>>(), [2]);
        assert!(config.nodes[1].is_query_only() && !config.nodes[0].is_query_only());
    }
    refused(
        &second(r#"["query"]"#),
        &[&format!("line 11: node 2.roles: proxy, coordinator, data, index {ALLOWED}")],
    );
    refused(
        &second(r#"["proxy", "query", "index"]"#),
        &[&format!("line 11: node 2.roles: coordinator, data {ALLOWED}")],
    );
    refused(
        &format!("{MINIMAL}roles = [\"proxy\", \"query\"]\n"),
        &["node: every node is query-only, at least one must keep copies: leave its `roles` out"],
    );
}

#[test]
fn replication_may_be_more_than_there_are_nodes_but_not_nothing() {
    let with = |replication| format!("{MINIMAL}[cluster]\nreplication = {replication}\n");
    assert_eq!(Config::from_toml(&with(5), "test").unwrap().voters(), 1);
    refused(&with(0), &["line 5: cluster.replication: 0 is out of range, allowed: 1 to 7"]);
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_line() {
    let Err(ConfigError::Invalid { problems, .. }) = Config::from_toml("[data]\nchunk_bytes = = 4\n", "test")
    else {
        panic!("this should have been refused");
    };
    assert_eq!(problems[0].line, Some(2));
}

#[test]
fn a_file_is_read_and_named_in_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cluster.toml");
    let missing = Config::load(&path).unwrap_err().to_string();
    assert!(
        missing.starts_with("cannot read configuration")
            && missing.contains("cluster.toml")
            && missing.contains("vecraft config print >"),
        "{missing}"
    );
    #[allow(clippy::disallowed_methods)]
    std::fs::write(&path, "[[node]]\nid = 1\n").unwrap();
    let wrong = Config::load(&path).unwrap_err().to_string();
    assert!(
        wrong.contains("is not a valid configuration:\n  line 1: node 1: `data_dir` is missing"),
        "{wrong}"
    );
}

#[test]
fn the_hash_covers_what_nodes_must_agree_on() {
    let config = Config::embedded("a");
    let changed = |change: fn(&mut Config)| {
        let mut other = config.clone();
        change(&mut other);
        other.hash() != config.hash()
    };
    assert!(changed(|config| config.cluster.name = "other".into()));
    assert!(changed(|config| config.cluster.replication = 2));
    assert!(changed(|config| config.cluster.forming = FormingMode::Explicit));
    assert!(changed(|config| config.data.groups_per_node = 7));
    assert!(changed(|config| config.nodes[0].node_port = 1));
    assert!(changed(|config| config.nodes[0].roles = vec![Role::Data]));
    assert!(!changed(|config| config.nodes[0].roles.reverse()));
    assert!(!changed(|config| config.nodes[0].data_dir = "b".into()));
    assert!(!changed(|config| config.log.level = "debug".into()));
    assert_eq!(config.hash(), Config::embedded("elsewhere").hash());
}

#[test]
fn the_pool_of_few_nodes_is_that_of_three() {
    let pool = |nodes: u64, query_only: u64, groups: u64| {
        let mut config = Config { nodes: Vec::new(), ..Config::embedded("a") };
        config.data.groups_per_node = groups;
        for id in 1..=nodes + query_only {
            let roles = if id > nodes { vec![Role::Proxy, Role::Query] } else { Role::ALL.to_vec() };
            config.nodes.push(NodeConfig { id, roles, ..NodeConfig::default() });
        }
        config.first_pool_groups()
    };
    assert_eq!(
        [pool(1, 0, 2), pool(2, 3, 2), pool(3, 0, 2), pool(5, 0, 2), pool(1, 0, 64)],
        [6, 6, 6, 10, 192]
    );
}

#[test]
fn a_node_that_is_not_there_is_named() {
    let error = Config::embedded("d").node(7).unwrap_err().to_string();
    let wanted = "there is no node 7 in the configuration, it has 1: choose one of them with --node";
    assert!(error.starts_with(wanted), "{error}");
}

#[test]
fn nodes_on_other_hosts_need_a_secret_and_a_lone_one_that_waits_for_nobody_does_not() {
    let entry = |id: u64, host: &str| {
        let ports = format!(
            "milvus_port = {id}9530\nclient_port = {id}9540\nnode_port = {id}9550\nhttp_port = {id}9091\n"
        );
        format!("[[node]]\nid = {id}\nhost = \"{host}\"\ndata_dir = \"data/{id}\"\n{ports}")
    };
    let check = |cluster: &str, hosts: &[&str], is_refused: bool| {
        let nodes = (1..).zip(hosts).map(|(id, host)| entry(id, host));
        let text = format!("[cluster]\n{cluster}\n{}", nodes.collect::<String>());
        let why = Config::from_toml(&text, "cluster.toml").err().map(|why| why.to_string());
        let says = why.as_ref().is_some_and(|why| why.contains("cluster.secret_file: is missing"));
        assert_eq!((why.is_some(), says), (is_refused, is_refused), "{text}: {why:?}");
    };
    check("", &["127.0.0.1", "localhost", "::1"], false);
    check("", &["127.0.0.1", "10.0.0.2"], true);
    check("", &["db1.example", "db2.example"], true);
    check("secret_file = \"/etc/vecraft/secret\"", &["10.0.0.1", "10.0.0.2"], false);
    check("", &["10.0.0.1"], false);
    check("forming = \"explicit\"", &["10.0.0.1"], true);
}
