//! A snapshot's description on its way: as long as it has to be, in parts that fit any message.
//!
//! ```text
//!  leader                                                    follower
//!  shows it for as long as its offer ── bytes, checksum ──>  asks for the part at 0, at what came, ...
//!  a part, of what it shows now      <── checksum, offset ── one part at a time, until all bytes are there
//!                                                            and have the checksum; else all of it is dropped
//! ```
//! The leader holds one copy however many followers it shows it to, the follower the bytes that have come: its memory
//! grows with them and not with what was promised. A leader that restarted or gave up shows nothing: the follower's
//! attempt fails and the next offer begins at the first byte. Files are not moved here; they outlive attempts.

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Bytes of a part unless told otherwise, and at most: far below what a message takes, and too few to hold up the
/// appends that share its connection.
pub const PART_BYTES: usize = 1 << 20;
/// A part is asked for this often, because a connection may break in the middle of many.
const PART_TRIES: u32 = 3;

/// What is told of a description at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Described {
    /// Its length.
    pub bytes: u64,
    /// xxh3 of all of it.
    pub checksum: u64,
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a description of {} bytes with checksum {:016x}", self.bytes, self.checksum)
    }
}

impl Described {
    /// Of these bytes.
    pub fn of(content: &[u8]) -> Described {
        Described { bytes: content.len() as u64, checksum: xxh3_64(content) }
    }
}

/// What one replica shows to others now. Clones are the same.
#[derive(Clone)]
pub struct Shelf {
    held: Arc<Mutex<BTreeMap<Described, Held>>>,
    part_bytes: usize,
}

struct Held {
    content: Bytes,
    holders: usize,
}

impl Shelf {
    /// An empty one, that hands out so many bytes at a time, [`PART_BYTES`] at most.
    pub fn new(part_bytes: usize) -> Shelf {
        Shelf { held: Arc::default(), part_bytes: part_bytes.clamp(1, PART_BYTES) }
    }

    /// Shows a description until the answer is dropped.
    pub fn show(&self, content: Bytes) -> Shown {
        let described = Described::of(&content);
        let mut held = self.held.lock();
        held.entry(described).or_insert(Held { content, holders: 0 }).holders += 1;
        Shown { shelf: self.clone(), described }
    }

    /// The part at an offset; none when nothing of the kind is shown, or it has no such offset.
    pub fn part(&self, described: Described, offset: u64) -> Option<Bytes> {
        let held = self.held.lock();
        let content = &held.get(&described)?.content;
        let from = usize::try_from(offset).ok().filter(|from| *from < content.len())?;
        Some(content.slice(from..content.len().min(from.saturating_add(self.part_bytes))))
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> u64 {
        self.held.lock().values().map(|held| held.content.len() as u64).sum()
    }
}

/// Keeps a description on its shelf.
pub struct Shown {
    shelf: Shelf,
    pub described: Described,
}

impl Drop for Shown {
    fn drop(&mut self) {
        let mut all = self.shelf.held.lock();
        if let Some(held) = all.get_mut(&self.described) {
            held.holders -= 1;
            if held.holders == 0 {
                all.remove(&self.described);
            }
        }
    }
}

/// Why a part did not come.
#[derive(Debug)]
pub enum NoPart {
    /// The other end does not show it any more, or never did.
    NotShown(String),
    /// The way there is broken: it may come when asked again.
    Lost(String),
}

/// Brings a description here by asking for its parts, and tells of the bytes that it holds meanwhile.
///
/// # Errors
/// Why not. Nothing of it is kept.
pub async fn pull<F: Future<Output = Result<Bytes, NoPart>>>(
    described: Described,
    mut ask: impl FnMut(u64) -> F,
    mut holds: impl FnMut(u64),
) -> Result<Bytes, String> {
    let mut content: Vec<u8> = Vec::new();
    // As the parts come: at once it would hold up its thread.
    let mut checksum = Xxh3::new();
    let mut tries = PART_TRIES;
    while (content.len() as u64) < described.bytes {
        let at = content.len() as u64;
        let part = match ask(at).await {
            Ok(part) => part,
            Err(NoPart::NotShown(why)) => return Err(format!("{described}, at {at}: {why}")),
            Err(NoPart::Lost(why)) => {
                tries -= 1;
                if tries == 0 {
                    return Err(format!("{described}, at {at}, asked {PART_TRIES} times: {why}"));
                }
                continue;
            }
        };
        tries = PART_TRIES;
        if part.is_empty() || part.len() > PART_BYTES || part.len() as u64 > described.bytes - at {
            return Err(format!("{described}: {} bytes came for the part at {at}", part.len()));
        }
        content
            .try_reserve(part.len())
            .map_err(|_| format!("{described}: no memory beyond the first {at} bytes"))?;
        content.extend_from_slice(&part);
        checksum.update(&part);
        holds(content.len() as u64);
    }
    let came = Described { bytes: content.len() as u64, checksum: checksum.digest() };
    if came != described {
        return Err(format!("{described}: what came has checksum {:016x}", came.checksum));
    }
    Ok(content.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn long() -> Bytes {
        (0..1_000u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>().into()
    }

    /// What a follower gets that asks this shelf, when every answer passes through `way`.
    async fn pulled(
        shelf: &Shelf,
        described: Described,
        mut way: impl FnMut(u64, Bytes) -> Result<Bytes, NoPart>,
    ) -> Result<Bytes, String> {
        let not_shown = || NoPart::NotShown("not shown".to_owned());
        let ask = |at| {
            let part = shelf.part(described, at).ok_or_else(not_shown);
            std::future::ready(part.and_then(|part| way(at, part)))
        };
        pull(described, ask, |_| ()).await
    }

    #[tokio::test]
    async fn i5_a_description_of_many_parts_arrives_whole() {
        let shelf = Shelf::new(7);
        let shown = shelf.show(long());
        let mut offsets = Vec::new();
        let came = pulled(&shelf, shown.described, |at, part| {
            offsets.push(at);
            Ok(part)
        });
        assert_eq!(came.await.unwrap(), long());
        assert_eq!(offsets, (0..4_000).step_by(7).collect::<Vec<u64>>(), "572 parts, each once");
        let nothing = shelf.show(Bytes::new());
        assert!(pulled(&shelf, nothing.described, |_, part| Ok(part)).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_broken_part_is_noticed_and_nothing_of_it_is_kept() {
        let shelf = Shelf::new(64);
        let described = shelf.show(long());
        let flipped = pulled(&shelf, described.described, |at, part| {
            let mut bytes = part.to_vec();
            bytes[3] ^= u8::from(at == 640);
            Ok(bytes.into())
        });
        assert!(flipped.await.unwrap_err().contains("what came has checksum"));
        let is = |why: &str, way: fn(Bytes) -> Bytes| {
            let (shelf, described, why) = (shelf.clone(), described.described, why.to_owned());
            async move {
                let refused = pulled(&shelf, described, |_, part| Ok(way(part))).await.unwrap_err();
                assert!(refused.contains(&why), "{refused}");
            }
        };
        is("0 bytes came", |_| Bytes::new()).await;
        is("5000 bytes came", |_| vec![0; 5_000].into()).await;
        // A promise of more than there is takes no memory.
        let lie = Described { bytes: u64::MAX, checksum: 1 };
        let ask = |at: u64| {
            std::future::ready(match at {
                0 => Ok(Bytes::from_static(b"a part")),
                _ => Err(NoPart::NotShown("gone".to_owned())),
            })
        };
        assert!(pull(lie, ask, |_| ()).await.unwrap_err().contains("at 6: gone"));
    }

    #[tokio::test]
    async fn a_part_that_is_lost_is_asked_for_again_and_not_for_ever() {
        let shelf = Shelf::new(100);
        let shown = shelf.show(long());
        let mut losses = 0;
        let came = pulled(&shelf, shown.described, |at, part| {
            losses += 1;
            if losses % 3 != 0 { Err(NoPart::Lost(format!("lost at {at}"))) } else { Ok(part) }
        });
        assert_eq!(came.await.unwrap(), long(), "two of three are lost, never three of one");
        let never = pulled(&shelf, shown.described, |_, _| Err(NoPart::Lost("down".to_owned()))).await;
        assert!(never.unwrap_err().contains("asked 3 times: down"));
    }

    #[tokio::test]
    async fn what_nobody_shows_any_more_has_to_be_offered_anew() {
        let shelf = Shelf::new(100);
        let mut shown = Some(shelf.show(long()));
        let second = shelf.show(long());
        let described = second.described;
        assert_eq!(shelf.bytes(), 4_000, "one copy for both");
        drop(second);
        let gone = pulled(&shelf, described, |at, part| {
            if at == 1_000 {
                shown.take();
            }
            Ok(part)
        });
        assert!(gone.await.unwrap_err().contains("at 1100: not shown"));
        assert_eq!(shelf.bytes(), 0);
        let anew = shelf.show(long());
        assert_eq!(pulled(&shelf, anew.described, |_, part| Ok(part)).await.unwrap(), long());
        assert!(
            shelf.part(anew.described, 4_000).is_none() && shelf.part(anew.described, u64::MAX).is_none()
        );
    }
}
