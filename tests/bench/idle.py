#!/usr/bin/env python3
"""An empty server's start, and what 10,000 empty collections cost while nobody asks.

    VECRAFT_BIN=.../release/vecraft python3 tests/bench/idle.py [--collections 10000] [--seconds 60]
    ... --nodes 3 [--groups 2]      three nodes, so many groups a node; the figures are sums

The bytes are those of the loopback device: run it in a network namespace of its own when others use it.
"""

import argparse
import os
import pathlib
import tempfile
import time

from node import await_health, server
from pymilvus import DataType, MilvusClient


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", default=os.environ.get("VECRAFT_BIN", "vecraft"))
    options.add_argument("--collections", type=int, default=10_000)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--nodes", type=int, default=1)
    options.add_argument("--groups", type=int, default=2, help="groups a node, with --nodes")
    options = options.parse_args()
    make = lambda directory: server(options.binary, directory + "/data", options.nodes,
                                    f"[data]\ngroups_per_node = {options.groups}")

    starts = []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as directory:
            node = make(directory)
            began = time.monotonic()
            node.start()
            await_health(node)
            starts.append(time.monotonic() - began)
            node.stop()
    print(f"empty directory to /healthz OK: median {sorted(starts)[2]:.3f} s of {[round(s, 3) for s in starts]}")

    with tempfile.TemporaryDirectory() as directory:
        node = make(directory)
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
    before, sent = node.cpu_seconds(), loopback_bytes()
    time.sleep(seconds)
    share = 100 * (node.cpu_seconds() - before) / seconds
    sent = (loopback_bytes() - sent) / seconds
    resident, anonymous = node.memory_mib()
    print(f"idle {when}: {share:.2f} % of one core over {seconds:.0f} s, {sent:.0f} bytes/s, "
          f"{resident:.0f} MiB resident, {anonymous:.0f} MiB of it anonymous, {node.disk_mib():.0f} MiB on disk")


def loopback_bytes():
    """Bytes sent over the loopback device since it is up."""
    lines = pathlib.Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split(":")[1].split()[8]) for line in lines if line.strip().startswith("lo:"))


main()
