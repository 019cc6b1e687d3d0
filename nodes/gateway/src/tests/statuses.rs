//! Codes on the wire, and what travels beside a request.

use super::refused;
use crate::call::{call, patience};
use crate::consistency::Wanted;
use crate::proto::common::Status;
use std::time::Duration;
use tonic::metadata::MetadataMap;
use vecraft_types::api::Consistency;
use vecraft_types::{Code, Error, Timestamp};

fn metadata(key: &'static str, value: &str) -> MetadataMap {
    let mut map = MetadataMap::new();
    map.insert(key, value.parse().unwrap());
    map
}

#[test]
fn both_codes_are_filled() {
    let error = Error::new(Code::CollectionNotFound, "").with("database", "default").with("collection", "x");
    let status = Status::from(&error);
    assert_eq!((status.code, status.error_code), (100, 4));
    assert_eq!(status.reason, "collection not found[database=default][collection=x]");
    assert!(!status.retriable && status.extra_info.is_empty());

    let status = Status::from(&Error::invalid("dim is 1"));
    assert_eq!((status.code, status.error_code), (1100, 5));
    assert_eq!(status.reason, "invalid parameter: dim is 1");
    assert_eq!(status.extra_info["is_input_error"], "true");

    let status = Status::from(&Error::new(Code::RateLimited, "").retry_after(50));
    assert_eq!((status.code, status.error_code, status.retriable), (8, 49, true));
    assert_eq!(status.extra_info["retry_after_ms"], "50");
    // One re-describe and retry of the client hangs on this number.
    assert_eq!(Status::from(&Error::new(Code::SchemaMismatch, "")).error_code, 62);
    assert_eq!(Status::from(&Error::new(Code::IndexNotFound, "")).error_code, 25);
    assert_ne!(Status::from(&Error::new(Code::Deadline, "")).error_code, 0);
}

#[test]
fn only_the_default_database_exists() {
    assert_eq!(call(&MetadataMap::new(), "").unwrap().database, "default");
    assert_eq!(call(&metadata("dbname", "default"), "").unwrap().database, "default");
    refused(call(&metadata("dbname", "other"), ""), 800, &["database=other"]);
    refused(call(&MetadataMap::new(), "other"), 800, &["database=other"]);
    // The body wins over the metadata.
    assert!(call(&metadata("dbname", "other"), "default").is_ok());
}

#[test]
fn patience_is_read_in_all_units() {
    let read = |text: &str| patience(&metadata("grpc-timeout", text));
    assert_eq!(read("2S"), Some(Duration::from_secs(2)));
    assert_eq!(read("1500m"), Some(Duration::from_millis(1_500)));
    assert_eq!(read("99999999u"), Some(Duration::from_micros(99_999_999)));
    assert_eq!(read("1H"), Some(Duration::from_secs(3_600)));
    for text in ["", "S", "123456789S", "1x", "-1S"] {
        assert_eq!(read(text), None, "{text:?}");
    }
    assert_eq!(call(&metadata("grpc-timeout", "250m"), "").unwrap().deadline_ms, Some(250));
}

#[test]
fn levels_and_timestamps_become_one_freshness() {
    let check = |level, use_default, guarantee, default_level, expected| {
        let wanted = Wanted { level, use_default, guarantee };
        assert_eq!(wanted.resolve(default_level).unwrap(), expected);
    };
    let (bounded, session) = (|since| Consistency::Bounded(5_000, Timestamp(since)), Consistency::Session);
    // Named levels, as clients send them.
    check(0, false, 0, 2, Consistency::Strong);
    check(1, false, 900, 2, session(Timestamp(900)));
    check(2, false, 2, 0, bounded(0));
    check(3, false, 1, 0, Consistency::Eventually);
    check(4, false, 900, 0, session(Timestamp(900)));
    // The collection's level, with the client's last write (P8) or without one (1).
    check(0, true, 1, 0, Consistency::Strong);
    check(0, true, 1, 2, bounded(0));
    check(0, true, 900, 2, bounded(900));
    check(0, true, 900, 1, session(Timestamp(900)));
    check(0, true, 1, 1, Consistency::Eventually);
    check(0, true, 900, 3, session(Timestamp(900)));
    // Clients that know only the timestamp.
    check(0, false, 1, 2, Consistency::Eventually);
    check(0, false, 2, 0, bounded(0));
    check(0, false, 900, 0, session(Timestamp(900)));
    assert!(Wanted { level: 9, use_default: false, guarantee: 0 }.resolve(2).is_err());
}
