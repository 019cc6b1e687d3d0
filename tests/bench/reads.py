#!/usr/bin/env python3
"""What a level of consistency costs at each node: the latency of a search at Strong and at Eventually.

    VECRAFT_BIN=.../release/vecraft python3 tests/bench/reads.py [--rows 50000] [--seconds 10]

Three nodes, one shard: one node leads it, two follow. First with nobody else there, then while rows are inserted. The
levels take turns call by call, so noise meets both.
"""

import argparse
import os
import tempfile
import threading
import time

import numpy as np
from node import server
from pymilvus import DataType, MilvusClient

DIM = 128
LEVELS = ("Strong", "Eventually")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", default=os.environ.get("VECRAFT_BIN", "vecraft"))
    options.add_argument("--rows", type=int, default=50_000)
    options.add_argument("--seconds", type=float, default=10)
    options = options.parse_args()

    with tempfile.TemporaryDirectory() as directory:
        cluster = server(options.binary, directory, 3)
        cluster.start()
        client = MilvusClient(cluster.uri)
        schema = client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIM)
        index = client.prepare_index_params()
        index.add_index("vector", index_type="AUTOINDEX", metric_type="L2")
        client.create_collection("rows", schema=schema, index_params=index, num_shards=1)
        generator = np.random.default_rng(7)
        for first in range(0, options.rows, 5_000):
            vectors = generator.standard_normal((5_000, DIM), dtype=np.float32)
            client.insert("rows", [{"id": first + row, "vector": vector} for row, vector in enumerate(vectors)])
        client.flush("rows")
        while client.describe_index("rows", "vector").get("pending_index_rows", 0):
            time.sleep(0.2)
        time.sleep(12)
        measure(cluster, options.seconds, "idle")
        is_over = threading.Event()
        writer = threading.Thread(target=write, args=(cluster.uri, options.rows, is_over))
        writer.start()
        measure(cluster, options.seconds, "while rows are inserted")
        is_over.set()
        writer.join()
        cluster.stop()


def measure(cluster, seconds, when):
    queries = np.random.default_rng(8).standard_normal((200, DIM), dtype=np.float32)
    for node in cluster.nodes:
        client = MilvusClient(node.uri)
        taken = {level: [] for level in LEVELS}
        until, turn = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            for level in LEVELS:
                began = time.monotonic()
                client.search("rows", [queries[turn % 200]], limit=10, consistency_level=level,
                              search_params={"metric_type": "L2"})
                taken[level].append(time.monotonic() - began)
            turn += 1
        for times in taken.values():
            times.sort()
        part = lambda level, share: 1000 * taken[level][int(share * len(taken[level]))]
        figures = ", ".join(f"{level} p50 {part(level, .5):.2f} p99 {part(level, .99):.2f} ms" for level in LEVELS)
        print(f"{when}, node {node.number}: {figures}, Strong/Eventually p50 "
              f"{part('Strong', .5) / part('Eventually', .5):.2f}x", flush=True)
        client.close()


def write(uri, first, is_over):
    client, generator = MilvusClient(uri), np.random.default_rng(9)
    vectors = generator.standard_normal((100, DIM), dtype=np.float32)
    while not is_over.is_set():
        client.insert("rows", [{"id": first + row, "vector": vector} for row, vector in enumerate(vectors)])
        first += 100
    client.close()


main()
