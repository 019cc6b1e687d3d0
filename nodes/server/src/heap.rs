//! The heap of the program: what it holds goes back to the system when the node comes to rest, and large pages are for graphs.
//!
//! An allocator keeps what was freed for those who ask next, and looks at it again only when somebody frees more: after a load
//! and a build that was much of what a node had in memory (figures in `docs/BENCHMARKS.md`), for as long as it is only
//! searched. So the node says when it rests: when nothing was written to its log for a second ([`NodeLog::rested`]), which is
//! after the last insert, seal, checkpoint or finished index. This knows mimalloc, which `vecraft` uses, and the C library's
//! allocator, which the store uses; in a program that has another one nothing happens.

use std::convert::Infallible;
use std::time::Duration;
use vecraft_log_store::NodeLog;
use vecraft_runtime::pools::IoPool;
use vecraft_runtime::shutdown::Shutdown;

/// Between two times that memory is given back: a node that pauses every other second keeps its memory warm.
const PAUSE: Duration = Duration::from_secs(5);

/// Gives memory back each time the node comes to rest, until shutdown.
///
/// # Errors
/// None; the type is what background tasks return.
pub(crate) async fn give_back_at_rest(
    log: NodeLog,
    io: IoPool,
    shutdown: Shutdown,
) -> Result<(), Infallible> {
    while shutdown.unless_triggered(log.rested()).await.is_some() {
        if io.run(give_back).await.is_err()
            || shutdown.unless_triggered(tokio::time::sleep(PAUSE)).await.is_none()
        {
            break;
        }
    }
    Ok(())
}

/// Gives memory that was freed back to the system, as far as the allocators can tell.
pub fn give_back() {
    // SAFETY: both only look at what is free, and may be called at any time from any thread.
    unsafe {
        libmimalloc_sys::mi_collect(true);
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        libc::malloc_trim(0);
    }
}

/// Asks the system for no large pages in the heap, for a program that has mimalloc as its allocator: first thing in `main`.
/// mimalloc asks for them everywhere, and then a buffer that is filled bit by bit takes two MiB at its first byte, and what is
/// freed goes back only where two MiB in a row are free. Graphs and codes, which are read in no order and gain by large pages, ask for
/// themselves later on. It concerns the heap's first GiB, which is there when `main` begins.
// /proc is not data: no sync, no fault injection, so not the storage crate's business.
#[allow(clippy::disallowed_methods)]
pub fn keep_pages_small() {
    #[cfg(target_os = "linux")]
    {
        let probe = Box::new([0_u8; 64]);
        let at = std::hint::black_box(&probe).as_ptr() as usize;
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        if let Some((start, end)) = mapping_of(&maps, at) {
            // SAFETY: the advice is about a mapping of ours as a whole and changes nothing in it.
            unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_NOHUGEPAGE) };
        }
    }
}

/// Where the mapping begins and ends that has this address, by what `/proc/self/maps` says.
fn mapping_of(maps: &str, address: usize) -> Option<(usize, usize)> {
    maps.lines().find_map(|line| {
        let (start, end) = line.split_whitespace().next()?.split_once('-')?;
        let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
        (start..end).contains(&address).then_some((start, end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mapping_of_an_address_is_found() {
        let maps = "7f00-7f10 rw-p 00000000 00:00 0\n7f20-8000 rw-p 00000000 00:00 0  [anon]\nnonsense\n";
        assert_eq!(mapping_of(maps, 0x7f20), Some((0x7f20, 0x8000)));
        assert_eq!(mapping_of(maps, 0x7fff), Some((0x7f20, 0x8000)));
        assert_eq!((mapping_of(maps, 0x7f10), mapping_of(maps, 0x8000)), (None, None));
    }

    #[test]
    fn memory_may_be_given_back_at_any_time() {
        let kept = vec![7_u8; 8 << 20];
        drop(vec![1_u8; 8 << 20]);
        give_back();
        assert!(kept.iter().all(|byte| *byte == 7));
    }
}
