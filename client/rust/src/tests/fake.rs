//! A small honest database in memory: one key space a collection, exact search, writes known by their names (I10).
//! Beside it a list of troubles: what goes wrong with the next calls.

use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use vecraft_types::api::*;
use vecraft_types::*;

/// What goes wrong with a call.
pub(super) enum Trouble {
    /// The call does nothing and answers this.
    Refuse(Error),
    /// The call is done, but its answer never comes.
    LoseAnswer,
    /// The call takes so long.
    Slow(std::time::Duration),
    /// The call panics.
    Panic,
    /// The call answers this much text.
    Long(usize),
}

#[derive(Default)]
struct State {
    collections: BTreeMap<String, (CollectionSchema, BTreeMap<PrimaryKey, RowBatch>)>,
    answered: HashMap<RequestId, MutationReply>,
    clock: u64,
    troubles: VecDeque<Trouble>,
    names: Vec<Option<RequestId>>,
    calls: Vec<Call>,
    levels: Vec<Consistency>,
    owed: Vec<Vec<Seen>>,
    shown: VecDeque<Vec<Seen>>,
    topology: Option<TopologyReply>,
    is_silent: bool,
    queries: Vec<QueryRequest>,
    searches: Vec<SearchRequest>,
}

#[derive(Default)]
pub(super) struct Fake {
    state: Mutex<State>,
}

impl Fake {
    pub(super) fn new(troubles: impl IntoIterator<Item = Trouble>) -> Arc<Fake> {
        let fake = Fake::default();
        fake.state.lock().troubles.extend(troubles);
        Arc::new(fake)
    }

    pub(super) fn trouble(&self, trouble: Trouble) {
        self.state.lock().troubles.push_back(trouble);
    }

    /// From now on it says this about the cluster; before, nothing.
    pub(super) fn tells(&self, topology: TopologyReply) {
        self.state.lock().topology = Some(topology);
    }

    /// From now on it answers nothing, as a stopped process does.
    pub(super) fn falls_silent(&self) {
        self.state.lock().is_silent = true;
    }

    /// Names of the writes as they arrived.
    pub(super) fn names(&self) -> Vec<Option<RequestId>> {
        self.state.lock().names.clone()
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.state.lock().calls.clone()
    }

    pub(super) fn levels(&self) -> Vec<Consistency> {
        self.state.lock().levels.clone()
    }

    /// What its next reads say that they show.
    pub(super) fn shows(&self, shown: impl IntoIterator<Item = Vec<Seen>>) {
        self.state.lock().shown.extend(shown);
    }

    /// What each read said that the client has seen.
    pub(super) fn owed(&self) -> Vec<Vec<Seen>> {
        self.state.lock().owed.clone()
    }

    /// The searches as they arrived.
    pub(super) fn searches(&self) -> Vec<SearchRequest> {
        self.state.lock().searches.clone()
    }

    /// The queries as they arrived.
    pub(super) fn queries(&self) -> Vec<QueryRequest> {
        self.state.lock().queries.clone()
    }

    /// Writes that were done, repeats not counted.
    pub(super) fn writes_done(&self) -> u64 {
        self.state.lock().clock
    }

    /// Notes the call; the trouble it meets, if any.
    fn arrive(&self, call: Call) -> Option<Trouble> {
        let mut state = self.state.lock();
        state.calls.push(call);
        state.troubles.pop_front()
    }

    async fn write(
        &self,
        call: Call,
        name: Option<RequestId>,
        work: impl FnOnce(&mut State) -> Result<MutationReply> + Send,
    ) -> Result<MutationReply> {
        let trouble = self.arrive(call);
        match trouble {
            Some(Trouble::Refuse(error)) => return Err(error),
            Some(Trouble::Panic) => panic!("planted"),
            Some(Trouble::Slow(time)) => tokio::time::sleep(time).await,
            _ => {}
        }
        let reply = {
            let mut state = self.state.lock();
            state.names.push(name);
            let known = name.and_then(|name| state.answered.get(&name).cloned());
            match known {
                Some(reply) => reply,
                None => {
                    state.clock += 1;
                    let mut reply = work(&mut state)?;
                    reply.timestamp = Timestamp(state.clock);
                    if let Some(name) = name {
                        state.answered.insert(name, reply.clone());
                    }
                    reply
                }
            }
        };
        if matches!(trouble, Some(Trouble::LoseAnswer)) {
            std::future::pending::<()>().await;
        }
        Ok(reply)
    }

    async fn put(&self, call: Call, request: InsertRequest) -> Result<MutationReply> {
        self.write(call, request.request, move |state| {
            let (schema, rows) = collection(state, &request.collection)?;
            let key = schema.primary_field().unwrap().name.clone();
            let column = request.rows.column(&key).ok_or_else(|| Error::invalid("no key column"))?;
            let keys: Vec<PrimaryKey> =
                (0..request.rows.batch.rows).map(|row| column.data.key(row).unwrap()).collect();
            for (row, key) in keys.iter().enumerate() {
                rows.insert(key.clone(), request.rows.batch.take(&[row]));
            }
            Ok(MutationReply { inserted: keys.len() as u64, keys, ..MutationReply::default() })
        })
        .await
    }

    fn read(&self, call: Call, level: Consistency, seen: &[Seen]) -> Result<()> {
        let trouble = self.arrive(call);
        let mut state = self.state.lock();
        state.levels.push(level);
        state.owed.push(seen.to_vec());
        drop(state);
        match trouble {
            Some(Trouble::Refuse(error)) => Err(error),
            _ => Ok(()),
        }
    }
}

type Rows = BTreeMap<PrimaryKey, RowBatch>;

fn collection<'a>(state: &'a mut State, name: &str) -> Result<(CollectionSchema, &'a mut Rows)> {
    let missing = || Error::new(Code::CollectionNotFound, name);
    state.collections.get_mut(name).map(|(schema, rows)| (schema.clone(), rows)).ok_or_else(missing)
}

/// These rows as one batch; schema columns even without rows.
fn joined<'a>(schema: &CollectionSchema, rows: impl Iterator<Item = &'a RowBatch>) -> RowBatch {
    let column = |(i, field): (usize, &FieldSchema)| {
        Column::new(FieldId(i as u64), ColumnData::empty(&field.data_type))
    };
    let mut all = RowBatch { rows: 0, columns: schema.fields.iter().enumerate().map(column).collect() };
    rows.for_each(|row| assert!(all.extend(row)));
    all
}

fn named(schema: &CollectionSchema, batch: RowBatch) -> NamedRows {
    NamedRows { names: schema.fields.iter().map(|field| field.name.clone()).collect(), batch }
}

fn unbuilt<T>() -> Result<T> {
    Err(Error::new(Code::Unimplemented, "not in the fake"))
}

#[async_trait]
impl Database for Fake {
    async fn create_collection(&self, call: Call, request: CreateCollection) -> Result<()> {
        let trouble = self.arrive(call);
        self.state.lock().collections.entry(request.name).or_insert((request.schema, BTreeMap::new()));
        match trouble {
            Some(Trouble::LoseAnswer) => std::future::pending().await,
            _ => Ok(()),
        }
    }

    async fn drop_collection(&self, call: Call, name: String) -> Result<()> {
        let trouble = self.arrive(call);
        if let Some(Trouble::Refuse(error)) = trouble {
            return Err(error);
        }
        self.state.lock().collections.remove(&name);
        match trouble {
            Some(Trouble::LoseAnswer) => std::future::pending().await,
            _ => Ok(()),
        }
    }

    async fn insert(&self, call: Call, request: InsertRequest) -> Result<MutationReply> {
        self.put(call, request).await
    }

    async fn upsert(&self, call: Call, request: InsertRequest) -> Result<MutationReply> {
        self.put(call, request).await
    }

    async fn delete(&self, call: Call, request: DeleteRequest) -> Result<MutationReply> {
        self.write(call, request.request, move |state| {
            let (_, rows) = collection(state, &request.collection)?;
            let DeleteRows::Keys(keys) = request.rows else { return unbuilt() };
            let deleted = keys.iter().filter(|key| rows.remove(key).is_some()).count() as u64;
            Ok(MutationReply { deleted, ..MutationReply::default() })
        })
        .await
    }

    async fn search(&self, call: Call, request: SearchRequest) -> Result<SearchReply> {
        self.read(call, request.consistency, &request.seen)?;
        let mut state = self.state.lock();
        state.searches.push(request.clone());
        let (schema, rows) = collection(&mut state, &request.collection)?;
        let at = schema.fields.iter().position(|field| field.data_type.is_vector()).unwrap();
        let all = joined(&schema, rows.values());
        let ColumnData::FloatVector { values, .. } = &all.columns[at].data else { return unbuilt() };
        let (mut counts, mut scores, mut found) = (vec![], vec![], vec![]);
        let QueryVectors::Float(queries) = &request.vectors else { return unbuilt() };
        for query in queries.chunks(request.dim as usize) {
            let distance = |vector: &[f32]| vector.iter().zip(query).map(|(a, b)| (a - b).powi(2)).sum();
            let vectors = values.chunks(query.len()).enumerate();
            let mut near: Vec<(f32, usize)> = vectors.map(|(row, v)| (distance(v), row)).collect();
            near.sort_by(|a, b| a.0.total_cmp(&b.0));
            near.truncate(request.limit);
            counts.push(near.len());
            scores.extend(near.iter().map(|(score, _)| *score));
            found.extend(near.iter().map(|(_, row)| *row));
        }
        Ok(SearchReply {
            counts,
            scores,
            primary_field: schema.primary_field().unwrap().name.clone(),
            rows: named(&schema, all.take(&found)),
            output_fields: request.output_fields,
            groups: None,
            timestamp: Timestamp(state.clock),
            seen: state.shown.pop_front().unwrap_or_default(),
        })
    }

    async fn query(&self, call: Call, request: QueryRequest) -> Result<QueryReply> {
        self.read(call, request.consistency, &request.seen)?;
        let mut state = self.state.lock();
        state.queries.push(request.clone());
        let (schema, rows) = collection(&mut state, &request.collection)?;
        // The only filter that it understands: `id > 7`, and whatever behind it.
        let behind =
            request.filter.strip_prefix("id > ").and_then(|rest| rest.split(' ').next()?.parse().ok());
        let is_wanted = |key: &PrimaryKey| behind.is_none_or(|behind| *key > PrimaryKey::Int64(behind));
        let wanted = rows.iter().filter(|(key, _)| is_wanted(key)).map(|(_, row)| row).skip(request.offset);
        let all = joined(&schema, wanted.take(request.limit.unwrap_or(usize::MAX)));
        Ok(QueryReply {
            count: request.output_fields.iter().any(|field| field == "count(*)").then_some(rows.len() as u64),
            rows: named(&schema, all),
            primary_field: schema.primary_field().unwrap().name.clone(),
            output_fields: request.output_fields,
            timestamp: Timestamp(state.clock),
            seen: state.shown.pop_front().unwrap_or_default(),
        })
    }

    async fn server_info(&self, call: Call) -> Result<ServerInfo> {
        let mut info = ServerInfo {
            version: "fake".into(),
            cluster_id: String::new(),
            cluster_name: String::new(),
            is_healthy: true,
            reasons: vec![],
            now: Timestamp::ZERO,
        };
        match self.arrive(call) {
            Some(Trouble::Refuse(error)) => Err(error),
            Some(Trouble::Panic) => panic!("planted"),
            Some(Trouble::Slow(time)) => {
                tokio::time::sleep(time).await;
                Ok(info)
            }
            Some(Trouble::LoseAnswer) => std::future::pending().await,
            Some(Trouble::Long(bytes)) => {
                info.version = "x".repeat(bytes);
                Ok(info)
            }
            None => Ok(info),
        }
    }

    async fn topology(&self, _: Call, request: TopologyRequest) -> Result<TopologyReply> {
        if self.state.lock().is_silent {
            std::future::pending::<()>().await;
        }
        let known = self.state.lock().topology.clone();
        let missing = || Error::new(Code::Unimplemented, "not in the fake");
        let mut reply = known.ok_or_else(missing)?;
        reply.collection = reply.collection.filter(|_| request.collection.as_deref() == Some("c"));
        Ok(reply)
    }

    async fn describe_collection(&self, _: Call, _: CollectionName) -> Result<CollectionDescriptor> {
        unbuilt()
    }
    async fn list_collections(&self, _: Call) -> Result<Vec<CollectionDescriptor>> {
        unbuilt()
    }
    async fn row_count(&self, _: Call, _: RowCount) -> Result<u64> {
        unbuilt()
    }
    async fn create_partition(&self, _: Call, _: PartitionRequest) -> Result<()> {
        unbuilt()
    }
    async fn drop_partition(&self, _: Call, _: PartitionRequest) -> Result<()> {
        unbuilt()
    }
    async fn create_index(&self, _: Call, _: CreateIndex) -> Result<()> {
        Ok(())
    }
    async fn drop_index(&self, call: Call, _: DropIndex) -> Result<()> {
        match self.arrive(call) {
            Some(Trouble::Refuse(error)) => Err(error),
            Some(Trouble::LoseAnswer) => std::future::pending().await,
            _ => Ok(()),
        }
    }
    async fn describe_indexes(&self, _: Call, _: String) -> Result<Vec<IndexInfo>> {
        unbuilt()
    }
    async fn set_loaded(&self, _: Call, _: SetLoaded) -> Result<()> {
        unbuilt()
    }
    async fn flush(&self, _: Call, _: Vec<String>) -> Result<Vec<FlushInfo>> {
        unbuilt()
    }
}
