//! Partitions: made, dropped, counted.

use super::*;
use vecraft_types::{Code, PartitionId};

#[test]
fn i11_partitions() {
    let mut state = bootstrapped();
    let id = ready(&mut state, "a");
    let make = |name: &str| MetaChange::CreatePartition { collection: id, name: name.to_owned() };
    let drop = |name: &str| MetaChange::DropPartition { collection: id, name: name.to_owned() };
    let MetaOutcome::Partition(first) = ok(&mut state, make("p")) else { panic!() };
    assert_eq!(ok(&mut state, make("p")), MetaOutcome::Partition(first));
    assert_eq!(err(&mut state, make("p-1")).code, Code::InvalidParameter);
    assert_eq!(err(&mut state, drop("_default")).code, Code::InvalidParameter);
    assert_eq!(ok(&mut state, drop("missing")), MetaOutcome::Done);
    assert_eq!(ok(&mut state, drop("p")), MetaOutcome::Partition(first));
    let MetaOutcome::Partition(second) = ok(&mut state, make("p")) else { panic!() };
    assert!(second > first);
    let row = state.collection(id).unwrap().clone();
    assert_eq!(state.pending(), [Job::DropPartition { collection: row, partition: first }]);
    let gone = |partition: PartitionId| MetaChange::PartitionGone { collection: id, partition };
    ok(&mut state, gone(first));
    ok(&mut state, gone(first));
    assert_eq!(state.pending(), []);
    assert!(state.collection(id).unwrap().partition("p").is_some());
}

#[test]
fn i11_a_partition_dropped_by_id_again_is_not_the_one_that_has_its_name_by_then() {
    let mut state = bootstrapped();
    let id = ready(&mut state, "a");
    let make = || MetaChange::CreatePartition { collection: id, name: "p".to_owned() };
    let drop = |partition| MetaChange::DropPartitionOf { collection: id, partition };
    let MetaOutcome::Partition(first) = ok(&mut state, make()) else { panic!() };
    assert_eq!(ok(&mut state, drop(first)), MetaOutcome::Partition(first));
    assert_eq!(state.pending().len(), 1);
    ok(&mut state, MetaChange::PartitionGone { collection: id, partition: first });
    let MetaOutcome::Partition(second) = ok(&mut state, make()) else { panic!() };
    assert_eq!(ok(&mut state, drop(first)), MetaOutcome::Done);
    assert_eq!(state.pending(), [], "its rows are gone already");
    let row = state.collection(id).unwrap();
    assert_eq!(row.partition("p").unwrap().id, second);
    let default = row.partition("_default").unwrap().id;
    assert_eq!(err(&mut state, drop(default)).code, Code::InvalidParameter);
    ok(&mut state, MetaChange::DropCollection(id));
    assert_eq!(ok(&mut state, drop(second)), MetaOutcome::Done, "it goes with its collection");
}

#[test]
fn a_collection_takes_1024_partitions() {
    let mut state = bootstrapped();
    let id = ready(&mut state, "a");
    let make = |i: usize| MetaChange::CreatePartition { collection: id, name: format!("p{i}") };
    (1..1_024).for_each(|i| _ = ok(&mut state, make(i)));
    let error = err(&mut state, make(1_024));
    assert!(error.detail.contains("at most 1024"), "{error}");
}
