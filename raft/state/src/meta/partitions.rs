//! Partitions: made at once, dropped by intent and done (I11).

use super::cluster::used_up;
use super::state::take;
use super::{MetaOutcome, MetaState};
use vecraft_types::limits::{DEFAULT_PARTITION, PARTITIONS_MAX};
use vecraft_types::schema::check_name;
use vecraft_types::{CollectionId, DdlPhase, Error, PartitionDescriptor, PartitionId, Result, Timestamp};

impl MetaState {
    /// Makes a partition; one of that name that exists is no error. Shards need not be told: they take rows of any
    /// partition that was not dropped.
    pub(super) fn create_partition(
        &mut self,
        at: Timestamp,
        collection: CollectionId,
        name: &str,
    ) -> Result<MetaOutcome> {
        check_name("partition", name)?;
        let row = self.ready(collection)?;
        if let Some(existing) = row.partition(name) {
            return Ok(MetaOutcome::Partition(existing.id));
        }
        if row.partitions.len() >= PARTITIONS_MAX {
            let text =
                format!("{} partitions exist, at most {PARTITIONS_MAX} are allowed", row.partitions.len());
            return Err(Error::invalid(text).with("collection", &row.name));
        }
        let id = PartitionId(take(&mut self.root.next.partition, 1).ok_or_else(used_up)?);
        let made = PartitionDescriptor { id, name: name.to_owned(), created: at };
        self.edit(collection, |row| row.partitions.push(made));
        Ok(MetaOutcome::Partition(id))
    }

    /// Intent: the partition can no longer be named. A missing one is no error.
    pub(super) fn drop_partition(&mut self, collection: CollectionId, name: &str) -> Result<MetaOutcome> {
        if name == DEFAULT_PARTITION {
            return Err(Error::invalid("the default partition cannot be dropped").with("partition", name));
        }
        match self.ready(collection)?.partition(name).map(|partition| partition.id) {
            Some(id) => self.drop_partition_of(collection, id),
            None => Ok(MetaOutcome::Done),
        }
    }

    /// The same by its id, which no other partition ever has (I11). A collection that went meanwhile takes its partitions
    /// along.
    pub(super) fn drop_partition_of(
        &mut self,
        collection: CollectionId,
        partition: PartitionId,
    ) -> Result<MetaOutcome> {
        let row = self.collection(collection).filter(|row| row.phase == DdlPhase::Ready);
        let found = row.and_then(|row| row.partitions.iter().find(|found| found.id == partition));
        match found {
            None => return Ok(MetaOutcome::Done),
            Some(found) if found.name == DEFAULT_PARTITION => {
                let refused = Error::invalid("the default partition cannot be dropped");
                return Err(refused.with("partition", &found.name));
            }
            Some(_) => {}
        }
        self.edit(collection, |row| row.partitions.retain(|found| found.id != partition));
        self.root.dropping_partitions.entry(collection).or_default().insert(partition);
        Ok(MetaOutcome::Partition(partition))
    }

    /// Done: no shard has its rows any more. Repeated: no effect.
    pub(super) fn partition_gone(
        &mut self,
        collection: CollectionId,
        partition: PartitionId,
    ) -> Result<MetaOutcome> {
        if let Some(waiting) = self.root.dropping_partitions.get_mut(&collection) {
            waiting.remove(&partition);
            if waiting.is_empty() {
                self.root.dropping_partitions.remove(&collection);
            }
        }
        Ok(MetaOutcome::Done)
    }
}
