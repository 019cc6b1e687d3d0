//! Bytes of a whole file, mapped or held.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A whole file as a slice: memory mapped on a real disk, held in memory on a simulated one. Clones share it.
///
/// Columns, graphs and codes are read through this type, so the page cache is the only cache and dropping the last clone frees it.
#[derive(Clone)]
pub struct MappedFile(Arc<Inner>);

enum Inner {
    Mmap(memmap2::Mmap),
    Held { lines: Vec<Line>, len: usize },
}

/// One cache line, so that held bytes are aligned at least as well as the columns inside a mapped file expect.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE_BYTES]);

const LINE_BYTES: usize = 64;

impl MappedFile {
    pub(super) fn from_mmap(map: memmap2::Mmap) -> Self {
        Self(Arc::new(Inner::Mmap(map)))
    }

    /// Copies bytes that are already in memory, for tests, simulated disks and empty files (which cannot be mapped). The copy
    /// begins at a multiple of 64 bytes, as a mapping does.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let lines = bytes.chunks(LINE_BYTES).map(|chunk| {
            let mut line = Line([0; LINE_BYTES]);
            line.0[..chunk.len()].copy_from_slice(chunk);
            line
        });
        Self(Arc::new(Inner::Held { lines: lines.collect(), len: bytes.len() }))
    }

    /// Tells the kernel that reads will jump around, so that it does not read ahead. A hint; failures are ignored.
    pub fn advise_random(&self) {
        #[cfg(unix)]
        if let Inner::Mmap(map) = &*self.0 {
            let _ = map.advise(memmap2::Advice::Random);
        }
    }

    /// Asks the kernel to read the whole file in soon. A hint; failures are ignored.
    pub fn advise_will_need(&self) {
        #[cfg(unix)]
        if let Inner::Mmap(map) = &*self.0 {
            let _ = map.advise(memmap2::Advice::WillNeed);
        }
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &*self.0 {
            Inner::Mmap(map) => map,
            // SAFETY: `lines` holds at least `len` initialised bytes without padding (repr(C), size equals alignment), and
            // nothing changes them after construction.
            Inner::Held { lines, len } => unsafe {
                std::slice::from_raw_parts(lines.as_ptr().cast::<u8>(), *len)
            },
        }
    }
}

impl AsRef<[u8]> for MappedFile {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for MappedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MappedFile({} bytes)", self.len())
    }
}
