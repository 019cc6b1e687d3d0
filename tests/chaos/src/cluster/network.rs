//! Nodes as hosts of their own: one network namespace each, and this process is the router between them.
//!
//! ```text
//!   node 1                      node 2                      node 3
//!   eth0 10.77.1.2              eth0 10.77.2.2              eth0 10.77.3.2
//!     |                           |                           |
//!   hop1 10.77.1.1              hop2 10.77.2.1              hop3 10.77.3.1      <- this process and the clients
//! ```
//! This process already runs in a namespace of its own (see [`enter`]), so whatever is made here goes with it, also when
//! it is killed. A cut is a routing rule that swallows packets from one node to another: silent, as a broken cable is,
//! and one direction at a time. Needed are `unshare`, `nsenter` (util-linux), `ip` and `tc` (iproute2).

use crate::Trouble;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Set for the process inside the namespaces, so that it does not enter them again.
const INSIDE: &str = "VECRAFT_CHAOS_NAMESPACE";

/// Runs this program again in new network and mount namespaces, with a user namespace when not root. Returns only when
/// that cannot be, with the reason, or at once when it has been done.
pub fn enter() -> Result<(), Trouble> {
    if std::env::var_os(INSIDE).is_some() {
        // A new namespace has not even 127.0.0.1.
        return run("ip link set lo up").map(drop);
    }
    let ways: [&[&str]; 2] = [&["--net", "--mount"], &["--user", "--map-root-user", "--net", "--mount"]];
    let mut reasons = Vec::new();
    for way in ways {
        match command(Command::new("unshare").args(way).arg("true")) {
            Ok(_) => {
                let itself = std::env::current_exe().map_err(|e| e.to_string())?;
                let arguments = std::env::args_os().skip(1);
                let error = Command::new("unshare")
                    .args(way)
                    .arg("--")
                    .arg(itself)
                    .args(arguments)
                    .env(INSIDE, "1")
                    .exec();
                return Err(format!("cannot enter a network namespace: {error}"));
            }
            Err(why) => reasons.push(why),
        }
    }
    Err(format!("no network namespaces: {}", reasons.join("; ")))
}

/// The hosts. Dropping it ends their namespaces.
pub struct Network {
    /// Processes that do nothing but hold a namespace each.
    holders: Vec<Child>,
    /// Cuts in force: from one node to another, as addresses.
    cuts: Vec<(String, String)>,
    /// Whether `tc` can limit bandwidth here.
    pub can_limit: Result<(), Trouble>,
}

impl Network {
    /// Makes `count` hosts.
    ///
    /// # Errors
    /// What is missing on this machine.
    pub fn make(count: usize) -> Result<Network, Trouble> {
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")
            .map_err(|e| format!("cannot forward packets: {e}"))?;
        let mut network = Network { holders: Vec::new(), cuts: Vec::new(), can_limit: Ok(()) };
        for number in 1..=count {
            let holder = hold()?;
            let pid = holder.id();
            network.holders.push(holder);
            run(&format!("ip link add hop{number} type veth peer name eth0 netns {pid}"))?;
            run(&format!("ip addr add 10.77.{number}.1/24 dev hop{number}"))?;
            run(&format!("ip link set hop{number} up"))?;
            for line in [
                "ip link set lo up".to_owned(),
                format!("ip addr add {}/24 dev eth0", host(number)),
                "ip link set eth0 up".to_owned(),
                format!("ip route add default via 10.77.{number}.1"),
            ] {
                run(&format!("nsenter --net=/proc/{pid}/ns/net {line}"))?;
            }
        }
        network.can_limit = network.limit(1, Some(1_000));
        network.limit(1, None)?;
        Ok(network)
    }

    /// Number of hosts.
    pub fn hosts(&self) -> usize {
        self.holders.len()
    }

    /// The words before a command that is to run on a host.
    pub fn on(&self, number: usize) -> Vec<OsString> {
        let pid = self.holders[number - 1].id();
        ["nsenter".to_owned(), format!("--net=/proc/{pid}/ns/net"), "--".to_owned()]
            .map(OsString::from)
            .into()
    }

    /// Swallows what one host sends to another.
    ///
    /// # Errors
    /// When the rule cannot be made.
    pub fn cut(&mut self, from: usize, to: usize) -> Result<(), Trouble> {
        let (from, to) = (host(from), host(to));
        run(&format!("ip rule add from {from} to {to} blackhole"))?;
        self.cuts.push((from, to));
        Ok(())
    }

    /// Cuts a host off from all the others, in both directions.
    ///
    /// # Errors
    /// When a rule cannot be made.
    pub fn isolate(&mut self, number: usize) -> Result<(), Trouble> {
        for other in (1..=self.holders.len()).filter(|other| *other != number) {
            self.cut(number, other)?;
            self.cut(other, number)?;
        }
        Ok(())
    }

    /// Takes all cuts away.
    ///
    /// # Errors
    /// When a rule cannot be removed.
    pub fn heal(&mut self) -> Result<(), Trouble> {
        while let Some((from, to)) = self.cuts.pop() {
            run(&format!("ip rule del from {from} to {to} blackhole"))?;
        }
        Ok(())
    }

    /// Limits what a host sends and receives, in kbit/s, with a queue of up to 400 ms: slow and late. `None`: no limit.
    ///
    /// # Errors
    /// When `tc` refuses.
    pub fn limit(&self, number: usize, kbit: Option<u64>) -> Result<(), Trouble> {
        let pid = self.holders[number - 1].id();
        let sides = [
            format!("tc qdisc _ dev hop{number} root"),
            format!("nsenter --net=/proc/{pid}/ns/net tc qdisc _ dev eth0 root"),
        ];
        for side in sides {
            match kbit {
                Some(kbit) => {
                    let rate = format!("tbf rate {kbit}kbit burst 16kb latency 400ms");
                    run(&format!("{} {rate}", side.replace('_', "replace")))?;
                }
                // Nothing to remove is as good.
                None => _ = run(&side.replace('_', "del")),
            }
        }
        Ok(())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for holder in &mut self.holders {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

/// The address of a host.
pub fn host(number: usize) -> String {
    format!("10.77.{number}.2")
}

/// A process in a network namespace of its own; returns when it is in there.
fn hold() -> Result<Child, Trouble> {
    let mut holder = Command::new("unshare");
    holder.args(["--net", "sleep", "infinity"]).stdin(Stdio::null()).process_group(0);
    let holder = holder.spawn().map_err(|e| format!("cannot start unshare: {e}"))?;
    let theirs = format!("/proc/{}/ns/net", holder.id());
    let ours = std::fs::read_link("/proc/self/ns/net").map_err(|e| e.to_string())?;
    let began = Instant::now();
    while std::fs::read_link(&theirs).map_err(|e| format!("a namespace's holder ended: {e}"))? == ours {
        if began.elapsed() > Duration::from_secs(5) {
            return Err("a network namespace was not made within 5 s".to_owned());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(holder)
}

/// Runs a command given as words between blanks.
pub fn run(line: &str) -> Result<String, Trouble> {
    let mut words = line.split(' ');
    command(Command::new(words.next().unwrap_or_default()).args(words))
}

fn command(command: &mut Command) -> Result<String, Trouble> {
    let shown = format!("{command:?}").replace('"', "");
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{shown}: {e}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{shown}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}
