//! What the machine gives a process: open files, memory maps, memory.

use crate::Error;
use vecraft_data::CompactionPolicy;

/// Open files a node wants: column files, sockets, the store.
const FILES_WANTED: u64 = 65_536;
/// Fewer than this, and a few thousand segments with their clients use them up.
const FILES_LOW: u64 = 4_096;
/// Fewer than this and a node would fail under everyday load.
const FILES_MIN: u64 = 1_024;
/// Memory maps below which a warning is given: every column file is one.
const MAPS_WANTED: u64 = 65_530;

/// Raises the limit of open files as far as the system lets us and checks what is left.
///
/// # Errors
/// [`Error::Limits`] with the command that mends it.
pub fn check() -> Result<(), Error> {
    let files = raise_open_files();
    if files < FILES_MIN {
        return Err(Error::Limits(format!(
            "the limit of open files is {files}, at least {FILES_MIN} are needed: raise it with `ulimit -n {FILES_WANTED}`"
        )));
    }
    // Many systems allow a few ten thousand, which is enough: nothing to tell a person at every start.
    if files < FILES_LOW {
        tracing::warn!(files, wanted = FILES_WANTED, "few open files allowed; raise it with ulimit -n");
    } else {
        tracing::debug!(files, wanted = FILES_WANTED, "open files allowed");
    }
    match max_map_count() {
        Some(maps) if maps < MAPS_WANTED => tracing::warn!(
            maps,
            wanted = MAPS_WANTED,
            "few memory maps allowed; raise it with sysctl -w vm.max_map_count=262144"
        ),
        _ => {}
    }
    let memory = memory_bytes();
    if memory < MEMORY_LOW {
        tracing::warn!(
            memory_mib = memory >> 20,
            wanted_mib = MEMORY_LOW >> 20,
            "so little memory is allowed that the system may kill this node under load; raise the limit of its control group or container"
        );
    }
    Ok(())
}

/// The soft limit after raising it to the hard one.
fn raise_open_files() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a pointer to a live rlimit.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return FILES_WANTED;
        }
        let wanted = limit.rlim_max.min(FILES_WANTED);
        if limit.rlim_cur < wanted {
            let raised = libc::rlimit { rlim_cur: wanted, ..limit };
            if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) == 0 {
                limit.rlim_cur = wanted;
            }
        }
    }
    limit.rlim_cur
}

// /proc is not data: no sync, no fault injection, so not the storage crate's business.
#[allow(clippy::disallowed_methods)]
fn max_map_count() -> Option<u64> {
    std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

/// Bytes of memory this process may use: the machine's, or less when a control group that it is in says so (a container's, or
/// that of a systemd unit with `MemoryMax=`).
#[allow(clippy::disallowed_methods)]
pub fn memory_bytes() -> u64 {
    // SAFETY: sysconf has no preconditions.
    let (pages, page) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    let machine = u64::try_from(pages).unwrap_or(0).saturating_mul(u64::try_from(page).unwrap_or(0));
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let read = |file: String| std::fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    limit_files(&groups).into_iter().filter_map(read).fold(machine, u64::min)
}

/// Bytes of memory that this process has now, mapped files left out; none where the system does not say.
// /proc is not data: no sync, no fault injection, so not the storage crate's business.
#[allow(clippy::disallowed_methods)]
pub fn memory_taken() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = pages.split_ascii_whitespace().skip(1).map(str::parse::<u64>);
    let (resident, of_files) = (pages.next()?.ok()?, pages.next()?.ok()?);
    // SAFETY: sysconf has no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Some(resident.saturating_sub(of_files).saturating_mul(u64::try_from(page).ok()?))
}

/// What a node needs for itself, in bytes: the program, the store's caches, threads, buffers, and memory that was given back and
/// is not the system's yet (74 MiB right after the start, measured).
const OWN_BYTES: u64 = 96 << 20;
/// The least for data: a segment or two of a small collection.
const DATA_BYTES_MIN: u64 = 32 << 20;

/// Below this, what is promised to data and what a node takes itself are more than there is (seen killed by the kernel at 98 MiB).
const MEMORY_LOW: u64 = OWN_BYTES + 2 * DATA_BYTES_MIN;

/// Below this, large pages are left alone.
const LARGE_PAGES_FROM: u64 = 1 << 30;

/// Where memory is small, asks the system for no large pages in this process: they make searches of large graphs quicker, and every
/// heap a little larger (76 MiB instead of 32 after the start, measured). Called before memory is taken.
pub fn spare_small_memory() {
    #[cfg(target_os = "linux")]
    if memory_bytes() < LARGE_PAGES_FROM {
        // SAFETY: a switch of this process without pointers; where the system does not know it, nothing changes.
        unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
    }
}

/// Bytes for growing rows, keys, requests and indexes, of so many bytes in all: half of what the node itself leaves. The other half is
/// for what is only there for a moment (answers, files being written, batches on their way) and for the page cache of mapped files.
pub fn memory_for_data(all: u64) -> u64 {
    (all.saturating_sub(OWN_BYTES) / 2).max(DATA_BYTES_MIN)
}

/// Memory that indexing a short row takes, about: links and a code for it. Three times as many fit indexes' share of memory, for those
/// with more links.
const INDEXED_ROW_BYTES: u64 = 256;

/// What a compaction may have as output, at most: whoever builds the output's index needs memory for it beside rows and keys, and
/// searches would scan an output without one.
pub fn compaction_policy(wished: u64, deleted_percent: u32, memory_bytes_max: u64) -> CompactionPolicy {
    let of_memory = memory_bytes_max / 4;
    CompactionPolicy {
        bytes_max: wished.min(of_memory),
        asked_bytes_max: CompactionPolicy::default().asked_bytes_max.max(wished).min(of_memory),
        rows_max: of_memory / INDEXED_ROW_BYTES,
        deleted_percent,
        ..CompactionPolicy::default()
    }
}

/// Where the memory limits of a process's groups stand, by what its `/proc/self/cgroup` says: of each group and of all around
/// it, for both versions of control groups. Inside a container the paths may be the host's; the roots count there.
fn limit_files(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let mut path = path.trim_matches('/');
        loop {
            let between = if path.is_empty() { "" } else { "/" };
            files.push(format!("{root}{between}{path}/{name}"));
            if path.is_empty() {
                break;
            }
            path = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i21_a_small_group_leaves_room_for_the_program_itself() {
        assert_eq!(memory_for_data(24 << 30) >> 20, 12_240);
        assert_eq!(memory_for_data(244 << 20) >> 20, 74);
        assert_eq!(memory_for_data(64 << 20) >> 20, 32);
        // From here on what is promised to data is there.
        assert_eq!(memory_for_data(MEMORY_LOW), DATA_BYTES_MIN);
        assert!(OWN_BYTES + 2 * memory_for_data(MEMORY_LOW) <= MEMORY_LOW);
    }

    #[test]
    fn i21_the_limits_of_all_groups_around_the_process_count() {
        assert_eq!(
            limit_files("0::/system.slice/vecraft.service\n"),
            [
                "/sys/fs/cgroup/system.slice/vecraft.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max"
            ]
        );
        assert_eq!(
            limit_files("12:cpu,cpuacct:/a\n5:memory:/box\n1:name=systemd:/\n"),
            [
                "/sys/fs/cgroup/memory/box/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes"
            ]
        );
        assert_eq!(limit_files("0::/\nnonsense\n"), ["/sys/fs/cgroup/memory.max"]);
    }
}
