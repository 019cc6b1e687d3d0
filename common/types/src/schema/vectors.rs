//! Which metric and which index go with which type of vector. One rule, asked by the proxy (so that a wrong wish is
//! refused with the field's name) and again by the metastore's apply (so that no other path makes one).

use super::{DataType, FieldSchema};
use crate::{Error, Metric, Packed, Result};

/// Refuses a metric that does not compare vectors of the field's type.
///
/// # Errors
/// 1100 naming the metric, the type and the metrics that do.
pub fn check_metric(field: &FieldSchema, metric: Metric) -> Result<()> {
    let allowed = field.data_type.metrics();
    if allowed.contains(&metric) {
        return Ok(());
    }
    let names: Vec<&str> = allowed.iter().map(|metric| metric.name()).collect();
    let text = format!(
        "metric type {} does not compare vectors of type {}, allowed are {}",
        metric.name(),
        field.data_type.name(),
        names.join(", ")
    );
    Err(Error::invalid(text).with("field", &field.name))
}

/// The metric of an index: the one that was asked for, or the type's default.
///
/// `index_type` is one that is served, in upper case.
///
/// # Errors
/// 1100 when the index type or the metric does not go with the field's type, naming what would.
pub fn check_vector_index(field: &FieldSchema, index_type: &str, metric: Option<Metric>) -> Result<Metric> {
    let data_type = &field.data_type;
    if !goes_with(index_type, data_type) {
        let text = format!(
            "index type {index_type} is not served on vectors of type {}, served are {}",
            data_type.name(),
            served(data_type)
        );
        return Err(Error::invalid(text).with("field", &field.name));
    }
    let default = data_type.metrics().first().copied();
    let Some(metric) = metric.or(default) else {
        let text = format!("an index needs a vector field, this one is {}", data_type.name());
        return Err(Error::invalid(text).with("field", &field.name));
    };
    check_metric(field, metric)?;
    Ok(metric)
}

/// Whether an index that goes with the type is nothing but a comparison of every row: no file is built for it.
pub fn is_scan(index_type: &str, data_type: &DataType) -> bool {
    match index_type {
        "FLAT" | "BIN_FLAT" => true,
        // Bits have no graph; what AUTOINDEX would choose besides is asked for by name.
        "AUTOINDEX" => matches!(data_type, DataType::BinaryVector { .. }),
        _ => false,
    }
}

fn goes_with(index_type: &str, data_type: &DataType) -> bool {
    match data_type.packed() {
        None => !matches!(index_type, "BIN_FLAT" | "BIN_IVF_FLAT"),
        Some((Packed::Bit, _)) => matches!(index_type, "BIN_FLAT" | "BIN_IVF_FLAT" | "AUTOINDEX"),
        // The library behind HNSWLIB reads f32 in place.
        Some(_) => matches!(
            index_type,
            "FLAT"
                | "AUTOINDEX"
                | "HNSW"
                | "HNSW_SQ"
                | "HNSW_PQ"
                | "IVF_FLAT"
                | "IVF_SQ8"
                | "IVF_PQ"
                | "IVF_RABITQ"
                | "SCANN"
        ),
    }
}

/// For the message; what float vectors have besides is listed by the check of the type itself.
fn served(data_type: &DataType) -> &'static str {
    match data_type.packed() {
        None => "FLAT, HNSW, AUTOINDEX and others",
        Some((Packed::Bit, _)) => "BIN_FLAT, BIN_IVF_FLAT, AUTOINDEX",
        Some(_) => "FLAT, HNSW, HNSW_SQ, HNSW_PQ, IVF_FLAT, IVF_SQ8, IVF_PQ, IVF_RABITQ, SCANN, AUTOINDEX",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Code;

    fn field(data_type: DataType) -> FieldSchema {
        FieldSchema::new("v", data_type)
    }

    #[test]
    fn each_type_has_its_metrics_and_a_default() {
        let bits = field(DataType::BinaryVector { dim: 8 });
        assert_eq!(check_vector_index(&bits, "BIN_FLAT", None).unwrap(), Metric::Hamming);
        assert_eq!(check_vector_index(&bits, "BIN_IVF_FLAT", None).unwrap(), Metric::Hamming);
        assert_eq!(check_vector_index(&bits, "AUTOINDEX", Some(Metric::Jaccard)).unwrap(), Metric::Jaccard);
        let error = check_vector_index(&bits, "BIN_FLAT", Some(Metric::L2)).unwrap_err();
        assert_eq!(error.code, Code::InvalidParameter);
        assert!(error.detail.contains("L2") && error.detail.contains("HAMMING, JACCARD"), "{error}");
        for dense in [
            DataType::FloatVector { dim: 8 },
            DataType::Float16Vector { dim: 8 },
            DataType::BFloat16Vector { dim: 8 },
            DataType::Int8Vector { dim: 8 },
        ] {
            assert_eq!(check_vector_index(&field(dense), "FLAT", None).unwrap(), Metric::Cosine);
            let error = check_vector_index(&field(dense), "FLAT", Some(Metric::Hamming)).unwrap_err();
            assert!(error.detail.contains("HAMMING") && error.detail.contains("COSINE"), "{error}");
            assert_eq!(error.context, [("field".to_owned(), "v".to_owned())]);
            for of_bits in ["BIN_FLAT", "BIN_IVF_FLAT"] {
                let error = check_vector_index(&field(dense), of_bits, None).unwrap_err();
                assert!(error.detail.contains(of_bits) && error.detail.contains(dense.name()), "{error}");
            }
        }
    }

    #[test]
    fn numbers_of_few_bits_have_the_indexes_of_floats_but_not_the_library() {
        for narrow in [DataType::Float16Vector { dim: 8 }, DataType::Int8Vector { dim: 8 }] {
            for index_type in [
                "FLAT",
                "HNSW",
                "HNSW_SQ",
                "HNSW_PQ",
                "IVF_FLAT",
                "IVF_SQ8",
                "IVF_PQ",
                "IVF_RABITQ",
                "SCANN",
                "AUTOINDEX",
            ] {
                check_vector_index(&field(narrow), index_type, None).unwrap();
                assert_eq!(is_scan(index_type, &narrow), index_type == "FLAT");
            }
            let error = check_vector_index(&field(narrow), "HNSWLIB", None).unwrap_err();
            assert!(error.detail.contains("HNSWLIB") && error.detail.contains("HNSW_SQ"), "{error}");
        }
        let bits = DataType::BinaryVector { dim: 8 };
        assert!(is_scan("AUTOINDEX", &bits) && is_scan("BIN_FLAT", &bits) && !is_scan("BIN_IVF_FLAT", &bits));
    }

    #[test]
    fn bits_have_no_graph_and_scalars_no_index() {
        let bits = field(DataType::BinaryVector { dim: 8 });
        for index_type in ["FLAT", "HNSW", "IVF_FLAT", "HNSWLIB"] {
            let error = check_vector_index(&bits, index_type, None).unwrap_err();
            assert!(
                error.detail.contains(index_type) && error.detail.contains("BIN_FLAT, BIN_IVF"),
                "{error}"
            );
        }
        assert!(check_vector_index(&field(DataType::Int64), "FLAT", None).is_err());
    }
}
