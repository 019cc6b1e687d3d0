//! I10: a request that comes again is done once, whatever others did meanwhile.

use super::*;
use vecraft_types::{ClientId, Code, IndexId, Metric, PartitionId, RequestId};

fn named(sequence: u64, change: MetaChange) -> MetaChange {
    let request = RequestId { client: ClientId(9), sequence, part: 0 };
    MetaChange::Once { request, change: Box::new(change) }
}

fn id_of(outcome: MetaOutcome) -> CollectionId {
    match outcome {
        MetaOutcome::Collection { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn i10_a_create_that_comes_again_after_another_users_drop_makes_nothing() {
    let mut state = bootstrapped();
    let first = named(1, create(request("a")));
    let id = id_of(ok(&mut state, first.clone()));
    let again = MetaOutcome::Collection { id, phase: DdlPhase::Creating };
    assert_eq!(ok(&mut state, first.clone()), again);
    ok(&mut state, MetaChange::CollectionReady(id));
    let again = MetaOutcome::Collection { id, phase: DdlPhase::Ready };
    assert_eq!(ok(&mut state, first.clone()), again, "as it stands now");
    ok(&mut state, MetaChange::DropCollection(id));
    ok(&mut state, MetaChange::CollectionGone(id));
    let gone = MetaOutcome::Collection { id, phase: DdlPhase::Dropping };
    assert_eq!(ok(&mut state, first.clone()), gone);
    assert!(state.collection_named("a").is_none());
    // Another user's of that name is left alone, and another request makes one.
    let mut other = request("a");
    other.shards = 2;
    let theirs = ready_as(&mut state, other);
    assert_eq!(ok(&mut state, first), gone);
    assert_eq!(state.collection_named("a").unwrap().id, theirs);
}

fn ready_as(state: &mut MetaState, request: CreateCollection) -> CollectionId {
    let id = id_of(ok(state, named(2, create(request))));
    ok(state, MetaChange::CollectionReady(id));
    id
}

#[test]
fn i10_one_that_found_what_it_wanted_has_found_it_once() {
    let mut state = bootstrapped();
    let id = ready(&mut state, "a");
    let found = named(1, create(request("a")));
    assert_eq!(id_of(ok(&mut state, found.clone())), id);
    ok(&mut state, MetaChange::DropCollection(id));
    assert_eq!(id_of(ok(&mut state, found)), id);
    assert!(state.collection_named("a").is_none());
}

#[test]
fn i10_partitions_and_indexes_are_made_once_too() {
    let mut state = bootstrapped();
    let id = ready(&mut state, "a");
    let partition = named(1, MetaChange::CreatePartition { collection: id, name: "p".into() });
    assert_eq!(ok(&mut state, partition.clone()), MetaOutcome::Partition(PartitionId(2)));
    ok(&mut state, MetaChange::DropPartitionOf { collection: id, partition: PartitionId(2) });
    assert_eq!(ok(&mut state, partition), MetaOutcome::Partition(PartitionId(2)));
    assert!(state.collection(id).unwrap().partition("p").is_none());
    let index = MetaChange::CreateIndex {
        collection: id,
        field: "vector".into(),
        name: String::new(),
        index_type: "FLAT".into(),
        metric: Some(Metric::L2),
        params: BTreeMap::new(),
    };
    assert_eq!(ok(&mut state, named(2, index.clone())), MetaOutcome::Index(IndexId(1)));
    ok(&mut state, MetaChange::DropIndexOf { collection: id, index: IndexId(1) });
    assert_eq!(ok(&mut state, named(2, index)), MetaOutcome::Index(IndexId(1)));
    assert_eq!(state.collection(id).unwrap().indexes, []);
}

#[test]
fn i10_what_was_refused_did_nothing_and_may_be_asked_again() {
    let mut state = bootstrapped();
    let id = id_of(ok(&mut state, create(request("a"))));
    let partition = named(1, MetaChange::CreatePartition { collection: id, name: "p".into() });
    assert_eq!(err(&mut state, partition.clone()).code, Code::NotReady, "the collection is being created");
    ok(&mut state, MetaChange::CollectionReady(id));
    ok(&mut state, partition);
    assert!(state.collection(id).unwrap().partition("p").is_some());
}

#[test]
fn i10_what_is_too_old_to_be_remembered_is_refused_as_unknown() {
    let mut state = bootstrapped();
    let id = ready(&mut state, "a");
    let load = |sequence| named(sequence, MetaChange::SetLoaded { collection: id, loaded: true });
    for sequence in 1..=5_000 {
        ok(&mut state, load(sequence));
    }
    let refused = err(&mut state, load(1));
    assert!(refused.code == Code::OutcomeUnknown && refused.may_be_done, "{refused}");
    ok(&mut state, load(5_000));
    ok(&mut state, load(5_001));
}
