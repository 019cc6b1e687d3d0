//! Column files whose content is damaged under right checksums (a bug of a writer, or malice): refused, or read without a
//! panic and within their bounds.
//!
//! `VECRAFT_DAMAGES=n` tries n damages instead of a few, `VECRAFT_DAMAGE_SEED=s` begins with another.
#![allow(clippy::unwrap_used)]

use super::layout::KIND;
use super::tests::{growing, open, tiny_chunks};
use super::*;
use crate::exec::{Cancel, ScanPlan, SearchPlan, count, fetch, scan, search, visit_keys};
use crate::testing::{DIM, PACKED, VECTOR, mix};
use crate::{Segment, ShardView, Values};
use std::panic::{AssertUnwindSafe, catch_unwind};
use vecraft_expr::Filter;
use vecraft_index::SearchParams;
use vecraft_storage::{BlockFile, BlockWriter, SimDisk};
use vecraft_types::{LogPosition, Metric, QueryVectors, ShardId, Timestamp};

const DAMAGES: u64 = 400;
const ROWS: u32 = 300;

/// A number from the environment, so that a night tries more and a failure comes back.
// Tests read their own switches.
#[allow(clippy::disallowed_methods)]
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number")))
}

struct Dice(u64, u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.1 += 1;
        (mix(self.0 ^ self.1.wrapping_mul(0x9e37_79b9)) % n.max(1) as u64) as usize
    }
}

/// Damages one to three places: half of them in the directory and behind it, which say where everything is.
fn damage(bytes: &mut Vec<u8>, directory: usize, dice: &mut Dice) {
    for _ in 0..1 + dice.below(3) {
        let len = bytes.len();
        let from = if dice.below(2) == 0 { directory.min(len - 1) } else { 0 };
        let at = from + dice.below(len - from);
        let size = 1 + dice.below(200);
        let end = (at + size).min(len);
        match dice.below(8) {
            0 => bytes[at] ^= 1 << dice.below(8),
            // Digits are what directories have most.
            1 | 2 => bytes[at] = b"0123456789-,\"{}[]n\xff\0"[dice.below(20)],
            3 => bytes[at..end].fill([0, 0xff][dice.below(2)]),
            4 => {
                let with = dice.below(len);
                (0..size.min(len - at).min(len - with)).for_each(|i| bytes.swap(at + i, with + i));
            }
            5 => {
                let digits = b"4294967296"[..1 + dice.below(10)].to_vec();
                bytes.splice(at..at, digits);
            }
            6 => drop(bytes.drain(at..end)),
            _ => bytes.truncate(at.max(1)),
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

/// Reads everything in every way; what is refused is refused as damage.
fn read(disk: &dyn Disk, manifest: &SegmentManifest) -> Result<()> {
    let sealed = open(disk, manifest)?;
    let schema = Arc::clone(sealed.schema());
    for block in sealed.blocks(ROWS) {
        assert_eq!(block.rows(), ROWS as usize);
        for field in &schema.fields {
            let Some(column) = block.column(field.id)? else { continue };
            assert!(column.values.is_of(&field.data_type));
            if let Values::VarChar(texts) | Values::Json(texts) = column.values {
                let bytes: usize = texts.iter().map(str::len).sum();
                assert_eq!(bytes, texts.text().len(), "no text is lost or read twice");
            }
            (0..block.rows()).for_each(|row| _ = (column.is_null(row), column.group_key(row)));
        }
        assert_eq!((block.positions()?.len(), block.timestamps()?.len()), (300, 300));
    }
    let fields: Vec<FieldId> = schema.fields.iter().map(|field| field.id).collect();
    let rows = sealed.vector_rows(VECTOR)?;
    assert_eq!((rows.len(), rows.dim()), (300, DIM));
    let segment = Segment::Sealed(Arc::new(sealed));
    let last = LogPosition(u64::MAX - 1);
    let view = ShardView::of(ShardId::default(), last, Timestamp(9), Arc::clone(&schema), [segment]);
    let never = Cancel::never();
    let text = "age > 3 or name like \"n1%\" or note[\"k\"] < 5000 or flag == true";
    let filter = Filter::parse(text, &schema).unwrap();
    count(&view, None, Some(&filter), never)?;
    visit_keys(&view, None, None, never, &mut |_, _| {})?;
    let scanned = scan(&view, &ScanPlan::default(), never)?;
    assert_eq!(scanned.len(), 300);
    let addresses: Vec<_> = scanned.iter().map(|row| row.address).collect();
    assert_eq!(fetch(&view, &addresses, &fields)?.rows, 300);
    let (bits, kind, _) = PACKED[0];
    let floats = QueryVectors::Float(vec![1.0; DIM]);
    let packed = QueryVectors::Packed { kind, bytes: vec![3, 5] };
    for (field, metric, queries) in [(VECTOR, Metric::Cosine, &floats), (bits, Metric::Jaccard, &packed)] {
        let filter = Some(&filter);
        let params = SearchParams::default();
        let plan =
            SearchPlan { field, metric, queries, k: 20, partitions: None, filter, range: None, params };
        for hit in &search(&view, &plan, never)?[0] {
            assert!(hit.address.row < ROWS && !hit.distance.is_nan());
        }
    }
    restore(disk, manifest, schema, tiny_chunks()).map(drop)
}

#[test]
fn damaged_content_under_right_checksums_is_refused_or_read_within_its_bounds() {
    let count = number("VECRAFT_DAMAGES").unwrap_or(DAMAGES);
    let first = number("VECRAFT_DAMAGE_SEED").unwrap_or(1);
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let manifest = write_segment(&disk, "s", &growing(&[ROWS as usize], tiny_chunks()), ROWS).unwrap();
    read(&*disk, &manifest).unwrap();
    let whole = BlockFile::open(&*disk, "s", KIND, SEGMENT_FORMAT).unwrap().data_unverified().to_vec();
    let trailer = whole.len() - 16;
    let directory = u64::from_le_bytes(whole[trailer..trailer + 8].try_into().unwrap()) as usize;
    let (mut answered, mut refused) = (0, 0);
    for seed in first..first + count {
        let mut data = whole.clone();
        damage(&mut data, directory, &mut Dice(seed, 0));
        let mut writer = BlockWriter::create(Arc::clone(&disk), "d", KIND, SEGMENT_FORMAT).unwrap();
        writer.write(&data).unwrap();
        let info = writer.finish().unwrap();
        let mut damaged = manifest.clone();
        damaged.files =
            vec![FileManifest { path: "d".to_owned(), bytes: info.file_bytes, checksum: info.checksum }];
        match catch_unwind(AssertUnwindSafe(|| read(&*disk, &damaged))) {
            Ok(Ok(())) => answered += 1,
            Ok(Err(error)) => {
                assert!(error.is_corrupt(), "VECRAFT_DAMAGE_SEED={seed}: {error}");
                refused += 1;
            }
            Err(_) => panic!("VECRAFT_DAMAGE_SEED={seed}"),
        }
    }
    println!("{count} damages: {answered} answered, {refused} refused");
    assert!(count < 100 || (answered > 0 && refused > 0), "damage of both kinds");
}
