use super::*;

const ROWS_MAX: u64 = SEGMENT_ROWS_MAX as u64;
const POLICY: CompactionPolicy = CompactionPolicy {
    bytes_max: 1_000,
    asked_bytes_max: 4_000,
    rows_max: ROWS_MAX,
    deleted_percent: 20,
    inputs_min: 4,
};

fn segments(of: &[(u32, u32)]) -> Vec<SegmentFigure> {
    let figure = |(id, (rows, live)): (usize, &(u32, u32))| SegmentFigure {
        id: SegmentId(id as u64 + 1),
        rows: *rows,
        live: *live,
        bytes: u64::from(*rows),
    };
    of.iter().enumerate().map(figure).collect()
}

#[test]
fn many_deleted_rows_are_written_out_of_a_segment_and_its_neighbours_like_it() {
    let all = segments(&[(100, 90), (100, 80), (100, 10), (100, 100)]);
    assert_eq!(choose(&all, &POLICY), Some(1..3));
    // One that is as large as an output may be is written again by itself.
    assert_eq!(choose(&segments(&[(2_000, 1_500), (2_000, 1_500)]), &POLICY), Some(0..1));
    assert_eq!(choose(&segments(&[(100, 0)]), &POLICY), Some(0..1));
    assert_eq!(choose(&segments(&[(100, 81)]), &POLICY), None);
}

#[test]
fn small_neighbours_are_merged_and_large_ones_wait_for_company() {
    assert_eq!(choose(&segments(&[(10, 10); 3]), &POLICY), None);
    assert_eq!(choose(&segments(&[(10, 10); 4]), &POLICY), Some(0..4));
    // The first would be most of the output: it waits, the others go.
    assert_eq!(choose(&segments(&[(500, 500), (10, 10), (10, 10), (10, 10), (10, 10)]), &POLICY), Some(1..5));
    // No more than fit.
    assert_eq!(choose(&segments(&[(300, 300); 8]), &POLICY), None);
    assert_eq!(choose(&segments(&[(240, 240); 8]), &POLICY), Some(0..4));
}

#[test]
fn an_output_has_no_more_rows_than_memory_has_room_to_index() {
    let all = segments(&[(10, 10); 9]);
    let policy = CompactionPolicy { rows_max: 50, ..POLICY };
    assert_eq!(choose(&all, &policy), Some(0..5));
    assert_eq!(choose_asked(&all, 1_000, 50), Some(0..5));
    let deleted = segments(&[(30, 10); 3]);
    assert_eq!(choose(&deleted, &CompactionPolicy { rows_max: 20, ..POLICY }), Some(0..2), "living ones");
    // One that has more by itself is written again by itself.
    assert_eq!(choose(&deleted, &CompactionPolicy { rows_max: 5, ..POLICY }), Some(0..1));
}

#[test]
fn nothing_is_chosen_twice_for_ever() {
    // Segments of ten come one after another: what is rewritten stays within a small factor of what came.
    let (mut all, mut written, mut next) = (Vec::new(), 0u64, 1u64);
    for _ in 0..1_000 {
        all.push(SegmentFigure { id: SegmentId(next), rows: 10, live: 10, bytes: 10 });
        next += 1;
        while let Some(range) = choose(&all, &POLICY) {
            let rows: u32 = all[range.clone()].iter().map(|one| one.live).sum();
            written += u64::from(rows);
            let one = SegmentFigure { id: SegmentId(next), rows, live: rows, bytes: u64::from(rows) };
            next += 1;
            all.splice(range, [one]);
        }
    }
    assert!(written <= 4 * 10_000, "{written} rows rewritten for 10,000");
    assert!(all.len() <= 30, "{} segments are left", all.len());
}

#[test]
fn who_asks_gets_two_neighbours_merged_and_every_deleted_row_out() {
    let ask = |of: &[(u32, u32)]| choose_asked(&segments(of), 1_000, ROWS_MAX);
    assert_eq!(ask(&[]), None);
    assert_eq!(ask(&[(100, 100)]), None);
    assert_eq!(ask(&[(100, 99)]), Some(0..1));
    assert_eq!(ask(&[(990, 990), (10, 10), (1, 1)]), Some(0..2));
    // What is full by itself waits for nobody, and what does not fit beside it begins anew.
    assert_eq!(ask(&[(2_000, 2_000), (600, 600), (600, 600), (400, 400)]), Some(2..4));
    assert_eq!(ask(&[(2_000, 1_999), (10, 10)]), Some(0..1));
    // A segment without a living row takes no room.
    assert_eq!(ask(&[(1_000, 1_000), (500, 0), (600, 600)]), Some(0..2));
    assert_eq!(ask(&[(600, 600), (600, 600), (600, 600)]), None);
    let rows = SegmentFigure { id: SegmentId(1), rows: 1 << 26, live: 1 << 26, bytes: 1 };
    assert_eq!(
        choose_asked(&[rows; 3], u64::MAX, u64::MAX),
        Some(0..2),
        "no more rows than a segment may have"
    );
    let policy = CompactionPolicy { inputs_min: 2, ..POLICY };
    assert_eq!(choose(&[rows; 3], &policy), Some(0..2), "nor without being asked");
    let deleted = SegmentFigure { live: 1, ..rows };
    assert_eq!(choose(&[deleted; 3], &policy), Some(0..2));
}

#[test]
fn an_ask_ends_and_asked_again_finds_nothing() {
    // Any segments: each row is rewritten once at most, and the second ask has nothing to do.
    let mut dice = 1u64;
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    for _ in 0..500 {
        let figure = |(id, rows, live): (u64, u32, u32)| SegmentFigure {
            id: SegmentId(id),
            rows,
            live,
            bytes: u64::from(rows) * 10,
        };
        let count = roll(12);
        let mut all: Vec<SegmentFigure> = (0..count)
            .map(|id| {
                let rows = 1 + roll(300);
                figure((id, rows as u32, (rows - roll(3).min(roll(rows + 1))) as u32))
            })
            .collect();
        let (live, max) = (all.iter().map(|one| u64::from(one.live)).sum::<u64>(), 500 + roll(3_000));
        let rows_max = 50 + roll(600);
        let (mut written, mut next) = (0, count);
        while let Some(range) = choose_asked(&all, max, rows_max) {
            let rows: u32 = all[range.clone()].iter().map(|one| one.live).sum();
            written += u64::from(rows);
            all.splice(range, (rows > 0).then(|| figure((next, rows, rows))));
            next += 1;
            assert!(written <= live, "a row was written twice: {all:?}");
        }
        assert_eq!(all.iter().map(|one| u64::from(one.live)).sum::<u64>(), live);
        assert!(all.iter().all(|one| one.live == one.rows));
        let rows = |pair: &[SegmentFigure]| u64::from(pair[0].rows + pair[1].rows);
        let fits = |pair: &[SegmentFigure]| pair[0].bytes + pair[1].bytes <= max && rows(pair) <= rows_max;
        assert!(!all.windows(2).any(fits), "two that fit were left: {all:?}");
    }
}

#[test]
fn zero_bytes_turn_it_off() {
    let off = CompactionPolicy { bytes_max: 0, ..POLICY };
    assert_eq!(choose(&segments(&[(10, 0); 9]), &off), None);
    // Not for who asks.
    assert_eq!([0, 7, 1 << 60].map(|asked| off.bytes_asked(asked)), [4_000, 7, 4_000]);
    let roomy = CompactionPolicy { asked_bytes_max: 4 << 30, ..off };
    assert_eq!([0, 7, 1 << 60].map(|asked| roomy.bytes_asked(asked)), [1 << 30, 7, 4 << 30]);
    assert_eq!([0, 7, 1 << 60].map(|asked| POLICY.bytes_asked(asked)), [1_000, 7, 4_000]);
}
