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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_bits_select_is_summed_alike(
        (bits, numbers, values) in (0usize..120).prop_flat_map(|len| {
            (
                prop::collection::vec(any::<u8>(), len),
                prop::collection::vec(any::<u8>(), len * 8),
                prop::collection::vec(-100.0f32..100.0, len * 8),
            )
        }),
        count in 0usize..9,
    ) {
        let is_set = |i: usize| bits[i / 8] >> (i % 8) & 1 == 1;
        let set: Vec<usize> = (0..values.len()).filter(|i| is_set(*i)).collect();
        let number = |i: usize| u32::from(numbers[i]) & ((1u32 << count) - 1);
        let mut planes = vec![0u8; count * bits.len()];
        for i in 0..numbers.len() {
            for plane in 0..count {
                planes[plane * bits.len() + i / 8] |= ((number(i) >> plane & 1) as u8) << (i % 8);
            }
        }
        let weighted: u32 = set.iter().map(|i| number(*i)).sum();
        let sum: f64 = set.iter().map(|i| f64::from(values[*i])).sum();
        let size: f64 = set.iter().map(|i| f64::from(values[*i].abs())).sum();
        let bound = (values.len() as f64 + 4.0) * f64::from(f32::EPSILON) * size + f64::from(f32::MIN_POSITIVE);
        for kernels in Kernels::available() {
            prop_assert_eq!(kernels.weighted_bits(&planes, &bits), (weighted, set.len() as u32), "{}", kernels.name());
            let got = f64::from(kernels.masked_sum(&values, &bits));
            prop_assert!((got - sum).abs() <= bound, "{}: {got}, {sum}", kernels.name());
        }
    }
}

#[test]
#[should_panic(expected = "dimensions differ")]
fn a_plane_of_another_length_is_refused() {
    Kernels::active().weighted_bits(&[0; 5], &[0; 2]);
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
