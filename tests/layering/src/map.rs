//! The map (`docs/ARCHITECTURE.md`) compared with the workspace.

/// What the map forgets and what it invents. A crate is named by its folder in backticks.
pub fn differences(map: &str, folders: &[String]) -> Vec<String> {
    let named: Vec<&str> = map.split('`').skip(1).step_by(2).filter(|word| looks_like_crate(word)).collect();
    let forgotten = folders
        .iter()
        .filter(|folder| !named.contains(&folder.as_str()))
        .map(|folder| format!("the map does not name {folder}"));
    let invented = named
        .iter()
        .filter(|name| !folders.iter().any(|folder| folder == *name))
        .map(|name| format!("the map names {name}, which is no crate of the workspace"));
    let mut differences: Vec<_> = forgotten.chain(invented).collect();
    differences.sort_unstable();
    differences.dedup();
    differences
}

/// `layer/name` in one of the layers' folders, without an ending.
fn looks_like_crate(word: &str) -> bool {
    let Some((layer, name)) = word.split_once('/') else {
        return false;
    };
    let is_name = !name.is_empty() && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
    is_name && ["common", "engine", "raft", "nodes", "client", "tests"].contains(&layer)
}
