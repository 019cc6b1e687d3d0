//! Every key of the configuration is read by the wiring, or refused: a setting without effect would be a promise that
//! nobody keeps. Options reach the parts as arguments, so whatever reads the configuration stands in this crate.
#![allow(clippy::unwrap_used)]
// It reads the sources beside it, not data.
#![allow(clippy::disallowed_methods)]

use std::path::Path;
use vecraft_config::Config;

/// Keys that are read through a method of another name.
const READ_AS: &[(&str, &str)] = &[("cluster.replication", "voters()")];

/// `table.key` of everything that `vecraft config print` shows.
fn printed_keys() -> Vec<String> {
    let text = Config::embedded("data").effective_toml();
    let (mut table, mut keys) = (String::new(), Vec::new());
    for line in text.lines() {
        let name = line.split(' ').next().unwrap_or_default();
        if line.starts_with('[') {
            table = line.trim_matches(['[', ']']).to_owned();
        } else if line.contains(" = ") && !line.starts_with('#') {
            keys.push(format!("{table}.{name}"));
        } else if let Some(key) = line.strip_prefix("# ").and_then(|line| line.strip_suffix(" is not set")) {
            keys.push(format!("{table}.{key}"));
        }
    }
    keys
}

/// The sources of this crate without their tests.
fn sources(dir: &Path, into: &mut String) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.file_name().is_some_and(|name| name != "tests.rs") {
            into.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let after = text[at + word.len()..].chars().next();
        !after.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    })
}

#[test]
fn every_key_is_read_or_refused() {
    let mut text = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut text);
    let keys = printed_keys();
    assert!(keys.len() > 25 && keys.contains(&"log.file".to_owned()), "{keys:?}");
    let is_read = |key: &str| {
        let (_, name) = key.split_once('.').unwrap();
        // A duration is read through a method without the unit.
        let duration = name.strip_suffix("_ms").or(name.strip_suffix("_s")).map(|name| format!(".{name}()"));
        let other = READ_AS.iter().find(|(of, _)| *of == key).map(|(_, word)| format!(".{word}"));
        has_word(&text, &format!(".{name}"))
            || duration.into_iter().chain(other).any(|word| text.contains(&word))
    };
    let dead: Vec<_> = keys.iter().filter(|key| !is_read(key)).collect();
    assert!(dead.is_empty(), "nothing reads {dead:?}: read them, refuse them or remove them");
}
