//! Who may be in its handshake, and who gives way when there are too many.
//!
//! Nobody waits for a seat: an honest handshake takes milliseconds, so the one that sits the longest is the one that says
//! nothing. Addresses where nodes are known to be have seats of their own, which only the same address can take. The
//! others share, and the address with the most of them loses its oldest: one that floods crowds out itself.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Notify;

/// The seats of a port.
pub(super) struct HalfOpen {
    max: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    /// In the order of arrival.
    by: BTreeMap<u64, Sitting>,
}

struct Sitting {
    address: IpAddr,
    is_known: bool,
    leave: Arc<Notify>,
}

impl HalfOpen {
    /// `max` seats for all strangers together, and as many for each known address.
    pub fn new(max: usize) -> Arc<HalfOpen> {
        Arc::new(HalfOpen { max: max.max(1), taken: Mutex::default() })
    }

    /// A seat for a new connection; if need be another one loses its own.
    pub fn enter(self: &Arc<Self>, address: IpAddr, is_known: bool) -> Seat {
        let taken = &mut *self.taken.lock();
        let shares = |sitting: &Sitting| match is_known {
            true => sitting.is_known && sitting.address == address,
            false => !sitting.is_known,
        };
        let sharing = || taken.by.iter().filter(|(_, sitting)| shares(sitting));
        if sharing().count() >= self.max {
            let mut by_address: BTreeMap<IpAddr, (usize, u64)> = BTreeMap::new();
            for (id, sitting) in sharing() {
                by_address.entry(sitting.address).or_insert((0, *id)).0 += 1;
            }
            // The most; among equals, the oldest.
            let greediest =
                by_address.into_values().max_by_key(|(seats, oldest)| (*seats, u64::MAX - oldest));
            if let Some(out) = greediest.and_then(|(_, oldest)| taken.by.remove(&oldest)) {
                out.leave.notify_one();
            }
        }
        let (id, leave) = (taken.next, Arc::new(Notify::new()));
        taken.next += 1;
        taken.by.insert(id, Sitting { address, is_known, leave: leave.clone() });
        Seat { half_open: self.clone(), id, leave }
    }
}

/// A seat, until dropped.
pub(super) struct Seat {
    half_open: Arc<HalfOpen>,
    id: u64,
    leave: Arc<Notify>,
}

impl Seat {
    /// Ready when another connection took it.
    pub async fn lost(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.half_open.taken.lock().by.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn who_floods_crowds_out_itself_and_known_addresses_keep_their_seats() {
        let address = |n: u8| IpAddr::from([10, 0, 0, n]);
        let half_open = HalfOpen::new(4);
        let lost = |seats: &[Seat]| -> Vec<bool> {
            seats.iter().map(|seat| seat.lost().now_or_never().is_some()).collect()
        };
        let known: Vec<_> = (0..4).map(|_| half_open.enter(address(1), true)).collect();
        let other = [half_open.enter(address(2), false)];
        let mut flood: Vec<_> = (0..3).map(|_| half_open.enter(address(3), false)).collect();
        assert_eq!(lost(&flood), [false; 3]);
        flood.extend((0..40).map(|_| half_open.enter(address(3), false)));
        let expected: Vec<bool> = (0..43).map(|n| n < 40).collect();
        assert_eq!(lost(&flood), expected);
        // Many addresses: the one that sits the longest.
        let many: Vec<_> = (10..14).map(|n| half_open.enter(address(n), false)).collect();
        assert_eq!((lost(&other), lost(&many)), (vec![true], vec![false; 4]));
        assert_eq!(lost(&known), [false; 4]);
        let again = half_open.enter(address(1), true);
        assert_eq!((lost(&known), lost(&[again])), (vec![true, false, false, false], vec![false]));
        drop((known, other, flood, many));
        assert!(half_open.taken.lock().by.is_empty());
    }
}
