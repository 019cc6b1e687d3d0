//! The rules of a schema: what is wrong, and what would be allowed.

use super::{CollectionSchema, DataType, FieldSchema};
use crate::limits::*;
use crate::{Code, Error, Result, Value};
use std::collections::BTreeMap;

impl CollectionSchema {
    /// Checks every rule; the first breach is the error ([`Code::IllegalSchema`]).
    pub fn check(&self) -> Result<()> {
        let illegal = |text: String| Err(Error::new(Code::IllegalSchema, text));
        let mut names = BTreeMap::new();
        for field in &self.fields {
            if !field.is_dynamic {
                check_name("field", &field.name)?;
            }
            if names.insert(field.name.as_str(), ()).is_some() {
                return illegal(format!("field {:?} appears twice", field.name));
            }
            check_field(field)?;
        }
        let user_fields = self.fields.iter().filter(|f| !f.is_dynamic).count();
        if user_fields > FIELDS_MAX {
            return illegal(format!("{user_fields} fields, at most {FIELDS_MAX} are allowed"));
        }
        match self.fields.iter().filter(|f| f.is_primary).count() {
            1 => {}
            0 => return illegal("the schema has no primary key field".into()),
            n => return illegal(format!("the schema has {n} primary key fields, exactly one is needed")),
        }
        match self.vector_fields().count() {
            0 => illegal("the schema has no vector field".into()),
            n if n > VECTOR_FIELDS_MAX => {
                illegal(format!("{n} vector fields, at most {VECTOR_FIELDS_MAX} are allowed"))
            }
            _ => Ok(()),
        }
    }
}

fn check_field(field: &FieldSchema) -> Result<()> {
    let name = &field.name;
    let illegal = |text: String| Err(Error::new(Code::IllegalSchema, text).with("field", name));
    match field.data_type {
        DataType::VarChar { max_length } if max_length == 0 || max_length > VARCHAR_BYTES_MAX => {
            return illegal(format!("max_length is {max_length}, allowed is 1 to {VARCHAR_BYTES_MAX} bytes"));
        }
        DataType::BinaryVector { dim }
            if !(BIT_DIM_STEP..=BIT_DIM_MAX).contains(&dim) || !dim.is_multiple_of(BIT_DIM_STEP) =>
        {
            return illegal(format!(
                "dim is {dim}, allowed for a binary vector is {BIT_DIM_STEP} to {BIT_DIM_MAX}, a multiple of \
                 {BIT_DIM_STEP}"
            ));
        }
        DataType::BinaryVector { .. } => {}
        other if other.dim().is_some_and(|dim| !(DIM_MIN..=DIM_MAX).contains(&dim)) => {
            let dim = other.dim().unwrap_or_default();
            return illegal(format!("dim is {dim}, allowed is {DIM_MIN} to {DIM_MAX}"));
        }
        _ => {}
    }
    if field.is_primary {
        if !matches!(field.data_type, DataType::Int64 | DataType::VarChar { .. }) {
            return illegal(format!("a primary key is Int64 or VarChar, not {}", field.data_type.name()));
        }
        if field.nullable || field.default_value.is_some() {
            return illegal("a primary key can neither be nullable nor have a default".into());
        }
        if let DataType::VarChar { max_length } = field.data_type
            && field.auto_id
            && max_length < AUTO_ID_BYTES_MAX
        {
            return illegal(format!(
                "max_length is {max_length}, but the server makes these keys (auto_id), and they have up to \
                 {AUTO_ID_BYTES_MAX} bytes"
            ));
        }
    } else if field.auto_id {
        return illegal("auto_id is only for the primary key".into());
    }
    if field.data_type.is_vector() && (field.nullable || field.default_value.is_some()) {
        return illegal("a vector field can neither be nullable nor have a default".into());
    }
    if let Some(value) = &field.default_value {
        check_default(field, value)?;
    }
    Ok(())
}

fn check_default(field: &FieldSchema, value: &Value) -> Result<()> {
    let fits = match (&field.data_type, value) {
        (DataType::Bool, Value::Bool(_)) | (DataType::Int64, Value::Int(_)) => true,
        (DataType::Int8, Value::Int(v)) => i8::try_from(*v).is_ok(),
        (DataType::Int16, Value::Int(v)) => i16::try_from(*v).is_ok(),
        (DataType::Int32, Value::Int(v)) => i32::try_from(*v).is_ok(),
        (DataType::Float | DataType::Double, Value::Float(v)) => v.is_finite(),
        (DataType::VarChar { max_length }, Value::Str(s)) => s.len() <= *max_length as usize,
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let text = format!("default value {value:?} does not fit type {}", field.data_type.name());
    Err(Error::new(Code::IllegalSchema, text).with("field", &field.name))
}

/// Checks a name: 1 to 255 characters, a letter or `_` first, then letters, digits and `_`.
pub fn check_name(what: &str, name: &str) -> Result<()> {
    let rule = if name.is_empty() {
        format!("the {what} name is empty")
    } else if name.chars().count() > NAME_CHARS_MAX {
        format!(
            "the {what} name has {} characters, at most {NAME_CHARS_MAX} are allowed",
            name.chars().count()
        )
    } else if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        format!("the {what} name {name:?} must begin with a letter or an underscore")
    } else if let Some(bad) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '_')) {
        format!("the {what} name {name:?} has {bad:?}, allowed are letters, digits and underscores")
    } else {
        return Ok(());
    };
    Err(Error::invalid(rule))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_of_every_vector_type_have_their_limits() {
        let check = |data_type: DataType| {
            let key = FieldSchema::new("k", DataType::Int64).primary(false);
            CollectionSchema::new(vec![key, FieldSchema::new("v", data_type)]).check()
        };
        for dim in [8, 16, 262_144] {
            check(DataType::BinaryVector { dim }).unwrap();
        }
        for dim in [0, 1, 7, 12, 262_136 + 4, 262_152] {
            let error = check(DataType::BinaryVector { dim }).unwrap_err();
            assert_eq!(error.code, Code::IllegalSchema);
            assert!(error.detail.contains(&format!("dim is {dim}")), "{error}");
            assert!(error.detail.contains("multiple of 8"), "{error}");
        }
        let dense = |dim| {
            [
                DataType::FloatVector { dim },
                DataType::Float16Vector { dim },
                DataType::BFloat16Vector { dim },
                DataType::Int8Vector { dim },
            ]
        };
        for data_type in [dense(2), dense(32_768)].concat() {
            check(data_type).unwrap();
        }
        for data_type in [dense(1), dense(32_769), dense(0)].concat() {
            let error = check(data_type).unwrap_err();
            assert!(error.detail.contains("allowed is 2 to 32768"), "{data_type:?}: {error}");
        }
    }

    #[test]
    fn a_text_key_that_the_server_makes_needs_room_for_any_of_them() {
        let longest = i64::MAX.to_string().len() as u32;
        assert_eq!(longest, AUTO_ID_BYTES_MAX);
        let check = |max_length: u32, auto_id: bool| {
            let schema = CollectionSchema::new(vec![
                FieldSchema::new("k", DataType::VarChar { max_length }).primary(auto_id),
                FieldSchema::new("v", DataType::FloatVector { dim: 2 }),
            ]);
            schema.check()
        };
        let error = check(longest - 1, true).unwrap_err();
        assert_eq!(error.code, Code::IllegalSchema);
        assert!(error.detail.contains("max_length is 18") && error.detail.contains("19 bytes"), "{error}");
        assert_eq!(error.context, [("field".to_owned(), "k".to_owned())]);
        check(longest, true).unwrap();
        check(1, false).unwrap();
    }
}
