#![allow(clippy::unwrap_used)]
//! Indexes as a user meets them: built after a flush, used, kept over a restart, built again when damaged, dropped.

mod rig;

use rig::{DIM, ROWS, Rig};
use vecraft_types::Metric;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_an_index_is_built_kept_mended_and_dropped() {
    let mut rig = Rig::start().await;
    rig.create_collection().await;
    rig.create_index("HNSW", &[("M", "16"), ("efConstruction", "200")]).await;
    assert_eq!(rig.progress().await, (0, 0, 0), "an empty collection's index is finished at once");

    rig.insert(0..ROWS).await;
    rig.flush().await;
    rig.wait_until_built().await;
    assert_eq!(rig.progress().await, (ROWS as u64, ROWS as u64, 0));
    let files = rig.index_files();
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(rig.recall(&[("ef", "64")]).await >= 0.95);
    rig.check_filters(&[]).await;

    // Deletes after the build: neither found nor counted among the k.
    rig.delete_below(1_000).await;
    assert!(rig.recall(&[("ef", "64")]).await >= 0.95);
    rig.check_filters(&[]).await;

    // The same file after a restart: not one byte is written again.
    rig.restart().await;
    rig.wait_until_built().await;
    assert_eq!(rig.index_files(), files);
    assert!(rig.recall(&[("ef", "64")]).await >= 0.95);

    // A damaged file is not served: it is built again.
    rig.stop().await;
    rig.flip_a_byte(&files[0].path);
    rig.leave_beside(&files[0].path);
    rig.start_again().await;
    assert!(rig.recall(&[("ef", "64")]).await >= 0.95, "right while it is being built");
    rig.wait_until_built().await;
    // What no log names is swept; the rebuilt file has the bytes that the log names, so it has the same name.
    let rebuilt = rig.wait_until_one_file().await;
    assert_eq!(rebuilt.path, files[0].path);
    assert_ne!(rebuilt, files[0]);
    assert!(rig.recall(&[("ef", "64")]).await >= 0.95);

    // Without an index every answer is exact.
    rig.drop_index().await;
    rig.wait_until_no_files().await;
    assert!(rig.recall(&[]).await >= 0.999);
    rig.check_filters(&[]).await;

    // Another type over the same segment; then the collection goes, and its files with it.
    rig.create_index("IVF_FLAT", &[("nlist", "64")]).await;
    rig.wait_until_built().await;
    assert_eq!(rig.index_files().len(), 1);
    assert!(rig.recall(&[("nprobe", "32")]).await >= 0.95);
    rig.drop_index().await;
    rig.wait_until_no_files().await;
    rig.create_index("HNSW_SQ", &[("M", "16"), ("sq_type", "SQ8"), ("refine", "true")]).await;
    rig.wait_until_built().await;
    assert_eq!(rig.index_files().len(), 1);
    assert!(rig.recall(&[("ef", "64"), ("refine_k", "1.5")]).await >= 0.95);
    rig.check_filters(&[]).await;
    rig.drop_index().await;
    rig.wait_until_no_files().await;
    rig.create_index("IVF_SQ8", &[("nlist", "64"), ("refine", "true")]).await;
    rig.wait_until_built().await;
    assert_eq!(rig.index_files().len(), 1);
    assert!(rig.recall(&[("nprobe", "32"), ("refine_k", "2")]).await >= 0.95);
    rig.check_filters(&[("nprobe", "64"), ("refine_k", "2")]).await;
    rig.drop_collection().await;
    rig.wait_until_no_files().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_made_over_rows_in_memory_is_used_without_a_flush() {
    let mut rig = Rig::start().await;
    rig.create_collection().await;
    rig.insert(0..5_000).await;
    assert!(rig.index_files().is_empty());
    rig.create_index("AUTOINDEX", &[]).await;
    rig.wait_until_built().await;
    assert_eq!(rig.index_files().len(), 1);
    assert_eq!(rig.progress().await, (5_000, 5_000, 0));
    assert!(rig.recall(&[]).await >= 0.95);
    // Few rows more, in memory: they are found beside the indexed ones.
    rig.insert(5_000..5_100).await;
    assert!(rig.recall(&[]).await >= 0.95);
    assert_eq!(rig.search_one(&rig::vector(5_050), Metric::L2, 1, "", &[]).await, vec![5_050]);
    assert_eq!(rig::vector(0).len(), DIM);
    rig.stop().await;
}
