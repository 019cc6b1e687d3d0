#![allow(clippy::unwrap_used)]

use super::Demo;
use super::data::DemoData;
use super::load::COLLECTION;
use super::npy::{read_f16, read_i32};
use super::report::cut;
use super::search::{Hit, percentile, recall};
use crate::Server;
use std::path::Path;
use std::time::Duration;
use vecraft_config::Config;
use vecraft_types::api::{Call, RowCount};

/// A `.npy` file as numpy writes it.
fn npy(descr: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(values);
    file
}

#[test]
fn numpy_files_are_read_and_wrong_ones_refused() {
    // 1.0, -2.0, 0.5, 65504 as float16.
    let halves = [0x00, 0x3c, 0x00, 0xc0, 0x00, 0x38, 0xff, 0x7b];
    let matrix = read_f16(&npy("<f2", "(2, 2)", &halves)).unwrap();
    assert_eq!((matrix.row(0), matrix.row(1)), ([1.0, -2.0].as_slice(), [0.5, 65504.0].as_slice()));
    let numbers = read_i32(&npy("<i4", "(1, 2)", &[7, 0, 0, 0, 255, 255, 255, 255])).unwrap();
    assert_eq!(numbers.values, [7, -1]);

    let refused = |file: &[u8]| read_f16(file).unwrap_err();
    assert!(refused(b"PK\x03\x04").contains("begin"));
    assert!(refused(b"\x93NUMPY\x01\x00\xff").contains("header"));
    assert!(refused(b"\x93NUMPY\x01\x00\xff\xff{}").contains("header"));
    assert!(refused(&npy("<f4", "(2, 2)", &halves)).contains("<f4"));
    assert!(refused(&npy("<f2", "(3, 2)", &halves)).contains("3 x 2"));
    assert!(refused(&npy("<f2", "(4,)", &halves)).contains("shape"));
    assert!(refused(&npy("<f2", "(9223372036854775807, 9)", &halves)).contains("bytes"));
}

#[test]
fn the_shipped_truth_is_what_a_scan_finds() {
    let data = DemoData::shipped().unwrap();
    assert_eq!((data.passages.texts.len(), data.queries.texts.len()), (5_000, 200));
    let vectors = &data.passages.vectors;
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    let lengths: Vec<f64> =
        (0..vectors.rows).map(|row| dot(vectors.row(row), vectors.row(row)).sqrt()).collect();
    // A scan in an unoptimised test is slow; every fortieth sentence must do. The making script checks them all.
    for query in (0..200).step_by(40) {
        let wanted = data.queries.vectors.row(query);
        let score = |row: usize| dot(wanted, vectors.row(row)) / lengths[row];
        let mut rows: Vec<(f64, usize)> = (0..vectors.rows).map(|row| (score(row), row)).collect();
        rows.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let found: Vec<i32> = rows.iter().take(10).map(|(_, row)| *row as i32).collect();
        assert_eq!(found, data.truth.row(query)[..10], "sentence {query}");
    }
}

#[test]
fn the_folder_in_the_repository_is_what_the_program_contains() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/data");
    let (read, shipped) = (DemoData::read(&folder).unwrap(), DemoData::shipped().unwrap());
    assert_eq!(read.truth, shipped.truth);
    assert_eq!(read.passages.vectors, shipped.passages.vectors);
    let missing = DemoData::read(Path::new("/nowhere/at/all")).unwrap_err();
    assert!(missing.contains("/nowhere/at/all"), "{missing}");
    let empty = tempfile::tempdir().unwrap();
    assert!(DemoData::read(empty.path()).unwrap_err().contains("passages.jsonl"));
}

#[test]
fn recall_counts_the_true_ten() {
    let data = DemoData::shipped().unwrap();
    let hit = |id: i32| Hit { id: id.into(), score: 0.0, text: String::new(), source: String::new() };
    let exact: Vec<Vec<Hit>> =
        (0..200).map(|query| data.truth.row(query)[..10].iter().map(|id| hit(*id)).collect()).collect();
    assert_eq!(recall(&exact, &data), 1.0);
    // The next ten are not the true ones, and a repeated hit counts once.
    let next: Vec<Vec<Hit>> =
        (0..200).map(|query| data.truth.row(query)[10..20].iter().map(|id| hit(*id)).collect()).collect();
    assert_eq!(recall(&next, &data), 0.0);
    let repeated = vec![vec![hit(data.truth.row(0)[0]); 10]];
    assert!((recall(&repeated, &data) - 0.1).abs() < 1e-12);
}

#[test]
fn percentiles_are_values_that_were_measured() {
    let took: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
    let check = |percent, millis| assert_eq!(percentile(&took, percent), Duration::from_millis(millis));
    check(50, 100);
    check(99, 198);
    check(100, 200);
    check(0, 1);
    assert_eq!(percentile(&[], 50), Duration::ZERO);
}

#[test]
fn lines_are_cut_between_characters() {
    let check = |text: &str, chars, expected: &str| assert_eq!(cut(text, chars), expected);
    check("short", 10, "short");
    check("two\n  lines", 20, "two lines");
    check("exactly ten", 11, "exactly ten");
    check("a “longer” line", 10, "a “long...");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_ends_well_its_rows_stay_and_a_second_one_replaces_them() {
    let dir = tempfile::tempdir().unwrap();
    let data = DemoData::shipped().unwrap();
    let demo = |data_dir| Demo {
        connect: None,
        nodes: 1,
        kills: 3,
        data_dir,
        keep: false,
        data: None,
        log_level: String::new(),
    };
    // It fails by itself when passages are missed.
    demo(Some(dir.path().to_owned())).on_own_node(&data).await.unwrap();

    let server = Server::start(&Config::embedded(dir.path()).with_free_ports(), 1).await.unwrap();
    let count = || RowCount { collection: COLLECTION.into(), partition: None };
    assert_eq!(server.database().row_count(Call::default(), count()).await.unwrap(), 5_000);
    demo(None).on_running_node(&data, &server.addresses().client).await.unwrap();
    assert_eq!(server.database().row_count(Call::default(), count()).await.unwrap(), 5_000);
    server.stop("the test ends").await;
}
