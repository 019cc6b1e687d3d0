use super::*;
use proptest::prelude::*;

/// The sum in 64 bits, term by term.
fn exact(factors: Factors<'_>, row: &[u8]) -> i64 {
    let factor = |i: usize| match factors {
        Factors::Signed(factors) => i64::from(factors[i]),
        Factors::Shifted(codes) => i64::from(codes[i]) - 128,
    };
    row.iter().enumerate().map(|(i, code)| factor(i) * i64::from(*code)).sum()
}

fn check(factors: Factors<'_>, rows: [&[u8]; 4]) {
    let want = rows.map(|row| exact(factors, row));
    for set in Kernels::available() {
        let single = rows.map(|row| i64::from(set.dot_codes(factors, row)));
        assert_eq!(single, want, "{} of {}", set.name(), factors.len());
        assert_eq!(set.dot_codes4(factors, rows).map(i64::from), want, "{} of {}", set.name(), factors.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_instruction_set_gives_the_exact_sum(
        (query, rows) in (1usize..400).prop_flat_map(|dim| {
            (prop::collection::vec(any::<u8>(), dim), prop::collection::vec(any::<u8>(), dim * 4))
        }),
    ) {
        let dim = query.len();
        let rows = [&rows[..dim], &rows[dim..2 * dim], &rows[2 * dim..3 * dim], &rows[3 * dim..]];
        let signed: Vec<i8> = query.iter().map(|byte| byte.cast_signed()).collect();
        check(Factors::Signed(&signed), rows);
        check(Factors::Shifted(&query), rows);
    }
}

#[test]
fn the_largest_sums_do_not_wrap_or_saturate() {
    for dim in [1, 64, 129, 784, CODES_MAX] {
        let (full, none) = (vec![255u8; dim], vec![0u8; dim]);
        let rows = [&full[..], &none, &full, &none];
        check(Factors::Signed(&vec![i8::MIN; dim]), rows);
        check(Factors::Signed(&vec![i8::MAX; dim]), rows);
        check(Factors::Shifted(&full), rows);
        check(Factors::Shifted(&none), rows);
    }
}

#[test]
#[should_panic(expected = "dimensions differ")]
fn different_lengths_are_refused() {
    Kernels::active().dot_codes(Factors::Signed(&[1, 2]), &[1]);
}

#[test]
#[should_panic(expected = "dimensions differ")]
fn a_row_whose_sum_might_wrap_is_refused() {
    let row = vec![0; CODES_MAX + 1];
    Kernels::active().dot_codes4(Factors::Shifted(&row), [&row; 4]);
}
