//! The program under test: started, found, killed. Only processes started here are touched.

use crate::Trouble;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a start may take before the test gives up.
const START_MAX: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(5);

/// Where everything of a server lies.
#[derive(Clone, Debug)]
pub struct Place {
    /// The command that starts it: a program and its arguments.
    pub command: Vec<OsString>,
    /// Its data directory.
    pub data: PathBuf,
    /// Where its output goes.
    pub log: PathBuf,
}

impl Place {
    /// A lone server on free ports, everything in `dir`.
    pub fn lone(program: &Path, dir: &Path) -> Place {
        let data = dir.join("data");
        let options = ["serve", "--listen", "127.0.0.1:0", "--data-dir"].map(OsString::from);
        let command = [program.into()].into_iter().chain(options).chain([data.clone().into()]).collect();
        Place { command, data, log: dir.join("server.log") }
    }
}

/// A running server. Dropping it kills the process.
pub struct Server {
    child: Child,
    place: Place,
    started: Instant,
}

impl Server {
    /// Starts the program.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(place: &Place) -> Result<Server, Trouble> {
        let log = fs::File::options().create(true).append(true).open(&place.log);
        let log = log.map_err(|e| format!("cannot write {}: {e}", place.log.display()))?;
        let output = log.try_clone().map_err(|e| e.to_string())?;
        let (program, arguments) = place.command.split_first().ok_or("there is no command to start")?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(log)
            // Ctrl-C is for the test, which then ends its servers.
            .process_group(0)
            .spawn()
            .map_err(|e| format!("cannot start {}: {e}", program.display()))?;
        Ok(Server { child, place: place.clone(), started: Instant::now() })
    }

    /// When it was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Waits until the process says where its client door is.
    ///
    /// # Errors
    /// When it ends, or says nothing within two minutes.
    pub async fn client_address(&mut self) -> Result<String, Trouble> {
        loop {
            if let Some(address) = self.run_file() {
                return Ok(address);
            }
            self.is_running()?;
            if self.started.elapsed() > START_MAX {
                return Err(format!("the server did not open its doors within {} s", START_MAX.as_secs()));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The client door of this process; a file of a process killed before does not count.
    pub fn run_file(&self) -> Option<String> {
        let text = fs::read(self.place.data.join("run.json")).ok()?;
        let run: serde_json::Value = serde_json::from_slice(&text).ok()?;
        let is_ours = run["pid"].as_u64() == Some(u64::from(self.child.id()));
        // One that starts still waits for others.
        let serves = is_ours && run["is_starting"] != true;
        serves.then(|| run["addresses"]["client"].as_str().map(str::to_owned))?
    }

    /// Checks that the process has not ended by itself.
    ///
    /// # Errors
    /// How it ended, with the end of its log.
    pub fn is_running(&mut self) -> Result<(), Trouble> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                Err(format!("the server ended by itself ({status}):\n{}", tail(&self.place.log)))
            }
            Err(error) => Err(format!("cannot look after the server: {error}")),
        }
    }

    /// SIGKILL: the process gets no chance to write anything more.
    ///
    /// # Errors
    /// When it had ended by itself before.
    pub fn kill(mut self) -> Result<(), Trouble> {
        self.is_running()?;
        self.child.kill().map_err(|e| format!("cannot kill the server: {e}"))?;
        self.child.wait().map_err(|e| e.to_string())?;
        Ok(())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it had ended by itself before.
    pub fn signal(&mut self, signal: libc::c_int) -> Result<(), Trouble> {
        self.is_running()?;
        let pid = libc::pid_t::try_from(self.child.id()).map_err(|e| e.to_string())?;
        // SAFETY: a signal to our own child, which has not been waited for, so its pid is not another's.
        unsafe { libc::kill(pid, signal) };
        Ok(())
    }

    /// SIGTERM: the server drains and ends.
    ///
    /// # Errors
    /// When it does not end within two minutes.
    pub async fn stop(mut self) -> Result<ExitStatus, Trouble> {
        self.signal(libc::SIGTERM)?;
        let since = Instant::now();
        while since.elapsed() < START_MAX {
            if let Some(status) = self.child.try_wait().map_err(|e| e.to_string())? {
                return Ok(status);
            }
            tokio::time::sleep(LOOK).await;
        }
        Err("the server did not end after SIGTERM".to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
