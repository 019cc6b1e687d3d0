//! Partitions: create and drop.

use crate::Proxy;
use crate::deadline::{Ask, is_unavailable};
use crate::names::NameFreshness;
use vecraft_rpc::services::DropTarget;
use vecraft_types::api::{Call, PartitionRequest};
use vecraft_types::limits::{DEFAULT_PARTITION, PARTITIONS_MAX};
use vecraft_types::schema::check_name;
use vecraft_types::{Error, Result};

impl Proxy {
    pub(crate) async fn make_partition(&self, call: Call, asked: PartitionRequest) -> Result<()> {
        check_name("partition", &asked.partition)?;
        let (deadline, request) = (self.deadline(&call), self.request_id(call.request)?);
        let collection =
            self.collection_named(&call, &deadline, &asked.collection, NameFreshness::Latest).await?;
        if collection.partition(&asked.partition).is_some() {
            return Ok(());
        }
        if collection.partitions.len() >= PARTITIONS_MAX {
            let text = format!("the collection has {PARTITIONS_MAX} partitions, more are not allowed");
            return Err(Error::invalid(text).with("collection", &asked.collection));
        }
        // Under a name, and in the collection of this id: after a lost answer it must neither be made again when somebody
        // dropped it since, nor in another collection of the name (I10, I11).
        let attempt =
            || self.catalogue_writer.create_partition(request, collection.id, asked.partition.clone());
        deadline.retry(Ask::ddl("create partition"), is_unavailable, attempt).await
    }

    pub(crate) async fn remove_partition(&self, call: Call, asked: PartitionRequest) -> Result<()> {
        check_name("partition", &asked.partition)?;
        if asked.partition == DEFAULT_PARTITION {
            return Err(
                Error::invalid("the default partition cannot be dropped").with("partition", &asked.partition)
            );
        }
        let deadline = self.deadline(&call);
        let found = self.collection_named(&call, &deadline, &asked.collection, NameFreshness::Latest).await?;
        let Some(partition) = found.partition(&asked.partition).map(|partition| partition.id) else {
            return Ok(());
        };
        // By its id: an attempt after a lost answer must not hit what another user made under the name since (I11).
        let target = DropTarget::Partition { collection: found.id, partition };
        let attempt = || self.catalogue_writer.drop_exactly(target);
        deadline.retry(Ask::ddl("drop partition"), is_unavailable, attempt).await
    }
}
