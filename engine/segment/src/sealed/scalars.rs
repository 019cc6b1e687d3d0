//! Indexes over scalar fields of a sealed segment: handed to filters beside the columns.

use super::SealedSegment;
use crate::exec::read_column;
use crate::{Error, Result};
use arc_swap::ArcSwap;
use std::sync::Arc;
use vecraft_expr::{ColumnView, FieldIndex};
use vecraft_types::{FieldId, IndexId};

/// The indexes in use at a moment.
#[derive(Clone, Default)]
pub struct ScalarIndexes(Vec<(IndexId, FieldId, Arc<dyn FieldIndex>)>);

impl ScalarIndexes {
    /// Those of a field.
    pub fn of(&self, field: FieldId) -> Vec<&dyn FieldIndex> {
        self.0.iter().filter(|(_, own, _)| *own == field).map(|(.., index)| index.as_ref()).collect()
    }

    /// The index of an id.
    pub fn get(&self, id: IndexId) -> Option<&Arc<dyn FieldIndex>> {
        self.0.iter().find(|(own, ..)| *own == id).map(|(.., index)| index)
    }

    /// The ids of all of them.
    pub fn ids(&self) -> impl Iterator<Item = IndexId> + '_ {
        self.0.iter().map(|(id, ..)| *id)
    }

    fn without(&self, id: IndexId) -> ScalarIndexes {
        ScalarIndexes(self.0.iter().filter(|(own, ..)| *own != id).cloned().collect())
    }
}

/// Where a segment keeps them.
#[derive(Default)]
pub(super) struct Slot(ArcSwap<ScalarIndexes>);

impl SealedSegment {
    /// The scalar indexes in use now.
    pub fn scalars(&self) -> Arc<ScalarIndexes> {
        self.scalars.0.load_full()
    }

    /// Uses a scalar index for filters from now on; reads in flight keep what they have.
    ///
    /// # Errors
    /// One over another number of rows, or a field that the schema does not have.
    pub fn attach_scalar(&self, id: IndexId, field: FieldId, index: Arc<dyn FieldIndex>) -> Result<()> {
        let what = if self.schema().field_by_id(field).is_none() {
            "is not in the schema".to_owned()
        } else if index.rows() != self.rows() as usize {
            format!("has an index over {} rows, the segment has {}", index.rows(), self.rows())
        } else {
            self.scalars.0.rcu(|now| {
                let mut next = now.without(id);
                next.0.push((id, field, Arc::clone(&index)));
                next
            });
            return Ok(());
        };
        Err(Error::Field { field, what })
    }

    /// Stops using a scalar index.
    pub fn detach_scalar(&self, id: IndexId) {
        self.scalars.0.rcu(|now| now.without(id));
    }

    /// Shows a whole scalar column as filters see it, with the number of its rows. It is verified when it is first used.
    ///
    /// # Errors
    /// A damaged file, a field that the schema does not have, a segment without rows.
    pub fn read_column<T>(
        &self,
        field: FieldId,
        read: impl FnOnce(&ColumnView<'_>, usize) -> T,
    ) -> Result<T> {
        let blocks = self.blocks(self.rows());
        let [block] = blocks.as_slice() else {
            return Err(Error::Field { field, what: "has no rows in this segment".to_owned() });
        };
        read_column(self.schema(), block, field, read)
    }

    pub(super) fn scalar_bytes(&self) -> u64 {
        self.scalars.0.load().0.iter().map(|(.., index)| index.memory_bytes() as u64).sum()
    }
}
