//! I1: what a node takes as its directory, and what it refuses untouched.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::path::Path;
use vecraft_config::Config;
use vecraft_server::Server;

async fn start(dir: &Path) -> Result<Server, String> {
    Server::start(&Config::embedded(dir).with_free_ports(), 1).await.map_err(|e| e.to_string())
}

async fn refusal(dir: &Path) -> String {
    match start(dir).await {
        Err(why) => why,
        Ok(_) => panic!("it started"),
    }
}

/// Every file below a directory with its bytes, lock and run file left out.
fn content(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => todo.push(path),
                false if path.ends_with("LOCK") => {}
                false => {
                    found.insert(path.display().to_string(), std::fs::read(&path).unwrap());
                }
            }
        }
    }
    found
}

async fn formed(dir: &Path) {
    for _ in 0..2 {
        start(dir).await.unwrap().stop("the test says so").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_with_something_else_in_it_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("thesis.tex"), "years of work").unwrap();
    let why = refusal(dir.path()).await;
    assert!(why.contains("not a data directory") && why.contains("thesis.tex"), "{why}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_a_lost_or_older_log_is_refused_again_and_again() {
    let dir = tempfile::tempdir().unwrap();
    formed(dir.path()).await;
    let (log, aside) = (dir.path().join("log"), tempfile::tempdir().unwrap());
    let older = aside.path().join("older");
    std::fs::create_dir(&older).unwrap();
    for file in std::fs::read_dir(&log).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), older.join(file.file_name())).unwrap();
    }
    start(dir.path()).await.unwrap().stop("the test says so").await;
    std::fs::rename(&log, aside.path().join("newest")).unwrap();
    for _ in 0..2 {
        let why = refusal(dir.path()).await;
        assert!(why.contains("log is missing or empty") && !log.exists(), "{why}");
    }
    std::fs::rename(&older, &log).unwrap();
    let before = content(&log);
    for _ in 0..2 {
        let why = refusal(dir.path()).await;
        assert!(why.contains("ends with generation"), "{why}");
    }
    assert_eq!(content(&log), before);

    std::fs::remove_dir_all(&log).unwrap();
    std::fs::rename(aside.path().join("newest"), &log).unwrap();
    start(dir.path()).await.unwrap().stop("the test says so").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_data_without_the_store_is_not_a_new_directory() {
    let dir = tempfile::tempdir().unwrap();
    formed(dir.path()).await;
    let aside = tempfile::tempdir().unwrap();
    std::fs::rename(dir.path().join("kv"), aside.path().join("kv")).unwrap();
    let before = content(dir.path());
    let why = refusal(dir.path()).await;
    assert!(why.contains("has log/") && why.contains("not kv/"), "{why}");
    assert_eq!(content(dir.path()), before);
    std::fs::rename(aside.path().join("kv"), dir.path().join("kv")).unwrap();
    start(dir.path()).await.unwrap().stop("the test says so").await;
}
