#!/usr/bin/env python3
"""Insert rows, kill -9, start again: how long until the first right answer, and what lies on disk.

    VECRAFT_BIN=.../release/vecraft python3 tests/bench/restart.py [--rows 1000000] [--dim 128] [--nodes 3]

With --nodes, all of them are killed and started at once.
"""

import argparse
import os
import signal
import tempfile
import time

import numpy as np
from node import server
from pymilvus import DataType, MilvusClient

BATCH = 5_000


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", default=os.environ.get("VECRAFT_BIN", "vecraft"))
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--dim", type=int, default=128)
    options.add_argument("--nodes", type=int, default=1)
    options = options.parse_args()
    rows, dim = options.rows, options.dim
    raw = rows * dim * 4 / 2**20

    with tempfile.TemporaryDirectory() as directory:
        node = server(options.binary, directory + "/data", options.nodes)
        node.start()
        client = MilvusClient(node.uri)
        schema = client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
        client.create_collection("rows", schema=schema)
        generator = np.random.default_rng(7)
        probe = None
        inside = 0.0
        for first in range(0, rows, BATCH):
            vectors = generator.standard_normal((BATCH, dim), dtype=np.float32)
            if probe is None:
                probe = vectors[0]
            batch = [{"id": first + i, "vector": vector} for i, vector in enumerate(vectors)]
            began = time.monotonic()
            client.insert("rows", batch)
            inside += time.monotonic() - began
        print(f"inserted {rows} x {dim} ({raw:.0f} MiB) in {inside:.1f} s of calls: {rows / inside:.0f} rows/s")
        print(f"memory {node.memory_mib()[0]:.0f} MiB resident, disk {node.disk_mib():.0f} MiB")

        for round in range(3):
            port = node.port
            client.close()
            node.stop(signal.SIGKILL)
            began = time.monotonic()
            serving = node.start(port)
            client = MilvusClient(node.uri)
            count = client.query("rows", output_fields=["count(*)"], consistency_level="Strong")[0]["count(*)"]
            counted = time.monotonic() - began
            hits = client.search("rows", [probe], limit=1, search_params={"metric_type": "L2"}, consistency_level="Strong")
            searched = time.monotonic() - began
            right = count == rows and hits[0][0]["id"] == 0
            print(f"kill -9 and start {round + 1}: serves after {serving:.2f} s, count(*) {counted:.2f} s, "
                  f"first search {searched:.2f} s, right: {right}")
            if not right:
                raise SystemExit(f"count {count}, hits {hits}")

        client.flush("rows")
        time.sleep(2)
        print(f"after flush: disk {node.disk_mib():.0f} MiB = {node.disk_mib() / raw:.2f} x raw vectors")
        began = time.monotonic()
        node.stop()
        print(f"SIGTERM to end: {time.monotonic() - began:.2f} s")
        print(f"start after a clean stop: {node.start():.2f} s")
        client = MilvusClient(node.uri)
        client.drop_collection("rows")
        node.stop()
        node.start()
        print(f"collection dropped, restarted: disk {node.disk_mib():.0f} MiB")
        node.stop()


main()
