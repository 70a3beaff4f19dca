"""Weigh sentences by how much the others resemble them.

The graph of sentences and its stationary distribution are those of LexRank (Erkan and Radev, 2004).
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 2048  # that stems are hashed into; a page has about 150 different ones
LEAST_ALIKE = 0.08  # cosine; less is chance
DAMPING = 0.85
MOST_STEPS = 50
SETTLED = 1e-5

Matrix = NDArray[np.float32]


def vectors(sentences: Sequence[Sequence[str]]) -> Matrix:
    """Return a row of unit length for each sentence: its stems, rarer ones weighing more."""
    number = len(sentences)
    having = Counter(stem for sentence in sentences for stem in set(sentence))
    rows = np.zeros((number, DIMENSIONS), dtype=np.float32)
    for n, sentence in enumerate(sentences):
        for stem, count in Counter(sentence).items():
            place = zlib.crc32(stem.encode()) % DIMENSIONS
            rows[n, place] += np.float32((1 + np.log(count)) * np.log((number + 1) / having[stem] + 0.1))
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-9), dtype=np.float32)


def centrality(rows: Matrix) -> NDArray[np.float64]:
    """Return the weight of each row among the others, the largest 1."""
    if not len(rows):
        return np.zeros(0)
    alike = (rows @ rows.T).astype(np.float64)
    alike[alike < LEAST_ALIKE] = 0.0
    np.fill_diagonal(alike, 0.0)
    alike[alike.sum(axis=1) == 0] = 1.0  # from a sentence that resembles no other, every one is as near
    steps = alike / alike.sum(axis=1, keepdims=True)
    weights = np.full(len(rows), 1 / len(rows))
    for _ in range(MOST_STEPS):
        following = (1 - DAMPING) / len(rows) + DAMPING * (steps.T @ weights)
        if np.abs(following - weights).sum() < SETTLED:
            break
        weights = following
    highest: float = weights.max()
    return np.asarray(weights / highest)
