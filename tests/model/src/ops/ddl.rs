//! Partitions, flush, and the collection itself.

use super::{COLLECTION, unexpected};
use crate::Step;
use crate::life::Life;
use crate::shape::Shape;
use crate::twin::Twin;
use vecraft_types::api::PartitionRequest;

/// Partitions beside the default one, at most.
const PARTITIONS_MAX: usize = 4;

impl Life {
    pub(crate) fn partition(&mut self) -> Step {
        let extra = self.twin.partitions.len() - 1;
        if extra == 0 || extra < PARTITIONS_MAX && self.rng.chance(60) {
            return self.create_partition();
        }
        let name = self.twin.partitions[1 + self.rng.below(extra as u64) as usize].clone();
        self.note(format!("drop partition {name}"));
        let request = PartitionRequest { collection: COLLECTION.to_owned(), partition: name.clone() };
        let done = self
            .node
            .ask("drop partition", |db, call| async move { db.drop_partition(call, request).await })?;
        done.map_err(unexpected("drop partition"))?;
        self.twin.drop_partition(&name);
        self.iterators_may_miss(&name);
        Ok(())
    }

    /// A new partition: often under the name of one that was dropped, now and then one that exists.
    fn create_partition(&mut self) -> Step {
        let name = format!("part_{}", self.rng.below(PARTITIONS_MAX as u64 + 1));
        self.note(format!("create partition {name}"));
        let request = PartitionRequest { collection: COLLECTION.to_owned(), partition: name.clone() };
        let done = self
            .node
            .ask("create partition", |db, call| async move { db.create_partition(call, request).await })?;
        done.map_err(unexpected("create partition"))?;
        if !self.twin.partitions.contains(&name) {
            self.twin.partitions.push(name);
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> Step {
        self.note("flush".to_owned());
        let names = vec![COLLECTION.to_owned()];
        let done = self.node.ask("flush", |db, call| async move { db.flush(call, names).await })?;
        done.map_err(unexpected("flush"))?;
        if self.rng.chance(60) { self.wait_for_indexes() } else { Ok(()) }
    }

    /// Drops the collection and makes another one of the same name.
    pub(crate) fn make_again(&mut self) -> Step {
        self.note("drop the collection".to_owned());
        let name = COLLECTION.to_owned();
        let done = self.node.ask("drop", |db, call| async move { db.drop_collection(call, name).await })?;
        done.map_err(unexpected("drop"))?;
        self.make_collection()
    }

    pub(crate) fn make_collection(&mut self) -> Step {
        let shape = Shape::draw(&mut self.rng);
        let described: Vec<String> =
            shape.fields().iter().map(|f| format!("{} {:?}", f.name, f.data_type)).collect();
        let rule = shape.schema.pk_conflict;
        self.note(format!("create: {} shards, {rule:?}, {}", shape.shards, described.join(", ")));
        let request = shape.request(COLLECTION);
        let done =
            self.node.ask("create", |db, call| async move { db.create_collection(call, request).await })?;
        done.map_err(unexpected("create"))?;
        // The moments of the old collection went with it.
        self.iterators.clear();
        let fault = self.twin.fault.take();
        self.twin = Twin { fault, ..Twin::new(shape) };
        Ok(())
    }
}
