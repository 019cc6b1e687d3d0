#!/usr/bin/env python3
"""Our indexes beside other libraries, over the same vectors on the same machine: queries a second at a recall, build, bytes.

    cargo build --release -p vecraft-index --example curves
    python3 tests/bench/library.py --curves TARGET/release/examples/curves --data fashion.npz [--metric L2] [--seconds 1]
    python3 tests/bench/library.py --curves ... --synthetic 1000000x128

FILE.npz has `train` and `test`; the truth is computed here by faiss's exact scan. Needs numpy, faiss-cpu, and hnswlib and
usearch if they are to be measured. Each gets all queries in one call on one and on two threads, the fastest of several
passes by the clock counts: run it on a machine that does nothing else. Ends with one table and, beside ours, how many
times the best peer's figure it is.
"""

import argparse
import json
import pathlib
import resource
import subprocess
import tempfile
import time

import faiss
import numpy as np
import vectors

K = 10
TARGETS = [0.90, 0.95, 0.99]
EFFORTS = [10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]
PROBES = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256]
GRAPH = "M=16,efConstruction=200"
OURS = [f"HNSW:{GRAPH}", f"HNSW_SQ:{GRAPH},sq_type=SQ8", f"HNSW_SQ:{GRAPH},sq_type=SQ6", f"HNSW_SQ:{GRAPH},sq_type=SQ4",
        "IVF_RABITQ:nlist=512"]
PEERS = ["faiss-hnsw", "faiss-hnsw-sq8", "faiss-ivf", "hnswlib", "usearch-bf16"]


class Faiss:
    """faiss's factory strings."""

    def __init__(self, name, rows, metric):
        lists = int(4 * len(rows) ** 0.5)
        key = {"faiss-hnsw": "HNSW16,Flat", "faiss-hnsw-sq8": "HNSW16,SQ8", "faiss-ivf": f"IVF{lists},Flat"}[name]
        self.efforts = PROBES if "ivf" in name else EFFORTS
        measure = faiss.METRIC_L2 if metric == "L2" else faiss.METRIC_INNER_PRODUCT
        self.index = faiss.index_factory(rows.shape[1], key, measure)
        if "hnsw" in name:
            self.index.hnsw.efConstruction = 200
        faiss.omp_set_num_threads(2)
        self.index.train(rows)
        self.index.add(rows)
        self.bytes = faiss.serialize_index(self.index).nbytes

    def search(self, queries, effort, threads):
        faiss.omp_set_num_threads(threads)
        if hasattr(self.index, "hnsw"):
            self.index.hnsw.efSearch = effort
        else:
            self.index.nprobe = effort
        return self.index.search(queries, K)[1]


class Hnswlib:
    efforts = EFFORTS

    def __init__(self, _, rows, metric):
        import hnswlib

        self.index = hnswlib.Index("l2" if metric == "L2" else "ip", rows.shape[1])
        self.index.init_index(len(rows), M=16, ef_construction=200)
        self.index.add_items(rows, num_threads=2)
        self.bytes = self.index.index_file_size()

    def search(self, queries, effort, threads):
        self.index.set_ef(effort)
        return self.index.knn_query(queries, K, num_threads=threads)[0]


class Usearch:
    efforts = EFFORTS

    def __init__(self, name, rows, metric):
        from usearch.index import Index

        self.index = Index(ndim=rows.shape[1], metric="l2sq" if metric == "L2" else "ip", dtype=name.split("-")[1],
                           connectivity=16, expansion_add=200)
        self.index.add(np.arange(len(rows)), rows, threads=2)
        self.bytes = self.index.serialized_length

    def search(self, queries, effort, threads):
        self.index.expansion_search = effort
        return self.index.search(queries, K, threads=threads).keys


def peer(name, rows, queries, is_found, metric, seconds):
    kind = Faiss if name.startswith("faiss") else Hnswlib if name == "hnswlib" else Usearch
    cpu = lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    before = cpu()
    subject = kind(name, rows, metric)
    told = {"name": name, "build_cpu_s": cpu() - before, "bytes_a_vector": subject.bytes / len(rows), "points": []}
    for effort in subject.efforts:
        qps = []
        for threads in (1, 2):
            best, end = float("inf"), time.perf_counter() + seconds
            while best == float("inf") or time.perf_counter() < end:
                began = time.perf_counter()
                found = subject.search(queries, effort, threads)
                best = min(best, time.perf_counter() - began)
            qps.append(len(queries) / best)
        told["points"].append({"effort": effort, "recall": is_found(np.asarray(found).astype(np.int64)), "qps": qps})
        if told["points"][-1]["recall"] > 0.995:
            break
    return told


def ours(curves, rows, queries, metric, indexes, repeat):
    with tempfile.TemporaryDirectory() as folder:
        base, asked, figures = (f"{folder}/{name}" for name in ("base.f32", "queries.f32", "figures.json"))
        rows.tofile(base)
        queries.tofile(asked)
        subprocess.run([curves, metric, str(rows.shape[1]), base, asked, *indexes, "clock=wall", f"repeat={repeat}",
                        f"efforts={','.join(map(str, EFFORTS[:-2]))}", f"json={figures}"], check=True)
        return [json.loads(line) for line in pathlib.Path(figures).read_text().splitlines()]


def at(points, target, threads):
    """Queries a second at a recall, between the two efforts around it; the least effort's when that is above."""
    if points[0]["recall"] >= target:
        return points[0]["qps"][threads]
    for low, high in zip(points, points[1:]):
        if low["recall"] <= target <= high["recall"]:
            share = (target - low["recall"]) / max(high["recall"] - low["recall"], 1e-9)
            return low["qps"][threads] + share * (high["qps"][threads] - low["qps"][threads])
    return float("nan")


def data(options):
    if options.synthetic:
        rows, dim = map(int, options.synthetic.split("x"))
        return tuple(map(np.ascontiguousarray, vectors.clustered(rows, dim)))
    return vectors.read(options.data, options.metric)


def judge(rows, queries, metric):
    """A function from found row numbers to recall; a row as near as the last true neighbour counts."""
    exact = faiss.IndexFlat(rows.shape[1], faiss.METRIC_L2 if metric == "L2" else faiss.METRIC_INNER_PRODUCT)
    exact.add(rows)
    last = exact.search(queries, K)[0][:, -1]
    sign = 1 if metric == "L2" else -1

    def is_found(found):
        near = rows[np.maximum(found, 0)]
        distances = ((near - queries[:, None]) ** 2).sum(2) if metric == "L2" else (near * queries[:, None]).sum(2)
        good = (sign * distances <= sign * last[:, None] + np.abs(last[:, None]) * 1e-5) & (found >= 0)
        return float(good.sum(1).clip(max=K).mean() / K)

    return is_found


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--curves", required=True, help="our measuring program")
    options.add_argument("--data", help="FILE.npz")
    options.add_argument("--synthetic", help="ROWSxDIM of seeded clusters instead of a file")
    options.add_argument("--metric", choices=["L2", "COSINE"], default="L2")
    options.add_argument("--peers", default=",".join(PEERS))
    options.add_argument("--ours", nargs="*", default=OURS)
    options.add_argument("--seconds", type=float, default=1, help="of passes, for each effort of a peer")
    options.add_argument("--repeat", type=int, default=5, help="passes over ours")
    options = options.parse_args()
    rows, queries = data(options)
    is_found = judge(rows, queries, options.metric)
    mine = ours(options.curves, rows, queries, options.metric, options.ours, options.repeat)
    peers = []
    for name in filter(None, options.peers.split(",")):
        peers.append(peer(name, rows, queries, is_found, options.metric, options.seconds))
        print(name, [(p["effort"], round(p["recall"], 4), round(p["qps"][0])) for p in peers[-1]["points"]], flush=True)
    best = {(target, threads): np.nanmax([at(p["points"], target, threads) for p in peers] or [np.nan])
            for target in TARGETS for threads in (0, 1)}
    print(f"\n{options.data or options.synthetic}, {rows.shape[0]} x {rows.shape[1]}, {options.metric}; queries a second on 1 and 2 threads")
    print("| | build CPU s | bytes a vector | " + " | ".join(f"{t:.2f}: 1 thread, 2" for t in TARGETS) + " |")
    print("|---|---|---|" + "---|" * len(TARGETS))
    for subject in mine + peers:
        cells = []
        for target in TARGETS:
            figures = [at(subject["points"], target, threads) for threads in (0, 1)]
            beside = [f" (x{figure / best[target, threads]:.2f})" if subject in mine else ""
                      for threads, figure in enumerate(figures)]
            cells.append(", ".join("-" if np.isnan(figure) else f"{figure:,.0f}{ratio}" for figure, ratio in zip(figures, beside)))
        beside = " + raw" if subject in mine else ""
        print(f"| {subject['name']} | {subject['build_cpu_s']:.1f} | {subject['bytes_a_vector']:.0f}{beside} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
