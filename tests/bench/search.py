#!/usr/bin/env python3
"""Searches of a server by 1, 4 and 16 callers, beside a Milvus: queries a second, latency, CPU of the server for each.

    VECRAFT_BIN=.../release/vecraft python3 tests/bench/search.py --data fashion.npz --metric L2
        [--peer http://127.0.0.1:19530 --peer-pid PID] [--measure TARGET/release/examples/measure] [--index HNSW] [--swap]

Both sides get the same rows through pymilvus, in batches of 1,000, and the same index (HNSW, M 16, efConstruction 200); of each
the least ef with recall@10 of 0.95 counts. Callers are threads of two processes with pymilvus, then the same with ready-made
requests over plain gRPC, so that what pymilvus costs is told from what a server costs; with --measure, ours over tarpc too.
--swap: what searches feel while as many rows again are inserted, indexed and swapped in, against the same without (ours only).
"""

import argparse
import json
import logging
import multiprocessing
import os
import pathlib
import subprocess
import tempfile
import threading
import time

import grpc
import numpy as np
import psutil
import vectors
from node import Node, await_health
from pymilvus import DataType, MilvusClient

NAME, BATCH, CALLERS = "measured", 1000, (1, 4, 16)
SEARCH = "/milvus.proto.milvus.MilvusService/Search"


def load(uri, train, metric, index, first=0):
    """Makes the collection unless rows are added; returns rows a second, and seconds until all are indexed."""
    client = MilvusClient(uri)
    if not first:
        if client.has_collection(NAME):
            client.drop_collection(NAME)
        schema = client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=train.shape[1])
        client.create_collection(NAME, schema=schema)
    began = time.monotonic()
    for at in range(0, len(train), BATCH):
        client.insert(NAME, [{"id": first + at + i, "vector": row} for i, row in enumerate(train[at:at + BATCH])])
    inserted = time.monotonic() - began
    client.flush(NAME)
    if not first:
        wanted = client.prepare_index_params()
        params = {"M": 16, "efConstruction": 200} if index.startswith("HNSW") else {}
        wanted.add_index("vector", index_type=index, metric_type=metric, params=params)
        client.create_index(NAME, wanted)
        client.load_collection(NAME)
    while int((told := client.describe_index(NAME, "vector")).get("pending_index_rows", 0)) or \
            int(told.get("indexed_rows", len(train))) < first + len(train):
        time.sleep(0.1)
    client.close()
    return len(train) / inserted, time.monotonic() - began - inserted


def search(client, query, metric, ef):
    asked = {"metric_type": metric, "params": {"ef": ef}}
    return client.search(NAME, [query], limit=vectors.K, search_params=asked, consistency_level="Eventually")


def request_bytes(uri, queries, metric, ef):
    """What pymilvus would send, caught on the way: its stub is replaced for these calls."""
    caught = []

    class Stub:
        def Search(self, request, **_):
            caught.append(request.SerializeToString())
            raise RuntimeError("caught")

    client = MilvusClient(uri)
    # It logs what it could not send.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL + 1)
    handler = client._get_connection()
    real, handler._stub = handler._stub, Stub()
    for query in queries:
        try:
            search(client, query, metric, ef)
        except Exception:
            pass
    handler._stub = real
    client.close()
    return caught


def call(uri, way, queries, metric, ef, callers, seconds, answers):
    """Some threads that each wait for their answer before they ask again: milliseconds of every search."""
    lists = [[] for _ in range(callers)]
    if way == "raw":
        ready = request_bytes(uri, queries, metric, ef)
        channels = [grpc.insecure_channel(uri.split("//")[1], options=[("grpc.use_local_subchannel_pool", 1)]) for _ in lists]
        stubs = [channel.unary_unary(SEARCH) for channel in channels]
        asks = [lambda at, stub=stub: stub(ready[at % len(ready)]) for stub in stubs]
    else:
        clients = [MilvusClient(uri) for _ in lists]
        asks = [lambda at, client=client: search(client, queries[at % len(queries)], metric, ef) for client in clients]
    barrier = threading.Barrier(callers)

    def one(ask, times, at):
        ask(at)
        barrier.wait()
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            ask(at)
            times.append((time.perf_counter() - began) * 1e3)
            at += 1

    threads = [threading.Thread(target=one, args=(ask, times, 61 * at)) for at, (ask, times) in enumerate(zip(asks, lists))]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    answers.put([time for times in lists for time in times])


def tree_seconds(pid):
    process = psutil.Process(pid)
    return sum(sum(one.cpu_times()[:2]) for one in [process, *process.children(recursive=True)])


def drive(uri, pid, way, queries, metric, ef, callers, seconds):
    context = multiprocessing.get_context("spawn")
    answers, shares = context.Queue(), [callers] if callers == 1 else [callers // 2] * 2
    processes = [context.Process(target=call, args=(uri, way, queries, metric, ef, share, seconds, answers)) for share in shares]
    before = tree_seconds(pid)
    [process.start() for process in processes]
    times = sorted(time for _ in processes for time in answers.get())
    [process.join() for process in processes]
    cpu = (tree_seconds(pid) - before) * 1e3 / len(times)
    return {"qps": len(times) / seconds, "p50": times[len(times) // 2], "p99": times[int(len(times) * .99)], "cpu": cpu}


def least_ef(uri, queries, metric, truth):
    worst, client = truth.worst(queries), MilvusClient(uri)
    for ef in (10, 12, 16, 24, 32, 48, 64, 96, 128):
        found = np.array([[hit["id"] for hit in search(client, query, metric, ef)[0]] for query in queries])
        if (recall := truth.recall(queries, found, worst)) >= 0.95:
            break
    client.close()
    return ef, recall


def tarpc(options, node, queries, ef, callers, folder):
    """Our own client, by the measuring program; every second process of it."""
    queries.tofile(folder / "queries.f32")
    np.zeros((1, queries.shape[1]), np.float32).tofile(folder / "base.f32")
    before = node.cpu_seconds()
    words = [f"connect={node.addresses['client']}", f"metric={options.metric}", f"dim={queries.shape[1]}", "load=no",
             f"base={folder}/base.f32", f"queries={folder}/queries.f32", f"ef={ef}", f"clients={callers}",
             f"seconds={options.seconds}"]
    done = subprocess.run([options.measure, *words], check=True, stdout=subprocess.PIPE, text=True).stdout
    told = json.loads(done.splitlines()[-1])
    searches = told["qps"] * options.seconds + len(queries)
    return {"qps": told["qps"], "p50": told["p50_ms"], "p99": told["p99_ms"],
            "cpu": (node.cpu_seconds() - before) * 1e3 / searches}


def show(figures):
    return f"{figures['qps']:,.0f} QPS, p50 {figures['p50']:.2f}, p99 {figures['p99']:.2f} ms, server CPU {figures['cpu']:.3f} ms"


def swap(uri, pid, train, queries, options, ef):
    """Searches beside a load of as many rows again, which ends with their indexes in use."""
    still = drive(uri, pid, "raw", queries, options.metric, ef, 1, options.seconds * 3)
    loading = threading.Thread(target=load, args=(uri, train, options.metric, options.index, len(train)))
    began = time.monotonic()
    loading.start()
    during = []
    while loading.is_alive():
        during.append(drive(uri, pid, "raw", queries, options.metric, ef, 1, options.seconds))
    after = drive(uri, pid, "raw", queries, options.metric, ef, 1, options.seconds * 3)
    worst = max(during, key=lambda figures: figures["p99"])
    middle = sorted(figures["p50"] for figures in during)[len(during) // 2]
    print(f"alone: p50 {still['p50']:.2f}, p99 {still['p99']:.2f} ms; while {len(train):,} rows came and were indexed "
          f"({time.monotonic() - began:.0f} s): median p50 {middle:.2f}, worst p50 {max(f['p50'] for f in during):.2f}, "
          f"worst p99 {worst['p99']:.2f} ms; after: p50 {after['p50']:.2f}, p99 {after['p99']:.2f} ms")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", default=os.environ.get("VECRAFT_BIN", "vecraft"))
    options.add_argument("--data", required=True, help="FILE.npz")
    options.add_argument("--metric", choices=["L2", "COSINE"], default="L2")
    options.add_argument("--index", default="HNSW", help="ours; Milvus gets HNSW")
    options.add_argument("--peer", help="http://HOST:PORT of a Milvus")
    options.add_argument("--peer-pid", type=int)
    options.add_argument("--measure", help="our measuring program, for tarpc")
    options.add_argument("--seconds", type=float, default=3)
    options.add_argument("--swap", action="store_true")
    options = options.parse_args()
    train, queries = vectors.read(options.data, options.metric)
    truth = vectors.Truth(train, options.metric)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        node = Node(options.binary, folder / "data")
        node.start()
        await_health(node)
        sides = {"Vecraft": (node.uri, node.process.pid, options.index)}
        if options.peer:
            sides["Milvus"] = (options.peer, options.peer_pid, "HNSW")
        efs = {}
        for side, (uri, pid, index) in sides.items():
            cpu = tree_seconds(pid)
            rate, ready = load(uri, train, options.metric, index)
            efs[side], recall = least_ef(uri, queries, options.metric, truth)
            print(f"{side}, {index}: {rate:,.0f} rows/s, indexed {ready:.1f} s after the last, CPU {tree_seconds(pid) - cpu:.1f} s, "
                  f"ef {efs[side]} finds {recall:.3f}", flush=True)
        if options.swap:
            swap(node.uri, node.process.pid, train, queries, options, efs["Vecraft"])
            node.stop()
            return
        for way in ("pymilvus", "raw"):
            for callers in CALLERS:
                told = {side: drive(uri, pid, way, queries, options.metric, efs[side], callers, options.seconds)
                        for side, (uri, pid, _) in sides.items()}
                ratio = ""
                if "Milvus" in told:
                    ours, theirs = told["Vecraft"], told["Milvus"]
                    ratio = (f" | QPS {ours['qps'] / theirs['qps']:.2f}x, p50 {ours['p50'] / theirs['p50']:.2f}x, "
                             f"CPU {ours['cpu'] / theirs['cpu']:.2f}x")
                print(f"{way}, {callers} callers | {' | '.join(map(show, told.values()))}{ratio}", flush=True)
        for callers in CALLERS if options.measure else ():
            print(f"tarpc, {callers} callers | {show(tarpc(options, node, queries, efs['Vecraft'], callers, folder))}", flush=True)
        node.stop()


if __name__ == "__main__":
    main()
