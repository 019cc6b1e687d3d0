//! The workspace as it is keeps the rules.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use vecraft_test_layering::{Workspace, licence, map, rules};

#[track_caller]
fn none(violations: Vec<String>) {
    assert!(violations.is_empty(), "{} violations:\n  {}", violations.len(), violations.join("\n  "));
}

#[test]
fn arrows_only_point_down() {
    none(rules::arrows(&Workspace::load().unwrap().crates));
}

#[test]
fn heavy_libraries_are_named_by_their_doorkeepers_only() {
    none(rules::doorkeepers(&Workspace::load().unwrap().crates));
}

#[test]
fn pure_crates_reach_nothing_impure() {
    let crates = Workspace::load().unwrap().crates;
    let reaches = |folder: &str, library: &str| {
        crates.iter().any(|known| known.folder == folder && known.reaches.iter().any(|name| name == library))
    };
    assert!(
        reaches("common/runtime", "mio"),
        "the walk over dependencies does not get far enough to find anything"
    );
    none(rules::pure_crates(&crates));
}

#[test]
fn the_rules_name_only_crates_that_exist() {
    none(rules::stale_names(&Workspace::load().unwrap().crates));
}

#[test]
fn every_package_can_be_used_under_an_accepted_licence() {
    let allowed = licence::read_list(include_str!("../licences.txt"));
    let workspace = Workspace::load().unwrap();
    assert!(workspace.licences.len() > 100, "cargo told about too few packages");
    let refused = workspace.licences.into_iter().filter_map(|(package, licence)| match licence {
        Some(licence) if licence::is_allowed(&licence, &allowed) => None,
        licence => Some(format!("{package}: {}", licence.unwrap_or_else(|| "no licence named".to_string()))),
    });
    none(refused.collect());
}

#[test]
fn the_map_names_every_crate_and_no_other() {
    let workspace = Workspace::load().unwrap();
    let text = std::fs::read_to_string(workspace.root.join("docs/ARCHITECTURE.md")).unwrap();
    let folders: Vec<_> = workspace.crates.into_iter().map(|known| known.folder).collect();
    none(map::differences(&text, &folders));
}
