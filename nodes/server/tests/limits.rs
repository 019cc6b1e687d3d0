//! A machine that gives a process too little is told so before anything is touched.
#![allow(clippy::unwrap_used)]
// The process and the directory of a test are its own.
#![allow(clippy::disallowed_methods)]

use std::process::Command;

#[test]
fn too_few_open_files_are_refused_with_the_command_that_mends_it() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let started = Command::new("sh")
        .args(["-c", r#"ulimit -n 500 && exec "$0" serve --listen 127.0.0.1:0 --data-dir "$1""#])
        .args([env!("CARGO_BIN_EXE_vecraft").as_ref(), data.as_os_str()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&started.stderr);
    assert!(!started.status.success(), "it serves");
    assert!(said.contains("open files is 500") && said.contains("ulimit -n 65536"), "{said}");
    assert!(!data.exists(), "the directory was touched");
}
