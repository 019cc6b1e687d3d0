//! The verbs, one by one: which are writes, which get a name, which move or follow the session.

use crate::Client;
use crate::client::Way;
use crate::retry::{Kind, Verb};
use async_trait::async_trait;
use vecraft_rpc::database::DatabaseServiceClient;
use vecraft_types::api::*;
use vecraft_types::{Code, CollectionDescriptor, CollectionId, Error, Result};

/// Times that a read is asked because its name means another collection than a moment ago.
const NAMES_MOVED_MAX: usize = 4;

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

/// The same for a read of rows: it shows no less than this client has seen, and what it shows counts from then on (I20).
macro_rules! ask_in_session {
    ($client:expr, $call:expr, $verb:ident, $request:ident) => {{
        let mut reading = $client.inner.session.read(&$call.database, &$request.collection);
        for _ in 0..NAMES_MOVED_MAX {
            let (consistency, seen) = reading.owed($request.consistency);
            let mut asked = $request.clone();
            asked.consistency = consistency;
            asked.seen.extend(seen);
            let reply = ask_near!($client, Kind::Read, $call.clone(), $verb, asked)?;
            if reading.is_answered($request.consistency, &reply.seen) {
                return Ok(reply);
            }
        }
        let text = "the name meant another collection each time it was asked";
        Err(Error::new(Code::NotReady, text).with("collection", &$request.collection))
    }};
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
        self.inner.session.wrote(reply.timestamp);
        Ok(reply)
    }

    async fn upsert(&self, call: Call, mut request: InsertRequest) -> Result<MutationReply> {
        request.request = self.inner.name(request.request);
        let reply = ask_near!(self, Kind::Write, call, upsert, request)?;
        self.inner.session.wrote(reply.timestamp);
        Ok(reply)
    }

    async fn delete(&self, call: Call, mut request: DeleteRequest) -> Result<MutationReply> {
        request.request = self.inner.name(request.request);
        let reply = ask_near!(self, Kind::Write, call, delete, request)?;
        self.inner.session.wrote(reply.timestamp);
        Ok(reply)
    }

    async fn search(&self, call: Call, request: SearchRequest) -> Result<SearchReply> {
        if let Moment::Of(_) = request.moment {
            // It is behind us, and says nothing about the present.
            return ask_near!(self, Kind::Read, call, search, request);
        }
        ask_in_session!(self, call, search, request)
    }

    async fn query(&self, call: Call, request: QueryRequest) -> Result<QueryReply> {
        if let Moment::Of(_) = request.moment {
            // It is behind us, and says nothing about the present.
            return ask_near!(self, Kind::Read, call, query, request);
        }
        ask_in_session!(self, call, query, request)
    }

    async fn flush(&self, call: Call, collections: Vec<String>) -> Result<Vec<FlushInfo>> {
        // Nothing is lost or doubled when its answer is: asking again says the same.
        ask!(self, Kind::Read, call, flush, collections)
    }

    async fn compact(&self, call: Call, request: CompactRequest) -> Result<CollectionId> {
        // Asked for twice, it is done once: the second time finds nothing, or what was written since.
        ask!(self, Kind::Read, call, compact, request)
    }

    async fn segments(&self, call: Call, collection: CollectionName) -> Result<CollectionSegments> {
        ask!(self, Kind::Read, call, segments, collection)
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
