//! Chooses the instruction set once per process and checks lengths before any unchecked load.

use crate::bits::{self, BitLoops};
use crate::bytes::{self, ByteLoops};
use crate::codes::{self, CodeLoops};
use crate::columns::{self, ColumnLoops};
use crate::halves::{self, HalfLoops};
use crate::scalar;
use crate::shuffles::{self, ShuffleLoops};
use crate::small_codes::{self, SmallCodeLoops};
use std::sync::{LazyLock, OnceLock};

type Pair = unsafe fn(&[f32], &[f32]) -> f32;
type PairNorm = unsafe fn(&[f32], &[f32]) -> (f32, f32);
type Four = unsafe fn(&[f32], [&[f32]; 4]) -> [f32; 4];

/// A table of loops for one instruction set. Only sets this CPU has can be obtained, so calling is safe.
#[derive(Debug)]
pub struct Kernels {
    name: &'static str,
    dot: Pair,
    l2: Pair,
    dot_norm: PairNorm,
    dot4: Four,
    l2_4: Four,
    pub(crate) codes: &'static CodeLoops,
    pub(crate) bits: &'static BitLoops,
    pub(crate) bytes: &'static ByteLoops,
    pub(crate) halves: &'static HalfLoops,
    pub(crate) columns: &'static ColumnLoops,
    pub(crate) small_codes: &'static SmallCodeLoops,
    pub(crate) shuffles: &'static ShuffleLoops,
}

const SCALAR: Kernels = Kernels {
    name: "scalar",
    dot: scalar::dot,
    l2: scalar::l2,
    dot_norm: scalar::dot_norm,
    dot4: scalar::dot4,
    l2_4: scalar::l2_4,
    codes: &codes::SCALAR,
    bits: &bits::SCALAR,
    bytes: &bytes::SCALAR,
    halves: &halves::SCALAR,
    columns: &columns::SCALAR,
    small_codes: &small_codes::SCALAR,
    shuffles: &shuffles::SCALAR,
};

#[cfg(target_arch = "x86_64")]
const AVX2: Kernels = {
    use crate::avx2;
    Kernels {
        name: "avx2",
        dot: avx2::dot,
        l2: avx2::l2,
        dot_norm: avx2::dot_norm,
        dot4: avx2::dot4,
        l2_4: avx2::l2_4,
        codes: &codes::AVX2,
        bits: &bits::AVX2,
        bytes: &bytes::AVX2,
        halves: &halves::AVX2,
        columns: &columns::AVX2,
        small_codes: &small_codes::AVX2,
        shuffles: &shuffles::AVX2,
    }
};

#[cfg(target_arch = "aarch64")]
const NEON: Kernels = {
    use crate::neon;
    Kernels {
        name: "neon",
        dot: neon::dot,
        l2: neon::l2,
        dot_norm: neon::dot_norm,
        dot4: neon::dot4,
        l2_4: neon::l2_4,
        codes: &codes::NEON,
        bits: &bits::NEON,
        bytes: &bytes::NEON,
        halves: &halves::NEON,
        columns: &columns::NEON,
        small_codes: &small_codes::NEON,
        shuffles: &shuffles::NEON,
    }
};

/// AVX-512 came in steps: byte products (VNNI), bit counts (VPOPCNTDQ) and products of brain floats (BF16) are taken where
/// they are, what came before else.
#[cfg(target_arch = "x86_64")]
fn avx512() -> Kernels {
    use crate::avx512;
    let has_bytes = is_x86_feature_detected!("avx512bw");
    let has_masks = has_bytes && is_x86_feature_detected!("avx512vl");
    let has_products = has_bytes && is_x86_feature_detected!("avx512vnni");
    let has_counts = has_bytes && is_x86_feature_detected!("avx512vpopcntdq");
    let has_brains = has_masks && is_x86_feature_detected!("avx512bf16");
    let halves = match (has_brains, has_masks) {
        (true, _) => &halves::AVX512_BF16,
        (false, true) => &halves::AVX512,
        (false, false) => &halves::AVX2,
    };
    Kernels {
        name: "avx512",
        dot: avx512::dot,
        l2: avx512::l2,
        dot_norm: avx512::dot_norm,
        dot4: avx512::dot4,
        l2_4: avx512::l2_4,
        codes: if has_products { &codes::VNNI } else { &codes::AVX2 },
        bits: if has_counts { &bits::VPOPCNT } else { &bits::AVX2 },
        bytes: if has_products && has_masks { &bytes::VNNI } else { &bytes::AVX2 },
        halves,
        columns: &columns::AVX512,
        small_codes: if has_products { &small_codes::VNNI } else { &small_codes::AVX2 },
        shuffles: if has_bytes { &shuffles::AVX512 } else { &shuffles::AVX2 },
    }
}

/// What this CPU can run, fastest first.
static SETS: LazyLock<Vec<Kernels>> = LazyLock::new(|| {
    let mut sets = Vec::with_capacity(3);
    #[cfg(target_arch = "x86_64")]
    {
        // Every CPU with AVX2 and FMA that we know has F16C.
        let has_avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        if has_avx2 && is_x86_feature_detected!("avx512f") {
            sets.push(avx512());
        }
        if has_avx2 {
            sets.push(AVX2);
        }
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("neon") {
        sets.push(NEON);
    }
    sets.push(SCALAR);
    sets
});

static ACTIVE: OnceLock<&'static Kernels> = OnceLock::new();

impl Kernels {
    /// The fastest set of this CPU, chosen at the first call and then fixed for the process.
    pub fn active() -> &'static Kernels {
        ACTIVE.get_or_init(|| &SETS[0])
    }

    /// Every set this CPU can run, fastest first; the last is always the portable one. For tests and `status`.
    pub fn available() -> Vec<&'static Kernels> {
        SETS.iter().collect()
    }

    /// Fixes the set named (`avx512`, `avx2`, `neon`, `scalar`) for the process, before anything else asked for one.
    /// Returns false if this CPU lacks it or the choice is already made otherwise.
    pub fn select(name: &str) -> bool {
        match Kernels::available().into_iter().find(|set| set.name == name) {
            Some(set) => std::ptr::eq(*ACTIVE.get_or_init(|| set), set),
            None => false,
        }
    }

    /// Name of the instruction set.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Dot product. Panics if the lengths differ.
    #[inline]
    pub fn dot(&self, a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len(), "dimensions differ");
        // SAFETY (here and below): lengths are equal, and the table exists only if the CPU has the features.
        unsafe { (self.dot)(a, b) }
    }

    /// Squared Euclidean distance. Panics if the lengths differ.
    #[inline]
    pub fn l2_squared(&self, a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len(), "dimensions differ");
        unsafe { (self.l2)(a, b) }
    }

    /// Dot product of `a` and `b`, and the squared norm of `b`. Panics if the lengths differ.
    #[inline]
    pub fn dot_and_norm(&self, a: &[f32], b: &[f32]) -> (f32, f32) {
        assert_eq!(a.len(), b.len(), "dimensions differ");
        unsafe { (self.dot_norm)(a, b) }
    }

    /// Dot products of `q` with four rows, bit for bit those of [`Kernels::dot`]. Panics if lengths differ.
    #[inline]
    pub fn dot4(&self, q: &[f32], rows: [&[f32]; 4]) -> [f32; 4] {
        assert!(rows.iter().all(|row| row.len() == q.len()), "dimensions differ");
        unsafe { (self.dot4)(q, rows) }
    }

    /// Squared distances of `q` to four rows, bit for bit those of [`Kernels::l2_squared`]. Panics if lengths
    /// differ.
    #[inline]
    pub fn l2_squared4(&self, q: &[f32], rows: [&[f32]; 4]) -> [f32; 4] {
        assert!(rows.iter().all(|row| row.len() == q.len()), "dimensions differ");
        unsafe { (self.l2_4)(q, rows) }
    }
}
