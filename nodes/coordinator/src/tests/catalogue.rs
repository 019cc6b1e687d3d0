//! What readers see.

use crate::catalogue::PublishedCatalogue;
use std::collections::BTreeMap;
use std::sync::Arc;
use vecraft_types::{CollectionDescriptor, CollectionId, CollectionSchema, DdlPhase, Timestamp};

fn row(id: u64, name: &str, phase: DdlPhase) -> Arc<CollectionDescriptor> {
    Arc::new(CollectionDescriptor {
        id: CollectionId(id),
        name: name.to_owned(),
        schema: CollectionSchema::default(),
        shards: Vec::new(),
        partitions: Vec::new(),
        indexes: Vec::new(),
        properties: BTreeMap::new(),
        default_consistency: 2,
        is_loaded: false,
        created: Timestamp::ZERO,
        updated: Timestamp::ZERO,
        phase,
    })
}

#[test]
fn only_ready_collections_are_seen() {
    let catalogue = PublishedCatalogue::default();
    let publish = |row: &Arc<CollectionDescriptor>| catalogue.publish(row.id, Some(row));
    publish(&row(1, "b", DdlPhase::Creating));
    assert!(catalogue.by_name("b").is_none() && catalogue.by_id(CollectionId(1)).is_none());
    publish(&row(1, "b", DdlPhase::Ready));
    publish(&row(2, "a", DdlPhase::Ready));
    let names: Vec<_> = catalogue.list().iter().map(|row| row.name.clone()).collect();
    assert_eq!(names, ["a", "b"]);
    publish(&row(1, "b", DdlPhase::Dropping));
    assert!(catalogue.by_name("b").is_none());
    publish(&row(3, "b", DdlPhase::Ready));
    // The old one goes for good; its name belongs to another by now.
    catalogue.publish(CollectionId(1), None);
    assert_eq!(catalogue.by_name("b").unwrap().id, CollectionId(3));
    assert_eq!(catalogue.by_id(CollectionId(1)), None);
}
