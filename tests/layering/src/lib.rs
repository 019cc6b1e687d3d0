//! The rules of the house, checked against `cargo metadata`: which crate may depend on which, who keeps the door of a
//! heavy library, what pure crates must not reach, which licences are allowed, and that the map names every crate.
//!
//! Each rule is a function from facts to violations, so that its own test can plant one. This crate does *not* look
//! into source code; what may be called where is clippy's job (`clippy.toml`).

// A test tool: it reads the map from the checkout.
#![allow(clippy::disallowed_methods)]

pub mod licence;
pub mod map;
pub mod rules;

use std::{collections::BTreeMap, path::PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// One crate of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crate {
    /// Its folder, such as `common/types`.
    pub folder: String,
    /// Folders of the workspace crates it depends on, for whatever purpose.
    pub arrows: Vec<String>,
    /// Names of the libraries it depends on directly, for whatever purpose.
    pub libraries: Vec<String>,
    /// Names of everything it is built from, however far down, tests and build scripts excluded.
    pub reaches: Vec<String>,
}

/// What cargo knows about the workspace.
pub struct Workspace {
    /// Its crates.
    pub crates: Vec<Crate>,
    /// Every package in the lock file with its licence, `name version` first.
    pub licences: Vec<(String, Option<String>)>,
    /// The top folder.
    pub root: PathBuf,
}

/// Why the facts are not there.
pub type LoadError = cargo_metadata::Error;

impl Workspace {
    /// Asks cargo, with the lock file as it is.
    ///
    /// # Errors
    /// When cargo cannot say, for instance because the lock file is stale.
    pub fn load() -> Result<Self, LoadError> {
        let metadata = MetadataCommand::new().other_options(["--locked".to_string()]).exec()?;
        let root = metadata.workspace_root.clone().into_std_path_buf();
        let folder = |manifest: &cargo_metadata::camino::Utf8Path| {
            let folder = manifest.parent()?.strip_prefix(&metadata.workspace_root).ok()?;
            Some(folder.as_str().replace('\\', "/"))
        };
        let crates = metadata
            .workspace_packages()
            .into_iter()
            .filter_map(|package| {
                let (ours, libraries): (Vec<_>, Vec<_>) =
                    package.dependencies.iter().partition(|dependency| dependency.path.is_some());
                Some(Crate {
                    folder: folder(&package.manifest_path)?,
                    arrows: sorted(ours.iter().filter_map(|dependency| {
                        let path = dependency.path.as_ref()?.strip_prefix(&metadata.workspace_root).ok()?;
                        Some(path.as_str().replace('\\', "/"))
                    })),
                    libraries: sorted(libraries.iter().map(|dependency| dependency.name.clone())),
                    reaches: reaches(&metadata, &package.id),
                })
            })
            .collect();
        let licences = metadata
            .packages
            .iter()
            .map(|package| (format!("{} {}", package.name, package.version), package.license.clone()))
            .collect();
        Ok(Self { crates, licences, root })
    }
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Everything below `start` over normal dependencies, procedural macros excluded: they run in the compiler.
fn reaches(metadata: &Metadata, start: &PackageId) -> Vec<String> {
    let Some(resolve) = &metadata.resolve else {
        return Vec::new();
    };
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let (mut seen, mut waiting) = (BTreeMap::new(), vec![start]);
    while let Some(id) = waiting.pop() {
        for dependency in nodes.get(id).into_iter().flat_map(|node| &node.deps) {
            let package = &metadata[&dependency.pkg];
            let is_normal = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            let is_macro = package.targets.iter().any(|target| target.is_proc_macro());
            if is_normal && !is_macro && seen.insert(&dependency.pkg, package.name.to_string()).is_none() {
                waiting.push(&dependency.pkg);
            }
        }
    }
    sorted(seen.into_values())
}
