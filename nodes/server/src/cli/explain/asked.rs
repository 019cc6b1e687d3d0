//! What the options of `vecraft explain` ask of the server.

use super::super::failure::Failure;
use super::{Explain, refused};
use std::sync::Arc;
use vecraft_client::Client;
use vecraft_types::api::{
    Call, CollectionName, Database, Explain as Wanted, Moment, QueryReply, QueryRequest, SearchRequest,
};
use vecraft_types::{CollectionDescriptor, ColumnData, DataType, FieldSchema, PrimaryKey, QueryVectors};

/// A search with one vector.
pub struct Asked {
    pub request: SearchRequest,
}

impl Asked {
    /// Reads the options by the collection's schema, and fetches the vector of a stored row.
    ///
    /// # Errors
    /// Options that do not fit the collection; a row that is not there.
    pub async fn of(client: &Client, options: &Explain) -> Result<Asked, Failure> {
        let name = CollectionName::Name(options.collection.clone());
        let collection = client.describe_collection(Call::default(), name).await.map_err(refused)?;
        let field = vector_field(&collection, &options.field)?;
        let missing =
            options.missing.iter().map(|text| key(&collection, text)).collect::<Result<Vec<_>, Failure>>()?;
        let vectors = match &options.what.vector {
            Some(values) => given(field, values)?,
            None => stored(client, options, &collection, field).await?,
        };
        let request = SearchRequest {
            collection: options.collection.clone(),
            partitions: options.partitions.clone(),
            field: field.name.clone(),
            dim: field.data_type.dim().unwrap_or(0),
            vectors,
            metric: None,
            limit: options.limit,
            offset: 0,
            filter: options.filter.clone(),
            params: options.params.iter().cloned().collect(),
            output_fields: Vec::new(),
            group_by: None,
            page: None,
            consistency: options.consistency.consistency(),
            moment: Moment::Present,
            seen: Vec::new(),
            explain: Some(Wanted { why_missing: missing }),
        };
        Ok(Asked { request })
    }
}

fn vector_field<'a>(collection: &'a CollectionDescriptor, name: &str) -> Result<&'a FieldSchema, Failure> {
    let fields: Vec<&FieldSchema> = collection.schema.vector_fields().collect();
    let found = match (&fields[..], name) {
        ([only], "") => Some(*only),
        (_, name) => fields.iter().find(|field| field.name == name).copied(),
    };
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    found.ok_or_else(|| {
        let what = if name.is_empty() {
            "--field is missing".to_owned()
        } else {
            format!("--field {name:?} is none")
        };
        Failure::options(format!("{what}: the vector fields of {} are {}", collection.name, names.join(", ")))
    })
}

fn given(field: &FieldSchema, values: &[f32]) -> Result<QueryVectors, Failure> {
    match field.data_type {
        DataType::FloatVector { dim } if values.len() == dim as usize => {
            Ok(QueryVectors::Float(values.to_vec()))
        }
        DataType::FloatVector { dim } => {
            let text =
                format!("--vector has {} numbers, field {} has {dim} dimensions", values.len(), field.name);
            Err(Failure::options(text))
        }
        _ => {
            let (name, of) = (&field.name, field.data_type.name());
            Err(Failure::options(format!(
                "--vector is of floats, field {name} is {of}: name a stored row with --key or --row"
            )))
        }
    }
}

fn is_text(collection: &CollectionDescriptor) -> bool {
    let primary = collection.schema.primary_field();
    primary.is_some_and(|field| matches!(field.data_type, DataType::VarChar { .. }))
}

fn key(collection: &CollectionDescriptor, text: &str) -> Result<PrimaryKey, Failure> {
    if is_text(collection) {
        return Ok(PrimaryKey::VarChar(Arc::from(text)));
    }
    text.trim().parse().map(PrimaryKey::Int64).map_err(|_| {
        Failure::options(format!("{text:?} is no primary key of {}, whose keys are Int64", collection.name))
    })
}

/// The vector of a stored row.
async fn stored(
    client: &Client,
    options: &Explain,
    collection: &CollectionDescriptor,
    field: &FieldSchema,
) -> Result<QueryVectors, Failure> {
    let primary = collection.schema.primary_field().map_or("", |field| field.name.as_str());
    let (filter, offset, what) = match (&options.what.key, options.what.row) {
        (Some(text), _) => {
            let filter = match key(collection, text)? {
                PrimaryKey::Int64(key) => format!("{primary} == {key}"),
                PrimaryKey::VarChar(key) => format!("{primary} == {}", quoted(&key)),
            };
            (filter, 0, format!("no row has the key {text}"))
        }
        (None, row) => {
            let row = row.unwrap_or(0);
            (String::new(), row, format!("there is no row {row}, counted from 0 in key order"))
        }
    };
    let request = QueryRequest {
        collection: options.collection.clone(),
        partitions: Vec::new(),
        filter,
        output_fields: vec![field.name.clone()],
        limit: Some(1),
        offset,
        consistency: options.consistency.consistency(),
        moment: Moment::Present,
        seen: Vec::new(),
    };
    let reply = client.query(Call::default(), request).await.map_err(refused)?;
    let missing = || Failure::from(format!("{what} in {}", collection.name));
    vector(&reply, &field.name).ok_or_else(missing)
}

fn vector(reply: &QueryReply, field: &str) -> Option<QueryVectors> {
    if reply.rows.batch.rows == 0 {
        return None;
    }
    match &reply.rows.column(field)?.data {
        ColumnData::FloatVector { values, .. } => Some(QueryVectors::Float(values.clone())),
        ColumnData::PackedVector { kind, bytes, .. } => {
            Some(QueryVectors::Packed { kind: *kind, bytes: bytes.to_vec() })
        }
        _ => None,
    }
}

fn quoted(key: &str) -> String {
    let mut text = String::with_capacity(key.len() + 2);
    text.push('"');
    for letter in key.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            other => text.push(other),
        }
    }
    text.push('"');
    text
}
