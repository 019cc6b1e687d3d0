//! Time, as an argument.
//!
//! Code that needs the time takes an `Arc<dyn Clock>`; only this module reads the machine's clocks. No
//! clock decides about safety (promise P7): wall time suggests timestamps and labels log lines, monotonic
//! time measures how long something took.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;

/// A source of time. Two implementations: [`SystemClock`] and [`SimClock`].
pub trait Clock: Send + Sync + 'static {
    /// Wall time in milliseconds since 1970-01-01 UTC. It may jump in both directions.
    fn now_ms(&self) -> u64;

    /// Time since an arbitrary start. It never goes back, and it goes on while the machine sleeps (I17): a reading that was
    /// taken before a suspension is as old after it as it is for everybody else. Only differences mean something.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug, Clone)]
pub struct SystemClock {
    /// Since the machine was started.
    started: Duration,
}

impl SystemClock {
    /// A clock whose monotonic time starts at zero now.
    pub fn new() -> Self {
        Self { started: since_boot() }
    }

    /// The same as a trait object, the form in which it is passed around.
    pub fn shared() -> Arc<dyn Clock> {
        Arc::new(Self::new())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        // A machine set to before 1970 reads as 0; timestamps are only suggestions (I9), so that is harmless.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic(&self) -> Duration {
        since_boot().saturating_sub(self.started)
    }
}

/// How long the machine has been up, asleep or awake. `Instant` stands still while it sleeps.
fn since_boot() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to `time` only, which is ours.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    assert_eq!(status, 0, "the kernel has no boot-time clock (CLOCK_BOOTTIME, Linux 2.6.39 and later)");
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A clock that stands still until it is told to move. Clones share the same time.
#[derive(Debug, Clone)]
pub struct SimClock {
    times: Arc<Mutex<SimTimes>>,
}

#[derive(Debug)]
struct SimTimes {
    wall_ms: u64,
    monotonic: Duration,
}

impl SimClock {
    /// A clock that shows `wall_ms` and a monotonic time of zero.
    pub fn new(wall_ms: u64) -> Self {
        Self { times: Arc::new(Mutex::new(SimTimes { wall_ms, monotonic: Duration::ZERO })) }
    }

    /// Lets `by` pass on both clocks (wall time in whole milliseconds, rounded down).
    pub fn advance(&self, by: Duration) {
        let mut times = self.times.lock();
        times.monotonic += by;
        times.wall_ms = times.wall_ms.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
    }

    /// Makes the wall clock jump, also backwards; monotonic time is untouched.
    pub fn set_wall_ms(&self, wall_ms: u64) {
        self.times.lock().wall_ms = wall_ms;
    }
}

impl Clock for SimClock {
    fn now_ms(&self) -> u64 {
        self.times.lock().wall_ms
    }

    fn monotonic(&self) -> Duration {
        self.times.lock().monotonic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulated_time_moves_only_when_told() {
        let clock = SimClock::new(1_000);
        assert_eq!((clock.now_ms(), clock.monotonic()), (1_000, Duration::ZERO));
        let twin = clock.clone();
        twin.advance(Duration::from_millis(250));
        assert_eq!((clock.now_ms(), clock.monotonic()), (1_250, Duration::from_millis(250)));
        clock.set_wall_ms(10);
        assert_eq!((twin.now_ms(), twin.monotonic()), (10, Duration::from_millis(250)));
    }

    #[test]
    fn system_time_is_after_this_was_written_and_does_not_go_back() {
        let clock = SystemClock::new();
        assert!(clock.now_ms() > 1_700_000_000_000);
        let first = clock.monotonic();
        assert!(clock.monotonic() >= first);
    }

    const SLEPT_S: &str = "VECRAFT_TEST_SLEPT_S";

    /// In a time namespace the boot-time clock is moved, as a sleep would move it, and the monotonic one is not.
    #[test]
    fn i17_time_goes_on_while_the_machine_sleeps() {
        if let Ok(slept) = std::env::var(SLEPT_S) {
            let slept = Duration::from_secs(slept.parse().unwrap());
            assert!(SystemClock::new().started >= slept, "{:?}", SystemClock::new().started);
            return;
        }
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime = Duration::from_secs_f64(uptime.split(' ').next().unwrap().parse().unwrap());
        let read = SystemClock::new().started;
        assert!(read.abs_diff(uptime) < Duration::from_secs(60), "{read:?}, the machine says {uptime:?}");
        // More than any machine is up.
        let slept = "4000000000";
        let asleep = ["--user", "--map-root-user", "--time", "--boottime", slept];
        let may = std::process::Command::new("unshare").args(asleep).arg("true").status();
        if !may.is_ok_and(|status| status.success()) {
            eprintln!("not checked in a time namespace: this machine lets nobody make one");
            return;
        }
        let again = std::process::Command::new("unshare")
            .args(asleep)
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "clock::tests::i17_time_goes_on_while_the_machine_sleeps"])
            .env(SLEPT_S, slept)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&again.stdout);
        assert!(again.status.success() && said.contains("1 passed"), "{said}");
    }
}
