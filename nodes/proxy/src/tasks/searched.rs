//! What a search asks of a collection, checked: field, vectors, metric, parameters.

use crate::names::field_not_found;
use crate::rows::first_not_finite;
use vecraft_index::{IndexSpec, Range, SearchParams};
use vecraft_types::api::SearchRequest;
use vecraft_types::limits::NQ_MAX;
use vecraft_types::schema::check_metric;
use vecraft_types::{
    Code, CollectionSchema, Error, FieldSchema, IndexDescriptor, Metric, QueryVectors, Result,
};

/// The vector field of a name; without a name the only one.
pub(super) fn vector_field<'a>(schema: &'a CollectionSchema, name: &str) -> Result<&'a FieldSchema> {
    if name.is_empty() {
        let fields: Vec<&FieldSchema> = schema.vector_fields().collect();
        if let [only] = fields[..] {
            return Ok(only);
        }
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        let text = format!("the search must name one of the vector fields {}", names.join(", "));
        return Err(Error::new(Code::MissingParameter, text));
    }
    let field = schema.field(name).ok_or_else(|| field_not_found(schema, name))?;
    if field.data_type.is_vector() {
        return Ok(field);
    }
    let text = format!("a search needs a vector field, this one is {}", field.data_type.name());
    Err(Error::invalid(text).with("field", name))
}

/// Checks the query vectors and counts them.
pub(super) fn check_vectors(field: &FieldSchema, asked: &SearchRequest) -> Result<usize> {
    let fail = |text: String| Err(Error::invalid(text).with("field", &field.name));
    let Some(dim) = field.data_type.dim() else {
        return fail("not a vector field".into());
    };
    let kind = field.data_type.packed().map(|(kind, _)| kind);
    if asked.vectors.packed() != kind {
        let (field, search) = (field.data_type.name(), asked.vectors.type_name());
        return fail(format!(
            "vector type must be the same: the field is {field}, the query vectors are {search}"
        ));
    }
    if asked.dim != dim {
        return fail(format!("the query vectors have {} dimensions, the field has {dim}", asked.dim));
    }
    let Some(queries) = asked.vectors.count(dim) else {
        let bytes = asked.vectors.bytes();
        return fail(format!("the query vectors have {bytes} bytes, not a multiple of {dim} dimensions"));
    };
    if !(1..=NQ_MAX).contains(&queries) {
        return fail(format!("nq is {queries}, allowed is 1 to {NQ_MAX}"));
    }
    let bad = match &asked.vectors {
        QueryVectors::Float(values) => first_not_finite(values).map(|at| (at, values[at].to_string())),
        QueryVectors::Packed { kind, bytes } => {
            kind.first_not_finite(bytes).map(|at| (at, "NaN or infinite".to_owned()))
        }
    };
    if let Some((at, value)) = bad {
        let (query, element) = (at / dim as usize, at % dim as usize);
        return fail(format!("element {element} of query vector {query} is {value}, it must be finite"));
    }
    Ok(queries)
}

/// The index's metric, which the request may repeat but not change. Without an index any metric of the type is served by a
/// scan; the type's default, as in Milvus, when none is named.
pub(super) fn metric(
    index: Option<&IndexDescriptor>,
    field: &FieldSchema,
    asked: Option<Metric>,
) -> Result<Metric> {
    let default = field.data_type.metrics().first().copied().unwrap_or(Metric::Cosine);
    let Some(index) = index else {
        let metric = asked.unwrap_or(default);
        check_metric(field, metric)?;
        return Ok(metric);
    };
    match asked {
        Some(asked) if asked != index.spec.metric => {
            let (asked, built) = (asked.name(), index.spec.metric.name());
            let text =
                format!("metric type not match: the search asks for {asked}, the index is built for {built}");
            Err(Error::invalid(text).with("field", &field.name).with("index", &index.spec.name))
        }
        _ => Ok(index.spec.metric),
    }
}

/// Search parameters must be those of the declared index type, even while a segment is still scanned: what is
/// wrong tomorrow is wrong today.
pub(super) fn check_params(
    index: Option<&IndexDescriptor>,
    metric: Metric,
    k: usize,
    asked: &SearchRequest,
) -> Result<()> {
    let bad = |error: vecraft_index::Error| Error::invalid(error.to_string());
    let spec = match index {
        Some(index) => IndexSpec::parse(&index.spec.index_type, &index.spec.params).map_err(bad)?,
        None => IndexSpec::Auto,
    };
    let mut params = asked.params.clone();
    Range::take(metric, &mut params).map_err(bad)?;
    SearchParams::parse(&spec, k, &params).map_err(bad)?;
    Ok(())
}
