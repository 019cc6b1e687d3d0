#!/usr/bin/env python3
"""A node whose control group may use a quarter of what the vectors take: everything stays right, and nobody is killed.

    VECRAFT_BIN=.../release/vecraft python3 tests/bench/memory.py [--rows 1000000] [--dim 256] [--share 0.25] [--index AUTOINDEX]
            [--index 'IVF_RABITQ:nlist=1024' --search nprobe=32]

Needs root and control groups (v1 or v2). Rows go in by batches; one that is refused for want of memory is sent again, as the answer
says. Then rows are counted, searches compared with the truth, half of the rows deleted, all compared again, the node killed with
SIGKILL and looked at once more. Ends with 1 when a count or a hit is wrong, or when the kernel killed the node.
"""

import argparse
import os
import pathlib
import tempfile
import time

import numpy as np
import vectors
from node import Node, await_health
from pymilvus import DataType, MilvusClient, MilvusException

NAME, BATCH = "rows", 2_000


class Group:
    """A control group of its own with a limit of memory, page cache included."""

    def __init__(self, limit):
        root = pathlib.Path("/sys/fs/cgroup")
        is_v1 = (root / "memory").is_dir()
        self.folder = (root / "memory" if is_v1 else root) / f"vecraft-bench-{os.getpid()}"
        self.folder.mkdir()
        limits = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"] if is_v1 else ["memory.max", "memory.swap.max"]
        for name, value in zip(limits, [limit, limit if is_v1 else 0]):
            if (self.folder / name).exists():
                (self.folder / name).write_text(str(value))
        self.peak_file = self.folder / ("memory.max_usage_in_bytes" if is_v1 else "memory.peak")
        self.events = self.folder / ("memory.oom_control" if is_v1 else "memory.events")

    def take(self, pid):
        (self.folder / "cgroup.procs").write_text(str(pid))

    def kills(self):
        fields = dict(line.split() for line in self.events.read_text().splitlines())
        return int(fields.get("oom_kill", 0))

    def peak_mib(self):
        return int(self.peak_file.read_text()) / 2**20

    def remove(self):
        self.folder.rmdir()


class LimitedNode(Node):
    """A node that lives in a control group from its first instruction on."""

    def __init__(self, binary, directory, group):
        super().__init__(binary, directory)
        self.group = group

    def spawn(self, port=0):
        own = pathlib.Path("/proc/self/cgroup").read_text()
        self.group.take(os.getpid())
        try:
            super().spawn(port)
        finally:
            where = next((line.split(":", 2)[2] for line in own.splitlines() if ":memory:" in line or line.startswith("0::")), "/")
            (self.group.folder.parent / where.strip("/") / "cgroup.procs").write_text(str(os.getpid()))


def insert(client, first, values):
    """Until it is taken; how often it was refused."""
    refused = 0
    while True:
        try:
            client.insert(NAME, [{"id": first + at, "vector": row} for at, row in enumerate(values)])
            return refused
        except MilvusException as error:
            if "memory" not in str(error).lower():
                raise
            refused += 1
            time.sleep(0.2)


def pairs(text):
    """Parameters written as KEY=VALUE;KEY=VALUE, all of them whole numbers."""
    return {key: int(value) for key, value in (pair.split("=") for pair in text.split(";") if pair)}


def check(node, client, train, queries, is_left, search, when):
    """Counts and searches; returns what is wrong."""
    began = time.monotonic()
    count = client.query(NAME, filter="", output_fields=["count(*)"], consistency_level="Strong")[0]["count(*)"]
    wrong = int(count != is_left.sum())
    truth, times, found = vectors.Truth(train, "L2"), [], []
    read_before = node.read_mib()
    for query in queries:
        asked = time.monotonic()
        hits = client.search(NAME, [query], limit=vectors.K, search_params={"params": search})[0]
        times.append(time.monotonic() - asked)
        found.append([hit["id"] for hit in hits])
        wrong += len(set(found[-1])) != vectors.K or not is_left[found[-1]].all()
    read = (node.read_mib() - read_before) / len(queries)
    recall = truth.recall(queries, np.array(found), truth.worst(queries, is_left))
    state = client.describe_index(NAME, "vector")
    print(f"{when}: count {count:,}, recall {recall:.3f}, wrong {wrong}, search p50 {sorted(times)[len(times) // 2] * 1e3:.1f} ms with {read:.1f} MiB read, "
          f"{state.get('pending_index_rows', 0)} rows without their index, {time.monotonic() - began:.1f} s", flush=True)
    return wrong + (recall < 0.9)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", default=os.environ.get("VECRAFT_BIN", "vecraft"))
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--dim", type=int, default=256)
    options.add_argument("--share", type=float, default=0.25)
    options.add_argument("--index", default="AUTOINDEX", help="TYPE or TYPE:KEY=VALUE;KEY=VALUE")
    options.add_argument("--search", default="ef=64", help="KEY=VALUE;KEY=VALUE")
    options.add_argument("--patience", type=float, default=120, help="seconds for indexes before the first look")
    options = options.parse_args()
    train, queries = vectors.clustered(options.rows, options.dim, queries=50)
    limit = int(train.nbytes * options.share)
    print(f"{options.rows:,} x {options.dim}: {train.nbytes / 2**20:.0f} MiB of vectors, the node may use {limit / 2**20:.0f} MiB")
    group, wrong, search = Group(limit), 0, pairs(options.search)
    index_type, _, index_params = options.index.partition(":")
    try:
        with tempfile.TemporaryDirectory() as folder:
            node = LimitedNode(options.binary, folder, group)
            node.start()
            client = MilvusClient(node.uri)
            schema = client.create_schema()
            schema.add_field("id", DataType.INT64, is_primary=True)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=options.dim)
            index = client.prepare_index_params()
            index.add_index("vector", index_type=index_type, metric_type="L2", params=pairs(index_params))
            client.create_collection(NAME, schema=schema, index_params=index)
            began, refused = time.monotonic(), 0
            for first in range(0, options.rows, BATCH):
                refused += insert(client, first, train[first:first + BATCH])
            print(f"inserted in {time.monotonic() - began:.0f} s, refused for want of memory and sent again: {refused}", flush=True)
            client.flush(NAME)
            end = time.monotonic() + options.patience
            while int(client.describe_index(NAME, "vector").get("pending_index_rows", 0)) and time.monotonic() < end:
                time.sleep(1)
            is_left = np.ones(options.rows, dtype=bool)
            wrong += check(node, client, train, queries, is_left, search, "loaded")
            client.delete(NAME, filter=f"id < {options.rows // 2}")
            is_left[:options.rows // 2] = False
            wrong += check(node, client, train, queries, is_left, search, "half deleted")
            client.close()
            node.stop(9)
            took = node.start()
            await_health(node)
            client = MilvusClient(node.uri)
            wrong += check(node, client, train, queries, is_left, search, f"killed and started again in {took:.1f} s")
            kills, peak, anonymous = group.kills(), group.peak_mib(), node.memory_mib()[1]
            print(f"killed by the kernel {kills} times; the group's peak {peak:.0f} MiB of {limit / 2**20:.0f} with its page cache, "
                  f"{anonymous:.0f} MiB not of files at the end")
            client.close()
            node.stop()
            wrong += kills
    finally:
        group.remove()
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
