//! What a collection must look like to be accepted.

use std::collections::BTreeMap;
use vecraft_types::api::CreateCollection;
use vecraft_types::descriptor::REPLICA_NUMBER;
use vecraft_types::limits::{META_FIELD, SHARDS_MAX};
use vecraft_types::schema::{MMAP_ENABLED, check_name};
use vecraft_types::{Code, CollectionDescriptor, CollectionSchema, DataType, Error, PkConflict, Result};

/// Property that makes search need a load first.
const STRICT_LOAD: &str = "milvus.strict_load";

/// Checks a request and gives it the form in which it is kept: field ids, version, number of shards and conflict
/// rule filled in.
///
/// # Errors
/// The first rule that is broken, with what, where and the limit.
pub(super) fn check_collection(mut request: CreateCollection) -> Result<CreateCollection> {
    check_name("collection", &request.name)?;
    if request.shards == 0 {
        request.shards = 1;
    }
    if request.shards > SHARDS_MAX {
        let text = format!("{} shards asked, allowed are 1 to {SHARDS_MAX}", request.shards);
        return Err(Error::invalid(text).with("collection", &request.name));
    }
    if !(0..=3).contains(&request.default_consistency) {
        let text = format!(
            "default consistency level is {}, allowed are 0 (Strong), 1 (Session), 2 (Bounded), 3 (Eventually)",
            request.default_consistency
        );
        return Err(Error::invalid(text).with("collection", &request.name));
    }
    let pk_conflict = check_properties(&request.properties)?.unwrap_or(request.schema.pk_conflict);
    check_dynamic(&request.schema)?;
    let schema = CollectionSchema::new(std::mem::take(&mut request.schema.fields));
    request.schema = CollectionSchema { description: request.schema.description, pk_conflict, ..schema };
    request.schema.check()?;
    Ok(request)
}

/// Checks every property; answers the conflict rule when it is one of them.
fn check_properties(properties: &BTreeMap<String, String>) -> Result<Option<PkConflict>> {
    let mut pk_conflict = None;
    for (key, value) in properties {
        match key.as_str() {
            PkConflict::PROPERTY => pk_conflict = Some(PkConflict::parse(value)?),
            STRICT_LOAD | MMAP_ENABLED
                if ["true", "false"].iter().any(|allowed| value.eq_ignore_ascii_case(allowed)) => {}
            STRICT_LOAD | MMAP_ENABLED => {
                return Err(Error::invalid(format!("property {key} is {value:?}, allowed are true, false")));
            }
            _ => {
                let text = format!(
                    "collection property {key:?} is not supported, supported are {STRICT_LOAD}, {MMAP_ENABLED}, {}",
                    PkConflict::PROPERTY
                );
                return Err(Error::invalid(text));
            }
        }
    }
    Ok(pk_conflict)
}

/// The dynamic column is ours: one at most, at the end, JSON, with its own name.
fn check_dynamic(schema: &CollectionSchema) -> Result<()> {
    let last = schema.fields.len().saturating_sub(1);
    let is_ours =
        |field: &vecraft_types::FieldSchema| field.name == META_FIELD && field.data_type == DataType::Json;
    match schema
        .fields
        .iter()
        .enumerate()
        .find(|(i, field)| field.is_dynamic && !(*i == last && is_ours(field)))
    {
        None => Ok(()),
        Some((_, field)) => {
            let text = format!("the dynamic field must be the last one, named {META_FIELD} and of type JSON");
            Err(Error::new(Code::IllegalSchema, text).with("field", &field.name))
        }
    }
}

/// The properties that a collection was created with: how many replicas serve is said by a load.
fn as_created(row: &CollectionDescriptor) -> impl Iterator<Item = (&String, &String)> {
    row.properties.iter().filter(|(key, _)| *key != REPLICA_NUMBER)
}

/// True when a checked request describes a collection that exists.
pub(super) fn is_same(existing: &CollectionDescriptor, wanted: &CreateCollection) -> bool {
    existing.schema == wanted.schema
        && existing.shards.len() == wanted.shards as usize
        && as_created(existing).eq(&wanted.properties)
        && existing.default_consistency == wanted.default_consistency
}
