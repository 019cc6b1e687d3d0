//! One suite for every [`Disk`], then what only the simulated one promises.
#![allow(clippy::unwrap_used)]

use super::*;

fn conforms(disk: &dyn Disk) {
    disk.create_dir_all("a/b").unwrap();
    disk.create_dir_all("a/b").unwrap();
    assert!(disk.exists("a/b").unwrap() && !disk.exists("a/c").unwrap());
    assert!(disk.open("a/b/none", OpenMode::Read).unwrap_err().is_not_found());
    assert!(disk.open("nodir/x", OpenMode::Create).unwrap_err().is_not_found());

    let file = disk.open("a/b/f", OpenMode::Create).unwrap();
    assert!(file.is_empty().unwrap());
    assert_eq!(file.append(b"hello ").unwrap(), 0);
    assert_eq!(file.append(b"world").unwrap(), 6);
    file.write_at(0, b"J").unwrap();
    file.sync_data().unwrap();
    disk.sync_dir("a/b").unwrap();
    assert_eq!(disk.read_all("a/b/f").unwrap(), b"Jello world");
    assert_eq!(&*disk.map("a/b/f").unwrap(), b"Jello world");
    let mut short = [0; 5];
    file.read_at(6, &mut short).unwrap();
    assert_eq!(&short, b"world");
    assert!(matches!(file.read_at(7, &mut short), Err(Error::Corrupt { offset: 11, .. })));

    file.write_at(13, b"!").unwrap();
    assert_eq!(disk.read_all("a/b/f").unwrap(), b"Jello world\0\0!");
    file.truncate(5).unwrap();
    file.preallocate(4096).unwrap();
    assert_eq!(file.len().unwrap(), 5);

    let reader = disk.open("a/b/f", OpenMode::Read).unwrap();
    assert!(reader.write_at(0, b"x").is_err());
    disk.open("a/b/g", OpenMode::OpenOrCreate).unwrap().append(b"old").unwrap();
    assert_eq!(disk.open("a/b/g", OpenMode::OpenOrCreate).unwrap().len().unwrap(), 3);
    disk.rename("a/b/f", "a/b/g").unwrap();
    assert_eq!(disk.read_all("a/b/g").unwrap(), b"Jello");
    let names: Vec<_> = disk.list("a/b").unwrap().into_iter().map(|e| (e.name, e.is_dir, e.len)).collect();
    assert_eq!(names, [("g".to_owned(), false, 5)]);
    assert_eq!(disk.list("a").unwrap()[0], DirEntry { name: "b".into(), is_dir: true, len: 0 });
    assert_eq!(disk.list("").unwrap()[0].name, "a");

    disk.remove_file("a/b/g").unwrap();
    assert!(disk.remove_file("a/b/g").unwrap_err().is_not_found());
    assert!(disk.map("a/b/g").unwrap_err().is_not_found());
    let mut still = [0; 5];
    reader.read_at(0, &mut still).unwrap();
    assert_eq!(&still, b"Jello");
    disk.open("a/b/empty", OpenMode::Create).unwrap();
    assert!(disk.map("a/b/empty").unwrap().is_empty());
    disk.remove_dir_all("a").unwrap();
    disk.remove_dir_all("a").unwrap();
    assert!(!disk.exists("a/b").unwrap());
    assert!(disk.free_bytes().unwrap() > 0);
    for bad in ["/etc/passwd", "../x", "a//b", "a/./b", "", "a\0b"] {
        assert!(matches!(disk.open(bad, OpenMode::Create), Err(Error::InvalidPath { .. })), "{bad:?}");
    }
}

#[test]
fn real_disk_conforms() {
    let dir = tempfile::tempdir().unwrap();
    conforms(&RealDisk::new(dir.path().join("root")).unwrap());
}

#[test]
fn sim_disk_conforms() {
    conforms(&SimDisk::new(1));
}

#[test]
fn synced_bytes_survive_and_unsynced_ones_vary() {
    let mut lost = 0;
    let mut torn = 0;
    for seed in 0..64 {
        let disk = SimDisk::new(seed);
        let file = disk.open("f", OpenMode::Create).unwrap();
        disk.sync_dir("").unwrap();
        file.append(&[1; 3000]).unwrap();
        file.sync_data().unwrap();
        file.append(&[2; 3000]).unwrap();
        disk.crash();
        assert!(file.len().is_err(), "a handle of the earlier life is dead");
        let found = disk.read_all("f").unwrap();
        assert!(found[..3000].iter().all(|b| *b == 1), "seed {seed}");
        let kept = found[3000..].iter().filter(|b| **b == 2).count();
        lost += usize::from(kept == 0);
        torn += usize::from(kept > 0 && kept < 3000);
    }
    assert!(lost > 5 && torn > 5, "lost {lost}, torn {torn}");
}

#[test]
fn names_need_a_directory_sync() {
    let mut missing = 0;
    for seed in 0..32 {
        let disk = SimDisk::new(seed);
        let file = disk.open("new", OpenMode::Create).unwrap();
        file.append(b"x").unwrap();
        file.sync_data().unwrap();
        disk.crash();
        missing += usize::from(!disk.exists("new").unwrap());
    }
    assert!(missing > 4 && missing < 28, "{missing}");
}

#[test]
fn a_lying_sync_loses_bytes() {
    let lost = (0..32).any(|seed| {
        let disk = SimDisk::new(seed);
        let file = disk.open("f", OpenMode::Create).unwrap();
        disk.sync_dir("").unwrap();
        disk.set_sync_is_a_lie(true);
        file.append(b"promise").unwrap();
        file.sync_data().unwrap();
        disk.crash();
        disk.read_all("f").unwrap() != b"promise"
    });
    assert!(lost);
}

#[test]
fn retrying_a_failed_sync_saves_nothing() {
    let disk = SimDisk::new(3);
    let file = disk.open("f", OpenMode::Create).unwrap();
    disk.sync_dir("").unwrap();
    file.append(b"gone").unwrap();
    disk.fail_syncs(1);
    assert!(file.sync_data().is_err());
    file.sync_data().unwrap();
    disk.crash();
    assert_eq!(disk.read_all("f").unwrap(), b"");
}

#[test]
fn cutting_a_file_gives_back_what_was_reserved_behind_it() {
    let disk = SimDisk::new(1);
    disk.set_capacity(Some(100));
    let file = disk.open("a", OpenMode::Create).unwrap();
    file.append(&[7; 10]).unwrap();
    file.preallocate(90).unwrap();
    assert_eq!(disk.free_bytes().unwrap(), 10);
    file.truncate(10).unwrap();
    assert_eq!(disk.free_bytes().unwrap(), 90);
}

#[test]
fn a_full_disk_says_so_and_reservations_help() {
    let disk = SimDisk::new(4);
    let file = disk.open("f", OpenMode::Create).unwrap();
    file.preallocate(100).unwrap();
    disk.set_capacity(Some(120));
    assert_eq!(disk.free_bytes().unwrap(), 20);
    let other = disk.open("g", OpenMode::Create).unwrap();
    assert!(other.append(&[0; 30]).unwrap_err().is_no_space());
    file.append(&[0; 100]).unwrap();
    assert!(file.append(&[0; 30]).unwrap_err().is_no_space());
    disk.set_capacity(None);
    other.append(&[0; 30]).unwrap();
}

#[test]
fn a_directory_made_again_survives_with_what_is_in_it() {
    for seed in 0..32 {
        let disk = SimDisk::new(seed);
        disk.create_dir_all("a/b").unwrap();
        disk.open("a/b/old", OpenMode::Create).unwrap().sync_data().unwrap();
        disk.sync_dir("a/b").unwrap();
        disk.remove_dir_all("a/b").unwrap();
        disk.create_dir_all("a/b").unwrap();
        disk.open("a/b/new", OpenMode::Create).unwrap().sync_data().unwrap();
        disk.sync_dir("a/b").unwrap();
        disk.crash();
        assert!(disk.exists("a/b/new").unwrap(), "seed {seed}: created and synced after the removal");
    }
}
