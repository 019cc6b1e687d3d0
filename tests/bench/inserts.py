#!/usr/bin/env python3
"""Durable inserts: rows a second and the latency of one call, for one or several servers in turn.

    VECRAFT_BIN=.../release/vecraft python3 tests/bench/inserts.py [--nodes 1,3] [--uri http://HOST:PORT] [--seconds 20]

Each `--uri` is a server that runs already (a peer), `--pid` its process, whose CPU is counted. Batches are 100 x 128
and 100 x 784, float32, from 1 and 4 client threads; every batch is ready before the clock starts. The servers take turns
in rounds, since machines are noisy. How long the disk takes to sync as many bytes as a call carries is printed first: a
server whose answer means "on disk" cannot be quicker than that, however many calls share one sync.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from functools import partial

import numpy as np
from node import process_seconds, server
from pymilvus import DataType, MilvusClient

ROWS = 100


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", default=os.environ.get("VECRAFT_BIN", "vecraft"))
    options.add_argument("--nodes", default="1,3")
    options.add_argument("--uri", action="append", default=[])
    options.add_argument("--pid", action="append", type=int, default=[], help="of the peer at the --uri in the same place")
    options.add_argument("--seconds", type=float, default=20)
    options.add_argument("--clients", default="1,4")
    options.add_argument("--dims", default="128,784")
    options.add_argument("--rounds", type=int, default=2)
    options = options.parse_args()

    with tempfile.TemporaryDirectory() as directory:
        print(f"fdatasync of {ROWS * 512} bytes: p50 {1000 * sync_seconds(directory):.2f} ms", flush=True)
        servers, started = [], []
        for count in map(int, filter(None, options.nodes.split(","))):
            own = server(options.binary, f"{directory}/{count}", count)
            own.start()
            servers.append((f"{count} node" + "s" * (count > 1), own.uri, own.cpu_seconds))
            started.append(own)
        for place, uri in enumerate(options.uri):
            pid = options.pid[place] if place < len(options.pid) else None
            servers.append((uri, uri, partial(process_seconds, pid) if pid else None))
        for dim in map(int, options.dims.split(",")):
            for clients in map(int, options.clients.split(",")):
                for _ in range(options.rounds):
                    for name, uri, cpu_seconds in servers:
                        measure(name, uri, cpu_seconds, dim, clients, options.seconds)
        for own in started:
            own.stop()


def sync_seconds(directory, calls=100):
    """The median time of a write and fdatasync at the end of a file."""
    took = []
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        for _ in range(calls):
            began = time.monotonic()
            file.write(os.urandom(ROWS * 512))
            os.fdatasync(file.fileno())
            took.append(time.monotonic() - began)
    return statistics.median(took)


def measure(name, uri, cpu_seconds, dim, clients, seconds):
    client = MilvusClient(uri)
    collection = f"rows_{dim}"
    if client.has_collection(collection):
        client.drop_collection(collection)
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
    client.create_collection(collection, schema=schema)
    vectors = np.random.default_rng(7).standard_normal((ROWS, dim), dtype=np.float32)
    latencies, cpu, own_cpu = [], cpu_seconds() if cpu_seconds else 0, time.process_time()
    began = time.monotonic()

    def insert(worker):
        mine, key = MilvusClient(uri), worker * 10**9
        while time.monotonic() < began + seconds:
            batch = [{"id": key + row, "vector": vector} for row, vector in enumerate(vectors)]
            sent = time.monotonic()
            mine.insert(collection, batch)
            latencies.append(time.monotonic() - sent)
            key += ROWS
        mine.close()

    workers = [threading.Thread(target=insert, args=(worker,)) for worker in range(clients)]
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]
    took = time.monotonic() - began
    latencies.sort()
    rows = len(latencies) * ROWS
    part = lambda share: 1000 * latencies[min(len(latencies) - 1, int(share * len(latencies)))]
    spent = f", CPU a call: client {1000 * (time.process_time() - own_cpu) / len(latencies):.2f}"
    spent += f", server {1000 * (cpu_seconds() - cpu) / len(latencies):.2f} ms" if cpu_seconds else " ms"
    print(f"{ROWS} x {dim}, {clients} clients, {name}: {rows / took:.0f} rows/s, p50 {part(.5):.2f} ms, "
          f"p99 {part(.99):.2f} ms{spent}", flush=True)
    client.drop_collection(collection)
    client.close()


main()
