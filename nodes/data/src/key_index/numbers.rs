//! The hash table of a page: of numbers of entries, found by the highest bits of their keys' hashes.

/// A free slot. No entry has this number.
const FREE: u32 = u32::MAX;

/// Sixteen bits of a hash and an entry's number a slot, with linear probing: that takes one cache line mostly, and of
/// 3,400 entries one in 20 is looked at in vain.
///
/// The same bits say where a slot should be, so the table is made anew without a look at the entries. It has room for
/// any number of them, not for powers of two only.
#[derive(Debug, Default)]
pub struct Numbers(Box<[u32]>);

/// The bits of a hash that are kept.
pub fn tag(hash: u64) -> u16 {
    (hash >> 48) as u16
}

impl Numbers {
    /// Five eighths of the slots are used at most, so that a look-up ends after one or two.
    pub fn with_room(entries: usize) -> Numbers {
        let slots = if entries == 0 { 0 } else { entries * 8 / 5 + 2 };
        Numbers(vec![FREE; slots].into_boxed_slice())
    }

    /// So many entries may be in.
    pub fn room(&self) -> usize {
        self.0.len() * 5 / 8
    }

    pub fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }

    /// The slot of an entry with this tag for which `is_it` says yes.
    pub fn find(&self, tag: u16, is_it: impl Fn(u16) -> bool) -> Option<usize> {
        let mut at = self.home(tag);
        loop {
            let slot = *self.0.get(at)?;
            if slot == FREE {
                return None;
            }
            if tag_of(slot) == tag && is_it(slot as u16) {
                return Some(at);
            }
            at = self.after(at);
        }
    }

    /// The number in a slot that was found.
    pub fn at(&self, slot: usize) -> u16 {
        self.0[slot] as u16
    }

    /// Adds a number, for which there must be room.
    pub fn insert(&mut self, tag: u16, number: u16) {
        self.put((u32::from(tag) << 16) | u32::from(number));
    }

    /// Gives the entry in a slot another number.
    pub fn renumber(&mut self, slot: usize, number: u16) {
        self.0[slot] = (self.0[slot] & 0xffff_0000) | u32::from(number);
    }

    /// Frees a slot: those behind it that would not be found any more move up.
    pub fn remove(&mut self, slot: usize) {
        let (mut free, mut at) = (slot, self.after(slot));
        while self.0[at] != FREE {
            let from_home = self.distance(self.home(tag_of(self.0[at])), at);
            if from_home >= self.distance(free, at) {
                self.0[free] = self.0[at];
                free = at;
            }
            at = self.after(at);
        }
        self.0[free] = FREE;
    }

    /// The same numbers, with room for so many.
    pub fn resize(&mut self, entries: usize) {
        let old = std::mem::replace(self, Numbers::with_room(entries));
        old.0.iter().filter(|slot| **slot != FREE).for_each(|slot| self.put(*slot));
    }

    fn put(&mut self, slot: u32) {
        let mut at = self.home(tag_of(slot));
        while self.0[at] != FREE {
            at = self.after(at);
        }
        self.0[at] = slot;
    }

    fn home(&self, tag: u16) -> usize {
        (usize::from(tag) * self.0.len()) >> 16
    }

    fn after(&self, slot: usize) -> usize {
        if slot + 1 == self.0.len() { 0 } else { slot + 1 }
    }

    /// Steps from one slot to another.
    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.0.len() - from }
    }
}

fn tag_of(slot: u32) -> u16 {
    (slot >> 16) as u16
}
