//! Collection schemas: what fields there are. Their rules are in [`check`], those of vectors and their indexes in [`vectors`],
//! those of scalar indexes in [`scalars`].

mod check;
mod scalars;
mod vectors;

pub use check::check_name;
pub use scalars::{JSON_CAST_TYPE, JSON_PATH, JsonCast, ScalarIndex, ScalarKind, check_scalar_index};
pub use vectors::{check_metric, check_vector_index, is_scan};

use crate::limits::META_FIELD;
use crate::{Error, FieldId, Metric, Packed, Result, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The type of a field's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DataType {
    /// true or false.
    Bool,
    /// 8-bit signed.
    Int8,
    /// 16-bit signed.
    Int16,
    /// 32-bit signed.
    Int32,
    /// 64-bit signed.
    Int64,
    /// 32-bit IEEE.
    Float,
    /// 64-bit IEEE.
    Double,
    /// UTF-8 text of at most `max_length` bytes.
    VarChar {
        /// Limit in bytes, 1 to 65,535.
        max_length: u32,
    },
    /// A JSON document.
    Json,
    /// A dense vector of f32.
    FloatVector {
        /// Number of dimensions, 2 to 32,768.
        dim: u32,
    },
    /// A vector of bits.
    BinaryVector {
        /// Number of bits, a multiple of 8 from 8 to 262,144.
        dim: u32,
    },
    /// A dense vector of IEEE 16-bit floats.
    Float16Vector {
        /// Number of dimensions, 2 to 32,768.
        dim: u32,
    },
    /// A dense vector of brain floats (the upper halves of f32).
    BFloat16Vector {
        /// Number of dimensions, 2 to 32,768.
        dim: u32,
    },
    /// A dense vector of 8-bit signed integers.
    Int8Vector {
        /// Number of dimensions, 2 to 32,768.
        dim: u32,
    },
}

impl DataType {
    /// Milvus's name, as users see it in messages.
    pub fn name(&self) -> &'static str {
        match self {
            DataType::Bool => "Bool",
            DataType::Int8 => "Int8",
            DataType::Int16 => "Int16",
            DataType::Int32 => "Int32",
            DataType::Int64 => "Int64",
            DataType::Float => "Float",
            DataType::Double => "Double",
            DataType::VarChar { .. } => "VarChar",
            DataType::Json => "JSON",
            DataType::FloatVector { .. } => "FloatVector",
            DataType::BinaryVector { .. } => Packed::Bit.type_name(),
            DataType::Float16Vector { .. } => Packed::Float16.type_name(),
            DataType::BFloat16Vector { .. } => Packed::BFloat16.type_name(),
            DataType::Int8Vector { .. } => Packed::Int8.type_name(),
        }
    }

    /// True for vector types.
    pub fn is_vector(&self) -> bool {
        self.dim().is_some()
    }

    /// The dimension of a vector type.
    pub fn dim(&self) -> Option<u32> {
        match self {
            DataType::FloatVector { dim } => Some(*dim),
            _ => self.packed().map(|(_, dim)| dim),
        }
    }

    /// What the elements of a packed vector type are, and its dimension.
    pub fn packed(&self) -> Option<(Packed, u32)> {
        match self {
            DataType::BinaryVector { dim } => Some((Packed::Bit, *dim)),
            DataType::Float16Vector { dim } => Some((Packed::Float16, *dim)),
            DataType::BFloat16Vector { dim } => Some((Packed::BFloat16, *dim)),
            DataType::Int8Vector { dim } => Some((Packed::Int8, *dim)),
            _ => None,
        }
    }

    /// The type of packed vectors.
    pub fn of_packed(kind: Packed, dim: u32) -> DataType {
        match kind {
            Packed::Bit => DataType::BinaryVector { dim },
            Packed::Float16 => DataType::Float16Vector { dim },
            Packed::BFloat16 => DataType::BFloat16Vector { dim },
            Packed::Int8 => DataType::Int8Vector { dim },
        }
    }

    /// The metrics that compare vectors of this type, Milvus's default first; none for scalars.
    pub fn metrics(&self) -> &'static [Metric] {
        match self {
            DataType::BinaryVector { .. } => &[Metric::Hamming, Metric::Jaccard],
            _ if self.is_vector() => &[Metric::Cosine, Metric::L2, Metric::Ip],
            _ => &[],
        }
    }
}

/// One field (column) of a collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldSchema {
    /// Given by the coordinator, from [`FieldId::FIRST`] in schema order; never reused.
    pub id: FieldId,
    /// Unique within the schema.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Type of the values.
    pub data_type: DataType,
    /// Exactly one field of a schema is the primary key; int64 or varchar.
    pub is_primary: bool,
    /// The server makes the key.
    pub auto_id: bool,
    /// Values may be null.
    pub nullable: bool,
    /// Taken when a row does not give the field.
    pub default_value: Option<Value>,
    /// The `$meta` column which holds what the schema does not name.
    pub is_dynamic: bool,
}

impl FieldSchema {
    /// A plain field: not a key, not nullable, no default. The id is given later.
    pub fn new(name: impl Into<String>, data_type: DataType) -> FieldSchema {
        FieldSchema {
            id: FieldId(0),
            name: name.into(),
            description: String::new(),
            data_type,
            is_primary: false,
            auto_id: false,
            nullable: false,
            default_value: None,
            is_dynamic: false,
        }
    }

    /// Makes the field the primary key.
    pub fn primary(mut self, auto_id: bool) -> FieldSchema {
        self.is_primary = true;
        self.auto_id = auto_id;
        self
    }
}

/// What an insert does when a row with the same key lives (`pk.on_conflict`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PkConflict {
    /// The new row replaces the old one (default).
    #[default]
    Replace,
    /// The whole insert is refused.
    Reject,
    /// Both rows live, as in Milvus.
    Allow,
}

impl PkConflict {
    /// Name of the collection property.
    pub const PROPERTY: &'static str = "pk.on_conflict";

    /// Reads the property's value.
    pub fn parse(text: &str) -> Result<PkConflict> {
        match text {
            "replace" => Ok(PkConflict::Replace),
            "reject" => Ok(PkConflict::Reject),
            "allow" => Ok(PkConflict::Allow),
            other => Err(Error::invalid(format!(
                "property {} is {other:?}, allowed are replace, reject, allow",
                PkConflict::PROPERTY
            ))),
        }
    }
}

/// The fields of a collection and its rules.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CollectionSchema {
    /// Counts changes from 1. Each write carries it; apply refuses a mismatch (I11).
    pub version: u32,
    /// Free text.
    pub description: String,
    /// In user order; the dynamic field, if any, is last.
    pub fields: Vec<FieldSchema>,
    /// Rule for keys that exist.
    pub pk_conflict: PkConflict,
}

impl CollectionSchema {
    /// A schema of these fields at version 1, ids given, not yet checked.
    pub fn new(fields: Vec<FieldSchema>) -> CollectionSchema {
        let mut schema = CollectionSchema { version: 1, fields, ..CollectionSchema::default() };
        schema.assign_ids();
        schema
    }

    /// Adds the `$meta` column.
    pub fn with_dynamic_field(mut self) -> CollectionSchema {
        if self.dynamic_field().is_none() {
            let mut field = FieldSchema::new(META_FIELD, DataType::Json);
            field.is_dynamic = true;
            self.fields.push(field);
            self.assign_ids();
        }
        self
    }

    fn assign_ids(&mut self) {
        for (i, field) in self.fields.iter_mut().enumerate() {
            field.id = FieldId(FieldId::FIRST.0 + i as u64);
        }
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&FieldSchema> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The field of this id.
    pub fn field_by_id(&self, id: FieldId) -> Option<&FieldSchema> {
        self.fields.iter().find(|field| field.id == id)
    }

    /// The primary key. Every checked schema has one.
    pub fn primary_field(&self) -> Option<&FieldSchema> {
        self.fields.iter().find(|field| field.is_primary)
    }

    /// The `$meta` column, when dynamic fields are on.
    pub fn dynamic_field(&self) -> Option<&FieldSchema> {
        self.fields.iter().find(|field| field.is_dynamic)
    }

    /// The vector fields, in order.
    pub fn vector_fields(&self) -> impl Iterator<Item = &FieldSchema> {
        self.fields.iter().filter(|field| field.data_type.is_vector())
    }
}

/// An index as the user asked for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexSpec {
    /// Unique within the collection; Milvus's default is the field's name or `_default_idx`.
    pub name: String,
    /// The field: of vectors, or a scalar one.
    pub field: FieldId,
    /// `FLAT`, `IVF_FLAT`, `HNSW`, `INVERTED`, `AUTOINDEX`... as given, upper case.
    pub index_type: String,
    /// How vectors are compared. An index on a scalar field compares nothing: COSINE stands there.
    pub metric: Metric,
    /// Build parameters as given (`nlist`, `M`, `json_path`, ...), and [`MMAP_ENABLED`] if that was said.
    pub params: BTreeMap<String, String>,
}

/// Parameter of an index, property of a collection: "true" has index files used where they lie, mapped, instead of in memory. The
/// index's word counts before the collection's. Vectors and columns are mapped anyway.
pub const MMAP_ENABLED: &str = "mmap.enabled";

impl IndexSpec {
    /// Whether its files are to be mapped, in a collection with these properties.
    pub fn is_mapped(&self, properties: &BTreeMap<String, String>) -> bool {
        let said = self.params.get(MMAP_ENABLED).or_else(|| properties.get(MMAP_ENABLED));
        said.is_some_and(|said| said.eq_ignore_ascii_case("true"))
    }
}
