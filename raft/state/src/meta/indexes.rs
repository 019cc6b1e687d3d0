//! Indexes as intents: what users asked for. Building them is the shard's and the index actor's business (I13).

use super::cluster::used_up;
use super::state::take;
use super::{MetaOutcome, MetaState, index_rules};
use std::collections::BTreeMap;
use vecraft_types::schema::{IndexSpec, JSON_PATH, check_name, check_scalar_index, check_vector_index};
use vecraft_types::{
    Code, CollectionDescriptor, CollectionId, Error, IndexDescriptor, IndexId, Metric, Result, Timestamp,
};

/// An index as the command asks for it.
pub(super) struct Wanted {
    pub field: String,
    pub name: String,
    pub index_type: String,
    pub metric: Option<Metric>,
    pub params: BTreeMap<String, String>,
}

impl MetaState {
    /// Makes an index. Milvus's rule: one index a field, of a JSON field one for each path; the same one again succeeds,
    /// another one is an error.
    pub(super) fn create_index(
        &mut self,
        at: Timestamp,
        collection: CollectionId,
        wanted: Wanted,
    ) -> Result<MetaOutcome> {
        let row = self.ready(collection)?;
        let Some(field) = row.schema.field(&wanted.field) else {
            let error = Error::new(Code::FieldNotFound, "").with("collection", &row.name);
            return Err(error.with("field", &wanted.field));
        };
        let path = wanted.params.get(JSON_PATH);
        let is_same_place = |index: &&IndexDescriptor| {
            index.spec.field == field.id
                && (field.data_type.is_vector() || index.spec.params.get(JSON_PATH) == path)
        };
        let existing = row.indexes.iter().find(is_same_place);
        let (index_type, metric) = if field.data_type.is_vector() {
            let index_type = index_rules::check_type(&wanted.index_type)?;
            let metric = check_vector_index(field, &index_type, wanted.metric)?;
            (index_type, metric)
        } else {
            check_scalar_index(field, &wanted.index_type, &wanted.params)?;
            let given = if wanted.index_type.is_empty() { "AUTOINDEX" } else { &wanted.index_type };
            (given.to_ascii_uppercase(), Metric::Cosine)
        };
        let spec = IndexSpec {
            name: match (wanted.name.is_empty(), existing) {
                (false, _) => wanted.name,
                (true, Some(existing)) => existing.spec.name.clone(),
                (true, None) => field.name.clone(),
            },
            field: field.id,
            index_type,
            metric,
            params: wanted.params,
        };
        check_name("index", &spec.name)?;
        if field.data_type.is_vector() {
            index_rules::check_params(&spec.index_type, &spec.params)?;
        }
        if let Some(existing) = existing {
            if existing.spec == spec {
                return Ok(MetaOutcome::Index(existing.id));
            }
            let text = "CreateIndex failed: at most one distinct index is allowed per field";
            return Err(Error::invalid(text).with("field", &field.name).with("index", &existing.spec.name));
        }
        if row.indexes.iter().any(|index| index.spec.name == spec.name) {
            let text = "the collection has an index of this name on another field";
            return Err(Error::new(Code::IndexDuplicate, text).with("index", &spec.name));
        }
        let id = IndexId(take(&mut self.root.next.index, 1).ok_or_else(used_up)?);
        self.edit(collection, |row| row.indexes.push(IndexDescriptor { id, spec, created: at }));
        Ok(MetaOutcome::Index(id))
    }

    /// Removes an index by name, or by field when no name is given. A missing one is no error.
    pub(super) fn drop_index(
        &mut self,
        collection: CollectionId,
        field: &str,
        name: &str,
    ) -> Result<MetaOutcome> {
        let row = self.ready(collection)?;
        let field = row.schema.field(field).map(|field| field.id);
        let is_meant = |index: &&IndexDescriptor| {
            if name.is_empty() { Some(index.spec.field) == field } else { index.spec.name == name }
        };
        match row.indexes.iter().find(is_meant).map(|index| index.id) {
            Some(id) => self.drop_index_of(collection, id),
            None => Ok(MetaOutcome::Done),
        }
    }

    /// Removes the index of an id, which no other index ever has (I11). A missing one is no error, nor is a collection that
    /// went meanwhile.
    pub(super) fn drop_index_of(&mut self, collection: CollectionId, index: IndexId) -> Result<MetaOutcome> {
        let has_it = |row: &CollectionDescriptor| row.indexes.iter().any(|found| found.id == index);
        if !self.collection(collection).is_some_and(|row| has_it(row)) {
            return Ok(MetaOutcome::Done);
        }
        self.edit(collection, |row| row.indexes.retain(|found| found.id != index));
        Ok(MetaOutcome::Index(index))
    }
}
