//! The life of collections: intent, ready, dropping, gone (I11).

use super::cluster::used_up;
use super::state::take;
use super::{MetaOutcome, MetaState, rules};
use std::sync::Arc;
use vecraft_types::api::CreateCollection;
use vecraft_types::descriptor::REPLICA_NUMBER;
use vecraft_types::limits::{COLLECTIONS_MAX, DEFAULT_PARTITION};
use vecraft_types::{
    Code, CollectionDescriptor, CollectionId, DdlPhase, Error, GroupId, PartitionDescriptor, PartitionId,
    Result, ShardId, ShardPlacement, Timestamp,
};

/// Where the shards of a new collection go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Groups<'a> {
    /// Of these, or of all when there is none, those with the fewest shards.
    Least(&'a [GroupId]),
    /// These, in turn.
    InTurn(&'a [GroupId]),
}

impl MetaState {
    /// Takes the name and writes the intent. An equal collection answers with its id, another one of that name is
    /// an error.
    pub(super) fn create_collection(
        &mut self,
        at: Timestamp,
        request: CreateCollection,
        groups: Groups<'_>,
    ) -> Result<MetaOutcome> {
        let wanted = rules::check_collection(request)?;
        if let Some(existing) = self.collection_named(&wanted.name) {
            return if rules::is_same(existing, &wanted) {
                Ok(MetaOutcome::Collection { id: existing.id, phase: existing.phase })
            } else {
                let text = "create duplicate collection with different parameters";
                Err(Error::invalid(text).with("collection", &wanted.name))
            };
        }
        if self.names.len() >= COLLECTIONS_MAX {
            let text =
                format!("{} collections exist, at most {COLLECTIONS_MAX} are allowed", self.names.len());
            return Err(Error::new(Code::TooManyCollections, text));
        }
        let groups = match groups {
            Groups::Least(candidates) => self.place(wanted.shards, candidates)?,
            Groups::InTurn(groups) => self.place_in_turn(wanted.shards, groups)?,
        };
        let id = CollectionId(take(&mut self.root.next.collection, 1).ok_or_else(used_up)?);
        let partition = PartitionId(take(&mut self.root.next.partition, 1).ok_or_else(used_up)?);
        let shards: Vec<_> = (0..)
            .zip(groups)
            .map(|(index, group)| ShardPlacement { shard: ShardId { collection: id, index }, group })
            .collect();
        for placed in &shards {
            self.root.groups.entry(placed.group).or_default().shards += 1;
        }
        let default_partition =
            PartitionDescriptor { id: partition, name: DEFAULT_PARTITION.into(), created: at };
        self.names.insert(wanted.name.clone(), id);
        let row = CollectionDescriptor {
            id,
            name: wanted.name,
            schema: wanted.schema,
            shards,
            partitions: vec![default_partition],
            indexes: Vec::new(),
            properties: wanted.properties,
            default_consistency: wanted.default_consistency,
            is_loaded: false,
            created: at,
            updated: at,
            phase: DdlPhase::Creating,
        };
        self.collections.insert(id, Arc::new(row));
        Ok(MetaOutcome::Collection { id, phase: DdlPhase::Creating })
    }

    /// A group for each shard: the one with the fewest shards, the lowest id among equals.
    fn place(&self, shards: u32, candidates: &[GroupId]) -> Result<Vec<GroupId>> {
        let can_take =
            |id: &GroupId| *id != GroupId::META && (candidates.is_empty() || candidates.contains(id));
        let pool = self.root.groups.iter().filter(|(id, _)| can_take(id));
        let mut loads: Vec<(u32, GroupId)> = pool.map(|(id, row)| (row.shards, *id)).collect();
        let mut chosen = Vec::new();
        for _ in 0..shards {
            let Some(least) = loads.iter_mut().min() else {
                return Err(Error::new(Code::Unavailable, "no group can take shards"));
            };
            chosen.push(least.1);
            least.0 += 1;
        }
        Ok(chosen)
    }

    /// Shards on these groups, one after another and again from the first.
    fn place_in_turn(&self, shards: u32, groups: &[GroupId]) -> Result<Vec<GroupId>> {
        let can_take = |id: &&GroupId| **id != GroupId::META && self.root.groups.contains_key(id);
        let turn: Vec<GroupId> = groups.iter().filter(can_take).copied().collect();
        match turn.is_empty() {
            true => Err(Error::new(Code::Unavailable, "no group can take shards")),
            false => Ok(turn.into_iter().cycle().take(shards as usize).collect()),
        }
    }

    /// `Creating -> Ready`. Repeated, or after a drop: no effect.
    pub(super) fn collection_ready(&mut self, id: CollectionId) -> Result<MetaOutcome> {
        let row = self.collections.get_mut(&id).ok_or_else(|| not_found(id))?;
        if row.phase == DdlPhase::Creating {
            Arc::make_mut(row).phase = DdlPhase::Ready;
        }
        Ok(MetaOutcome::Collection { id, phase: row.phase })
    }

    /// `Creating | Ready -> Dropping`. One that is dropping or gone is no error.
    pub(super) fn drop_collection(&mut self, id: CollectionId) -> Result<MetaOutcome> {
        let Some(row) = self.collections.get_mut(&id) else { return Ok(MetaOutcome::Done) };
        if row.phase != DdlPhase::Dropping {
            let row = Arc::make_mut(row);
            row.phase = DdlPhase::Dropping;
            self.names.remove(&row.name);
        }
        Ok(MetaOutcome::Done)
    }

    /// `Dropping -> (row removed)`. Repeated: no effect.
    pub(super) fn collection_gone(&mut self, id: CollectionId) -> Result<MetaOutcome> {
        match self.collections.get(&id) {
            Some(row) if row.phase != DdlPhase::Dropping => {
                return Err(Error::internal(format!("collection {id} is gone without having been dropped")));
            }
            Some(_) => {}
            None => return Ok(MetaOutcome::Done),
        }
        if let Some(row) = self.collections.remove(&id) {
            for placed in &row.shards {
                if let Some(group) = self.root.groups.get_mut(&placed.group) {
                    group.shards = group.shards.saturating_sub(1);
                }
            }
        }
        self.root.dropping_partitions.remove(&id);
        Ok(MetaOutcome::Done)
    }

    /// Whether a collection was made and dropped, whatever is left to do for that. It stays so: ids are never given twice
    /// (I11). False of an id that was not given yet, as far as this state goes, and of one whose history was lost.
    pub fn is_dropped(&self, id: CollectionId) -> bool {
        match self.collections.get(&id) {
            Some(row) => row.phase == DdlPhase::Dropping,
            None => {
                let passed_over = self.unseen.range(..=id).next_back();
                id.0 < self.root.next.collection && passed_over.is_none_or(|(_, below)| id >= *below)
            }
        }
    }

    /// The load flag. A release forgets how many replicas were to serve.
    pub(super) fn set_loaded(&mut self, id: CollectionId, loaded: bool) -> Result<MetaOutcome> {
        let row = self.ready(id)?;
        if row.is_loaded != loaded || (!loaded && row.properties.contains_key(REPLICA_NUMBER)) {
            self.edit(id, |row| {
                row.is_loaded = loaded;
                if !loaded {
                    row.properties.remove(REPLICA_NUMBER);
                }
            });
        }
        Ok(MetaOutcome::Done)
    }

    /// How many replicas of each shard answer reads: no more than every shard has. When there are fewer later, those
    /// serve that there are.
    pub(super) fn set_replicas(&mut self, id: CollectionId, replicas: u32) -> Result<MetaOutcome> {
        let row = self.ready(id)?;
        let held =
            |placed: &ShardPlacement| self.root.groups.get(&placed.group).map_or(0, |row| row.replicas.len());
        let there_are = row.shards.iter().map(held).min().unwrap_or(0);
        if replicas == 0 {
            return Err(Error::invalid("replica_number is 0, at least 1 is needed"));
        }
        if replicas as usize > there_are {
            let text = format!("{replicas} replicas were asked for, the collection has {there_are}");
            return Err(Error::new(Code::NotEnoughNodes, text).with("collection", &row.name));
        }
        if row.replicas() != Some(replicas as usize) {
            self.edit(id, |row| {
                row.properties.insert(REPLICA_NUMBER.to_owned(), replicas.to_string());
            });
        }
        Ok(MetaOutcome::Done)
    }
}

fn not_found(id: CollectionId) -> Error {
    Error::new(Code::CollectionNotFound, "").with("collection", id)
}
