//! The collection that a seed draws: its fields, shards and rule for keys.

use std::collections::BTreeMap;
use std::ops::Range;
use vecraft_test_sim::rng::Rng;
use vecraft_types::api::CreateCollection;
use vecraft_types::{CollectionSchema, DataType, FieldSchema, PkConflict, Value};

/// Most bytes of a text.
pub const TEXT_BYTES: u32 = 24;
/// Tells the sequence of vector types apart.
const TYPES: u64 = 17;
/// The key's field.
pub const KEY: &str = "id";

/// A drawn collection.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The fields; with dynamic values the last one is `$meta`.
    pub schema: CollectionSchema,
    /// Shards.
    pub shards: u32,
    /// Keys are drawn from so many.
    pub keys: u64,
    /// Vectors are made of few values which add up without rounding, so that scores are exact and often equal.
    pub has_exact_vectors: bool,
}

impl Shape {
    /// Draws a collection.
    pub fn draw(rng: &mut Rng) -> Shape {
        let key_type =
            if rng.chance(40) { DataType::VarChar { max_length: TEXT_BYTES } } else { DataType::Int64 };
        let mut fields = vec![FieldSchema::new(KEY, key_type).primary(rng.chance(20))];
        let scalars = [
            ("flag", DataType::Bool),
            ("tiny", DataType::Int8),
            ("small", DataType::Int16),
            ("mid", DataType::Int32),
            ("big", DataType::Int64),
            ("ratio", DataType::Float),
            ("price", DataType::Double),
            ("word", DataType::VarChar { max_length: TEXT_BYTES }),
            ("doc", DataType::Json),
        ];
        for (name, data_type) in scalars {
            if rng.chance(60) {
                let mut field = FieldSchema::new(name, data_type);
                field.nullable = rng.chance(40);
                field.default_value = if rng.chance(20) { default_of(data_type) } else { None };
                fields.push(field);
            }
        }
        let dim = rng.between(2, 24) as u32;
        // A sequence of its own: seeds that drew floats before there were other types live the same lives.
        let mut types = rng.fork(TYPES);
        let floats = if types.chance(55) { 100 } else { 40 };
        fields.push(FieldSchema::new("v", vector_type(&mut types, floats, dim)));
        if rng.chance(20) {
            fields.push(FieldSchema::new("w", vector_type(&mut types, floats, rng.between(2, 6) as u32)));
        }
        let mut schema = CollectionSchema::new(fields);
        if rng.chance(50) {
            schema = schema.with_dynamic_field();
        }
        let rules = [PkConflict::Replace, PkConflict::Replace, PkConflict::Reject, PkConflict::Allow];
        schema.pk_conflict = rng.pick(&rules).copied().unwrap_or_default();
        Shape {
            schema,
            shards: rng.between(1, 4) as u32,
            keys: if rng.chance(20) { rng.between(1_000, 6_000) } else { rng.between(5, 400) },
            has_exact_vectors: rng.chance(50),
        }
    }

    /// The request that makes it under this name.
    pub fn request(&self, name: &str) -> CreateCollection {
        let rule = match self.schema.pk_conflict {
            PkConflict::Replace => "replace",
            PkConflict::Reject => "reject",
            PkConflict::Allow => "allow",
        };
        CreateCollection {
            name: name.to_owned(),
            schema: self.schema.clone(),
            shards: self.shards,
            properties: BTreeMap::from([(PkConflict::PROPERTY.to_owned(), rule.to_owned())]),
            default_consistency: 2,
        }
    }

    /// The server makes the keys.
    pub fn has_auto_id(&self) -> bool {
        self.schema.fields[0].auto_id
    }

    /// The fields in order.
    pub fn fields(&self) -> &[FieldSchema] {
        &self.schema.fields
    }

    /// The place of a field.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.fields().iter().position(|field| field.name == name)
    }

    /// Places of the fields that a filter can name: the key and the scalars, `$meta` not among them.
    pub fn scalars(&self) -> Range<usize> {
        0..self.vectors().start
    }

    /// Places of the vectors.
    pub fn vectors(&self) -> Range<usize> {
        let is_vector = |field: &FieldSchema| field.data_type.is_vector();
        let first = self.fields().iter().position(is_vector).unwrap_or(0);
        first..first + self.fields().iter().filter(|field| is_vector(field)).count()
    }

    /// The place of `$meta`.
    pub fn meta(&self) -> Option<usize> {
        self.fields().iter().position(|field| field.is_dynamic)
    }
}

/// Floats so many times of a hundred, else one of the packed types; of bits there are eight for each dimension.
fn vector_type(rng: &mut Rng, floats: u64, dim: u32) -> DataType {
    if rng.chance(floats) {
        return DataType::FloatVector { dim };
    }
    match rng.below(4) {
        0 => DataType::BinaryVector { dim: dim * 8 },
        1 => DataType::Float16Vector { dim },
        2 => DataType::BFloat16Vector { dim },
        _ => DataType::Int8Vector { dim },
    }
}

fn default_of(data_type: DataType) -> Option<Value> {
    match data_type {
        DataType::Bool => Some(Value::Bool(true)),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Some(Value::Int(7)),
        DataType::Float | DataType::Double => Some(Value::Float(2.5)),
        DataType::VarChar { .. } => Some(Value::Str("default".to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn vector_types(seed: u64) -> Vec<DataType> {
        // As a life begins.
        let mut rng = Rng::new(seed);
        crate::plan::Plan::draw(&mut rng);
        let shape = Shape::draw(&mut rng);
        shape.schema.vector_fields().map(|field| field.data_type).collect()
    }

    #[test]
    fn every_vector_type_is_drawn_and_the_corpus_keeps_its_floats() {
        let names: BTreeSet<&str> =
            (1..=60).flat_map(vector_types).map(|data_type| data_type.name()).collect();
        assert_eq!(names.len(), 5, "{names:?}");
        for (seed, _) in crate::report::corpus() {
            let types = vector_types(seed);
            assert!(types.iter().all(|data_type| data_type.packed().is_none()), "{seed}: {types:?}");
        }
    }
}
