//! The rules find what is planted.

use vecraft_test_layering::{Crate, licence::is_allowed, map, rules};

fn made_up(folder: &str, arrows: &[&str], libraries: &[&str], reaches: &[&str]) -> Crate {
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Crate {
        folder: folder.to_string(),
        arrows: owned(arrows),
        libraries: owned(libraries),
        reaches: owned(reaches),
    }
}

#[test]
fn arrows_up_and_sideways_are_found() {
    let check = |from: &str, to: &str, is_allowed: bool| {
        let found = rules::arrows(&[made_up(from, &[to], &[], &[])]);
        assert_eq!(found.is_empty(), is_allowed, "{from} -> {to}");
    };
    check("common/rpc", "common/types", true);
    check("common/types", "engine/expr", false);
    check("engine/segment", "engine/index", true);
    check("engine/segment", "raft/state", false);
    check("raft/host", "engine/segment", false);
    check("raft/host", "raft/log-store", true);
    check("nodes/data", "engine/segment", true);
    check("nodes/data", "raft/host", true);
    check("nodes/data", "nodes/query", false);
    check("nodes/proxy", "client/rust", false);
    check("nodes/gateway", "common/types", true);
    check("nodes/gateway", "engine/segment", false);
    check("nodes/gateway", "nodes/proxy", false);
    check("nodes/server", "nodes/data", true);
    check("nodes/server", "tests/sim", false);
    check("client/rust", "common/rpc", true);
    check("client/rust", "nodes/server", false);
    check("tests/sim", "nodes/data", true);
    check("nodes/console", "common/types", false);
}

#[test]
fn a_library_behind_the_keepers_back_is_found() {
    let check = |folder: &str, library: &str, is_allowed: bool| {
        let found = rules::doorkeepers(&[made_up(folder, &[], &[library], &[])]);
        assert_eq!(found.is_empty(), is_allowed, "{folder} names {library}");
    };
    check("raft/host", "openraft", true);
    check("nodes/data", "openraft", false);
    check("nodes/data", "openraft-rt-sim", false);
    check("tests/sim", "openraft-rt-sim", true);
    check("raft/log-store", "rocksdb", false);
    check("nodes/query", "actix", true);
    check("nodes/gateway", "actix", false);
    check("nodes/server", "hyper", false);
    check("client/rust", "bincode", false);
    check("nodes/proxy", "serde_json", true);
}

#[test]
fn an_impure_dependency_far_down_is_found() {
    let crates = [
        made_up("raft/state", &[], &["bytes"], &["bytes", "getrandom"]),
        made_up("raft/host", &[], &["tokio"], &["tokio"]),
    ];
    assert_eq!(rules::pure_crates(&crates), ["raft/state is pure and must not reach getrandom"]);
}

#[test]
fn a_rule_about_a_crate_that_is_gone_is_found() {
    let found = rules::stale_names(&[made_up("raft/host", &[], &[], &[])]);
    assert!(found.contains(&"the rules name raft/log-store, which is no crate of the workspace".to_string()));
    assert!(!found.iter().any(|violation| violation.contains("raft/host")));
}

#[test]
fn licence_expressions_are_understood() {
    let check = |expression: &str, expected: bool| {
        assert_eq!(
            is_allowed(expression, &["MIT", "Apache-2.0 WITH LLVM-exception"]),
            expected,
            "{expression}"
        );
    };
    check("MIT", true);
    check("GPL-3.0", false);
    check("GPL-3.0 OR MIT", true);
    check("GPL-3.0/MIT", true);
    check("GPL-3.0 AND MIT", false);
    check("(GPL-3.0 OR MIT) AND (MIT OR ISC)", true);
    check("GPL-3.0 OR MIT AND ISC", false);
    check("Apache-2.0 WITH LLVM-exception", true);
    check("Apache-2.0", false);
    check("MIT WITH something", false);
    check("", false);
    check("MIT OR", false);
    check("(MIT", false);
    check("MIT ISC", false);
}

#[test]
fn a_map_that_drifted_is_found() {
    let folders = ["common/types".to_string(), "raft/host".to_string()];
    let map = "See `common/types` and `engine/old`, `docs/adr` and `nodes/server/src/lib.rs`.";
    assert_eq!(
        map::differences(map, &folders),
        ["the map does not name raft/host", "the map names engine/old, which is no crate of the workspace"]
    );
}
