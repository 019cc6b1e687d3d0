#!/usr/bin/env python3
"""The database inside a program, beside embedded peers: load, searches of one and four callers, and searches under filters.

    cargo build --release -p vecraft-server --example measure_embedded
    python3 tests/bench/embedded.py --measure TARGET/release/examples/measure_embedded --data fashion.npz --metric L2
                                    [--peers zvec,qdrant-edge,lancedb] [--cells load,filters] [--seconds 2]

Filters let 0.1, 1, 10 and 50 % of the rows pass: at random, in a region, and in a region away from the queries. Of each side the
least ef counts whose recall@10 is 0.95 or more (--ef), else the largest with its recall. Needs numpy, psutil and the peers' packages.
Run it on a machine that does nothing else. Vecraft syncs every batch before it answers.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import psutil
import vectors

M, EF_CONSTRUCTION, BATCH = 16, 200, 1000
SHARES = [1, 10, 100, 500]


class Vecraft:
    """Runs the measuring program; the figures are its own."""

    def __init__(self, options):
        self.program, self.metric, self.index = options.measure, options.metric, options.index

    def run(self, folder, train, sets, efs, clients, seconds):
        """For each set of queries with filters: the load, and the cells."""
        folder = pathlib.Path(folder)
        train.tofile(folder / "base.f32")
        columns = vectors.columns(train)
        for name, column in columns.items():
            column.astype(np.int64).tofile(folder / f"{name}.i64")
        answers, loaded = [], None
        for number, (queries, filters) in enumerate(sets):
            queries.tofile(folder / f"queries{number}.f32")
            found = folder / f"found{number}"
            found.mkdir()
            words = [f"dir={folder}/data", f"metric={self.metric}", f"dim={train.shape[1]}", f"base={folder}/base.f32",
                     f"queries={folder}/queries{number}.f32", f"index={self.index}", f"load={'no' if loaded else 'yes'}",
                     "columns=" + ",".join(f"{name}:{folder}/{name}.i64" for name in columns),
                     f"ef={','.join(map(str, efs))}", f"clients={','.join(map(str, clients))}", f"seconds={seconds}",
                     f"filters={'|'.join(filters)}", f"found={found}", f"batch={BATCH}"]
            done = subprocess.run([self.program, *words], check=True, stdout=subprocess.PIPE, text=True).stdout
            lines = [json.loads(line) for line in done.splitlines()]
            loaded = loaded or lines[0] | {"disk_mib": disk_mib(folder / "data")}
            memory = {line["memory"]: line["kib"] / 1024 for line in lines if "memory" in line}
            loaded |= {"rss_mib": memory["RssAnon"], "rss_with_files_mib": memory["VmRSS"]}
            cells = [line for line in lines if "ef" in line]
            for cell in cells:
                cell["keys"] = np.fromfile(cell["found"], dtype=np.int64).reshape(-1, vectors.K)
            answers.append(cells)
        return loaded, answers


class Zvec:
    def create(self, folder, dim, metric):
        import zvec

        self.z = zvec
        zvec.init(log_level=zvec.LogLevel.ERROR)
        kind = zvec.MetricType.L2 if metric == "L2" else zvec.MetricType.COSINE
        number = lambda name: zvec.FieldSchema(
            name, zvec.DataType.INT64, index_param=zvec.InvertIndexParam(enable_range_optimization=True))
        index = zvec.HnswIndexParam(metric_type=kind, m=M, ef_construction=EF_CONSTRUCTION)
        vector = zvec.VectorSchema("vector", zvec.DataType.VECTOR_FP32, dim, index_param=index)
        schema = zvec.CollectionSchema("measured", fields=[number("random"), number("near")], vectors=vector)
        self.table = zvec.create_and_open(folder, schema)

    def insert(self, ids, values, columns):
        doc = lambda at, key: self.z.Doc(id=str(key), vectors={"vector": values[at].tolist()},
                                         fields={name: int(column[at]) for name, column in columns.items()})
        self.table.insert([doc(at, key) for at, key in enumerate(ids)])

    def ready(self):
        self.table.flush()
        self.table.optimize()

    def search(self, query, ef, filter):
        asked = self.z.Query(field_name="vector", vector=query.tolist(), param=self.z.HnswQueryParam(ef=ef))
        more = {"filter": filter} if filter else {}
        return [int(doc.id) for doc in self.table.query(asked, topk=vectors.K, output_fields=[], **more)]


class QdrantEdge:
    def create(self, folder, dim, metric):
        import qdrant_edge as q

        self.q = q
        pathlib.Path(folder).mkdir()
        distance = q.Distance.Euclid if metric == "L2" else q.Distance.Cosine
        index = q.HnswIndexConfig(m=M, ef_construct=EF_CONSTRUCTION, full_scan_threshold=1000)
        optimizers = q.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=1000, max_segment_size=10_000_000)
        config = q.EdgeConfig(vectors=q.EdgeVectorParams(size=dim, distance=distance), hnsw_config=index, optimizers=optimizers)
        self.shard = q.EdgeShard.create(folder, config)

    def insert(self, ids, values, columns):
        point = lambda at, key: self.q.Point(int(key), values[at].tolist(),
                                             {name: int(column[at]) for name, column in columns.items()})
        points = [point(at, key) for at, key in enumerate(ids)]
        self.shard.update(self.q.UpdateOperation.upsert_points(points))

    def ready(self):
        for name in ("random", "near"):
            self.shard.update(self.q.UpdateOperation.create_field_index(name, self.q.PayloadSchemaType.Integer))
        self.shard.optimize()
        self.shard.flush()

    def search(self, query, ef, filter):
        q, condition = self.q, None
        if filter:
            name, _, below = filter.split()
            condition = q.Filter(must=[q.FieldCondition(key=name, range=q.RangeFloat(lt=int(below)))])
        asked = q.QueryRequest(limit=vectors.K, query=q.Query.Nearest(query.tolist()), filter=condition,
                               params=q.SearchParams(hnsw_ef=ef))
        return [point.id for point in self.shard.query(asked)]


class Lance:
    def create(self, folder, dim, metric):
        import lancedb
        import pyarrow

        self.arrow, self.dim, self.metric = pyarrow, dim, "l2" if metric == "L2" else "cosine"
        numbers = [(name, pyarrow.int64()) for name in ("id", "random", "near")]
        schema = pyarrow.schema([*numbers, ("vector", pyarrow.list_(pyarrow.float32(), dim))])
        self.table = lancedb.connect(folder).create_table("measured", schema=schema)

    def insert(self, ids, values, columns):
        array = lambda column: self.arrow.array(column, self.arrow.int64())
        vector = self.arrow.FixedSizeListArray.from_arrays(self.arrow.array(values.reshape(-1)), self.dim)
        self.table.add(self.arrow.table([array(ids), array(columns["random"]), array(columns["near"]), vector],
                                        names=["id", "random", "near", "vector"]))

    def ready(self):
        self.table.optimize()
        self.table.create_index(metric=self.metric, vector_column_name="vector", index_type="IVF_HNSW_FLAT",
                                num_partitions=1, m=M, ef_construction=EF_CONSTRUCTION)
        for name in ("random", "near"):
            self.table.create_scalar_index(name)
        self.table.wait_for_index([index.name for index in self.table.list_indices()])

    def search(self, query, ef, filter):
        asked = self.table.search(query, vector_column_name="vector").select(["id"]).limit(vectors.K).nprobes(1)
        asked = asked.ef(max(ef, vectors.K)).distance_type(self.metric)
        if filter:
            asked = asked.where(filter, prefilter=True)
        return asked.to_arrow()["id"].to_pylist()


PEERS = {"zvec": Zvec, "qdrant-edge": QdrantEdge, "lancedb": Lance}


def disk_mib(folder):
    files = (file for file in pathlib.Path(folder).rglob("*") if file.is_file())
    return sum(file.stat().st_blocks * 512 for file in files) / 2**20


def run_peer(name, metric, folder, train, sets, efs, clients, seconds):
    """The same as Vecraft.run, in this process."""
    side, columns = PEERS[name](), vectors.columns(train)
    process = psutil.Process()
    before, cpu = process.memory_info().rss, sum(process.cpu_times()[:2])
    side.create(f"{folder}/peer", train.shape[1], metric)
    began = time.perf_counter()
    for first in range(0, len(train), BATCH):
        part = slice(first, first + BATCH)
        ids = np.arange(first, min(first + BATCH, len(train)))
        side.insert(ids, train[part], {name: column[part] for name, column in columns.items()})
    inserted = time.perf_counter() - began
    side.ready()
    loaded = {"insert_rows_s": len(train) / inserted, "ready_s": time.perf_counter() - began - inserted,
              "own_cpu_s": sum(process.cpu_times()[:2]) - cpu, "disk_mib": disk_mib(f"{folder}/peer")}
    answers = []
    for queries, filters in sets:
        cells = []
        for filter in filters:
            for ef in efs:
                keys = np.full((len(queries), vectors.K), -1, dtype=np.int64)
                for at, query in enumerate(queries):
                    found = side.search(query, ef, filter)[:vectors.K]
                    keys[at, :len(found)] = found
                for callers in clients:
                    qps, times = drive(side, queries, ef, filter, callers, seconds)
                    cells.append({"filter": filter, "ef": ef, "clients": callers, "qps": qps, "keys": keys,
                                  "p50_ms": times[len(times) // 2], "p99_ms": times[int(len(times) * .99)]})
        answers.append(cells)
    loaded["rss_mib"] = (process.memory_info().rss - before) / 2**20
    return loaded, answers


def drive(side, queries, ef, filter, callers, seconds):
    lists, end = [[] for _ in range(callers)], time.perf_counter() + seconds

    def call(times, at):
        while (began := time.perf_counter()) < end:
            side.search(queries[at % len(queries)], ef, filter)
            times.append((time.perf_counter() - began) * 1e3)
            at += 1

    threads = [threading.Thread(target=call, args=(times, 61 * at)) for at, times in enumerate(lists)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    times = sorted(time for times in lists for time in times)
    return len(times) / seconds, times


def chosen(cells, filter, clients, recall):
    """The least breadth that finds enough, else the largest."""
    of = [cell for cell in cells if (cell["filter"], cell["clients"]) == (filter, clients)]
    return next((cell for cell in of if recall[filter, cell["ef"]] >= 0.95), of[-1])


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--measure", required=True, help="our measuring program")
    options.add_argument("--data", required=True, help="FILE.npz")
    options.add_argument("--metric", choices=["L2", "COSINE"], default="L2")
    options.add_argument("--index", default="AUTOINDEX", help="ours; e.g. 'HNSW_SQ:M=16;efConstruction=200'")
    options.add_argument("--peers", default=",".join(PEERS))
    options.add_argument("--cells", default="load,filters")
    options.add_argument("--ef", default="10,16,24,32,64,128")
    options.add_argument("--seconds", type=float, default=1)
    options.add_argument("--side", help=argparse.SUPPRESS)
    options = options.parse_args()
    train, test = vectors.read(options.data, options.metric)
    filters = [f"{name} < {share}" for name in ("random", "near") for share in SHARES]
    far = vectors.far_queries(train, test)
    sets = [(test, [""])]
    if "filters" in options.cells:
        sets += [(test, filters), (far, filters[len(SHARES):])]
    efs = [int(ef) for ef in options.ef.split(",")]
    if options.side:
        with tempfile.TemporaryDirectory() as folder:
            if options.side == "vecraft":
                loaded, answers = Vecraft(options).run(folder, train, sets, efs, [1, 4], options.seconds)
            else:
                loaded, answers = run_peer(options.side, options.metric, folder, train, sets, efs, [1, 4], options.seconds)
        print(json.dumps([loaded, [[cell | {"keys": cell["keys"].tolist()} for cell in cells] for cells in answers]]))
        return
    # Each side in a process of its own: what one holds in memory is not the other's.
    truth, columns, sides = vectors.Truth(train, options.metric), vectors.columns(train), {}
    for side in ["vecraft", *filter(None, options.peers.split(","))]:
        done = subprocess.run([sys.executable, *sys.argv, "--side", side], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            print(f"{side}: failed", file=sys.stderr)
            continue
        sides[side] = json.loads(done.stdout.splitlines()[-1])
    mask = lambda text: None if not text else columns[text.split()[0]] < int(text.split()[2])
    recalls = {side: [] for side in sides}
    for number, (queries, texts) in enumerate(sets):
        worst = {text: truth.worst(queries, mask(text)) for text in texts}
        wanted = {text: vectors.K if not text else min(vectors.K, int(mask(text).sum())) for text in texts}
        for side, (_, answers) in sides.items():
            recalls[side].append({(cell["filter"], cell["ef"]): truth.recall(
                queries, np.array(cell["keys"]), worst[cell["filter"]], wanted[cell["filter"]]) for cell in answers[number]})
    raw = train.nbytes / 2**20
    print(f"{options.data}, {train.shape[0]} x {train.shape[1]}, {options.metric}, raw vectors {raw:.0f} MiB, ours {options.index}")
    line = lambda *words: print("| " + " | ".join(words) + " |")
    line("", *sides)
    line(*["---"] * (len(sides) + 1))
    figure = lambda key, text="{:,.0f}": [text.format(sides[side][0][key]) for side in sides]
    line("insert, rows/s", *figure("insert_rows_s"))
    line("fully indexed after the last insert, s", *figure("ready_s", "{:.1f}"))
    line("CPU until then, s", *figure("own_cpu_s", "{:.1f}"))
    line("memory beside mapped files (peers: growth), MiB", *figure("rss_mib"))
    line("disk, MiB", *figure("disk_mib"))
    names = ["all rows", "filter", "filter away from the queries"]
    for number, (_, texts) in enumerate(sets):
        for text in texts:
            for clients in (1, 4) if not text else (1,):
                cells = [chosen(sides[side][1][number], text, clients, recalls[side][number]) for side in sides]
                show = lambda side, cell: (f"{cell['qps']:,.0f} QPS, p50 {cell['p50_ms']:.3f} ms, "
                                           f"recall {recalls[side][number][text, cell['ef']]:.3f}, ef {cell['ef']}")
                line(f"{names[number]} {text}, {clients} callers", *(show(side, cell) for side, cell in zip(sides, cells)))


if __name__ == "__main__":
    main()
