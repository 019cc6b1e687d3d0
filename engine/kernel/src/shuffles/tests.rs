use super::*;
use proptest::prelude::*;

fn check(tables: &[u8], block: &[u8]) {
    let mut want = [0u32; SHUFFLE_ROWS];
    for (i, byte) in block.iter().enumerate() {
        let (table, row) = (&tables[i / 16 * 16..], i % 16);
        want[row] += u32::from(table[usize::from(byte & 15)]);
        want[16 + row] += u32::from(table[usize::from(byte >> 4)]);
    }
    for set in Kernels::available() {
        let mut out = [u32::MAX; SHUFFLE_ROWS];
        set.shuffle_sums(tables, block, &mut out);
        assert_eq!(out, want, "{} of {} parts", set.name(), tables.len() / 16);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_instruction_set_gives_the_exact_sums(
        (tables, block) in (0usize..40).prop_flat_map(|groups| {
            let bytes = groups * 16 * SHUFFLE_PARTS;
            (prop::collection::vec(any::<u8>(), bytes), prop::collection::vec(any::<u8>(), bytes))
        }),
    ) {
        check(&tables, &block);
    }
}

#[test]
fn the_largest_sums_do_not_wrap() {
    for parts in [4, 512, 1_024, 1_028, 2_052, 1 << 16] {
        check(&vec![255; parts * 16], &vec![0xa5; parts * 16]);
    }
}

#[test]
#[should_panic(expected = "dimensions differ")]
fn a_broken_group_is_refused() {
    Kernels::active().shuffle_sums(&[0; 32], &[0; 32], &mut [0; SHUFFLE_ROWS]);
}
