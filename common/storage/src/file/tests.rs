//! Whole, atomic, and never believed when damaged.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::*;
use crate::{Disk, RealDisk, SimDisk};

const KIND: FileKind = *b"TEST";

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn write_blocks(disk: &Arc<dyn Disk>, path: &str, data: &[u8]) -> BlockFileInfo {
    let mut writer = BlockWriter::create(Arc::clone(disk), path, KIND, 3).unwrap();
    for chunk in data.chunks(1000) {
        writer.write(chunk).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn published_file_round_trips_and_replaces() {
    let dir = tempfile::tempdir().unwrap();
    let disk = RealDisk::new(dir.path()).unwrap();
    for body in [&b""[..], b"first", b"second, longer"] {
        publish(&disk, "m", KIND, 2, body).unwrap();
        assert_eq!(read_published(&disk, "m", KIND, 2).unwrap(), (2, body.to_vec()));
    }
    assert!(!disk.exists("m.tmp").unwrap());
    assert!(matches!(read_published(&disk, "m", *b"ELSE", 2), Err(Error::Corrupt { offset: 8, .. })));
    assert!(matches!(
        read_published(&disk, "m", KIND, 1),
        Err(Error::NewerVersion { found: 2, supported: 1, .. })
    ));
}

#[test]
fn every_flipped_byte_of_a_published_file_is_noticed() {
    let disk = SimDisk::new(0);
    publish(&disk, "m", KIND, 1, b"some facts").unwrap();
    for at in 0..disk.read_all("m").unwrap().len() as u64 {
        disk.corrupt("m", at, 0x40).unwrap();
        assert!(read_published(&disk, "m", KIND, 1).is_err(), "byte {at}");
        disk.corrupt("m", at, 0x40).unwrap();
    }
}

#[test]
fn a_power_cut_shows_the_old_or_the_new_file() {
    for seed in 0..64 {
        let disk = SimDisk::new(seed);
        publish(&disk, "m", KIND, 1, b"old").unwrap();
        let temporary = disk.open("m.tmp", crate::OpenMode::Create).unwrap();
        temporary.append(b"half a file").unwrap();
        disk.crash();
        assert_eq!(read_published(&disk, "m", KIND, 1).unwrap().1, b"old");
        publish(&disk, "m", KIND, 1, b"new").unwrap();
        disk.crash();
        assert_eq!(read_published(&disk, "m", KIND, 1).unwrap().1, b"new", "seed {seed}: durable on return");
    }
}

#[test]
fn block_files_round_trip_at_every_boundary() {
    let dir = tempfile::tempdir().unwrap();
    let disks: [Arc<dyn Disk>; 2] = [Arc::new(RealDisk::new(dir.path()).unwrap()), Arc::new(SimDisk::new(0))];
    for disk in &disks {
        for len in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 77] {
            let data = pattern(len);
            let info = write_blocks(disk, "b", &data);
            let file = BlockFile::open(&**disk, "b", KIND, 3).unwrap();
            assert_eq!((file.info(), file.version()), (info, 3));
            assert_eq!(file.bytes(0..len as u64).unwrap(), data);
            assert_eq!(file.data_unverified().as_ptr() as usize % 64, 0);
            assert!(file.bytes(0..len as u64 + 1).is_err());
            file.verify_all().unwrap();
            assert_eq!(write_blocks(disk, "c", &data).checksum, info.checksum, "same bytes, same checksum");
        }
    }
}

#[test]
fn alignment_pads_with_zeros() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(0));
    let mut writer = BlockWriter::create(Arc::clone(&disk), "b", KIND, 1).unwrap();
    writer.write(b"abc").unwrap();
    assert_eq!(writer.align(64).unwrap(), 64);
    writer.write(b"d").unwrap();
    writer.finish().unwrap();
    let file = BlockFile::open(&*disk, "b", KIND, 1).unwrap();
    assert_eq!(file.bytes(2..5).unwrap(), b"c\0\0");
    assert_eq!(file.bytes(64..65).unwrap(), b"d");
}

#[test]
fn damage_is_found_in_its_block_and_only_there() {
    let sim = SimDisk::new(0);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    write_blocks(&disk, "b", &pattern(3 * BLOCK_BYTES));
    sim.corrupt("b", 64 + BLOCK_BYTES as u64 + 5, 1).unwrap();
    let file = BlockFile::open(&*disk, "b", KIND, 3).unwrap();
    file.bytes(0..BLOCK_BYTES as u64).unwrap();
    let wanted = 64 + BLOCK_BYTES as u64;
    match file.bytes(10..2 * BLOCK_BYTES as u64).unwrap_err() {
        Error::Corrupt { path, offset, .. } => assert_eq!((path.as_str(), offset), ("b", wanted)),
        other => panic!("{other}"),
    }
    file.bytes(2 * BLOCK_BYTES as u64..3 * BLOCK_BYTES as u64).unwrap();
    assert!(file.verify_all().is_err());
}

#[test]
fn damaged_ends_are_refused_at_opening() {
    let sim = SimDisk::new(0);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let info = write_blocks(&disk, "b", &pattern(100));
    for at in (0..64).chain(info.file_bytes - 40..info.file_bytes) {
        sim.corrupt("b", at, 0x10).unwrap();
        assert!(BlockFile::open(&*disk, "b", KIND, 3).is_err(), "byte {at}");
        sim.corrupt("b", at, 0x10).unwrap();
    }
    BlockFile::open(&*disk, "b", KIND, 3).unwrap();
    disk.open("b", crate::OpenMode::Write).unwrap().truncate(90).unwrap();
    assert!(matches!(BlockFile::open(&*disk, "b", KIND, 3), Err(Error::Corrupt { .. })));
}

#[test]
fn a_dropped_writer_leaves_nothing() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(0));
    let mut writer = BlockWriter::create(Arc::clone(&disk), "b", KIND, 1).unwrap();
    writer.write(b"half").unwrap();
    drop(writer);
    assert!(disk.list("").unwrap().is_empty());
}
