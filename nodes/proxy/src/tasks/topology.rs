//! Which nodes serve what, for clients that want to save a hop.
//!
//! From memory and without a barrier: an old answer costs its user a hop, because whichever node is asked routes anew.

use crate::Proxy;
use crate::names::check_database;
use crate::routing::serving;
use vecraft_types::api::{Call, CollectionName, CollectionPlace, ShardPlace, TopologyReply, TopologyRequest};
use vecraft_types::{CollectionDescriptor, Result, ShardPlacement};

impl Proxy {
    pub(crate) async fn where_things_are(
        &self,
        call: Call,
        request: TopologyRequest,
    ) -> Result<TopologyReply> {
        check_database(&call)?;
        let named = request.collection.map(CollectionName::Name);
        Ok(TopologyReply {
            cluster_id: self.identity.cluster_id.clone(),
            node: self.topology.own(),
            doors: self.doors.doors().await,
            collection: named.and_then(|name| self.usable(&name)).map(|found| self.place_of(&found)),
        })
    }

    fn place_of(&self, collection: &CollectionDescriptor) -> CollectionPlace {
        let key = collection.schema.primary_field().filter(|field| !field.auto_id);
        CollectionPlace {
            key_field: key.map(|field| field.name.clone()),
            shards: collection.shards.iter().map(|placed| self.shard_place(*placed)).collect(),
        }
    }

    fn shard_place(&self, placed: ShardPlacement) -> ShardPlace {
        ShardPlace {
            leader: self.topology.leader_of(placed.group),
            readers: serving(self.topology.as_ref(), placed.shard, placed.group),
        }
    }
}
