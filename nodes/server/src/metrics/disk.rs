//! The data directory, and how much the disk has left.
//!
//! No walk: `groups/`, `indexes/` and `scalars/` can have ten thousand directories, but what lies there is known in memory. `kv/`
//! and `log/` are flat and have a few dozen names.

use vecraft_runtime::telemetry::Figures;
use vecraft_storage::Disk;

pub fn tell(figures: &mut Figures, disk: &dyn Disk, column_bytes: u64, index_bytes: u64, scalar_bytes: u64) {
    let flat = |dir: &str| disk.list(dir).ok().map(|files| files.iter().map(|file| file.len).sum());
    let dirs = [
        ("kv", flat("kv")),
        ("log", flat("log")),
        ("groups", Some(column_bytes)),
        ("indexes", Some(index_bytes)),
        ("scalars", Some(scalar_bytes)),
    ];
    for (dir, bytes) in dirs {
        // A directory that cannot be read is missing, not empty.
        if let Some(bytes) = bytes {
            let help = "bytes of files below this part of the data directory";
            figures.gauge("vecraft_disk_bytes", help, &[("dir", dir)], bytes);
        }
    }
    if let Ok(free) = disk.free_bytes() {
        figures.gauge("vecraft_disk_free_bytes", "bytes that may still be written", &[], free);
    }
}
