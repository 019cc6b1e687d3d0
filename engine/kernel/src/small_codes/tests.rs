use super::*;
use proptest::prelude::*;

fn check(kind: SmallCodes, factors: &[i8], rows: [&[u8]; 4]) {
    let want = rows.map(|row| -> i64 {
        factors.iter().zip(row).map(|(factor, code)| i64::from(*factor) * i64::from(*code)).sum()
    });
    let bytes = rows.map(|row| {
        let mut out = vec![0xff; kind.row_bytes(row.len())];
        kind.pack(row, &mut out);
        out
    });
    let mut padded = factors.to_vec();
    padded.resize(factors.len().next_multiple_of(SMALL_CODES_BLOCK), 77);
    let bytes = bytes.each_ref().map(Vec::as_slice);
    for set in Kernels::available() {
        let single = bytes.map(|row| i64::from(set.dot_small_codes(kind, &padded, row)));
        assert_eq!(single, want, "{} {kind:?} of {}", set.name(), factors.len());
        let four = set.dot_small_codes4(kind, &padded, bytes).map(i64::from);
        assert_eq!(four, want, "{} {kind:?} of {}", set.name(), factors.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_instruction_set_gives_the_exact_sum(
        (factors, codes) in (1usize..400).prop_flat_map(|dim| {
            (prop::collection::vec(any::<i8>(), dim), prop::collection::vec(any::<u8>(), dim * 4))
        }),
    ) {
        for kind in [SmallCodes::Four, SmallCodes::Six] {
            let codes: Vec<u8> = codes.iter().map(|code| code & kind.largest()).collect();
            let mut rows = codes.chunks_exact(factors.len());
            let rows = std::array::from_fn(|_| rows.next().unwrap_or_default());
            check(kind, &factors, rows);
        }
    }
}

#[test]
fn the_largest_sums_do_not_wrap_or_saturate() {
    for kind in [SmallCodes::Four, SmallCodes::Six] {
        for dim in [1, 64, 129, 784, CODES_MAX] {
            let (full, none) = (vec![kind.largest(); dim], vec![0u8; dim]);
            let rows = [&full[..], &none, &full, &none];
            check(kind, &vec![i8::MIN; dim], rows);
            check(kind, &vec![i8::MAX; dim], rows);
        }
    }
}

#[test]
#[should_panic(expected = "dimensions differ")]
fn a_row_of_another_length_is_refused() {
    Kernels::active().dot_small_codes(SmallCodes::Six, &[1; 64], &[1; 32]);
}
