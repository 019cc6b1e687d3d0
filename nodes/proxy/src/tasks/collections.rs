//! Collections: create, drop, describe, list, load flag, number of rows.

use crate::Proxy;
use crate::deadline::{Ask, Deadline, is_unanswered, is_unavailable};
use crate::names::{NameFreshness, check_database, partition_id};
use futures::future::try_join_all;
use std::sync::Arc;
use std::time::Duration;
use vecraft_rpc::services::{DropTarget, ShardStats};
use vecraft_types::api::{Call, CollectionName, CreateCollection, RowCount, SetLoaded};
use vecraft_types::limits::SHARDS_MAX;
use vecraft_types::schema::{MMAP_ENABLED, check_name};
use vecraft_types::{Code, CollectionDescriptor, DdlPhase, Error, GroupId, PartitionId, PkConflict, Result};

/// Property that makes reads fail before a load, as in Milvus.
const STRICT_LOAD: &str = "milvus.strict_load";
/// For the metastore's newest word, where what is known here does too: more than an election.
const NEWEST_WAIT: Duration = Duration::from_secs(5);
/// The same when it has answered nobody for long: enough for an answer, if it is back.
const NEWEST_WAIT_OUT: Duration = Duration::from_millis(500);

impl Proxy {
    pub(crate) async fn make_collection(&self, call: Call, mut asked: CreateCollection) -> Result<()> {
        check_database(&call)?;
        check_name("collection", &asked.name)?;
        apply_properties(&mut asked)?;
        asked.schema.check().map_err(|error| error.with("collection", &asked.name))?;
        if asked.shards > SHARDS_MAX {
            let text = format!("{} shards, at most {SHARDS_MAX} are allowed", asked.shards);
            return Err(Error::invalid(text).with("collection", &asked.name));
        }
        let (deadline, request) = (self.deadline(&call), self.request_id(call.request)?);
        // Under a name: an attempt after a lost answer must not make it again when somebody dropped it since (I10).
        let attempt = || self.catalogue_writer.create_collection(request, asked.clone());
        deadline.retry(Ask::ddl("create collection"), is_unavailable, attempt).await
    }

    pub(crate) async fn remove_collection(&self, call: Call, name: String) -> Result<()> {
        check_database(&call)?;
        // Dropping what is not there succeeds; a text that can be no name is a slip.
        check_name("collection", &name)?;
        let deadline = self.deadline(&call);
        let look_up = || self.catalogue_writer.holder_of(name.clone());
        let asking = Ask::look_up("looking up the collection");
        let Some(id) = deadline.retry(asking, is_unavailable, look_up).await? else { return Ok(()) };
        // By its id: an attempt after a lost answer must not hit what another user made under the name since (I11).
        let attempt = || self.catalogue_writer.drop_exactly(DropTarget::Collection(id));
        deadline.retry(Ask::ddl("drop collection"), is_unavailable, attempt).await
    }

    pub(crate) async fn one_collection(
        &self,
        call: Call,
        name: CollectionName,
    ) -> Result<CollectionDescriptor> {
        let deadline = self.deadline(&call);
        let found = self.newest_or_known(&call, &deadline, &name, "describe collection").await;
        found.map(|found| (*found).clone())
    }

    /// The newest word on a collection; without one, what is known here.
    pub(crate) async fn newest_or_known(
        &self,
        call: &Call,
        deadline: &Deadline,
        name: &CollectionName,
        what: &str,
    ) -> Result<Arc<CollectionDescriptor>> {
        let look_up = || self.newest_collection(call, name);
        // Clients describe before they read at any level: a metastore without a majority must not take reads at Eventually
        // away from a collection that is known here. While there is a majority, elections are waited for, and the answer is
        // the newest (I19). What is not known is asked for until the caller's deadline.
        let deadline = match self.usable(name) {
            Some(_) => deadline.clone().at_most(self.patience_for_newest()),
            None => deadline.clone(),
        };
        let ask = Ask::look_up(what);
        match deadline.retry(ask, is_unavailable, look_up).await {
            Err(error) if is_unanswered(&error) => self.usable(name).ok_or(error),
            found => found,
        }
    }

    /// How long the newest word of the metastore is waited for by whoever can do without.
    fn patience_for_newest(&self) -> Duration {
        match self.outages.is_out(GroupId::META, self.clock.monotonic()) {
            true => NEWEST_WAIT_OUT,
            false => NEWEST_WAIT,
        }
    }

    pub(crate) async fn one_known_collection(
        &self,
        call: Call,
        name: CollectionName,
    ) -> Result<Arc<CollectionDescriptor>> {
        self.collection_by(&call, &self.deadline(&call), &name, NameFreshness::AsKnown).await
    }

    pub(crate) async fn all_collections(&self, call: Call) -> Result<Vec<CollectionDescriptor>> {
        check_database(&call)?;
        let barrier = || self.catalogue.barrier();
        // As describe does: the newest while there is a majority, and what is known here without one.
        let deadline = self.deadline(&call).at_most(self.patience_for_newest());
        let ask = Ask::look_up("list collections");
        match deadline.retry(ask, is_unavailable, barrier).await {
            Err(error) if !is_unanswered(&error) => return Err(error),
            _ => {}
        }
        let usable = self.catalogue.list().into_iter().filter(|found| found.phase == DdlPhase::Ready);
        Ok(usable.map(|collection| (*collection).clone()).collect())
    }

    pub(crate) async fn mark_loaded(&self, call: Call, asked: SetLoaded) -> Result<()> {
        let deadline = self.deadline(&call);
        let found = self.collection_named(&call, &deadline, &asked.collection, NameFreshness::Latest).await?;
        // By id from here on: asked again, the name could be another collection's.
        let load = || self.catalogue_writer.set_loaded(found.id, asked.clone());
        deadline.retry(Ask::ddl("load"), is_unavailable, load).await
    }

    pub(crate) async fn count_rows(&self, call: Call, asked: RowCount) -> Result<u64> {
        if let Some(name) = &asked.partition {
            // An empty name is not "all": whoever lost a name would get a figure of something else.
            check_name("partition", name)?;
        }
        // The rows are counted by the shards' leaders, as of now; only the name may be as it is known here.
        let name = CollectionName::Name(asked.collection);
        let deadline = self.deadline(&call);
        let collection = self.newest_or_known(&call, &deadline, &name, "looking up the collection").await?;
        let only = asked.partition.as_deref().map(|name| partition_id(&collection, name)).transpose()?;
        let stats = self.shard_stats(&deadline, &collection).await?;
        if let (Some(only), Some(name)) = (only, &asked.partition) {
            self.check_partition_stayed(&call, &deadline, &collection, (only, name)).await?;
        }
        let rows = stats.iter().flat_map(|shard| &shard.rows);
        Ok(rows.filter(|(id, _)| only.is_none_or(|only| only == **id)).map(|(_, count)| count).sum())
    }

    /// Refuses figures of a partition that was dropped under way: of some shards its rows would be missing. The drop is in the
    /// metastore before it is in any shard (I11).
    async fn check_partition_stayed(
        &self,
        call: &Call,
        deadline: &Deadline,
        collection: &CollectionDescriptor,
        partition: (PartitionId, &str),
    ) -> Result<()> {
        let (id, name) = partition;
        let by_id = CollectionName::Id(collection.id);
        let now = self.collection_by(call, deadline, &by_id, NameFreshness::Latest).await?;
        match now.partitions.iter().any(|there| there.id == id) {
            true => Ok(()),
            false => {
                Err(Error::new(Code::PartitionNotFound, "it was dropped while the request was under way")
                    .with("partition", name)
                    .with("collection", &collection.name))
            }
        }
    }

    /// Figures of every shard, each at a point inside this call.
    pub(crate) async fn shard_stats(
        &self,
        deadline: &Deadline,
        collection: &CollectionDescriptor,
    ) -> Result<Vec<ShardStats>> {
        let asked = collection.shards.iter().map(|placement| async move {
            let ask = Ask::leader("shard statistics", placement.group);
            let attempt = || self.shard_writer.stats(placement.shard);
            let stats = self.retry_in(collection, deadline, ask, is_unavailable, attempt);
            stats.await.map_err(|error| error.with("shard", placement.shard))
        });
        try_join_all(asked).await
    }
}

/// Reads the properties that mean something here and refuses the others: a property without effect would be a
/// promise we do not keep.
fn apply_properties(asked: &mut CreateCollection) -> Result<()> {
    for (key, value) in &asked.properties {
        match key.as_str() {
            PkConflict::PROPERTY => asked.schema.pk_conflict = PkConflict::parse(value)?,
            STRICT_LOAD | MMAP_ENABLED if matches!(value.to_ascii_lowercase().as_str(), "true" | "false") => {
            }
            STRICT_LOAD | MMAP_ENABLED => {
                return Err(Error::invalid(format!("property {key} is {value:?}, allowed are true, false")));
            }
            other => return Err(Error::not_built(format!("collection property {other:?}"))),
        }
    }
    Ok(())
}
