//! A small honest database in memory: one key space a collection, exact search, writes known by their names (I10).
//! Beside it a list of troubles: what goes wrong with the next calls.

mod database;

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
    compactions: Vec<CompactRequest>,
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

    /// Compactions that were asked for.
    pub(super) fn compactions(&self) -> Vec<CompactRequest> {
        self.state.lock().compactions.clone()
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
