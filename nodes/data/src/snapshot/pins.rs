//! Files that must stay although no checkpoint names them any more (I5): those of a checkpoint that is being sent, and
//! those that a snapshot needs which is being fetched.

use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Something to be removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Garbage {
    File(String),
    /// With all in it.
    Dir(String),
}

/// The pins of one group.
#[derive(Default)]
pub(crate) struct Pins(Mutex<Table>);

#[derive(Default)]
struct Table {
    /// How many hold each path.
    pinned: BTreeMap<String, usize>,
    /// What could not be removed because of that; it goes with a later checkpoint.
    waiting: BTreeSet<Garbage>,
}

impl Table {
    fn is_held(&self, garbage: &Garbage) -> bool {
        match garbage {
            Garbage::File(path) => self.pinned.contains_key(path),
            Garbage::Dir(path) => {
                let inside = format!("{path}/");
                let first = self.pinned.range(inside.clone()..).next();
                first.is_some_and(|(pinned, _)| pinned.starts_with(&inside))
            }
        }
    }
}

impl Pins {
    /// Keeps these until the pin is dropped.
    pub fn pin(self: &Arc<Pins>, paths: impl IntoIterator<Item = String>) -> Pin {
        let paths: Vec<String> = paths.into_iter().collect();
        let mut table = self.0.lock();
        paths.iter().for_each(|path| *table.pinned.entry(path.clone()).or_default() += 1);
        Pin { pins: self.clone(), paths }
    }

    /// What may be removed now: of this garbage, and of what had to wait before. The rest waits.
    pub fn removable(&self, garbage: impl IntoIterator<Item = Garbage>) -> Vec<Garbage> {
        let mut table = self.0.lock();
        let mut all = std::mem::take(&mut table.waiting);
        all.extend(garbage);
        let (held, free): (BTreeSet<_>, BTreeSet<_>) = all.into_iter().partition(|one| table.is_held(one));
        table.waiting = held;
        free.into_iter().collect()
    }

    /// Whether something pins it, or something in it.
    pub fn holds(&self, garbage: &Garbage) -> bool {
        self.0.lock().is_held(garbage)
    }

    /// What may be removed now of this garbage. The rest is not remembered: a clean-up looks again, and by then a
    /// checkpoint may have given it a name.
    pub fn unheld(&self, garbage: Vec<Garbage>) -> Vec<Garbage> {
        let table = self.0.lock();
        garbage.into_iter().filter(|one| !table.is_held(one)).collect()
    }

    /// These files have a name again: a snapshot was installed that needs what had been superseded here.
    pub fn spare(&self, named: &BTreeSet<String>) {
        self.0.lock().waiting.retain(|garbage| match garbage {
            Garbage::File(path) => !named.contains(path),
            Garbage::Dir(path) => !named.iter().any(|file| file.starts_with(&format!("{path}/"))),
        });
    }
}

/// Keeps files until it is dropped.
pub(crate) struct Pin {
    pins: Arc<Pins>,
    paths: Vec<String>,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut table = self.pins.0.lock();
        for path in &self.paths {
            if let Some(holders) = table.pinned.get_mut(path) {
                *holders -= 1;
                if *holders == 0 {
                    table.pinned.remove(path);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Garbage {
        Garbage::File(path.to_owned())
    }

    fn dir(path: &str) -> Garbage {
        Garbage::Dir(path.to_owned())
    }

    #[test]
    fn i5_a_pinned_file_waits_until_the_last_pin_is_gone() {
        let pins = Arc::new(Pins::default());
        let first = pins.pin(["g/3-0/a".to_owned(), "g/3-0/b".to_owned()]);
        let second = pins.pin(["g/3-0/a".to_owned()]);
        assert_eq!(pins.removable([file("g/3-0/a"), file("g/3-0/b"), file("g/3-0/c")]), [file("g/3-0/c")]);
        drop(first);
        assert_eq!(pins.removable([]), [file("g/3-0/b")]);
        drop(second);
        assert_eq!(pins.removable([]), [file("g/3-0/a")]);
        assert!(pins.removable([]).is_empty());
    }

    #[test]
    fn i5_a_directory_waits_for_the_pinned_files_in_it() {
        let pins = Arc::new(Pins::default());
        let pin = pins.pin(["g/3-0/a".to_owned()]);
        assert_eq!(pins.removable([dir("g/3-0"), dir("g/3-01"), dir("g/3")]), [dir("g/3"), dir("g/3-01")]);
        drop(pin);
        assert_eq!(pins.removable([]), [dir("g/3-0")]);
    }

    #[test]
    fn i13_what_a_clean_up_may_not_remove_is_not_remembered() {
        let pins = Arc::new(Pins::default());
        let pin = pins.pin(["g/3-0/a".to_owned()]);
        assert_eq!(pins.unheld(vec![file("g/3-0/a"), file("g/3-0/b")]), [file("g/3-0/b")]);
        drop(pin);
        assert!(pins.removable([]).is_empty());
    }

    #[test]
    fn what_is_named_again_is_no_garbage() {
        let pins = Arc::new(Pins::default());
        let pin = pins.pin(["g/3-0/a".to_owned(), "g/4-0/b".to_owned(), "g/5-0/c".to_owned()]);
        assert!(pins.removable([file("g/3-0/a"), dir("g/4-0"), file("g/5-0/c")]).is_empty());
        pins.spare(&["g/3-0/a".to_owned(), "g/4-0/b".to_owned()].into());
        drop(pin);
        assert_eq!(pins.removable([]), [file("g/5-0/c")]);
    }
}
