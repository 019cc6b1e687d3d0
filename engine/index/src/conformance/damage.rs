//! Damaged files of every kind: bits turned, words replaced, blocks swapped, cut, made longer.
//!
//! As it is on disk, damage is refused by the checksum, every time. The same damage under a checksum made right again
//! (a bug of a writer, or malice) is refused, or the index answers by its contract: right numbers of hits, of rows that
//! there are and that match, in order, at their own distances. It never panics and always ends.
//!
//! `VECRAFT_DAMAGES=n` tries n damages of each subject and metric instead of a few, `VECRAFT_DAMAGE_SEED=s` others.

use super::bytes::saved;
use super::data::{Both, random_filter};
use super::everything;
use crate::random::mix;
use crate::{Rows, SearchParams, VectorIndex, VectorRows, open, open_mapped};
use bytes::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};
use vecraft_types::{Bitmap, Metric};
use xxhash_rust::xxh3::xxh3_64;

/// Damages of each subject and metric in a usual run.
const DAMAGES: u64 = 40;
/// Enough for a curve of recalls before the index.
const ROWS: usize = 2_060;

/// A number from the environment, so that a night tries more and a failure comes back.
// Tests read their own switches.
#[allow(clippy::disallowed_methods)]
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number")))
}

/// Numbers that look random and come back.
struct Dice(u64, u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.1 += 1;
        (mix(self.0, self.1) % n.max(1) as u64) as usize
    }
}

/// Where things go wrong: often in the first words, where sizes stand.
fn place(dice: &mut Dice, len: usize) -> usize {
    let within = if dice.below(4) == 0 { len.min(240) } else { len };
    dice.below(within)
}

/// Damages bytes in one to three ways; they may come out as they were.
fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let words = [0, 1, 2, ROWS as u32 - 1, ROWS as u32, 1 << 31, u32::MAX - 1, u32::MAX, f32::NAN.to_bits()];
    for _ in 0..1 + dice.below(3) {
        let (len, at) = (bytes.len(), place(dice, bytes.len()));
        let size = (1 + dice.below(64)) * 4;
        // Lengths are told, so what changes them is mostly refused: one in twelve does.
        match if dice.below(12) == 0 { 6 + dice.below(3) } else { dice.below(6) } {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at] = dice.below(256) as u8,
            2 => {
                let word = words[dice.below(words.len())];
                let at = at / 4 * 4;
                bytes[at..].iter_mut().zip(word.to_le_bytes()).for_each(|(byte, with)| *byte = with);
            }
            3 => {
                // Two blocks change places.
                let (a, b) = (at.min(len - size.min(len)), dice.below(len));
                for i in 0..size.min(len - a).min(len - b) {
                    bytes.swap(a + i, b + i);
                }
            }
            4 => {
                // A block twice, its neighbour lost.
                let from = dice.below(len);
                let size = size.min(len - from).min(len - at);
                bytes.copy_within(from..from + size, at);
            }
            5 => {
                let with = [0, 0xff][dice.below(2)];
                bytes[at..(at + size).min(len)].fill(with);
            }
            6 => bytes.truncate(len - size.min(len - 1)),
            7 => bytes.extend((0..size).map(|i| mix(i as u64, 7) as u8)),
            _ => {
                let at = at.min(bytes.len());
                bytes.drain(at..(at + size).min(len));
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

/// Start of a file whose index has a curve before it.
const CURVE: &[u8] = b"VCCURVE\n";

/// The damaged payload of a file, with length and checksums as a writer would have them. The words that tell what the
/// file is stay.
fn damaged_payload(file: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut out = Vec::with_capacity(file.len() + 512);
    let mut index = file;
    if file.starts_with(CURVE) {
        let end = 16 + u32::from_le_bytes(file[12..16].try_into().unwrap()) as usize;
        let mut curve = file[16..end].to_vec();
        if dice.below(3) == 0 {
            damage(&mut curve, dice);
        }
        out.extend_from_slice(&file[..12]);
        out.extend((curve.len() as u32).to_le_bytes());
        out.extend(curve);
        let sum = xxh3_64(&out);
        out.extend(sum.to_le_bytes());
        out.resize(out.len().next_multiple_of(64), 0);
        index = &file[(end + 8).next_multiple_of(64)..];
    }
    let mut payload = index[16..index.len() - 16].to_vec();
    damage(&mut payload, dice);
    let start = out.len();
    out.extend_from_slice(&index[..16]);
    out.extend(&payload);
    out.extend((index[..16].len() as u64 + payload.len() as u64 + 16).to_le_bytes());
    let sum = xxh3_64(&out[start..]);
    out.extend(sum.to_le_bytes());
    out
}

/// The contract, but for what only whole lists and links give: recall, and with COSINE the norms in the file.
fn check_contract(
    index: &dyn VectorIndex,
    rows: &VectorRows,
    k: usize,
    params: &SearchParams,
    filter: Option<&Bitmap>,
) {
    let query = rows.values(17).into_owned();
    let matches = filter.map_or(rows.len(), |filter| filter.count_ones());
    let outcome = index.search_explained(&query, k, params, filter).unwrap();
    assert_eq!(outcome.hits.len(), k.min(matches), "P5: min(k, matches) hits");
    assert!(outcome.stats.recall.is_none_or(|recall| (0.0..=1.0).contains(&recall)), "{:?}", outcome.stats);
    let exact = rows.query(index.metric(), &query);
    for hit in &outcome.hits {
        assert!((hit.row as usize) < rows.len() && filter.is_none_or(|filter| filter.get(hit.row as usize)));
        if index.metric() == Metric::Cosine {
            assert!((-1.0..=1.0).contains(&hit.distance), "{hit:?}");
        } else {
            assert_eq!(hit.distance, rows.distance(&exact, hit.row), "{hit:?}");
        }
    }
    for pair in outcome.hits.windows(2) {
        let order = pair[0].distance.total_cmp(&pair[1].distance).then(pair[0].row.cmp(&pair[1].row));
        assert!(order.is_lt(), "sorted by (distance, row), each once: {pair:?}");
    }
}

/// Opens damaged bytes; what opens must answer. Returns whether it did.
fn open_and_ask(file: &[u8], rows: &VectorRows, search: &SearchParams) -> bool {
    let mapped = open_mapped(&Bytes::copy_from_slice(file), rows.clone());
    let Ok(index) = open(file, rows.clone()) else {
        assert!(mapped.is_err(), "in place nothing else is taken");
        return false;
    };
    let mapped = mapped.unwrap();
    let recall = SearchParams { recall: Some(0.9), ..SearchParams::default() };
    for params in [*search, SearchParams::default(), recall] {
        check_contract(&*index, rows, 20, &params, None);
        check_contract(&*mapped, rows, 20, &params, None);
        for share in [0.9, 0.3] {
            check_contract(&*index, rows, 20, &params, Some(&random_filter(41, rows.len(), share)));
        }
    }
    let mut again = Vec::new();
    index.save(&mut again).unwrap();
    true
}

#[test]
fn damage_is_refused_and_under_a_right_checksum_the_contract_holds() {
    let count = number("VECRAFT_DAMAGES").unwrap_or(DAMAGES);
    let first = number("VECRAFT_DAMAGE_SEED").unwrap_or(1);
    let both = Both::clustered(40, ROWS, 0);
    let mut tried = (0u64, 0u64, 0u64);
    for subject in everything() {
        let ((rows, _), metrics) = (both.of(&subject), subject.metrics);
        // A usual run builds each kind once; which metric is chance.
        let chosen = (count <= DAMAGES).then(|| mix(first, subject.spec.type_name().len() as u64) as usize);
        for (at, metric) in metrics.iter().enumerate() {
            if chosen.is_some_and(|chosen| chosen % metrics.len() != at) {
                continue;
            }
            let file = saved(&*subject.build(*metric, rows));
            for seed in first..first + count {
                let one = || {
                    let mut dice = Dice(seed, 0);
                    let mut as_on_disk = file.clone();
                    damage(&mut as_on_disk, &mut dice);
                    assert!(as_on_disk == file || open(&as_on_disk, rows.clone()).is_err(), "not noticed");
                    open_and_ask(&damaged_payload(&file, &mut dice), rows, &subject.search)
                };
                match catch_unwind(AssertUnwindSafe(one)) {
                    Ok(opened) => {
                        tried.0 += 1;
                        *if opened { &mut tried.1 } else { &mut tried.2 } += 1;
                    }
                    Err(_) => panic!("VECRAFT_DAMAGE_SEED={seed}, {:?} {metric:?}", subject.spec),
                }
            }
        }
    }
    println!("{} damages: refused on disk; resigned {} answered, {} refused", tried.0, tried.1, tried.2);
    assert!(tried.1 > 0 && tried.2 > 0, "damage of both kinds");
}

#[test]
fn any_flipped_bit_and_any_cut_is_noticed() {
    let both = Both::clustered(36, 400, 0);
    for subject in everything() {
        let (rows, _) = both.of(&subject);
        let file = saved(&*subject.build(subject.metric(), rows));
        let step = (file.len() / 700).max(1);
        for at in
            (0..64.min(file.len())).chain((0..file.len()).step_by(step)).chain(file.len() - 16..file.len())
        {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << (mix(1, at as u64) % 8);
            assert!(open(&damaged, rows.clone()).is_err(), "byte {at} of {:?}", subject.spec);
            assert!(open(&file[..at], rows.clone()).is_err(), "cut at {at}, {:?}", subject.spec);
        }
        let mut longer = file.clone();
        longer.push(0);
        assert!(open(&longer, rows.clone()).is_err());
    }
}
