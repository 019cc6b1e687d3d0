//! What this client has written and read: its token, which never goes back (I20).
//!
//! ```text
//! own writes                       floor       every shard
//! replies of reads, at any level   shards      that shard alone: groups do not share an order of timestamps
//! read at Session or Bounded       carries the floor, and what was seen of the shards of its collection
//! ```
//! Which shards a name means is known from the answer before. When an answer shows that the name means another collection
//! by now (an alias), and shows less of it than was seen, it is asked once more with that collection's part.
//! The token is bounded: beyond [`SHARDS_MAX`] the oldest shards are folded into the floor. That asks for more than was
//! seen, never for less.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use vecraft_types::api::{Consistency, Seen};
use vecraft_types::{CollectionId, ShardId, Timestamp};

/// Shards remembered one by one; 16 bytes of each go with a read of its collection.
const SHARDS_MAX: usize = 4_096;
/// Names remembered. They only spare a second question.
const NAMES_MAX: usize = 4_096;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Session(Mutex<Token>);

#[derive(Default)]
struct Token {
    floor: Timestamp,
    shards: BTreeMap<ShardId, Timestamp>,
    /// Database and name as the caller gives them.
    names: BTreeMap<(String, String), CollectionId>,
}

impl Token {
    fn of(&self, collection: CollectionId) -> Vec<Seen> {
        let (first, last) = (ShardId { collection, index: 0 }, ShardId { collection, index: u32::MAX });
        let shards = self.shards.range(first..=last);
        shards.map(|(shard, timestamp)| Seen { shard: *shard, timestamp: *timestamp }).collect()
    }

    fn is_behind(&self, shown: &[Seen]) -> bool {
        let is_behind =
            |shown: &Seen| self.shards.get(&shown.shard).is_some_and(|seen| *seen > shown.timestamp);
        shown.iter().any(is_behind)
    }

    fn fold(&mut self) {
        while self.shards.len() > SHARDS_MAX {
            let oldest = self.shards.iter().min_by_key(|(_, at)| **at).map(|(shard, at)| (*shard, *at));
            let Some((shard, at)) = oldest else { return };
            self.shards.remove(&shard);
            self.floor = self.floor.max(at);
        }
    }
}

impl Session {
    /// A write of this client's was acknowledged with this timestamp.
    pub fn wrote(&self, at: Timestamp) {
        let mut token = self.0.lock();
        token.floor = token.floor.max(at);
    }

    /// Its own writes, and what was read so long ago that it is not remembered by shard.
    pub fn floor(&self) -> Timestamp {
        self.0.lock().floor
    }

    /// A read of a name begins.
    pub fn read<'a>(&'a self, database: &'a str, name: &'a str) -> Reading<'a> {
        let known = self.0.lock().names.get(&(database.to_owned(), name.to_owned())).copied();
        Reading { session: self, database, name, asked: known }
    }
}

/// One read under way.
pub(crate) struct Reading<'a> {
    session: &'a Session,
    database: &'a str,
    name: &'a str,
    /// The collection whose part of the token was asked for.
    asked: Option<CollectionId>,
}

impl Reading<'_> {
    /// What the read may not show less of.
    pub fn owed(&self, level: Consistency) -> (Consistency, Vec<Seen>) {
        let token = self.session.0.lock();
        let is_owed = self.asked.filter(|_| level.follows_session());
        (level.at_least(token.floor), is_owed.map(|collection| token.of(collection)).unwrap_or_default())
    }

    /// The read's answer showed this; false when it has to be asked once more.
    pub fn is_answered(&mut self, level: Consistency, shown: &[Seen]) -> bool {
        let Some(collection) = shown.first().map(|shown| shown.shard.collection) else { return true };
        let mut token = self.session.0.lock();
        if self.asked != Some(collection) {
            if token.names.len() >= NAMES_MAX {
                token.names.clear();
            }
            token.names.insert((self.database.to_owned(), self.name.to_owned()), collection);
            self.asked = Some(collection);
            if level.follows_session() && token.is_behind(shown) {
                return false;
            }
        }
        for shown in shown {
            let seen = token.shards.entry(shown.shard).or_default();
            *seen = shown.timestamp.max(*seen);
        }
        token.fold();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(collection: u64, index: u32, at: u64) -> Seen {
        let shard = ShardId { collection: CollectionId(collection), index };
        Seen { shard, timestamp: Timestamp(at) }
    }

    const SESSION: Consistency = Consistency::Session(Timestamp::ZERO);

    #[test]
    fn i20_each_shard_has_its_own_and_none_goes_back() {
        let session = Session::default();
        let mut first = session.read("", "c");
        assert_eq!(first.owed(SESSION), (SESSION, vec![]));
        assert!(first.is_answered(SESSION, &[seen(1, 0, 90), seen(1, 1, 5)]));
        // An answer of a replica that is behind, at a level that allows it.
        assert!(session.read("", "c").is_answered(Consistency::Eventually, &[seen(1, 0, 80), seen(1, 1, 7)]));
        session.wrote(Timestamp(6));
        let reading = session.read("", "c");
        let owed = vec![seen(1, 0, 90), seen(1, 1, 7)];
        assert_eq!(reading.owed(SESSION), (Consistency::Session(Timestamp(6)), owed.clone()));
        let bounded = Consistency::Bounded(5, Timestamp(8));
        assert_eq!(reading.owed(bounded), (bounded, owed));
        for level in [Consistency::Strong, Consistency::Eventually] {
            assert_eq!(reading.owed(level), (level, vec![]));
        }
        assert_eq!(session.read("", "other").owed(SESSION).1, vec![]);
    }

    #[test]
    fn i20_a_name_that_means_another_collection_is_asked_once_more() {
        let session = Session::default();
        assert!(session.read("", "c").is_answered(SESSION, &[seen(1, 0, 90)]));
        assert!(session.read("", "alias").is_answered(SESSION, &[seen(2, 0, 30)]));
        // The alias was moved to the first collection, of which that replica has less than was seen.
        let mut reading = session.read("", "alias");
        assert_eq!(reading.owed(SESSION).1, [seen(2, 0, 30)]);
        assert!(!reading.is_answered(SESSION, &[seen(1, 0, 80)]));
        assert_eq!(reading.owed(SESSION).1, [seen(1, 0, 90)]);
        assert!(reading.is_answered(SESSION, &[seen(1, 0, 91)]));
        assert_eq!(session.read("", "alias").owed(SESSION).1, [seen(1, 0, 91)]);
    }

    #[test]
    fn what_is_not_remembered_by_shard_any_more_is_asked_of_all() {
        let session = Session::default();
        for collection in 0..=SHARDS_MAX as u64 {
            assert!(session.read("", "c").is_answered(SESSION, &[seen(collection, 0, 10 + collection)]));
        }
        assert_eq!(session.floor(), Timestamp(10));
        assert_eq!(session.0.lock().shards.len(), SHARDS_MAX);
    }
}
