//! Arrows, doorkeepers and pure crates.

use crate::Crate;

/// The roles: actors that never import one another.
const ROLES: &[&str] = &["nodes/proxy", "nodes/coordinator", "nodes/data", "nodes/query", "nodes/index"];

/// A library (a name, or a prefix ending in `*`) and the crates that may name it.
const DOORKEEPERS: &[(&str, &[&str])] = &[
    ("openraft*", &["raft/log-store", "raft/host"]),
    ("rocksdb", &["common/storage"]),
    ("actix*", &["common/runtime", ROLES[0], ROLES[1], ROLES[2], ROLES[3], ROLES[4]]),
    ("tonic*", &["nodes/gateway"]),
    ("prost*", &["nodes/gateway"]),
    ("protox", &["nodes/gateway"]),
    ("axum*", &["nodes/gateway"]),
    ("hyper*", &["nodes/gateway"]),
    ("bincode", &["common/rpc"]),
    ("hnswlib-rs", &["engine/index"]),
    ("tarpc", &["common/rpc", "client/rust", "nodes/server"]),
    ("opentelemetry*", &["common/runtime"]),
    ("tracing-opentelemetry", &["common/runtime"]),
    ("prometheus", &["common/runtime"]),
    ("tracing-subscriber", &["common/runtime"]),
];

/// Crates without clock, randomness, threads, files or an async runtime.
const PURE: &[&str] = &["common/types", "engine/expr", "raft/state"];

/// What shows that a crate is not pure, however far down it is.
const IMPURE: &[&str] = &[
    "tokio",
    "mio",
    "futures",
    "async-std",
    "actix",
    "tarpc",
    "rayon",
    "crossbeam-channel",
    "rand",
    "getrandom",
    "fastrand",
    "chrono",
    "time",
    "tempfile",
    "memmap2",
    "rocksdb",
];

/// Arrows that point up or sideways.
pub fn arrows(crates: &[Crate]) -> Vec<String> {
    let mut violations = Vec::new();
    for from in crates {
        for to in from.arrows.iter().filter(|to| !may_see(&from.folder, to)) {
            violations.push(format!("{} must not depend on {to}", from.folder));
        }
    }
    violations
}

/// The picture of docs/ARCHITECTURE.md as a function: `tests` > `nodes/server` > roles and gateway, client > engine | raft > common.
fn may_see(from: &str, to: &str) -> bool {
    let layer = |folder: &str| folder.split('/').next().unwrap_or_default().to_string();
    let (below, target) = (layer(from), layer(to));
    match below.as_str() {
        "tests" => true,
        _ if target == "tests" => false,
        "common" => target == "common",
        "engine" | "raft" => target == "common" || target == below,
        "client" => target == "common",
        "nodes" => match from {
            "nodes/server" => true,
            "nodes/gateway" => target == "common",
            role if ROLES.contains(&role) => matches!(target.as_str(), "common" | "engine" | "raft"),
            _ => false,
        },
        _ => false,
    }
}

/// Libraries named by a crate that is not their doorkeeper.
pub fn doorkeepers(crates: &[Crate]) -> Vec<String> {
    let mut violations = Vec::new();
    for named_by in crates.iter().filter(|named_by| !named_by.folder.starts_with("tests/")) {
        for library in &named_by.libraries {
            for (pattern, keepers) in DOORKEEPERS {
                if matches(pattern, library) && !keepers.contains(&named_by.folder.as_str()) {
                    violations.push(format!(
                        "{} names {library}, whose door is kept by {keepers:?}",
                        named_by.folder
                    ));
                }
            }
        }
    }
    violations
}

fn matches(pattern: &str, library: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => library.starts_with(prefix),
        None => library == pattern,
    }
}

/// Pure crates that reach something impure.
pub fn pure_crates(crates: &[Crate]) -> Vec<String> {
    let mut violations = Vec::new();
    for pure in crates.iter().filter(|pure| PURE.contains(&pure.folder.as_str())) {
        for library in pure.reaches.iter().filter(|library| IMPURE.contains(&library.as_str())) {
            violations.push(format!("{} is pure and must not reach {library}", pure.folder));
        }
    }
    violations
}

/// Rules about crates that do not exist: a rename must not switch a rule off.
pub fn stale_names(crates: &[Crate]) -> Vec<String> {
    let named = ROLES.iter().chain(PURE).chain(DOORKEEPERS.iter().flat_map(|(_, keepers)| *keepers));
    let mut violations: Vec<_> = named
        .filter(|folder| !crates.iter().any(|known| known.folder == **folder))
        .map(|folder| format!("the rules name {folder}, which is no crate of the workspace"))
        .collect();
    violations.dedup();
    violations
}
