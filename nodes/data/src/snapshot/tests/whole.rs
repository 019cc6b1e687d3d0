//! A single file for another role, as an index file comes (I13): cut off, or not what was asked for.

use super::rig::*;
use crate::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use vecraft_rpc::copies::WholeFile;
use vecraft_rpc::files::RANGE_BYTES_MAX;
use vecraft_storage::{BlockWriter, Disk};

const KIND: [u8; 4] = *b"VIDX";
const PATH: &str = "groups/1/3-0/1-2-3.idx";

/// A file of three ranges and a bit on the other node, and how it is asked for.
fn whole_file(origin: &Origin) -> WholeFile {
    let disk: Arc<dyn Disk> = Arc::new(origin.disk.clone());
    disk.create_dir_all("groups/1/3-0").unwrap();
    let mut file = BlockWriter::create(disk, PATH, KIND, 1).unwrap();
    let numbers = (0..400_000_u64).flat_map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
    file.write(&numbers.collect::<Vec<u8>>()).unwrap();
    let info = file.finish().unwrap();
    assert!(info.file_bytes > 3 * u64::from(RANGE_BYTES_MAX), "{} bytes", info.file_bytes);
    WholeFile { path: PATH.into(), kind: KIND, format: 1, bytes: info.file_bytes, checksum: info.checksum }
}

fn offsets(receiver: &Receiver) -> Vec<u64> {
    receiver.wire.asked.lock().drain(..).map(|range| range.offset).collect()
}

fn is_same(origin: &Origin, receiver: &Receiver) -> bool {
    origin.disk.read_all(PATH).unwrap() == receiver.disk.read_all(PATH).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_a_pull_that_was_cut_off_goes_on_where_it_was() {
    let origin = Origin::new().await;
    let file = whole_file(&origin);
    let receiver = Receiver::new(&origin);
    let range = u64::from(RANGE_BYTES_MAX);
    for (answers, begins) in [(1, vec![0]), (2, vec![range, 2 * range])] {
        receiver.wire.answers_left.store(answers, Ordering::SeqCst);
        let why = receiver.pull_whole(file.clone()).await.unwrap_err().to_string();
        assert!(why.contains("cut the wire"), "{why}");
        assert_eq!(offsets(&receiver), begins);
        assert!(!receiver.disk.exists(PATH).unwrap(), "whole or not at all");
    }
    receiver.wire.answers_left.store(-1, Ordering::SeqCst);
    receiver.pull_whole(file).await.unwrap();
    assert_eq!(offsets(&receiver), [3 * range], "no range twice");
    receiver.disk.crash();
    assert!(is_same(&origin, &receiver), "durable, to the last byte");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_what_is_not_the_file_is_not_kept_and_not_gone_on_with() {
    let origin = Origin::new().await;
    let file = whole_file(&origin);
    let receiver = Receiver::new(&origin);
    receiver.wire.answers_left.store(2, Ordering::SeqCst);
    receiver.pull_whole(file.clone()).await.unwrap_err();
    // Other bytes under the same name are another file: nothing of the first is taken for it.
    let other = WholeFile { checksum: file.checksum ^ 1, ..file.clone() };
    receiver.wire.answers_left.store(-1, Ordering::SeqCst);
    offsets(&receiver);
    let refused = receiver.pull_whole(other).await.unwrap_err();
    assert!(matches!(&refused, Error::Pull { why, .. } if why.contains("not what was listed")), "{refused}");
    assert_eq!(offsets(&receiver)[0], 0);
    // A bit turns on the way.
    receiver.wire.is_noisy.store(true, Ordering::SeqCst);
    receiver.pull_whole(file.clone()).await.unwrap_err();
    receiver.wire.is_noisy.store(false, Ordering::SeqCst);
    offsets(&receiver);
    receiver.pull_whole(file).await.unwrap();
    assert_eq!(offsets(&receiver)[0], 0, "begun anew");
    assert!(is_same(&origin, &receiver));
}
