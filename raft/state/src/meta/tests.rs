#![allow(clippy::unwrap_used)]

mod cases;
mod indexes;
mod model;
mod once;
mod partitions;
mod placement;

use super::*;
use std::collections::BTreeMap;
use vecraft_types::api::CreateCollection;
use vecraft_types::{CollectionId, CollectionSchema, DataType, DdlPhase, FieldSchema, NodeId, Timestamp};

const CLUSTER: ClusterId = ClusterId(7);

/// A bootstrapped metastore with two pool groups.
fn bootstrapped() -> MetaState {
    let mut state = MetaState::default();
    let node = NodeRow { id: NodeId(1), address: String::new() };
    assert_eq!(
        ok(&mut state, MetaChange::Bootstrap { cluster: CLUSTER, node, pool_groups: 2 }),
        MetaOutcome::Done
    );
    state
}

fn request(name: &str) -> CreateCollection {
    let fields = vec![
        FieldSchema::new("id", DataType::Int64).primary(false),
        FieldSchema::new("title", DataType::VarChar { max_length: 100 }),
        FieldSchema::new("vector", DataType::FloatVector { dim: 4 }),
    ];
    CreateCollection {
        name: name.to_owned(),
        schema: CollectionSchema::new(fields).with_dynamic_field(),
        shards: 0,
        properties: BTreeMap::new(),
        default_consistency: 2,
    }
}

fn create(request: CreateCollection) -> MetaChange {
    MetaChange::CreateCollection { request: Box::new(request), candidates: Vec::new() }
}

fn reply(state: &mut MetaState, change: MetaChange) -> MetaReply {
    state.apply(MetaCommand { suggested: Timestamp::from_millis(1_000), change })
}

#[track_caller]
fn ok(state: &mut MetaState, change: MetaChange) -> MetaOutcome {
    reply(state, change).outcome.unwrap()
}

#[track_caller]
fn err(state: &mut MetaState, change: MetaChange) -> vecraft_types::Error {
    reply(state, change).outcome.unwrap_err()
}

/// A collection of the default request that is ready.
fn ready(state: &mut MetaState, name: &str) -> CollectionId {
    let MetaOutcome::Collection { id, phase } = ok(state, create(request(name))) else {
        panic!("no collection")
    };
    assert_eq!(phase, DdlPhase::Creating);
    ok(state, MetaChange::CollectionReady(id));
    id
}

fn properties(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}
