use super::*;
use proptest::prelude::*;

fn check(a: &[u8], b: &[u8]) {
    let count =
        |term: fn(u8, u8) -> u8| -> u32 { a.iter().zip(b).map(|(x, y)| term(*x, *y).count_ones()).sum() };
    let (differ, both, either) = (count(|x, y| x ^ y), count(|x, y| x & y), count(|x, y| x | y));
    let jaccard = if either == 0 { 0.0 } else { 1.0 - f64::from(both) / f64::from(either) };
    for set in Kernels::available() {
        assert_eq!(set.hamming(a, b), differ, "{} of {}", set.name(), a.len());
        let got = set.jaccard(a, b);
        assert!((f64::from(got) - jaccard).abs() <= 1e-7, "{} of {}: {got}, {jaccard}", set.name(), a.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_instruction_set_counts_the_same(
        (a, b) in (0usize..300).prop_flat_map(|len| {
            (prop::collection::vec(any::<u8>(), len), prop::collection::vec(any::<u8>(), len))
        }),
    ) {
        check(&a, &b);
    }
}

#[test]
fn nothing_everything_and_opposites() {
    for len in [0, 1, 31, 32, 64, 65, 10_000] {
        let (none, all) = (vec![0u8; len], vec![255u8; len]);
        for (a, b) in [(&none, &none), (&none, &all), (&all, &none), (&all, &all)] {
            check(a, b);
        }
        let set = Kernels::active();
        assert_eq!(set.jaccard(&none, &none).to_bits(), 0.0f32.to_bits());
        assert_eq!(set.hamming(&none, &all) as usize, 8 * len);
    }
}

#[test]
#[should_panic(expected = "dimensions differ")]
fn different_lengths_are_refused() {
    Kernels::active().hamming(&[1, 2], &[1]);
}
