#!/usr/bin/env python3
"""Delete half, replace everything: what disk and memory have before and after, how long it took, what searches felt of it.

    VECRAFT_BIN=.../release/vecraft python3 tests/bench/space.py [--rows 200000] [--dim 128] [--nodes 3]

After each change it waits until no compaction is under way and every row is indexed, and prints one line. Searches go on all the
time from one thread; their p50 and p99 in each phase are beside it. Ends with 1 when disk stays above 1.5 times what the
rows that are left had before.
"""

import argparse
import os
import tempfile
import threading
import time

import numpy as np
from node import server
from pymilvus import DataType, MilvusClient

BATCH = 5_000
# Nothing changes for so long: the space is what it will be.
QUIET_S = 8


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", default=os.environ.get("VECRAFT_BIN", "vecraft"))
    options.add_argument("--rows", type=int, default=200_000)
    options.add_argument("--dim", type=int, default=128)
    options.add_argument("--nodes", type=int, default=1)
    options = options.parse_args()
    rows, dim = options.rows, options.dim
    copies = max(options.nodes, 1)
    raw = rows * dim * 4 / 2**20 * copies

    with tempfile.TemporaryDirectory() as directory:
        node = server(options.binary, directory + "/data", options.nodes)
        node.start()
        client = MilvusClient(node.uri)
        schema = client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
        index = client.prepare_index_params()
        index.add_index("vector", index_type="AUTOINDEX", metric_type="L2")
        client.create_collection("rows", schema=schema, index_params=index)
        generator = np.random.default_rng(7)

        def insert():
            for first in range(0, rows, BATCH):
                vectors = generator.standard_normal((BATCH, dim), dtype=np.float32)
                batch = [{"id": first + i, "vector": vector} for i, vector in enumerate(vectors)]
                client.upsert("rows", batch)
            client.flush("rows")

        insert()
        client.load_collection("rows")
        searches = Searches(node.uri, dim)
        searches.start()
        full = settled(node, client, "inserted", rows, raw, searches)
        began = time.monotonic()
        client.delete("rows", filter=f"id < {rows // 2}")
        half = settled(node, client, "half deleted", rows - rows // 2, raw / 2, searches, began)
        began = time.monotonic()
        insert()
        whole = settled(node, client, "all upserted", rows, raw, searches, began)
        began = time.monotonic()
        insert()
        again = settled(node, client, "and once more", rows, raw, searches, began)
        searches.end()
        client.close()
        node.stop()
    worst = max(half / (full / 2), whole / full, again / full)
    print(f"disk of the rows that are left, against before: at most {worst:.2f} x")
    raise SystemExit(0 if worst <= 1.5 else 1)


class Searches(threading.Thread):
    """Searches one after another and notes how long each took."""

    def __init__(self, uri, dim):
        super().__init__(daemon=True)
        self.client = MilvusClient(uri)
        self.dim = dim
        self.times = []
        self.is_over = False

    def run(self):
        generator = np.random.default_rng(8)
        while not self.is_over:
            query = generator.standard_normal(self.dim, dtype=np.float32)
            began = time.monotonic()
            hits = self.client.search("rows", [query], limit=10, search_params={"metric_type": "L2"})
            self.times.append(time.monotonic() - began)
            if len(hits[0]) != 10:
                print(f"WRONG: {len(hits[0])} hits of 10")
                os._exit(1)
            time.sleep(0.005)

    def take(self):
        times, self.times = np.array(self.times), []
        return np.percentile(times, [50, 99]) * 1e3 if len(times) else (0, 0)

    def end(self):
        self.is_over = True
        self.join()


def settled(node, client, what, rows, raw, searches, began=None):
    """Waits until nothing is under way, prints where it stands, returns the bytes on disk."""
    began = began or time.monotonic()
    since, last = time.monotonic(), None
    while time.monotonic() - since < QUIET_S:
        now = (round(node.disk_mib()), client.describe_index("rows", "vector")["pending_index_rows"])
        if now != last or now[1] > 0:
            since, last = time.monotonic(), now
        time.sleep(0.25)
    count = client.query("rows", output_fields=["count(*)"], consistency_level="Strong")[0]["count(*)"]
    if count != rows:
        raise SystemExit(f"{what}: {count} rows instead of {rows}")
    disk, memory = node.disk_mib(), node.memory_mib()
    p50, p99 = searches.take()
    print(f"{what}: {rows} rows, raw vectors {raw:.0f} MiB, disk {disk:.0f} MiB, memory {memory[0]:.0f} MiB of which {memory[1]:.0f} not mapped, "
          f"settled after {since - began:.0f} s; searches meanwhile p50 {p50:.1f}, p99 {p99:.1f} ms", flush=True)
    return disk


if __name__ == "__main__":
    main()
