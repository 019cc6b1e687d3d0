//! Files: round trip, equal bytes, damage, restore.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::{Row, VECTOR, batch, mix, rows_of, schema};
use crate::{decode_deletes, encode_deletes};
use vecraft_storage::{RealDisk, SimDisk};
use vecraft_types::{LogPosition, Timestamp};

/// A segment of these batch sizes; the rows depend on their number only, not on the batches.
pub(super) fn growing(sizes: &[usize], options: GrowingOptions) -> GrowingSegment {
    let segment = GrowingSegment::with_options(SegmentId(3), PartitionId(2), Arc::new(schema()), options);
    for (i, size) in sizes.iter().enumerate() {
        let first = u64::from(segment.rows());
        let rows: Vec<Row> = (first..first + *size as u64).map(Row::random).collect();
        let at = i as u64 + 1;
        segment.append(&batch(&rows), LogPosition(at), Timestamp(at * 10)).unwrap();
    }
    segment
}

pub(super) fn tiny_chunks() -> GrowingOptions {
    GrowingOptions { first_chunk_bytes: 1 << 10, chunk_bytes_max: 4 << 10 }
}

pub(super) fn open(disk: &dyn Disk, manifest: &SegmentManifest) -> Result<SealedSegment> {
    SealedSegment::open(disk, manifest, Arc::new(schema()), Arc::new(Deletes::new()))
}

/// Everything a segment shows.
fn shown(blocks: &[Block]) -> (Vec<Row>, Vec<u64>, Vec<u64>) {
    let stamps =
        |read: fn(&Block) -> Result<&[u64]>| blocks.iter().flat_map(|b| read(b).unwrap().to_vec()).collect();
    (rows_of(blocks), stamps(|block| block.positions()), stamps(|block| block.timestamps()))
}

#[test]
fn a_segment_comes_back_from_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let disks: [Arc<dyn Disk>; 2] = [Arc::new(RealDisk::new(dir.path()).unwrap()), Arc::new(SimDisk::new(1))];
    for disk in &disks {
        for sizes in [&[0usize][..], &[1], &[64], &[65, 3], &[1000, 1, 2500]] {
            let segment = growing(sizes, GrowingOptions::default());
            for rows in [segment.rows(), segment.rows() / 2] {
                let path = format!("s{}-{rows}", segment.rows());
                let manifest = write_segment(disk, &path, &segment, rows).unwrap();
                let text = serde_json::to_string(&manifest).unwrap();
                assert_eq!(serde_json::from_str::<SegmentManifest>(&text).unwrap(), manifest);
                let sealed = open(&**disk, &manifest).unwrap();
                sealed.verify().unwrap();
                assert_eq!((sealed.rows(), sealed.partition()), (rows, PartitionId(2)));
                let expected = shown(&segment.blocks(rows));
                assert_eq!(manifest.last_position.0, expected.1.last().copied().unwrap_or(0));
                assert_eq!(manifest.last_timestamp.0, expected.2.last().copied().unwrap_or(0));
                assert_eq!(shown(&sealed.blocks(rows)), expected);
                assert_eq!(
                    shown(&sealed.blocks(rows / 3)),
                    shown(&segment.blocks(rows / 3)),
                    "an older view"
                );
                let vectors = sealed.vector_rows(VECTOR).unwrap();
                let rows = expected.0.iter().enumerate();
                rows.for_each(|(at, row)| assert_eq!(vectors.row(at as u32), row.vector));
            }
        }
    }
}

#[test]
fn bytes_depend_on_the_rows_only() {
    // I22: another history of chunks, batches within an entry aside, and later deletes give the same file.
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let sizes = [40, 300, 7, 513];
    let mut manifests = Vec::new();
    for (name, options) in [("a", GrowingOptions::default()), ("b", tiny_chunks())] {
        let segment = growing(&sizes, options);
        if name == "b" {
            (0..100).for_each(|row| assert!(segment.deletes().delete(row, LogPosition(9))));
            let more: Vec<Row> = (0..50).map(Row::random).collect();
            segment.append(&batch(&more), LogPosition(9), Timestamp(90)).unwrap();
        }
        manifests.push(write_segment(&disk, name, &segment, 860).unwrap());
    }
    assert_eq!(disk.read_all("a").unwrap(), disk.read_all("b").unwrap());
    assert_eq!(manifests[0].files[0].checksum, manifests[1].files[0].checksum);
    assert!(matches!(
        write_segment(&disk, "c", &growing(&sizes, tiny_chunks()), 861),
        Err(Error::UnknownRow { rows: 860, .. })
    ));
}

#[test]
fn damage_is_an_error_with_file_and_offset_or_changes_nothing() {
    let sim = SimDisk::new(1);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    // Large enough that most blocks belong to one column only.
    let segment = growing(&[20_000], GrowingOptions::default());
    let manifest = write_segment(&disk, "s", &segment, 20_000).unwrap();
    let expected = shown(&segment.blocks(20_000));
    let bytes = manifest.files[0].bytes;
    let ends = (0..128).chain(bytes - 700..bytes);
    for at in ends.chain((0..400).map(|i| mix(i) % bytes)) {
        sim.corrupt("s", at, 1 << (at % 8)).unwrap();
        let read = open(&*disk, &manifest).and_then(|sealed| {
            let blocks = sealed.blocks(20_000);
            for field in &sealed.schema().fields {
                blocks[0].column(field.id)?;
            }
            blocks[0].positions()?;
            blocks[0].timestamps()?;
            Ok(sealed)
        });
        match read {
            Ok(sealed) => assert_eq!(shown(&sealed.blocks(20_000)), expected, "byte {at}"),
            Err(Error::Storage(vecraft_storage::Error::Corrupt { path, offset, .. })) => {
                assert_eq!(path, "s");
                assert!(offset <= bytes, "byte {at} blamed on {offset}");
            }
            Err(Error::Storage(vecraft_storage::Error::NewerVersion { .. })) => assert!(at < 16, "byte {at}"),
            Err(other) => panic!("byte {at}: {other}"),
        }
        if at % 4 == 0
            && let Ok(restored) = restore(&*disk, &manifest, Arc::new(schema()), GrowingOptions::default())
        {
            assert_eq!(shown(&restored.blocks(20_000)), expected, "byte {at}");
        }
        sim.corrupt("s", at, 1 << (at % 8)).unwrap();
    }
    assert_eq!(shown(&open(&*disk, &manifest).unwrap().blocks(20_000)), expected);
}

#[test]
fn verify_finds_damage_anywhere() {
    let sim = SimDisk::new(1);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let manifest = write_segment(&disk, "s", &growing(&[500], tiny_chunks()), 500).unwrap();
    for i in 0..300 {
        let at = mix(i) % manifest.files[0].bytes;
        sim.corrupt("s", at, 0x80).unwrap();
        let checked = open(&*disk, &manifest).and_then(|sealed| sealed.verify());
        assert!(checked.is_err_and(|error| error.is_corrupt() || at < 16), "byte {at}");
        sim.corrupt("s", at, 0x80).unwrap();
    }
}

#[test]
fn another_file_under_the_same_name_is_refused() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let segment = growing(&[10, 10], tiny_chunks());
    let older = write_segment(&disk, "s", &segment, 10).unwrap();
    write_segment(&disk, "s", &segment, 20).unwrap();
    assert!(open(&*disk, &older).unwrap_err().is_corrupt());
    let missing = SegmentManifest { files: Vec::new(), ..older.clone() };
    assert!(matches!(open(&*disk, &missing), Err(Error::Schema(_))));
    disk.remove_file("s").unwrap();
    assert!(matches!(open(&*disk, &older), Err(Error::Storage(error)) if error.is_not_found()));
}

#[test]
fn a_tail_file_grows_on_as_the_original_would() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let original = growing(&[5, 700, 0, 31, 17_000], tiny_chunks());
    let manifest = write_segment(&disk, "tail", &original, original.rows()).unwrap();
    (0..50).for_each(|row| assert!(original.deletes().delete(row * 7, LogPosition(4 + u64::from(row % 3)))));
    let list = original.deletes().list(original.rows(), LogPosition(5));
    assert!(list.len() > 30 && list.len() < 50, "deletes after the checkpoint stay out");
    let list = decode_deletes(&encode_deletes(&list)).unwrap();

    let restored = restore(&*disk, &manifest, Arc::new(schema()), GrowingOptions::default()).unwrap();
    list.iter().for_each(|(row, position)| assert!(restored.deletes().delete(*row, *position)));
    assert_eq!(restored.deletes().list(u32::MAX, LogPosition(5)), list);
    let replay = original.deletes().list(original.rows(), LogPosition(9));
    replay.iter().for_each(|(row, position)| _ = restored.deletes().delete(*row, *position));
    let more: Vec<Row> = (0..90).map(|n| Row::random(n + 5000)).collect();
    for segment in [&original, &restored] {
        assert_eq!(segment.append(&batch(&more), LogPosition(9), Timestamp(95)).unwrap(), 17_736);
    }
    assert_eq!(shown(&restored.blocks(u32::MAX)), shown(&original.blocks(u32::MAX)));
    for position in 0..10 {
        let live =
            |segment: &GrowingSegment| segment.deletes().live(0, segment.rows(), LogPosition(position));
        assert_eq!(live(&restored), live(&original), "at {position}");
    }
    let a = write_segment(&disk, "a", &original, original.rows()).unwrap();
    let b = write_segment(&disk, "b", &restored, restored.rows()).unwrap();
    assert_eq!(a.files[0].checksum, b.files[0].checksum, "I22: a restart changes no bytes");
}

#[test]
fn broken_delete_lists_are_refused() {
    let list = vec![(1, LogPosition(5)), (9, LogPosition(2))];
    let bytes = encode_deletes(&list);
    assert_eq!(decode_deletes(&bytes), Some(list));
    assert_eq!(decode_deletes(&[]), Some(Vec::new()));
    assert_eq!(decode_deletes(&bytes[..23]), None);
    assert_eq!(decode_deletes(&encode_deletes(&[(9, LogPosition(5)), (9, LogPosition(6))])), None);
    assert_eq!(decode_deletes(&encode_deletes(&[(9, LogPosition(0))])), None);
}

/// What the system was told for a mapped index would make every later reader of the column wait for one page after another.
#[cfg(target_os = "linux")]
#[test]
#[allow(clippy::disallowed_methods)] // Asks the system, not a disk of ours.
fn rows_of_a_detached_index_bring_their_neighbours_again() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(dir.path()).unwrap());
    let written = growing(&[3_000], GrowingOptions::default());
    let sealed = open(&*disk, &write_segment(&disk, "rows", &written, written.rows()).unwrap()).unwrap();
    let own_file = dir.path().join("rows");
    let is_read_in_no_order = || {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let flags = |part: &str| part.lines().next().is_some_and(|flags| flags.contains(" rr"));
        let mut of_file = maps.split(own_file.to_str().unwrap()).skip(1);
        of_file.any(|part| part.split_once("VmFlags:").is_some_and(|(_, part)| flags(part)))
    };
    let rows = sealed.vector_rows(VECTOR).unwrap();
    assert!(!is_read_in_no_order());
    rows.advise(true);
    sealed.attach_index(VECTOR, Arc::new(vecraft_index::Flat::new(vecraft_types::Metric::L2, rows))).unwrap();
    assert!(is_read_in_no_order());
    sealed.detach_index(VECTOR).unwrap();
    assert!(!is_read_in_no_order());
}
