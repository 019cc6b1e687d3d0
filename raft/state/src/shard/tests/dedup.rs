//! Whom the dedup window forgets (I10).

use super::*;
use crate::shard::{DedupWindow, Seen};

/// As the window's own bounds.
const ANSWERS: u64 = 8_192;
const CLIENTS: u128 = 4_096;

/// The client under test; others have higher numbers.
const BUSY: u128 = 1;

fn request(client: u128, sequence: u64) -> RequestId {
    RequestId { client: ClientId(client), sequence, part: 0 }
}

/// A window, and what each client wrote last.
#[derive(Default)]
struct Shard {
    window: DedupWindow,
    next: BTreeMap<u128, u64>,
}

impl Shard {
    fn write(&mut self, client: u128) {
        let sequence = self.next.entry(client).or_default();
        *sequence += 1;
        let request = request(client, *sequence);
        assert_eq!(self.window.look_up(&request), Seen::New, "client {client} request {sequence}");
        self.window.record(request, Ok(Applied::default()));
    }

    fn seen(&self, client: u128, sequence: u64) -> Seen<ShardReply> {
        self.window.look_up(&request(client, sequence))
    }
}

#[test]
fn i21_a_windows_memory_is_counted_and_has_an_end() {
    let mut shard = Shard::default();
    assert_eq!(shard.window.bytes(), 0);
    (0..ANSWERS).for_each(|_| shard.write(BUSY));
    let full = shard.window.bytes();
    assert!((ANSWERS as usize * 100..ANSWERS as usize * 250).contains(&full), "{full}");
    (0..ANSWERS).for_each(|_| shard.write(BUSY));
    assert!(shard.window.bytes() < full + 1_000);
}

#[test]
fn i10_a_client_that_goes_on_writing_is_not_forgotten_for_having_come_first() {
    let mut shard = Shard::default();
    shard.write(BUSY);
    (0..ANSWERS).for_each(|_| shard.write(2));
    assert_eq!(shard.seen(BUSY, 1), Seen::BelowFloor);
    // More clients than the window remembers come, write once and go; the busy one writes all the time.
    for stranger in 0..3 * CLIENTS {
        shard.write(10 + stranger);
        if stranger % 16 == 0 {
            shard.write(BUSY);
        }
        // A retry of what was applied long ago is never new.
        assert_eq!(shard.seen(BUSY, 1), Seen::BelowFloor, "after {stranger} others");
    }
}

#[test]
fn i10_who_is_silent_while_as_many_others_as_are_remembered_come_and_go_is_forgotten_first() {
    let mut shard = Shard::default();
    shard.write(BUSY);
    (0..CLIENTS + u128::from(ANSWERS)).for_each(|stranger| shard.write(10 + stranger));
    // Its own answer and those of as many others as there are floors have left the window.
    assert_eq!(shard.seen(BUSY, 1), Seen::New);
    assert_eq!(shard.seen(10, 1), Seen::BelowFloor, "those after it are remembered");
}
