//! The verbs, one by one: which are writes, which get a name, which move or follow the session.

use crate::Client;
use crate::client::Way;
use crate::retry::{Kind, Verb};
use async_trait::async_trait;
use vecraft_rpc::database::DatabaseServiceClient;
use vecraft_types::api::*;
use vecraft_types::{CollectionDescriptor, Result};

/// Sends a verb; over the network its request is copied for every attempt.
macro_rules! ask {
    ($client:expr, $kind:expr, $call:expr, $verb:ident $(, $request:ident)?) => {
        ask!(@ $client, Verb { name: stringify!($verb), kind: $kind, aim: None }, $call, $verb $(, $request)?)
    };
    (@ $client:expr, $what:expr, $call:expr, $verb:ident $(, $request:ident)?) => {
        match &$client.inner.way {
            Way::Embedded(database) => database.$verb($call $(, $request)?).await,
            Way::Remote(doors) => {
                let attempt = |rpc: DatabaseServiceClient, context, call| {
                    $(let $request = $request.clone();)?
                    async move { rpc.$verb(context, call $(, $request)?).await }
                };
                $client.inner.ask(doors, $what, $call, attempt).await
            }
        }
    };
}

/// The same for a verb that some nodes are nearer to than others.
macro_rules! ask_near {
    ($client:expr, $kind:expr, $call:expr, $verb:ident, $request:ident) => {
        ask!(@ $client, Verb { name: stringify!($verb), kind: $kind, aim: Some(&$request) }, $call, $verb, $request)
    };
}

#[async_trait]
impl Database for Client {
    async fn create_collection(&self, call: Call, request: CreateCollection) -> Result<()> {
        let call = self.inner.named(call);
        ask!(self, Kind::Write, call, create_collection, request)
    }

    async fn drop_collection(&self, call: Call, name: String) -> Result<()> {
        ask!(self, Kind::Once, call, drop_collection, name)
    }

    async fn describe_collection(&self, call: Call, name: CollectionName) -> Result<CollectionDescriptor> {
        ask!(self, Kind::Read, call, describe_collection, name)
    }

    async fn list_collections(&self, call: Call) -> Result<Vec<CollectionDescriptor>> {
        ask!(self, Kind::Read, call, list_collections)
    }

    async fn row_count(&self, call: Call, request: RowCount) -> Result<u64> {
        ask_near!(self, Kind::Read, call, row_count, request)
    }

    async fn create_partition(&self, call: Call, request: PartitionRequest) -> Result<()> {
        let call = self.inner.named(call);
        ask!(self, Kind::Write, call, create_partition, request)
    }

    async fn drop_partition(&self, call: Call, request: PartitionRequest) -> Result<()> {
        ask!(self, Kind::Once, call, drop_partition, request)
    }

    async fn create_index(&self, call: Call, request: CreateIndex) -> Result<()> {
        let call = self.inner.named(call);
        ask!(self, Kind::Write, call, create_index, request)
    }

    async fn drop_index(&self, call: Call, request: DropIndex) -> Result<()> {
        ask!(self, Kind::Once, call, drop_index, request)
    }

    async fn describe_indexes(&self, call: Call, collection: String) -> Result<Vec<IndexInfo>> {
        ask!(self, Kind::Read, call, describe_indexes, collection)
    }

    async fn set_loaded(&self, call: Call, request: SetLoaded) -> Result<()> {
        ask!(self, Kind::Write, call, set_loaded, request)
    }

    async fn insert(&self, call: Call, mut request: InsertRequest) -> Result<MutationReply> {
        request.request = self.inner.name(request.request);
        let reply = ask_near!(self, Kind::Write, call, insert, request)?;
        self.inner.wrote(&reply);
        Ok(reply)
    }

    async fn upsert(&self, call: Call, mut request: InsertRequest) -> Result<MutationReply> {
        request.request = self.inner.name(request.request);
        let reply = ask_near!(self, Kind::Write, call, upsert, request)?;
        self.inner.wrote(&reply);
        Ok(reply)
    }

    async fn delete(&self, call: Call, mut request: DeleteRequest) -> Result<MutationReply> {
        request.request = self.inner.name(request.request);
        let reply = ask_near!(self, Kind::Write, call, delete, request)?;
        self.inner.wrote(&reply);
        Ok(reply)
    }

    async fn search(&self, call: Call, mut request: SearchRequest) -> Result<SearchReply> {
        request.consistency = self.inner.at_least_own(request.consistency);
        ask_near!(self, Kind::Read, call, search, request)
    }

    async fn query(&self, call: Call, mut request: QueryRequest) -> Result<QueryReply> {
        request.consistency = self.inner.at_least_own(request.consistency);
        ask_near!(self, Kind::Read, call, query, request)
    }

    async fn flush(&self, call: Call, collections: Vec<String>) -> Result<Vec<FlushInfo>> {
        // Nothing is lost or doubled when its answer is: asking again says the same.
        ask!(self, Kind::Read, call, flush, collections)
    }

    async fn server_info(&self, call: Call) -> Result<ServerInfo> {
        ask!(self, Kind::Read, call, server_info)
    }

    async fn cluster(&self, call: Call, request: ClusterRequest) -> Result<ClusterReply> {
        // Each verb may be repeated: it says how things should be.
        ask!(self, Kind::Read, call, cluster, request)
    }

    async fn topology(&self, call: Call, request: TopologyRequest) -> Result<TopologyReply> {
        ask!(self, Kind::Read, call, topology, request)
    }
}
