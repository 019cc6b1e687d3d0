//! Named places where a test, or an operator rehearsing a failure, makes something go wrong.
//!
//! A place costs one relaxed load while nothing is switched on. Names are `crate.place`, such as `log.before_sync`.
//!
//! ```
//! use vecraft_storage::failpoint;
//! fn save() -> vecraft_storage::Result<()> {
//!     failpoint::hit("doc.save")?;
//!     Ok(())
//! }
//! failpoint::configure("doc.save=1*error").unwrap();
//! assert!(save().is_err());
//! assert!(save().is_ok());
//! ```

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::{Error, Result};

/// What happens at a switched-on place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Return an I/O error.
    Error,
    /// Return [`Error::NoSpace`].
    NoSpace,
    /// Sleep, then go on.
    Sleep(Duration),
    /// End the process at once with status 134, as a crash would, without running destructors.
    Abort,
}

struct Switch {
    action: Action,
    /// How many hits are left; `None` is without end.
    left: Option<u32>,
}

static ANY: AtomicBool = AtomicBool::new(false);
static SWITCHES: Mutex<BTreeMap<String, Switch>> = Mutex::new(BTreeMap::new());

/// Passes the place `name`. Returns an error only when a test asked for one.
#[inline]
pub fn hit(name: &str) -> Result<()> {
    if ANY.load(Ordering::Relaxed) { hit_slow(name) } else { Ok(()) }
}

#[cold]
fn hit_slow(name: &str) -> Result<()> {
    let action = {
        let mut switches = SWITCHES.lock();
        let Some(switch) = switches.get_mut(name) else { return Ok(()) };
        match &mut switch.left {
            Some(0) => return Ok(()),
            Some(left) => *left -= 1,
            None => {}
        }
        switch.action.clone()
    };
    match action {
        Action::Error => {
            Err(Error::Io { op: "fail point", path: name.to_owned(), source: io::Error::other("injected") })
        }
        Action::NoSpace => Err(Error::NoSpace { path: name.to_owned() }),
        Action::Sleep(pause) => {
            std::thread::sleep(pause);
            Ok(())
        }
        Action::Abort => {
            tracing::error!(name, "fail point ends the process");
            std::process::exit(134)
        }
    }
}

/// Switches one place on for `times` hits, or until [`clear`] when `None`.
pub fn set(name: &str, action: Action, times: Option<u32>) {
    SWITCHES.lock().insert(name.to_owned(), Switch { action, left: times });
    ANY.store(true, Ordering::Relaxed);
}

/// Switches every place off.
pub fn clear() {
    SWITCHES.lock().clear();
    ANY.store(false, Ordering::Relaxed);
}

/// Switches places on from text: `name=action;name=3*action`, with actions `error`, `no_space`, `abort`, `sleep:MS`, `off`.
/// Fails on the first part that does not parse; parts before it are then already on.
pub fn configure(text: &str) -> Result<(), String> {
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, rule) = part.split_once('=').ok_or_else(|| format!("fail point {part:?} has no '='"))?;
        let (times, verb) = match rule.split_once('*') {
            Some((count, verb)) => {
                (Some(count.parse().map_err(|_| format!("fail point count {count:?} is no number"))?), verb)
            }
            None => (None, rule),
        };
        let action = match verb {
            "error" => Action::Error,
            "no_space" => Action::NoSpace,
            "abort" => Action::Abort,
            "off" => {
                SWITCHES.lock().remove(name);
                continue;
            }
            other => match other.strip_prefix("sleep:").map(str::parse) {
                Some(Ok(ms)) => Action::Sleep(Duration::from_millis(ms)),
                _ => return Err(format!("fail point action {other:?} is not known")),
            },
        };
        set(name, action, times);
    }
    Ok(())
}
