#!/usr/bin/env python3
"""An empty server's start, and what 10,000 empty collections cost while nobody asks.

    VECRAFT_BIN=.../release/vecraft python3 tests/bench/idle.py [--collections 10000] [--seconds 60]
"""

import argparse
import os
import tempfile
import time

from node import Node
from pymilvus import DataType, MilvusClient


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", default=os.environ.get("VECRAFT_BIN", "vecraft"))
    options.add_argument("--collections", type=int, default=10_000)
    options.add_argument("--seconds", type=float, default=60)
    options = options.parse_args()

    starts = []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as directory:
            node = Node(options.binary, directory + "/data")
            began = time.monotonic()
            node.start()
            assert node.health() == "OK"
            starts.append(time.monotonic() - began)
            node.stop()
    print(f"empty directory to /healthz OK: median {sorted(starts)[2]:.3f} s of {[round(s, 3) for s in starts]}")

    with tempfile.TemporaryDirectory() as directory:
        node = Node(options.binary, directory + "/data")
        node.start()
        client = MilvusClient(node.uri)
        schema = client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=128)
        began = time.monotonic()
        for number in range(options.collections):
            client.create_collection(f"idle_{number}", schema=schema)
        took = time.monotonic() - began
        print(f"{options.collections} collections created in {took:.1f} s, {1000 * took / options.collections:.1f} ms each")
        client.close()
        measure(node, options.seconds, "after creating them")
        node.stop()
        print(f"start with them: {node.start():.2f} s")
        measure(node, options.seconds, "after a restart")
        node.stop()


def measure(node, seconds, when):
    time.sleep(3)
    before = node.cpu_seconds()
    time.sleep(seconds)
    share = 100 * (node.cpu_seconds() - before) / seconds
    resident, anonymous = node.memory_mib()
    print(f"idle {when}: {share:.2f} % of one core over {seconds:.0f} s, "
          f"{resident:.0f} MiB resident, {anonymous:.0f} MiB of it anonymous, {node.disk_mib():.0f} MiB on disk")


main()
