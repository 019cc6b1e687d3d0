#!/usr/bin/env python3
"""Random filters against brute force: every search has exactly min(limit, matches) hits, all of them matches, and enough of the nearest.

    VECRAFT_BIN=.../release/vecraft python3 tests/bench/filters.py --data text.npz --metric COSINE [--filters 10000]

Ends with 1 when a search has a hit too few, too many, or one that does not match, and when the mean recall is below 0.95.
"""

import argparse
import os
import tempfile
import time

import numpy as np
import vectors
from node import Node
from pymilvus import DataType, MilvusClient
from search import BATCH, NAME

RECALL_MIN = 0.95
COLOURS = ["red", "green", "blue", "grey", "black"]


class Columns:
    """What the rows have beside their vectors, and conditions on it as text and as a mask."""

    def __init__(self, train, generator):
        self.generator, rows = generator, len(train)
        self.numbers = vectors.columns(train) | {"rare": (generator.pareto(1.0, rows) * 10).astype(np.int64)}
        self.share = generator.random(rows)
        self.colour = generator.choice(len(COLOURS), rows, p=[0.6, 0.3, 0.08, 0.019, 0.001])

    def fields(self, at):
        row = {name: int(column[at]) for name, column in self.numbers.items()}
        return row | {"share": float(self.share[at]), "colour": COLOURS[self.colour[at]]}

    def one(self):
        pick = self.generator
        kind = pick.integers(5)
        if kind < 2:
            name = pick.choice(list(self.numbers))
            column = self.numbers[name]
            low, high = sorted(int(column[pick.integers(len(column))]) for _ in range(2))
            return f"{low} <= {name} <= {high}", (column >= low) & (column <= high)
        if kind == 2:
            name = pick.choice(list(self.numbers))
            some = sorted({int(self.numbers[name][pick.integers(len(self.share))]) for _ in range(3)})
            return f"{name} in {some}", np.isin(self.numbers[name], some)
        if kind == 3:
            limit = float(pick.random() ** 4)
            return f"share < {limit!r}", self.share < limit
        colour = int(pick.integers(len(COLOURS)))
        return f'colour == "{COLOURS[colour]}"', self.colour == colour

    def any(self):
        text, mask = self.one()
        for _ in range(self.generator.integers(3)):
            more, other = self.one()
            if self.generator.random() < 0.2:
                more, other = f"not ({more})", ~other
            if self.generator.random() < 0.6:
                text, mask = f"({text}) and ({more})", mask & other
            else:
                text, mask = f"({text}) or ({more})", mask | other
        return text, mask


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", default=os.environ.get("VECRAFT_BIN", "vecraft"))
    options.add_argument("--data", required=True, help="FILE.npz")
    options.add_argument("--metric", choices=["L2", "COSINE"], default="L2")
    options.add_argument("--index", default="AUTOINDEX")
    options.add_argument("--filters", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=1)
    options = options.parse_args()
    train, queries = vectors.read(options.data, options.metric)
    generator = np.random.default_rng(options.seed)
    columns, truth = Columns(train, generator), vectors.Truth(train, options.metric)
    with tempfile.TemporaryDirectory() as folder:
        node = Node(options.binary, folder)
        node.start()
        client = MilvusClient(node.uri)
        schema = client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=train.shape[1])
        for name in columns.numbers:
            schema.add_field(name, DataType.INT64)
        schema.add_field("share", DataType.DOUBLE)
        schema.add_field("colour", DataType.VARCHAR, max_length=16)
        index = client.prepare_index_params()
        index.add_index("vector", index_type=options.index, metric_type=options.metric)
        client.create_collection(NAME, schema=schema, index_params=index)
        for first in range(0, len(train), BATCH):
            rows = range(first, min(first + BATCH, len(train)))
            client.insert(NAME, [{"id": at, "vector": train[at], **columns.fields(at)} for at in rows])
        client.flush(NAME)
        while int(client.describe_index(NAME, "vector").get("pending_index_rows", 0)):
            time.sleep(0.1)
        wrong, found, empty, low, shares = 0, 0.0, 0, 0, []
        for number in range(options.filters):
            text, mask = columns.any()
            limit = int(generator.choice([1, 10, 10, 10, 100]))
            query = queries[number % len(queries)]
            hits = [hit["id"] for hit in client.search(NAME, [query], filter=text, limit=limit)[0]]
            wanted = min(limit, int(mask.sum()))
            if len(set(hits)) != wanted or len(hits) != wanted or not mask[hits].all():
                wrong += 1
                print(f"WRONG: {text}: {len(hits)} hits of {wanted}, {int((~mask[hits]).sum())} do not match", flush=True)
            if not wanted:
                empty += 1
                continue
            shares.append(mask.mean())
            padded = np.array([hits + [-1] * (wanted - len(hits))])[:, :wanted]
            recall = truth.recall(query[None], padded, truth.worst(query[None], mask, wanted), wanted)
            found, low = found + recall, low + (recall < 0.8)
        client.close()
        node.stop()
    told = options.filters - empty
    print(f"{options.filters} filters, {empty} without a match, the others let {min(shares):.4%} to {max(shares):.1%} pass (median "
          f"{np.median(shares):.1%}): wrong answers {wrong}, mean recall {found / told:.4f}, searches below 0.8: {low}")
    raise SystemExit(1 if wrong or found / told < RECALL_MIN else 0)


if __name__ == "__main__":
    main()
