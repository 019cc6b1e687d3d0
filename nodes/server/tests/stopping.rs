//! Stopping the real program: in order at the first signal, at once at the second.
#![allow(clippy::unwrap_used)]
// The process and the sockets of a test are its own.
#![allow(clippy::disallowed_methods)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for anything, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// A drain with a call under way lasts longer than this; an end at once does not.
const AT_ONCE: Duration = Duration::from_secs(5);

/// `vecraft serve`, killed when dropped.
struct Program {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn serve(data_dir: &Path) -> Program {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vecraft"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut program = Program { child, lines };
        program.line("Ctrl-C stops it");
        program
    }

    /// Reads on until a line that begins like this.
    fn line(&mut self, begin: &str) -> String {
        let found = self.lines.by_ref().map(|line| line.unwrap()).find(|line| line.trim().starts_with(begin));
        found.unwrap_or_else(|| panic!("the program ended without saying {begin:?}"))
    }

    fn signal(&self, signal: i32) {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: a signal to our own child, which has not been waited for.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// How it ended, and what it said on standard error.
    fn ended(mut self, within: Duration) -> (ExitStatus, String) {
        let since = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(since.elapsed() < within, "still there after {within:?}");
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status, said)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail when it has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Milvus door as `run.json` has it.
fn milvus_door(data_dir: &Path) -> String {
    let run = std::fs::read_to_string(data_dir.join("run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    run["addresses"]["milvus"].as_str().unwrap().to_owned()
}

/// Requests that never end: half a head each. A drain waits for them.
fn unfinished_requests(door: &str) -> Vec<TcpStream> {
    let begin = |_| {
        let mut stream = TcpStream::connect(door).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").unwrap();
        stream
    };
    let begun: Vec<TcpStream> = (0..8).map(begin).collect();
    // A whole one behind them: when it is answered, they have been accepted and their bytes were there.
    let mut whole = TcpStream::connect(door).unwrap();
    whole.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    whole.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1"), "{answer}");
    begun
}

#[test]
fn the_first_signal_drains_and_the_second_ends_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for (second, status) in [(libc::SIGINT, 130), (libc::SIGTERM, 143)] {
        let mut program = Program::serve(dir.path());
        let under_way = unfinished_requests(&milvus_door(dir.path()));
        program.signal(libc::SIGTERM);
        program.line("Stopping (SIGTERM)");
        program.signal(second);
        let (ended, said) = program.ended(AT_ONCE);
        assert_eq!(ended.code(), Some(status), "{said}");
        assert!(said.contains("Nothing acknowledged is lost"), "{said}");
        drop(under_way);
    }
    // The directory opens again, and without a call under way one signal is enough.
    let mut program = Program::serve(dir.path());
    program.signal(libc::SIGINT);
    program.line("Stopping (SIGINT)");
    let (ended, said) = program.ended(PATIENCE);
    assert!(ended.success(), "{said}");
    assert!(!dir.path().join("run.json").exists());
}
