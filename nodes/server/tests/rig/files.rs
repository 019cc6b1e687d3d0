//! What lies on the server's disk, and what a crash or a bad disk makes of it.

use super::{LOOK_EVERY, PATIENCE, Rig};
use std::os::unix::fs::MetadataExt;
use vecraft_storage::OpenMode;

/// An index file as the file system knows it: a file written again has another inode or time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFile {
    pub path: String,
    identity: (u64, i64, i64),
}

impl Rig {
    /// Number and bytes of the column files, tails included.
    // Not every test that includes the rig asks for it.
    #[allow(dead_code)]
    pub fn column_files(&self) -> (usize, u64) {
        let mut found = (0, 0);
        for group in self.disk.list("groups").unwrap() {
            for shard in self.disk.list(&format!("groups/{}", group.name)).unwrap() {
                let dir = format!("groups/{}/{}", group.name, shard.name);
                for file in self.disk.list(&dir).unwrap() {
                    found.0 += 1;
                    found.1 +=
                        self.dir.path().join(&dir).join(&file.name).metadata().map_or(0, |about| about.len());
                }
            }
        }
        found
    }

    pub fn index_files(&self) -> Vec<IndexFile> {
        let mut files = Vec::new();
        if !self.disk.exists("indexes").unwrap() {
            return files;
        }
        for dir in self.disk.list("indexes").unwrap() {
            for file in self.disk.list(&format!("indexes/{}", dir.name)).unwrap() {
                let path = format!("indexes/{}/{}", dir.name, file.name);
                let about = self.dir.path().join(&path).metadata().unwrap();
                files.push(IndexFile { path, identity: (about.ino(), about.mtime(), about.mtime_nsec()) });
            }
        }
        files
    }

    pub async fn wait_until_no_files(&self) {
        let gone = async {
            while !self.index_files().is_empty() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.expect("index files stay");
    }

    pub async fn wait_until_one_file(&self) -> IndexFile {
        let swept = async {
            loop {
                match self.index_files().as_slice() {
                    [file] => return file.clone(),
                    _ => tokio::time::sleep(LOOK_EVERY).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, swept).await.expect("files that nobody names stay")
    }

    /// An index file as a crash leaves it: durable, and named by no log.
    pub fn leave_beside(&self, path: &str) {
        let (dir, _) = path.rsplit_once('/').unwrap();
        let bytes = self.disk.read_all(path).unwrap();
        let file = self.disk.open(&format!("{dir}/77-1-0123456789abcdef.idx"), OpenMode::Create).unwrap();
        file.write_at(0, &bytes).unwrap();
    }

    pub fn flip_a_byte(&self, path: &str) {
        let file = self.disk.open(path, OpenMode::Write).unwrap();
        let middle = file.len().unwrap() / 2;
        let mut byte = [0];
        file.read_at(middle, &mut byte).unwrap();
        file.write_at(middle, &[byte[0] ^ 0x40]).unwrap();
        file.sync_data().unwrap();
    }
}
