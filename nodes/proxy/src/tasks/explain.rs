//! How a search's answer came about: the shards' words collected, and what became of the keys that were missed.
//!
//! A key belongs to one shard, which says its rank among its own rows. With several shards a second question asks the others how
//! many of theirs are nearer; what they have written meanwhile would be counted too, so then the answer says so.

use super::keys::{add, check_keys, judged, place};
use super::search::{Plan, VERB, request};
use crate::Proxy;
use crate::deadline::Deadline;
use crate::filter::planned;
use crate::merge::Hits;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use vecraft_rpc::services::{ShardExplain, ShardExplained, ShardHits, ShardKey, ShardSearch};
use vecraft_runtime::clock::Clock;
use vecraft_types::api::{
    AnswerKind, Consistency, DeclaredIndex, Explanation, FailedPart, KeyExplanation, KeyVerdict, Moment,
    SearchRequest,
};
use vecraft_types::{CollectionDescriptor, Error, PrimaryKey, Result, ShardId};

/// What is collected for a search that explains itself.
pub(super) struct Explaining {
    clock: Arc<dyn Clock>,
    began: Duration,
    keys: Vec<PrimaryKey>,
    told: Mutex<Vec<ShardExplained>>,
    /// What the search said, before it was planned.
    said: Explanation,
}

impl Explaining {
    /// None when nobody asked.
    ///
    /// # Errors
    /// Keys that the search cannot explain.
    pub(super) fn read(
        collection: &CollectionDescriptor,
        asked: &SearchRequest,
        queries: usize,
        (clock, began): (&Arc<dyn Clock>, Duration),
    ) -> Result<Option<Explaining>> {
        let Some(explain) = &asked.explain else { return Ok(None) };
        check_keys(collection, asked, explain, queries)?;
        let answers = match (&asked.group_by, &asked.page) {
            (Some(_), _) => AnswerKind::Groups,
            (None, Some(_)) => AnswerKind::Page,
            (None, None) => AnswerKind::Nearest,
        };
        let said = Explanation {
            collection: collection.name.clone(),
            answers,
            queries: queries as u64,
            limit: asked.limit as u64,
            offset: asked.offset as u64,
            partitions: asked.partitions.clone(),
            filter: planned(&asked.filter, &collection.schema)?,
            params: asked.params.clone(),
            consistency: freshness(asked.moment, asked.consistency),
            ..Explanation::default()
        };
        let (clock, keys) = (clock.clone(), explain.why_missing.clone());
        Ok(Some(Explaining { clock, began, keys, told: Mutex::default(), said }))
    }

    /// What each shard is asked to tell.
    pub(super) fn ask(&self) -> ShardExplain {
        ShardExplain { keys: self.keys.clone(), distances: Vec::new() }
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Everything is asked anew.
    pub(super) fn forget(&self) {
        self.told.lock().clear();
    }

    fn note(&self, hits: &mut ShardHits, round: u32, asked: Duration) {
        let Some(mut told) = hits.explained.take() else { return };
        told.shard.round = round;
        told.shard.proxy_us = micros(self.now().saturating_sub(asked));
        self.told.lock().push(*told);
    }

    /// Of the owner of the key, what it says of it.
    fn of_owner(&self, key: &PrimaryKey, shard: ShardId) -> Option<ShardKey> {
        let told = self.told.lock();
        let owner = told.iter().find(|told| told.shard.shard == shard.index && told.shard.round == 1)?;
        owner.keys.iter().find(|known| known.told.key == *key).cloned()
    }
}

impl Plan<'_> {
    /// A shard has answered, asked at this moment: what it tells is kept.
    pub(super) fn noted(&self, mut hits: ShardHits, round: u32, asked: Duration) -> ShardHits {
        if let Some(explaining) = &self.explaining {
            explaining.note(&mut hits, round, asked);
        }
        hits
    }

    /// The present moment, for who notes it.
    pub(super) fn now(&self) -> Duration {
        self.explaining.as_ref().map_or(Duration::ZERO, Explaining::now)
    }
}

impl Proxy {
    /// Everything about a search that was planned, and whose hits were joined, in so much time. None when nobody asked.
    pub(super) async fn explanation(
        &self,
        deadline: &Deadline,
        plan: &Plan<'_>,
        merged: &Hits,
        (planning, merging): (Duration, Duration),
    ) -> Result<Option<Box<Explanation>>> {
        let Some(explaining) = &plan.explaining else { return Ok(None) };
        let mut keys = Vec::new();
        for key in &explaining.keys {
            keys.push(standing(plan, explaining, key));
        }
        self.rank(deadline, plan, explaining, &mut keys).await?;
        let (offset, limit) = (explaining.said.offset, explaining.said.limit);
        let keys = keys.into_iter().map(|key| {
            let place = place(merged, &key.told.key).map(|place| place + offset);
            judged(plan.collection, key, place, offset + limit)
        });
        let mut told = Explanation { keys: keys.collect(), ..explaining.said.clone() };
        told.field.clone_from(&plan.field.name);
        plan.ask.metric.name().clone_into(&mut told.metric);
        told.index = plan.collection.index_on(plan.field.id).map(|index| DeclaredIndex {
            name: index.spec.name.clone(),
            index_type: index.spec.index_type.clone(),
        });
        let shards = std::mem::take(&mut *explaining.told.lock());
        told.shards = shards.into_iter().map(|told| told.shard).collect();
        told.shards.sort_by_key(|told| (told.round, told.shard));
        let placed = &plan.collection.shards;
        for shard in &mut told.shards {
            shard.group =
                placed.iter().find(|placed| placed.shard.index == shard.shard).map(|placed| placed.group);
        }
        (told.plan_us, told.merge_us) = (micros(planning), micros(merging));
        told.total_us = micros(explaining.now().saturating_sub(explaining.began));
        Ok(Some(Box::new(told)))
    }

    /// Adds to ranks within shards the rows of the other shards.
    async fn rank(
        &self,
        deadline: &Deadline,
        plan: &Plan<'_>,
        explaining: &Explaining,
        keys: &mut [ShardKey],
    ) -> Result<()> {
        let at: Vec<usize> = (0..keys.len()).filter(|at| keys[*at].distance.is_some()).collect();
        if at.is_empty() || plan.shards.len() < 2 {
            return Ok(());
        }
        let distances = at.iter().filter_map(|at| keys[*at].distance).collect();
        let explain = Some(ShardExplain { keys: Vec::new(), distances });
        let ask = ShardSearch { k: 0, explain, ..plan.ask.clone() };
        let (asked, level) = (explaining.now(), plan.ask.consistency);
        let before: BTreeMap<u32, _> =
            explaining.told.lock().iter().map(|told| (told.shard.shard, told.shard.position)).collect();
        let counted = self
            .ask_shards(deadline, VERB, plan.collection, &plan.shards, level, |shard| {
                self.shard_reader.search(request(&plan.session, &ask, shard, deadline))
            })
            .await?;
        for (place, mut hits) in counted.into_iter().enumerate() {
            let Some(explained) = hits.explained.as_deref() else {
                return Err(Error::internal("a shard counted no ranks"));
            };
            let shard = plan.shards[place].index;
            let is_same = before.get(&shard) == Some(&explained.shard.position);
            for (at, nearer) in at.iter().zip(explained.nearer.clone()) {
                add(&mut keys[*at].told, shard, nearer, is_same);
            }
            explaining.note(&mut hits, 2, asked);
        }
        Ok(())
    }
}

/// What the key's shard says of it.
fn standing(plan: &Plan<'_>, explaining: &Explaining, key: &PrimaryKey) -> ShardKey {
    let shards = &plan.collection.shards;
    let count = u32::try_from(shards.len()).unwrap_or(u32::MAX);
    let owner = shards.get(key.shard_index(count) as usize).map(|placed| placed.shard).unwrap_or_default();
    if let Some(mut known) = explaining.of_owner(key, owner) {
        known.told.shard = owner.index;
        return known;
    }
    // Shards are left out only where the filter names other keys.
    let mut told = KeyExplanation::new(key.clone(), KeyVerdict::FilteredOut);
    told.shard = owner.index;
    let part = explaining.said.filter.clone().unwrap_or_default();
    told.failed = vec![FailedPart { part, is_unknown: false }];
    ShardKey { told, distance: None }
}

fn freshness(moment: Moment, level: Consistency) -> String {
    match (moment, level) {
        (Moment::Of(at), _) => format!("moment {at}"),
        (Moment::Begin, _) => "a moment that begins".to_owned(),
        (Moment::Present, Consistency::Strong) => "strong".to_owned(),
        (Moment::Present, Consistency::Session(_)) => "session".to_owned(),
        (Moment::Present, Consistency::Bounded(ms, _)) => format!("bounded to {ms} ms"),
        (Moment::Present, Consistency::Eventually) => "eventually".to_owned(),
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
