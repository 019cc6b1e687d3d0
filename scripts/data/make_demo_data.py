#!/usr/bin/env python3
"""Makes the data set that `vecraft demo` loads, and checks it.

  make_demo_data.py SOURCE     write the files beside this script from the larger set in folder SOURCE
  make_demo_data.py --check    recompute the truth from the files beside this script and compare

SOURCE holds text.parquet, text_queries.parquet and text.npz: passages, query sentences, and embeddings of both as
float16, with the nearest passages of each query. README.md beside this script says where they come from.

Needs numpy; making needs pyarrow as well. The same SOURCE always gives the same bytes: nothing is drawn from a random
generator whose stream could change with a library, rows are ranked by a hash of their number instead.
"""

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
SEED = "vecraft demo 1"
PASSAGES = 5_000
QUERIES = 200
DIM = 384
TRUTH = 100
BYTES_MAX = 8_000_000
# Each query brings its nearest passages of the whole set, so that a sample of an eighth still has good answers.
NEAREST_KEPT = 3
# Numbers of query sentences whose answers a reader can judge at a glance; the demo shows the first ones.
SHOWN = [690, 930, 463, 239, 625]

FIELDS = ("id", "title", "text", "source", "length")
# Texts that name a host of the internet stay out. A few are addresses of package registries, download sites and
# private pages, which age badly and have no business in a repository; telling the good ones apart is not worth it.
HOST = re.compile(r"\b(?:https?|ftp)://|\bwww\.|\b[\w-]+\.(?:org|com|net|io|dev)\b", re.IGNORECASE)


def names_host(row):
    """True for a text that is left out."""
    return HOST.search(row["title"]) is not None or HOST.search(row["text"]) is not None


def drawn(what, numbers, count):
    """`count` of `numbers`, always the same."""
    return sorted(numbers, key=lambda n: hashlib.sha256(f"{SEED}/{what}/{n}".encode()).digest())[:count]


def nearest(passages, queries):
    """Row numbers and cosine similarities of the `TRUTH` nearest passages, best first, ties by lower number.

    float16 values are multiples of 2^-24, and the vectors have length 1 but for rounding, so every product and every
    partial sum of a dot product fits the 53 bits of a float64: the sums are exact in whatever order they are made,
    and the same on every machine.
    """
    passages, queries = passages.astype(np.float64), queries.astype(np.float64)
    dots = queries @ passages.T
    lengths = np.sqrt((passages * passages).sum(1))[None, :] * np.sqrt((queries * queries).sum(1))[:, None]
    similarities = dots / lengths
    # A stable sort keeps equal similarities in the order of their row numbers.
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :TRUTH]
    return order.astype(np.int32), np.take_along_axis(similarities, order, axis=1)


def make(source):
    import pyarrow.parquet as parquet

    arrays = np.load(source / "text.npz")
    texts = parquet.read_table(source / "text.parquet").to_pylist()
    sentences = parquet.read_table(source / "text_queries.parquet").to_pylist()
    if len(texts) != len(arrays["train"]) or len(sentences) != len(arrays["test"]):
        sys.exit(f"{source}: texts and vectors differ in number")

    others = [n for n, row in enumerate(sentences) if n not in SHOWN and not names_host(row)]
    queries = SHOWN + drawn("query", others, QUERIES - len(SHOWN))
    allowed = {n for n, row in enumerate(texts) if not names_host(row)}
    kept = set()
    for ranked in arrays["neighbors"][queries]:
        kept.update([int(n) for n in ranked if int(n) in allowed][:NEAREST_KEPT])
    others = sorted(allowed - kept)
    rows = sorted(kept) + drawn("passage", others, PASSAGES - len(kept))
    rows.sort()

    vectors, query_vectors = arrays["train"][rows], arrays["test"][queries]
    truth, _ = nearest(vectors, query_vectors)
    write_lines("passages.jsonl", (texts[n] for n in rows))
    write_lines("queries.jsonl", (sentences[n] for n in queries))
    np.save(HERE / "passages.npy", vectors)
    np.save(HERE / "queries.npy", query_vectors)
    np.save(HERE / "truth.npy", truth)


def write_lines(name, rows):
    with open(HERE / name, "w", encoding="utf-8", newline="\n") as file:
        for number, row in enumerate(rows):
            line = json.dumps({**row, "id": number}, ensure_ascii=False, separators=(",", ":"))
            # Readers may split at any line break Unicode knows; keep such characters escaped.
            file.write("".join(c if c not in "\x85\u2028\u2029" else f"\\u{ord(c):04x}" for c in line) + "\n")


def read_lines(name):
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


def check():
    """Every promise README.md makes about the files, as a list of what is broken."""
    broken = []

    def expect(holds, what):
        if not holds:
            broken.append(what)

    vectors = {}
    for name, count in (("passages", PASSAGES), ("queries", QUERIES)):
        lines = read_lines(f"{name}.jsonl")
        vectors[name] = np.load(HERE / f"{name}.npy")
        expect(len(lines) == count, f"{name}.jsonl has {len(lines)} lines, not {count}")
        expect(all(tuple(row) == FIELDS for row in lines), f"{name}.jsonl: every line has {FIELDS}")
        expect([row["id"] for row in lines] == list(range(len(lines))), f"{name}.jsonl: ids count from 0")
        expect(all(len(row["text"]) == row["length"] for row in lines), f"{name}.jsonl: length counts characters")
        named = [row["id"] for row in lines if names_host(row)]
        expect(not named, f"{name}.jsonl: lines {named} name hosts of the internet")
        shape, kind = vectors[name].shape, vectors[name].dtype
        expect((shape, kind) == ((count, DIM), np.float16), f"{name}.npy is {kind} {shape}")
        lengths = np.linalg.norm(vectors[name].astype(np.float64), axis=1)
        expect(np.abs(lengths - 1).max() < 1e-3, f"{name}.npy: vectors have length 1")

    shipped = np.load(HERE / "truth.npy")
    truth, similarities = nearest(vectors["passages"], vectors["queries"])
    expect(shipped.dtype == np.int32 and np.array_equal(shipped, truth), "truth.npy is not what the vectors say")
    size = sum(file.stat().st_size for file in HERE.iterdir() if file.is_file())
    expect(size <= BYTES_MAX, f"the files have {size:,} bytes, at most {BYTES_MAX:,} are allowed")
    print(f"{PASSAGES:,} passages, {QUERIES} queries, {DIM} dimensions, {size:,} bytes in all")
    print(f"similarity of the nearest passage: median {np.median(similarities[:, 0]):.3f}")
    return broken


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", type=Path, metavar="SOURCE")
    parser.add_argument("--check", action="store_true", help="only check what is there")
    arguments = parser.parse_args()
    if (arguments.source is None) != arguments.check:
        parser.error("give either SOURCE or --check")
    if arguments.source is not None:
        make(arguments.source)
    broken = check()
    for what in broken:
        print(f"broken: {what}", file=sys.stderr)
    print("the shipped truth is exact" if not broken else f"{len(broken)} checks failed")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
