"""Data sets for the benches: read from FILE.npz or made up, with columns to filter by and the truth under each filter."""

import numpy as np

K = 10


def read(path, metric):
    """`train` and `test` of a file as f32; for COSINE of length one."""
    file = np.load(path)
    train, test = (file[name].astype(np.float32) for name in ("train", "test"))
    if metric == "COSINE":
        train, test = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (train, test))
    return np.ascontiguousarray(train), np.ascontiguousarray(test)


def clustered(rows, dim, queries=1000, clusters=2000, seed=42):
    """Gaussian clusters of uneven sizes that share a few directions: nearer to embeddings than uniform noise is."""
    generator = np.random.default_rng(seed)
    sizes = 1.0 / np.arange(1, clusters + 1)
    centres = generator.standard_normal((clusters, dim), dtype=np.float32)
    shared = generator.standard_normal((16, dim), dtype=np.float32) * 0.3
    which = generator.choice(clusters, rows + queries, p=sizes / sizes.sum())
    noise = generator.standard_normal((rows + queries, dim), dtype=np.float32) * 0.25
    noise += generator.standard_normal((rows + queries, 16), dtype=np.float32) @ shared
    every = centres[which] + noise
    return every[:rows], every[rows:]


def ranked(distances):
    """Where each row stands, in thousandths: 0 to 999."""
    place = np.empty(len(distances), dtype=np.int64)
    place[np.argsort(distances, kind="stable")] = np.arange(len(distances)) * 1000 // len(distances)
    return place


def columns(train):
    """`random`: even chance. `near`: by distance from one row, so that a filter picks a region."""
    centre = train[len(train) // 3]
    random = np.random.default_rng(5).integers(0, 1000, len(train))
    return {"random": random, "near": ranked(((train - centre) ** 2).sum(1))}


def far_queries(train, test):
    """The half of the queries that is farthest from the region of `near`: its filters go against them."""
    distances = ((test - train[len(train) // 3]) ** 2).sum(1)
    return test[np.argsort(-distances)[:len(test) // 2]]


class Truth:
    """The true nearest rows under a filter, by comparing all."""

    def __init__(self, train, metric):
        self.train, self.metric = train, metric

    def worst(self, queries, mask=None, k=K):
        """How far the last true neighbour of each query is; smaller is nearer."""
        rows = self.train if mask is None else self.train[mask]
        worst = []
        for part in np.array_split(queries, max(len(queries) // 100, 1)):
            distances = self.distances(part, rows)
            worst.append(np.partition(distances, min(k, len(rows)) - 1, axis=1)[:, min(k, len(rows)) - 1])
        return np.concatenate(worst)

    def distances(self, queries, rows):
        products = queries @ rows.T
        if self.metric != "L2":
            return -products
        return (queries ** 2).sum(1)[:, None] - 2 * products + (rows ** 2).sum(1)[None]

    def recall(self, queries, found, worst, wanted=K):
        """The share of `wanted` among the found row numbers; one as near as the last true neighbour counts. -1: nothing."""
        near = self.train[np.maximum(found, 0)]
        if self.metric == "L2":
            distances = ((near - queries[:, None]) ** 2).sum(2)
        else:
            distances = -(near * queries[:, None]).sum(2)
        slack = np.abs(worst) * 1e-4 + 1e-5
        good = (distances <= (worst + slack)[:, None]) & (found >= 0)
        return float(good.sum(1).clip(max=wanted).mean() / wanted)
